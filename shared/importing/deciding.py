"""Decides rows of an import as single requests of its sender are decided; nothing of it is written here (job.py)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from shared.access import Identity
from shared.access.permissions import scopes_for
from shared.errors import Problem
from shared.importing.formats import Entry
from shared.importing.kinds import AnyKind, Learner, Row
from shared.importing.known import Known
from shared.importing.models import Import
from shared.importing.rejections import Errors, ImportRefused, errors_of_problem, row_error
from shared.outbox import UnitOfWork, row_of
from shared.service import Service

# So many rows are decided before whatever else this process does has its turn: a millisecond or two.
_ROWS_AT_ONCE = 20
NOTHING = {"created": 0, "updated": 0, "unchanged": 0, "rejected": 0, "left_out": 0}


class Decided(NamedTuple):
    """What rows come to: the changes of the good ones, how many of each sort, and what is reported of others, by their order."""

    works: list[UnitOfWork]
    counts: dict[str, int]
    rejections: list[tuple[int, dict[str, Any]]]

    def report(self, entry: Entry, **why: list[dict[str, Any]]) -> None:
        """Keep what is wrong with a row, or what of it was left out, by the names that the file has for its columns."""
        where = {"sheet": entry.sheet, "line": entry.line} if entry.sheet is not None else {}
        self.rejections.append((entry.order or entry.line, {**where, **why}))

    def reject(self, entry: Entry, errors: Errors) -> None:
        """Keep why a row is not taken."""
        self.report(entry, errors=[{**error, "column": entry.heading_of(error["column"])} for error in errors])


@dataclass
class Taking:
    """An import that is being taken: its row as it stands, and as whom its rows are decided."""

    service: Service
    kind: AnyKind
    row: Import
    # Where the store has its file.
    path: str
    # Of XLSX: its sheets, and what became of each.
    sheets: list[dict[str, str]] = field(default_factory=list)
    # What spoils the rest of its file.
    refused: ImportRefused | None = None

    @cached_property
    def learner(self) -> Learner[Any]:
        """What is learnt for its rows."""
        return self.kind.learner()

    @cached_property
    def caller(self) -> Identity:
        """Who sent it."""
        # Another system may import by the scope for this kind, and no row needs another one.
        scopes = scopes_for(self.kind.action) if self.row.role == "system" else frozenset[str]()
        return Identity(self.row.role, self.row.subject, self.row.unit, self.row.team, scopes)


async def decide(taking: Taking, chunk: Sequence[Entry]) -> Decided:
    """Decide rows with what the database and the rows before them in the chunk say."""
    known = Known(taking.service.database)
    records = await _learn_references(taking, known, chunk)
    await taking.learner.learn(known, taking.caller, [entry.value for entry in chunk if not entry.errors])
    decided = Decided([], dict(NOTHING), [])
    for number, entry in enumerate(chunk):
        if number % _ROWS_AT_ONCE == 0:
            await asyncio.sleep(0)
        if entry.errors:
            outcome, errors = "rejected", entry.errors
        else:
            work = UnitOfWork(known)
            try:
                outcome, errors, left_out = await _decide_row(taking, work, records, entry.value)
                if left_out:
                    decided.report(entry, left_out=left_out)
                    decided.counts["left_out"] += 1
            except Problem as problem:
                if problem.status >= 500:
                    raise
                outcome, errors = "rejected", errors_of_problem(problem, entry.value)
            if outcome in ("created", "updated"):
                decided.works.append(work)
        if errors:
            decided.reject(entry, errors)
        decided.counts[outcome] += 1
    return decided


async def _decide_row(
    taking: Taking, work: UnitOfWork, records: dict[str, object], value: Row
) -> tuple[str, Errors, list[dict[str, str]]]:
    """Let the command of a single request decide a row; what became of it, and what of it was left out."""
    kind, caller, learner = taking.kind, taking.caller, taking.learner
    learner.check(value)
    record = records.get(value.reference) if value.reference is not None else None
    if taking.row.strategy == "upsert":
        if value.reference is None:
            return "rejected", [row_error("reference", "missing", "an upsert finds a record by its reference")], []
        if record is not None:
            reason = f"Nhập dữ liệu {taking.row.id}"
            return "updated" if await kind.correct(work, caller, record, value, reason) else "unchanged", [], []
    if record is None:
        learner.check_new(value)
    made = await kind.create(work, caller, value)
    learner.remember(value)
    return "created", [], [each.model_dump() for each in getattr(made, "left_out", [])]


async def _learn_references(taking: Taking, known: Known, chunk: Sequence[Entry]) -> dict[str, object]:
    """Learn at once which records the references of a chunk became; the records."""
    named = [entry.value.reference for entry in chunk if getattr(entry.value, "reference", None)]
    model = taking.kind.model
    found = await known.learn_references(model, taking.caller.subject, named)
    return {reference: row_of(model, record) for reference, record in found.items()}
