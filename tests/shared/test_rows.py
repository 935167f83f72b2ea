"""Rows as mypy sees them: what a command adds, reads and changes fits the table, or it is an error."""

import re
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]

# All columns without a default but three, which are declared in three ways: by their type, as an instant, as a word.
COLUMNS = """id=id, unit="2025:79", content="x", named=False, supplied_by="citizen", state="received",
        handled_by="2025:79", receipt_hash=b"", recorded_by="anyone\""""

# A line that ends in a comment is that error; no other line is one.
SNIPPET = f"""
from datetime import date, datetime
from uuid import UUID

from services.incidents.tips.models import Tip
from shared.events.incidents import TipState
from shared.outbox import UnitOfWork


async def command(work: UnitOfWork, id: UUID, day: date, at: datetime) -> TipState:
    work.add(
        Tip, received_on=day, received_at=at, channel="app", topic="drugs", {COLUMNS})
    work.add(  # call-arg
        Tip, received_on=day, received_at=at, channel="app", topik="drugs", {COLUMNS})
    work.add(  # call-arg
        Tip, received_at=at, channel="app", {COLUMNS})
    work.add(  # call-arg
        Tip, received_on=day, channel="app", {COLUMNS})
    work.add(  # call-arg
        Tip, received_on=day, received_at=at, {COLUMNS})
    work.add(
        Tip, received_on="today",  # arg-type
        received_at=at, channel="app", {COLUMNS})
    tip = await work.load(Tip, id)
    print(tip.stat)  # attr-defined
    draft = work.change(tip)
    draft.statee = "notified"  # attr-defined
    draft.state = "notifyed"  # assignment
    draft.received_on = None  # assignment
    draft.state = "notified"
    return draft.state
"""


def test_what_does_not_fit_a_table_is_an_error_of_mypy(tmp_path: Path) -> None:
    snippet = tmp_path / "commands_that_do_not_fit.py"
    snippet.write_text(SNIPPET)
    # In the project's folder, for its settings and what it knows already of the modules that are imported.
    mypy = subprocess.run([sys.executable, "-m", "mypy", str(snippet)], cwd=PROJECT, capture_output=True, text=True)
    found = re.findall(r"^.*commands_that_do_not_fit\.py:(\d+): error: .*\[([a-z-]+)\]$", mypy.stdout, re.MULTILINE)
    lines = enumerate(SNIPPET.splitlines(), 1)
    wanted = [(str(number), line.split("  # ")[1]) for number, line in lines if "  # " in line]
    assert found == wanted, mypy.stdout + mypy.stderr
    assert f"Found {len(wanted)} errors in 1 file" in mypy.stdout
