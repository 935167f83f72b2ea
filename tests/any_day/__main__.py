"""Run the tests on days that are not today: `python -m tests.any_day [--on INSTANT …] [pytest's arguments …]`.

The clock of the whole process tree is moved, PostgreSQL and Java included; a C compiler is needed. The whole suite
on every day takes more than an hour.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from deploy.local import kafka, s3
from deploy.local.jars import jars
from shared.days import VIETNAM, now

# By the clock of Viet Nam: before and after the turn of a year, a leap day, the eve and the week of Tết, and a month
# of 28 days from its first evening to its last.
INSTANTS = [
    "2026-12-31 23:58",
    "2027-01-01 00:02",
    "2027-02-05 23:50",
    "2027-02-08 10:00",
    "2027-02-28 23:50",
    "2028-02-29 12:00",
]
# These make environments of packages and are run once before, since nothing is fetched well by a wrong clock.
FETCHING = ["tests/incidents/test_open311.py", "-k", "clients"]
SUITE = ["-n", "2", "--dist", "loadscope", "--no-loadscope-reorder", "-m", "not slow"]


def main() -> None:
    """Run the tests at each instant; the last lines say how each went."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--on", action="append", metavar="INSTANT", help="as 2027-02-05 23:50, in Viet Nam")
    asked, selected = arguments.parse_known_args()
    jars(kafka.LOCK, "Apache Kafka")
    jars(s3.LOCK, "S3Proxy")
    pytest = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    subprocess.run([*pytest, "-q", *FETCHING], check=True)
    went = {}
    with tempfile.TemporaryDirectory(prefix="antt-any-day-") as folder:
        # PostgreSQL, which is another user, loads it too.
        Path(folder).chmod(0o755)
        clock = Path(folder) / "clock.so"
        source = Path(__file__).with_name("clock.c")
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", clock, source], check=True)
        for instant in asked.on or INSTANTS:
            shift = datetime.fromisoformat(instant).replace(tzinfo=VIETNAM) - now()
            moved = {
                "LD_PRELOAD": str(clock),
                "SHIFTED_CLOCK": str(round(shift.total_seconds())),
                # Times of sources are moved too, so compiled ones have their own place.
                "PYTHONPYCACHEPREFIX": f"{folder}/pyc",
            }
            print(f"\n=== {instant} in Viet Nam", flush=True)
            ran = subprocess.run([*pytest, *(selected or SUITE)], env={**os.environ, **moved})
            went[instant] = "passed" if ran.returncode == 0 else f"FAILED ({ran.returncode})"
    print()
    for instant, how in went.items():
        print(f"{instant}  {how}")
    sys.exit(any(how != "passed" for how in went.values()))


if __name__ == "__main__":
    main()
