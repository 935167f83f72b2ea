"""Works imports off: rows are read, decided as single requests are, and committed a chunk at a time with the progress.

What a chunk's rows become, what of them was rejected and how far the import is are one transaction: whatever ends
this process, the next one goes on behind the last row that was taken. A file is read again from its beginning then.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from io import BufferedReader
from itertools import chain, islice
from time import monotonic
from typing import Any, BinaryIO, NamedTuple, cast
from uuid import UUID

import asyncpg
import structlog
from cryptography.exceptions import InvalidTag

from shared import references
from shared.access import Identity
from shared.days import now
from shared.errors import Changed, Conflict, DatabaseUnavailable, Problem
from shared.files.store import StoreUnavailable, delete, kept_under, size_of
from shared.importing import commands
from shared.importing.formats import READERS, Entry
from shared.importing.kinds import Kind, Kinds, Learner
from shared.importing.known import Known
from shared.importing.models import Import, ImportRejection
from shared.importing.rejections import (
    Errors,
    FileChanged,
    FileGone,
    FileMissing,
    FileRefused,
    NotAtomic,
    NotNow,
    RowsRejected,
    TooManyRows,
    errors_of_problem,
    row_error,
)
from shared.importing.uploads import BLOCK, FOLDER, SealedFile, path_of, store_of
from shared.log import collect_seldom
from shared.outbox import Alone, UnitOfWork, decide_and_commit, row_of
from shared.outbox.rows import table_of
from shared.outbox.statements import record_of
from shared.service import Service, Task

log = structlog.get_logger()

# Small enough that a tip waits a few hundredths of a second for the outbox, large enough that commits cost little.
CHUNK_ROWS, CHUNK_BYTES = 1_000, 4 << 20
# So much may be all or nothing; it is decided as a whole, in memory.
ATOMIC_ROWS, ATOMIC_BYTES = 10_000, 16 << 20
# So many rows are decided before whatever else this process does has its turn: a millisecond or two.
_ROWS_AT_ONCE = 20
_WAIT_SECONDS = 2.0
# So long a file may be missing from a store that answers: an operator has to mount a disk.
_GONE_AFTER = timedelta(hours=1)
_SWEEP_SECONDS = 3_600
_NOTHING = {"created": 0, "updated": 0, "unchanged": 0, "rejected": 0, "left_out": 0}

_NEXT = "SELECT * FROM imports WHERE state IN ('queued', 'running') AND id <> ALL ($1::uuid[]) ORDER BY id LIMIT 1"
_LAST = "SELECT max(seq) AS seq, (SELECT max(generation) FROM outbox_generations) AS generation FROM outbox"


# What passes by itself, or when an operator has seen to it: no room for temporary files, a question that took too long,
# a database that another has just taken over from.
_PASSES = (sqlite3.OperationalError, asyncpg.QueryCanceledError, asyncpg.ReadOnlySQLTransactionError)


class Decided(NamedTuple):
    """What rows come to: the changes of the good ones, how many of each sort, and what is told of others, by their place."""

    works: list[UnitOfWork]
    counts: dict[str, int]
    rejections: list[tuple[int, dict[str, Any]]]

    def tell(self, entry: Entry, **why: Any) -> None:
        """Keep what is wrong with a row, or what of it was left out."""
        where = {"sheet": entry.sheet, "line": entry.line} if entry.sheet is not None else {}
        self.rejections.append((entry.place or entry.line, {**where, **why}))


@dataclass
class Taking:
    """An import that is being taken: its row as it stands, and as whom its rows are decided."""

    service: Service
    kind: Kind
    row: Import
    # Of XLSX: its sheets, and what became of each.
    sheets: list[dict[str, str]] = field(default_factory=list)
    # What spoils the rest of its file.
    refused: FileRefused | None = None

    @cached_property
    def learner(self) -> Learner:
        """What is learnt for its rows."""
        return self.kind.learner()

    @cached_property
    def caller(self) -> Identity:
        """Who sent it."""
        # Another system may import by its scope to report, and no row needs another one.
        scopes = frozenset({"report"}) if self.row.role == "system" else frozenset[str]()
        return Identity(self.row.role, self.row.subject, self.row.unit, self.row.team, scopes)


def work_off(kinds: Kinds) -> Task:
    """The job that works off what was sent, oldest first; what cannot be taken now lets the others go before."""

    async def run(service: Service) -> None:
        await _work_off(service, kinds)

    return run


async def _work_off(service: Service, kinds: Kinds) -> None:
    collect_seldom()
    await commands.rename_old(service.database)
    swept_at = float("-inf")
    aside: dict[UUID, float] = {}
    while True:
        aside = {id: until for id, until in aside.items() if until > monotonic()}
        row = await service.database.fetchrow(_NEXT, list(aside))
        try:
            if row is not None:
                await take_import(service, kinds, row_of(Import, row))
            elif monotonic() - swept_at > _SWEEP_SECONDS:
                swept_at = monotonic()
                await _sweep(service)
            else:
                await _more(service)
        except (StoreUnavailable, FileMissing, *_PASSES):
            if row is not None:
                aside[row["id"]] = monotonic() + _WAIT_SECONDS


async def _more(service: Service) -> None:
    """Wait until this process was sent a file, or for a second: another process may have been."""
    bell = commands.bell_of(service)
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            await bell.wait()
    bell.clear()


async def take_import(service: Service, kinds: Kinds, row: Import) -> None:
    """Take an import from where it is to its end, or until somebody cancels it."""
    taking = Taking(service, kinds[row.of], row)
    try:
        await _take_rows(taking)
        if taking.row.state == "running":
            last = await service.database.fetchrow(_LAST)
            position = f"{service.name}:{last['generation']}:{last['seq'] or 0}" if last else None
            sheets = {"sheets": taking.sheets} if taking.row.format == "xlsx" else None
            await _commit(taking, state="done", ended_at=now(), position=position, sheets=sheets)
    except Changed:
        # It was cancelled, or a record that it corrects does not come to rest: look again.
        return
    except (StoreUnavailable, FileMissing) as problem:
        await _wait(taking, problem)
        raise
    except _PASSES as error:
        log.warning("import waits", import_id=str(row.id), reason=f"{type(error).__name__}: {error}"[:300])
        await _wait(taking, NotNow())
        raise
    except DatabaseUnavailable:
        raise
    except FileRefused as problem:
        await _fail(taking, problem)
    except Exception as error:
        # One file that cannot be taken must not keep the others waiting for ever.
        log.exception("import failed", import_id=str(row.id))
        await _fail(taking, error if isinstance(error, Conflict) else Problem())
    await delete(store_of(service), path_of(row.id))


async def _take_rows(taking: Taking) -> None:
    row, service = taking.row, taking.service
    store = store_of(service)
    kept = await size_of(store, path_of(row.id))
    if kept is None:
        since = (row.problem or {}).get("missing_since") or now().isoformat()
        if now() - datetime.fromisoformat(since) > _GONE_AFTER:
            raise FileGone()
        raise FileMissing(missing_since=since)
    file = cast(BinaryIO, BufferedReader(SealedFile(store, kept, row.id), BLOCK))
    taking.sheets.clear()
    entries = _checked(READERS[row.format](file, taking.kind, taking.sheets), service.settings.import_rows)
    first: list[Entry] = []
    if row.rows_read:
        await _in_thread(_pass_over, entries, row.rows_read)
    else:
        whole = False
        if row.atomic is not False:
            first, whole = await _in_thread(_begin, entries)
            if row.atomic and not whole:
                raise NotAtomic()
        if (row.state, row.atomic) != ("running", whole):
            await _commit(taking, state="running", started_at=row.started_at or now(), atomic=whole)
        if whole:
            await _take_chunk(taking, first, await _decide(taking, first))
            return
    await _take_chunks(taking, chain(first, entries))


async def _take_chunks(taking: Taking, entries: Iterator[Entry]) -> None:
    """Decide each chunk while the one before it is committed; no row of a file is about another's record."""
    committing = asyncio.ensure_future(asyncio.sleep(0))
    try:
        while chunk := await _in_thread(_take, taking, entries):
            decided = await _decide(taking, chunk)
            await committing
            committing = asyncio.ensure_future(_take_chunk(taking, chunk, decided))
        await committing
        if taking.refused is not None:
            raise taking.refused
    except asyncio.CancelledError:
        committing.cancel()
        raise
    finally:
        await asyncio.gather(committing, return_exceptions=True)


async def _in_thread(read: Callable[..., Any], *arguments: Any) -> Any:
    """What a thread reads meanwhile. Raises FileChanged for a file that is no longer as it was kept."""
    try:
        return await asyncio.to_thread(read, *arguments)
    except InvalidTag:
        raise FileChanged() from None


def _checked(entries: Iterator[Entry], most: int) -> Iterator[Entry]:
    """The rows, of which those are wrong that give a reference again. Raises TooManyRows."""
    # A table of SQLite goes to the disk when it grows; a million references would be 80 MB in a set.
    with closing(sqlite3.connect("", isolation_level=None, check_same_thread=False)) as seen:
        seen.execute("PRAGMA journal_mode = OFF")
        seen.execute("CREATE TABLE seen (reference TEXT PRIMARY KEY) WITHOUT ROWID")
        seen.execute("BEGIN")
        for number, entry in enumerate(entries):
            if number == most:
                raise TooManyRows(most=most)
            reference = getattr(entry.value, "reference", None)
            if reference is None or seen.execute("INSERT OR IGNORE INTO seen VALUES (?)", (reference,)).rowcount:
                yield entry
            else:
                again = row_error(
                    "reference", "duplicate-reference", "the file has given this reference before", reference
                )
                yield entry._replace(value=None, errors=[again])


def _pass_over(entries: Iterator[Entry], number: int) -> None:
    for _ in islice(entries, number):
        pass


def _begin(entries: Iterator[Entry]) -> tuple[list[Entry], bool]:
    """The first rows, as many as may be all or nothing and one more; whether they are the whole file."""
    first, size = [], 0
    for entry in entries:
        first.append(entry)
        size += entry.size
        if len(first) > ATOMIC_ROWS or size > ATOMIC_BYTES:
            return first, False
    return first, True


def _take(taking: Taking, entries: Iterator[Entry]) -> list[Entry]:
    """The next chunk of a file, empty at its end or where the rest of it is refused."""
    chunk: list[Entry] = []
    size = 0
    try:
        for entry in entries:
            chunk.append(entry)
            size += entry.size
            if len(chunk) == CHUNK_ROWS or size > CHUNK_BYTES:
                break
    except FileRefused as problem:
        # The rows before it are taken.
        taking.refused = problem
    return chunk


async def _take_chunk(taking: Taking, chunk: list[Entry], decided: Decided) -> None:
    """Commit what was decided of rows, with the progress; decide again when a record that they correct has moved on."""
    read = taking.row.rows_read + len(chunk)
    ready: Decided | None = decided

    async def decide(work: UnitOfWork) -> Import:
        nonlocal ready
        if ready is None:
            await _require_goes_on(taking)
            ready = await _decide(taking, chunk)
        found, ready = ready, None
        if taking.row.atomic and found.counts["rejected"]:
            return _write_down(work, taking, found._replace(works=[]), rows_read=read, **_failed(RowsRejected()))
        return _write_down(work, taking, found, rows_read=read)

    try:
        # Where another was first with a reference, it is seen the next time.
        by = Alone(taking.service.database)
        taking.row, _ = await decide_and_commit(by, decide, again=(Changed, Conflict))
    except Conflict as conflict:
        if taking.row.atomic:
            raise
        # The row is found by halving.
        if len(chunk) > 1:
            for half in (chunk[: len(chunk) // 2], chunk[len(chunk) // 2 :]):
                await _take_chunk(taking, half, await _decide(taking, half))
            return
        errors = errors_of_problem(conflict, chunk[0].value)
        alone = Decided([], {**_NOTHING, "rejected": 1}, [])
        alone.tell(chunk[0], errors=errors)
        await _commit(taking, alone, rows_read=read)


async def _require_goes_on(taking: Taking) -> None:
    """Raise Changed once the import itself is another than the one that is being taken: it was cancelled."""
    is_now = await taking.service.database.fetchrow("SELECT version FROM imports WHERE id = $1", taking.row.id)
    if is_now is None or is_now["version"] != taking.row.version:
        raise Changed()


async def _decide(taking: Taking, chunk: list[Entry]) -> Decided:
    known = Known(taking.service.database)
    await taking.learner.learn(known, taking.caller, [entry.value for entry in chunk if not entry.errors])
    records = await _learn_references(taking, known, chunk)
    decided = Decided([], dict(_NOTHING), [])
    for number, entry in enumerate(chunk):
        if number % _ROWS_AT_ONCE == 0:
            await asyncio.sleep(0)
        if entry.errors:
            outcome, errors = "rejected", entry.errors
        else:
            work = UnitOfWork(known)
            try:
                taking.learner.check(entry.value)
                outcome, errors, left_out = await _take_row(taking, work, records, entry.value)
                if left_out:
                    decided.tell(entry, left_out=left_out)
                    decided.counts["left_out"] += 1
            except Problem as problem:
                if problem.status >= 500:
                    raise
                outcome, errors = "rejected", errors_of_problem(problem, entry.value)
            if outcome in ("created", "updated"):
                decided.works.append(work)
        if errors:
            decided.tell(entry, errors=errors)
        decided.counts[outcome] += 1
    return decided


async def _take_row(
    taking: Taking, work: UnitOfWork, records: dict[str, object], value: Any
) -> tuple[str, Errors, list[dict[str, str]]]:
    """Let the command of a single request decide a row; what became of it, and what of it was left out."""
    kind, caller = taking.kind, taking.caller
    if taking.row.strategy == "upsert":
        if value.reference is None:
            return "rejected", [row_error("reference", "missing", "an upsert finds a record by its reference")], []
        record = records.get(value.reference)
        if record is not None:
            reason = f"Nhập dữ liệu {taking.row.id}"
            return "updated" if await kind.correct(work, caller, record, value, reason) else "unchanged", [], []
    made = await kind.create(work, caller, value)
    return "created", [], [each.model_dump() for each in getattr(made, "left_out", [])]


async def _learn_references(taking: Taking, known: Known, chunk: list[Entry]) -> dict[str, object]:
    """Learn at once which records the references of a chunk became; the records."""
    named = [entry.value.reference for entry in chunk if getattr(entry.value, "reference", None)]
    if not named:
        return {}
    model, system = taking.kind.model, taking.caller.subject
    found = await known.fetch(
        f"SELECT * FROM {table_of(model).name} WHERE source_system = $1 AND reference = ANY($2)", system, named
    )
    records = {record["reference"]: record for record in found}
    for reference in named:
        known.answers[(references.record_of(table_of(model)), system, reference)] = records.get(reference)
    for record in found:
        known.answers[(record_of(table_of(model)), record["id"])] = record
    return {reference: row_of(model, record) for reference, record in records.items()}


async def _commit(taking: Taking, decided: Decided | None = None, /, **values: object) -> None:
    """Commit what was decided and the import's new values in one transaction.

    Raises Changed when the import, or a record that a row corrects, is not as it was read, and Conflict when the
    database refuses a row: then nothing is written.
    """
    work = UnitOfWork(taking.service.database)
    changed = _write_down(work, taking, decided, **values)
    await Alone(taking.service.database).commit(work)
    taking.row = changed


def _write_down(work: UnitOfWork, taking: Taking, decided: Decided | None, **values: object) -> Import:
    """What was decided of rows, and the import as it is then."""
    row = taking.row
    if decided is not None:
        values |= {name: getattr(row, name) + count for name, count in decided.counts.items()}
        for each in () if row.dry_run else decided.works:
            work.merge(each)
        for place, why in decided.rejections:
            work.add(ImportRejection, import_id=row.id, line=place, why=why)
    return work.change(row, {"problem": None, **values})


async def _wait(taking: Taking, problem: Problem) -> None:
    """Whoever looks sees what it waits for, until it goes on."""
    if taking.row.problem != _told(problem):
        with suppress(Changed, *_PASSES):
            await _commit(taking, problem=_told(problem))


async def _fail(taking: Taking, problem: Problem) -> None:
    with suppress(Changed):
        await _commit(taking, **_failed(problem))


def _failed(problem: Problem) -> dict[str, object]:
    return {"state": "failed", "problem": _told(problem), "ended_at": now()}


def _told(problem: Problem) -> dict[str, Any]:
    return {"code": problem.name, "message": f"{problem.vi} {problem.en}", **problem.members}


async def _sweep(service: Service) -> None:
    """Forget files that no open import waits for, and what was rejected long ago."""
    await service.database.fetch(
        """DELETE FROM import_rejections r USING imports i
        WHERE i.id = r.import_id AND i.ended_at < now() - interval '30 days'"""
    )
    open_ones = {
        path_of(row["id"])
        for row in await service.database.fetch("SELECT id FROM imports WHERE state IN ('queued', 'running')")
    }
    store, long_ago = store_of(service), now() - timedelta(hours=1)
    async for path, modified_at in kept_under(store, FOLDER):
        # A file that is younger may be of an import whose row is not committed yet.
        if path not in open_ones and modified_at < long_ago:
            await delete(store, path)
