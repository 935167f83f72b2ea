"""Works imports off: rows are read, decided as single requests are, and committed a chunk at a time with the progress.

What a chunk's rows become, what of them was rejected and how far the import is are one transaction: whatever ends
this process, the next one goes on behind the last row that was taken. A file is read again from its beginning then.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import datetime, timedelta
from io import BufferedReader
from itertools import chain, islice
from time import monotonic
from typing import Any, BinaryIO, cast
from uuid import UUID

import asyncpg
import structlog
from cryptography.exceptions import InvalidTag

from shared.days import now
from shared.errors import Changed, Conflict, DatabaseUnavailable, Problem
from shared.files.store import StoreUnavailable, delete, size_of, store_of
from shared.importing import commands, uploads
from shared.importing.deciding import NOTHING, Decided, Taking, decide
from shared.importing.formats import READERS, Entry
from shared.importing.kinds import Imports
from shared.importing.models import Import, ImportRejection
from shared.importing.rejections import (
    FileChanged,
    FileGone,
    FileMissing,
    ImportRefused,
    NotAtomic,
    NotNow,
    RowsRejected,
    TooManyImportRows,
    errors_of_problem,
    row_error,
)
from shared.importing.uploads import BLOCK, SealedFile, path_of
from shared.log import raise_gc_threshold
from shared.outbox import Alone, UnitOfWork, decide_and_commit, row_of
from shared.service import Service, Task

log = structlog.get_logger()

# Small enough that a single request waits a few hundredths of a second for the outbox, large enough that commits cost little.
CHUNK_ROWS, CHUNK_BYTES = 1_000, 4 << 20
# So much may be all or nothing; it is decided as a whole, in memory.
ATOMIC_ROWS, ATOMIC_BYTES = 10_000, 16 << 20
_WAIT_SECONDS = 2.0
# So long a file may be missing from a store that answers: an operator has to mount a disk.
_GONE_AFTER = timedelta(hours=1)
_SWEEP_SECONDS = 3_600

_NEXT = "SELECT * FROM imports WHERE state IN ('queued', 'running') AND id <> ALL ($1::uuid[]) ORDER BY id LIMIT 1"
_LAST = "SELECT max(seq) AS seq, (SELECT max(generation) FROM outbox_generations) AS generation FROM outbox"


# What passes by itself, or when an operator has seen to it: no room for temporary files, a question that took too long,
# a database that another has just taken over from.
_PASSES = (sqlite3.OperationalError, asyncpg.QueryCanceledError, asyncpg.ReadOnlySQLTransactionError)


def work_off(imports: Imports) -> Task:
    """The job that works off what was sent, oldest first; what cannot be taken now lets the others go before."""

    async def run(service: Service) -> None:
        await _work_off(service, imports)

    return run


async def _work_off(service: Service, imports: Imports) -> None:
    raise_gc_threshold()
    await commands.rename_old(service.database)
    swept_at = float("-inf")
    aside: dict[UUID, float] = {}
    while True:
        aside = {id: until for id, until in aside.items() if until > monotonic()}
        row = await service.database.fetchrow(_NEXT, list(aside))
        try:
            if row is not None:
                await take_import(service, imports, row_of(Import, row))
            elif monotonic() - swept_at > _SWEEP_SECONDS:
                swept_at = monotonic()
                await _sweep(service, imports.folder)
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


async def take_import(service: Service, imports: Imports, row: Import) -> None:
    """Take an import from where it is to its end, or until somebody cancels it."""
    taking = Taking(service, imports.kinds[row.of], row, path_of(imports.folder, row.id))
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
    except ImportRefused as problem:
        await _fail(taking, problem)
    except Exception as error:
        # One file that cannot be taken must not keep the others waiting for ever.
        log.exception("import failed", import_id=str(row.id))
        await _fail(taking, error if isinstance(error, Conflict) else Problem())
    await delete(store_of(service.settings), taking.path)


async def _take_rows(taking: Taking) -> None:
    row, service = taking.row, taking.service
    store = store_of(service.settings)
    kept = await size_of(store, taking.path)
    if kept is None:
        since = (row.problem or {}).get("missing_since") or now().isoformat()
        if now() - datetime.fromisoformat(since) > _GONE_AFTER:
            raise FileGone()
        raise FileMissing(missing_since=since)
    file = cast(BinaryIO, BufferedReader(SealedFile(store, taking.path, kept, row.id), BLOCK))
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
            await _take_chunk(taking, first, await decide(taking, first))
            return
    await _take_chunks(taking, chain(first, entries))


async def _take_chunks(taking: Taking, entries: Iterator[Entry]) -> None:
    """Decide each chunk while the one before it is committed; no row of a file is about another's record."""
    committing = asyncio.ensure_future(asyncio.sleep(0))
    try:
        while chunk := await _in_thread(_take, taking, entries):
            decided = await decide(taking, chunk)
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
    """The rows, of which those are wrong that give a reference again. Raises TooManyImportRows."""
    # A table of SQLite goes to the disk when it grows; a million references would be 80 MB in a set.
    with closing(sqlite3.connect("", isolation_level=None, check_same_thread=False)) as seen:
        seen.execute("PRAGMA journal_mode = OFF")
        seen.execute("CREATE TABLE seen (reference TEXT PRIMARY KEY) WITHOUT ROWID")
        seen.execute("BEGIN")
        for number, entry in enumerate(entries):
            if number == most:
                raise TooManyImportRows(most=most)
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
    except ImportRefused as problem:
        # The rows before it are taken.
        taking.refused = problem
    return chunk


async def _take_chunk(taking: Taking, chunk: list[Entry], decided: Decided) -> None:
    """Commit what was decided of rows, with the progress; decide again when a record that they correct has moved on."""
    read = taking.row.rows_read + len(chunk)
    ready: Decided | None = decided

    async def decide_again(work: UnitOfWork) -> Import:
        nonlocal ready
        if ready is None:
            await _require_goes_on(taking)
            ready = await decide(taking, chunk)
        found, ready = ready, None
        if taking.row.atomic and found.counts["rejected"]:
            return _write_down(work, taking, found._replace(works=[]), rows_read=read, **_failed(RowsRejected()))
        return _write_down(work, taking, found, rows_read=read)

    try:
        # Where another was first with a reference, it is seen the next time.
        by = Alone(taking.service.database)
        taking.row, _ = await decide_and_commit(by, decide_again, again=(Changed, Conflict))
    except Conflict as conflict:
        if taking.row.atomic:
            raise
        # The row is found by halving.
        if len(chunk) > 1:
            for half in (chunk[: len(chunk) // 2], chunk[len(chunk) // 2 :]):
                await _take_chunk(taking, half, await decide(taking, half))
            return
        errors = errors_of_problem(conflict, chunk[0].value)
        alone = Decided([], {**NOTHING, "rejected": 1}, [])
        alone.reject(chunk[0], errors)
        await _commit(taking, alone, rows_read=read)


async def _require_goes_on(taking: Taking) -> None:
    """Raise Changed once the import itself is another than the one that is being taken: it was cancelled."""
    is_now = await taking.service.database.fetchrow("SELECT version FROM imports WHERE id = $1", taking.row.id)
    if is_now is None or is_now["version"] != taking.row.version:
        raise Changed()


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
        for order, why in decided.rejections:
            work.add(ImportRejection, import_id=row.id, line=order, why=why)
    return work.change(row, {"problem": None, **values})


async def _wait(taking: Taking, problem: Problem) -> None:
    """Whoever looks sees what it waits for, until it goes on."""
    if taking.row.problem != _shown(problem):
        with suppress(Changed, *_PASSES):
            await _commit(taking, problem=_shown(problem))


async def _fail(taking: Taking, problem: Problem) -> None:
    with suppress(Changed):
        await _commit(taking, **_failed(problem))


def _failed(problem: Problem) -> dict[str, object]:
    return {"state": "failed", "problem": _shown(problem), "ended_at": now()}


def _shown(problem: Problem) -> dict[str, Any]:
    return {"code": problem.name, "message": f"{problem.vi} {problem.en}", **problem.members}


async def _sweep(service: Service, folder: str) -> None:
    """Forget what was rejected long ago, and files that no open import waits for."""
    await service.database.fetch(
        """DELETE FROM import_rejections r USING imports i
        WHERE i.id = r.import_id AND i.ended_at < now() - interval '30 days'"""
    )
    rows = await service.database.fetch("SELECT id FROM imports WHERE state IN ('queued', 'running')")
    await uploads.sweep(service, folder, {row["id"] for row in rows})
