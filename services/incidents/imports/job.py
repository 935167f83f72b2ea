"""Works imports off: rows are read, decided as single requests are, and committed a chunk at a time with the progress.

What a chunk's rows become, what of them was rejected and how far the import is are one transaction: whatever ends
this process, the next one goes on behind the last row that was taken. A file is read again from its beginning then.
"""

import asyncio
from collections.abc import Iterator
from io import BufferedReader
from itertools import islice
from typing import Any, BinaryIO, NamedTuple, cast

import asyncpg
import obstore
import structlog
from obstore.exceptions import BaseError

from services.incidents.imports.formats import READERS, Entry
from services.incidents.imports.models import Import, ImportRejection
from services.incidents.imports.rows import KINDS_OF_ROWS, Errors, Kind, errors_of_problem
from services.incidents.imports.uploads import BLOCK, SealedFile, path_of
from shared import outbox
from shared.auth import Identity
from shared.database import Database, Row
from shared.days import now
from shared.errors import Changed, Conflict, Problem
from shared.outbox import UnitOfWork, Writer
from shared.service import Service
from shared.store import open_store

log = structlog.get_logger()

# Small enough that a tip waits a few hundredths of a second for the outbox, large enough that commits cost little.
CHUNK_ROWS = 1_000
CHUNK_BYTES = 4 << 20
# So much may be all or nothing.
ATOMIC_ROWS = 10_000
ATOMIC_BYTES = 16 << 20

_OPEN = "SELECT * FROM imports WHERE state IN ('queued', 'running') ORDER BY id LIMIT 1"
_TRIES = 5


class Remembering(Database):
    """What commands ask while a chunk is decided: the same question gets the same answer, and is asked once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.answers: dict[tuple[Any, ...], asyncpg.Record | None] = {}

    async def fetchrow(self, sql: str, *arguments: Any) -> asyncpg.Record | None:
        """The first row of a query, or None."""
        asked = (sql, *arguments)
        if asked in self.answers:
            return self.answers[asked]
        found = await self._database.fetchrow(sql, *arguments)
        if found is not None:
            self.answers[asked] = found
        return found


class Decided(NamedTuple):
    """What a chunk comes to: the changes of its good rows, and what is wrong with the others."""

    works: list[UnitOfWork]
    counts: dict[str, int]
    rejections: list[tuple[int, Errors]]


async def work_off(service: Service) -> None:
    """Work off what was sent, oldest first, for ever."""
    while True:
        row = await service.database.fetchrow(_OPEN)
        if row is None:
            await asyncio.sleep(1)
            continue
        try:
            await run_import(service, dict(row))
        except (BaseError, OSError) as error:
            log.warning("an import waits for the store", import_id=str(row["id"]), reason=type(error).__name__)
            await asyncio.sleep(2)
        except Changed:
            # It was cancelled, or another process has it: look again.
            continue


async def run_import(service: Service, row: Row) -> None:
    """Take an import from where it is to its end. Raises Changed when it is no longer as it was read."""
    kind = KINDS_OF_ROWS[row["of"]]
    file = await asyncio.to_thread(SealedFile, open_store(service.settings), service.secret, row["id"])
    entries = READERS[row["format"]](cast(BinaryIO, BufferedReader(file, BLOCK)), kind)
    if row["state"] == "queued":
        row = await _commit(service, row, state="running", started_at=now())
    await asyncio.to_thread(_pass_over, entries, row["rows_read"])
    while chunk := await asyncio.to_thread(_take, entries):
        row = await _take_chunk(service, row, kind, chunk)
    last = await service.database.fetchrow(
        "SELECT max(seq) AS seq, (SELECT max(generation) FROM outbox_generations) AS generation FROM outbox"
    )
    position = f"{service.name}:{last['generation']}:{last['seq'] or 0}" if last else None
    await _commit(service, row, state="done", ended_at=now(), position=position)
    await obstore.delete_async(open_store(service.settings), path_of(row["id"]))


def _pass_over(entries: Iterator[Entry], number: int) -> None:
    for _ in islice(entries, number):
        pass


def _take(entries: Iterator[Entry]) -> list[Entry]:
    """The next chunk of a file, empty at its end."""
    chunk: list[Entry] = []
    size = 0
    for entry in entries:
        chunk.append(entry)
        size += entry.size
        if len(chunk) == CHUNK_ROWS or size > CHUNK_BYTES:
            break
    return chunk


async def _take_chunk(service: Service, row: Row, kind: Kind, chunk: list[Entry]) -> Row:
    """Decide a chunk and commit it with the progress; again when a record that it corrects has moved on."""
    for tries_left in reversed(range(_TRIES)):
        decided = await _decide(service, row, kind, chunk)
        try:
            return await _commit(service, row, decided, rows_read=row["rows_read"] + len(chunk))
        except (Changed, Conflict):
            if not tries_left:
                raise
    raise AssertionError


async def _decide(service: Service, row: Row, kind: Kind, chunk: list[Entry]) -> Decided:
    caller = Identity(row["role"], row["subject"], row["unit"], row["team"])
    writer = Writer(Remembering(service.database), 0, 0)
    decided = Decided([], {"created": 0, "updated": 0, "unchanged": 0, "rejected": 0}, [])
    for number, entry in enumerate(chunk):
        # Whatever else this process does goes on meanwhile.
        if number % 20 == 0:
            await asyncio.sleep(0)
        errors = entry.errors
        if not errors:
            work = UnitOfWork(writer)
            try:
                await kind.create(work, caller, entry.value)
                decided.works.append(work)
                decided.counts["created"] += 1
            except Problem as problem:
                if problem.status >= 500:
                    raise
                errors = errors_of_problem(problem, entry.value)
        if errors:
            decided.rejections.append((entry.line, errors))
            decided.counts["rejected"] += 1
    return decided


async def _commit(service: Service, row: Row, decided: Decided | None = None, **values: Any) -> Row:
    """Commit what was decided and the import's new values in one transaction; the import as it is now.

    Raises Changed when the import, or a record that a row corrects, is not as it was read: then nothing is written.
    """
    work = UnitOfWork(service.writer)
    if decided is not None:
        values |= {name: row[name] + count for name, count in decided.counts.items()}
        for each in decided.works if not row["dry_run"] else ():
            work.added += each.added
            work.changed += each.changed
            work.outgoing += each.outgoing
        for line, errors in decided.rejections:
            work.add(ImportRejection, import_id=row["id"], line=line, why={"errors": errors})
    changed = work.change(Import, row, **values)
    work.done = asyncio.get_running_loop().create_future()
    async with service.database.connection() as connection:
        try:
            await outbox.write_together(connection, [work])
        except (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError) as error:
            log.warning("import refused by the database", import_id=str(row["id"]), reason=type(error).__name__)
            raise Conflict() from error
    await work.done
    return changed
