"""What a run of the tests left out stands on its last lines."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SOME = """
import pytest

@pytest.mark.skipif(True, reason="needs a unicorn")
@pytest.mark.parametrize("n", [1, 2])
def test_ridden(n): ...

def test_plain(): ...

@pytest.mark.slow
def test_flood(): ...
"""


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "two-workers"])
def test_the_last_lines_of_a_run_say_what_it_left_out_and_why(tmp_path: Path, workers: list[str]) -> None:
    (tmp_path / "test_some.py").write_text(SOME)
    command = [sys.executable, "-m", "pytest", "-p", "tests.left_out", "-c", str(ROOT / "pyproject.toml")]
    command += ["--rootdir", str(tmp_path), "-p", "no:cacheprovider", *workers]
    some = subprocess.run([*command, "-m", "not slow", str(tmp_path)], cwd=ROOT, text=True, capture_output=True)
    assert some.stdout.splitlines()[-2:] == [
        "Left out: 2 tests, needs a unicorn",
        "Left out: 1 test, slow: make test-all runs them",
    ], some.stdout + some.stderr
    plain = [*command, str(tmp_path), "-k", "plain"]
    assert (
        subprocess.run(plain, cwd=ROOT, text=True, capture_output=True).stdout.splitlines()[-1] == "Left out: nothing"
    )
