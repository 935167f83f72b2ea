"""One unit of work for each request, many requests for each transaction: rows and their events commit together.

A command adds rows and emits events; nothing of it reaches the database before the edge commits.
The writer takes every unit of work that waits, writes all of them with one statement, which appends
the events to the outbox last, and answers each request only after the commit. The append takes a
lock that the database holds until the commit, so the outbox's order is the order of commits.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy import Table
from sqlmodel import SQLModel
from uuid_utils.compat import uuid7

from shared import events, telemetry
from shared.database import Database, Row, arrays, insert_statement, numbered, table_of, update_statement, width
from shared.days import now
from shared.errors import (
    Changed,
    ClocksDiffer,
    Conflict,
    DatabaseUnavailable,
    KeyInFlight,
    NotFound,
    Overloaded,
    PreconditionFailed,
    Problem,
)

log = structlog.get_logger()


class Position(NamedTuple):
    """A place in one source's outbox. A new generation begins when a database was restored to an earlier time."""

    generation: int
    seq: int


START = Position(1, 0)

# What PostgreSQL does not write. Two batches of two processes that hold the same references, in another order, wait for
# each other; it then ends one of them.
REFUSED = (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError, asyncpg.DeadlockDetectedError)

APPENDED = ("uuid[]", "text[]", "smallint[]", "text[]", "text[]", "text[]")
APPEND = """
INSERT INTO outbox (id, type, dataversion, subject, data, traceparent) SELECT * FROM unnest({})
RETURNING id, seq, (SELECT max(generation) FROM outbox_generations) AS generation
"""
# The database refuses to tell of anything (SQLSTATE CLOCK) while its clock and this one differ by more than 5 s. It looks
# before the outbox's own clock moves, which is never set back.
_CLOCKS_AGREE = "SELECT 0::bigint, NULL::int WHERE NOT outbox_clocks_agree(${}::timestamptz)"
# Beside an answer, the id of the last event that its request told.
_ANSWERED = ("bytea[]", "bytea[]", "smallint[]", "bytea[]", "uuid[]")
_KEEP_ANSWERS = """
INSERT INTO answers (key, fingerprint, status, body, generation, seq)
SELECT key, fingerprint, status, body, generation, seq
FROM unnest({}) AS given (key, fingerprint, status, body, event) LEFT JOIN {} ON appended.id = event
RETURNING 1
"""
_NOTHING_APPENDED = "(VALUES (NULL::uuid, NULL::bigint, NULL::int)) AS appended (id, seq, generation)"


async def dated_ahead(connection: asyncpg.Connection) -> timedelta:
    """How far the newest date in the outbox is ahead of the database's clock, which ran ahead once."""
    ahead: timedelta = await connection.fetchval(
        "SELECT timestamptz 'epoch' + last_value * interval '1 microsecond' - clock_timestamp() FROM outbox_clock"
    )
    return ahead


@cache
def record_of(model: type[SQLModel]) -> str:
    """The question for a record by its id ($1)."""
    return f"SELECT * FROM {table_of(model).name} WHERE id = $1"


class Answer(NamedTuple):
    """The first answer to an Idempotency-Key, its body encrypted with a key that the database does not have."""

    key: bytes
    fingerprint: bytes
    status: int
    body: bytes


class UnitOfWork:
    """What one request changes, gathered while its command decides and committed by the edge."""

    def __init__(self, writer: "Writer", if_match: str | None = None) -> None:
        self._writer = writer
        self._if_match = if_match
        self.added: list[tuple[Table, Row]] = []
        self.changed: list[tuple[Table, Row]] = []
        self.outgoing: list[tuple[UUID, str, int, str, str, str | None]] = []
        self.answer: Answer | None = None
        self.done: asyncio.Future[Position | None] | None = None

    @property
    def database(self) -> Database:
        """For what a command must know before it decides."""
        return self._writer.database

    async def load(self, model: type[SQLModel], id: UUID) -> Row:
        """The record as it stands now; NotFound without one, PreconditionFailed if it is not the one of If-Match."""
        row = await self.look_up(model, id)
        if row is None:
            raise NotFound(id=id)
        etag = f'"{row["version"]}"'
        if self._if_match is not None and not {etag, "*"}.intersection(map(str.strip, self._if_match.split(","))):
            raise PreconditionFailed(id=id, etag=etag)
        return row

    async def look_up(self, model: type[SQLModel], id: UUID) -> Row | None:
        """A record beside the one that If-Match is about, None without one; with what this work has changed of it."""
        for table, changed in self.changed:
            if table is table_of(model) and changed["id"] == id:
                return changed
        row = await self._writer.database.fetchrow(record_of(model), id)
        return dict(row) if row is not None else None

    def add(self, model: type[SQLModel], **values: Any) -> Row:
        """A new record; its columns that are not named stay empty."""
        self.added.append((table_of(model), values))
        return values

    def change(self, model: type[SQLModel], row: Row, **values: Any) -> Row:
        """The loaded record with new values. If it has moved on by the commit, the command is decided again.

        What is changed twice within one work moves one version on.
        """
        others = [each for each in self.changed if each[1] is not row]
        changed = {**row, **values, "version": row["version"] + (len(others) == len(self.changed))}
        self.changed = [*others, (table_of(model), changed)]
        return changed

    def emit(
        self,
        type: str,
        subject: UUID,
        before: events.Fact | None,
        after: events.Fact | None,
        concerns: tuple[str, ...] = (),
        /,
        **links: UUID | None,
    ) -> None:
        """Tell that something happened to `subject`; a counter will see `before` and `after`, never the rest.

        `concerns`: units beside those of the facts whose systems must hear of it.
        """
        named = {name: str(link) for name, link in links.items() if link is not None}
        data = events.encode(events.Change(before, after, named, concerns))
        self.outgoing.append((uuid7(), type, events.DATA_VERSION, str(subject), data, telemetry.traceparent()))

    async def commit(self) -> Position | None:
        """Wait until all of it is durable; the position of its last event, None when it tells of nothing."""
        return await self._writer.commit(self)


class Writer:
    """The one writer of a process: it commits together all that waits when it becomes free."""

    def __init__(self, database: Database, queue: int, batch: int) -> None:
        self.database = database
        self._queue: deque[UnitOfWork] = deque()
        self._most_waiting = queue
        self._most_together = batch
        self._wake = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many works wait for their turn."""
        return len(self._queue)

    async def commit(self, work: UnitOfWork) -> Position | None:
        """Queue the work and wait for its commit. Raises Overloaded at once when too much waits already."""
        if len(self._queue) >= self._most_waiting:
            raise Overloaded()
        work.done = asyncio.get_running_loop().create_future()
        self._queue.append(work)
        self._wake.set()
        return await work.done

    async def run(self) -> None:
        """Commit what waits, for ever; a background task of the service."""
        try:
            while True:
                await self._wake.wait()
                together = [self._queue.popleft() for _ in range(min(len(self._queue), self._most_together))]
                if not self._queue:
                    self._wake.clear()
                await self._commit_together(together)
        finally:
            _fail(self._queue, DatabaseUnavailable())

    async def _commit_together(self, works: Sequence[UnitOfWork]) -> None:
        try:
            telemetry.INTAKE_BATCH.observe(len(works))
            async with self.database.connection() as connection:
                try:
                    await write_together(connection, works)
                except REFUSED:
                    # One bad row never fails its neighbours: each is written alone.
                    for work in works:
                        try:
                            await write_together(connection, [work])
                        except REFUSED as error:
                            # Another process was first with the same Idempotency-Key; its answer is there to be asked for.
                            in_flight = getattr(error, "table_name", None) == "answers"
                            log.warning("write refused", reason=type(error).__name__, in_flight=in_flight)
                            _fail([work], KeyInFlight() if in_flight else Conflict())
        except DatabaseUnavailable as error:
            _fail(works, error)
        except Exception:
            log.exception("write failed")
            _fail(works, Problem())
        finally:
            _fail(works, DatabaseUnavailable())


def _fail(works: Sequence[UnitOfWork] | deque[UnitOfWork], problem: Problem) -> None:
    for work in works:
        if work.done is not None and not work.done.done():
            work.done.set_exception(problem)


async def write_together(connection: asyncpg.Connection, works: Sequence[UnitOfWork]) -> None:
    """Commit these works in one transaction and answer each; one whose record moved on is answered Changed.

    Raises ClocksDiffer, and writes nothing, while this machine and the database do not agree what time it is.
    """
    for last_try in (False, True):
        try:
            await _write_together(connection, works)
            return
        except asyncpg.PostgresError as error:
            if error.sqlstate != "CLOCK":
                raise
            # What a server that stood still took up late was told the time of its sending: it is told once more.
            if last_try:
                log.error("clocks differ", reason=str(error))
                raise ClocksDiffer() from error


async def _write_together(connection: asyncpg.Connection, works: Sequence[UnitOfWork]) -> None:
    stale: list[UnitOfWork] = []
    if any(work.changed for work in works):
        async with connection.transaction():
            works, stale = await _without_stale(connection, works)
            positions = await _write(connection, works)
    else:
        # A statement is a transaction of its own, without a round trip to begin it and one to commit it.
        positions = await _write(connection, works)
    _fail(stale, Changed())
    for work in works:
        if work.done is not None and not work.done.done():
            work.done.set_result(positions.get(id(work)))


async def _write(connection: asyncpg.Connection, works: Sequence[UnitOfWork]) -> dict[int, Position]:
    """Write all that the works change, tell and answer with one statement; the position of each one's last event."""
    inserts: dict[Table, list[Row]] = defaultdict(list)
    updates: dict[Table, list[Row]] = defaultdict(list)
    for work in works:
        for table, row in work.added:
            inserts[table].append(row)
        for table, row in work.changed:
            updates[table].append(row)
    # Tables in one order, as their records were locked in the order of their keys: no two processes wait for each other.
    inserted, updated = sorted(inserts, key=_order), sorted(updates, key=_order)
    outgoing = [event for work in works for event in work.outgoing]
    answers = [(*work.answer, work.outgoing[-1][0] if work.outgoing else None) for work in works if work.answer]
    if not (inserted or updated or outgoing or answers):
        return {}
    values: list[Any] = [array for table in inserted for array in arrays(table, inserts[table])]
    values += [array for table in updated for array in arrays(table, updates[table])]
    values += [list(column) for told in (outgoing, answers) for column in zip(*told, strict=True)]
    statement = _statement(tuple(inserted), tuple(updated), bool(outgoing), bool(answers))
    if outgoing:
        values.append(now())
    rows = await connection.fetch(statement, *values)
    # The outbox's rows come behind one for each table.
    appended = iter(rows[len(inserted) + len(updated) :])
    positions: dict[int, Position] = {}
    for work in works:
        for _ in work.outgoing:
            seq, generation = next(appended)
            positions[id(work)] = Position(generation, seq)
    return positions


@cache
def _statement(inserted: tuple[Table, ...], updated: tuple[Table, ...], tells: bool, answers: bool) -> str:
    """One statement for a whole batch: it inserts into these tables, updates those, appends to the outbox, keeps answers.

    PostgreSQL takes the members of UNION ALL one after the other, so that the outbox's lock is taken as late as can be.
    """
    parts: dict[str, str] = {}
    first = 1
    for table in inserted:
        parts[f"inserted_{table.name}"] = f"{insert_statement(table, first)} RETURNING 1"
        first += width(table)
    for table in updated:
        parts[f"updated_{table.name}"] = f"{update_statement(table, first)} RETURNING 1"
        first += width(table)
    members = [f"SELECT count(*) AS seq, NULL::int AS generation FROM {name}" for name in parts]
    if tells:
        parts["appended"] = APPEND.format(numbered(APPENDED, first))
        members = [_CLOCKS_AGREE.format(first + len(APPENDED) + answers * len(_ANSWERED)), *members]
        members.append("SELECT seq, generation FROM appended")
        first += len(APPENDED)
    if answers:
        appended = "appended" if tells else _NOTHING_APPENDED
        parts["answered"] = _KEEP_ANSWERS.format(numbered(_ANSWERED, first), appended)
        members.append("SELECT count(*), NULL FROM answered")
    named = ", ".join(f"{name} AS ({sql})" for name, sql in parts.items())
    return f"WITH {named} {' UNION ALL '.join(members)}"


@cache
def _order(table: Table) -> int:
    return table.metadata.sorted_tables.index(table)


async def _without_stale(
    connection: asyncpg.Connection, works: Sequence[UnitOfWork]
) -> tuple[list[UnitOfWork], list[UnitOfWork]]:
    """Lock the records that the works change; part the works whose records are as they were read from the others."""
    wanted: dict[Table, set[UUID]] = defaultdict(set)
    for work in works:
        for table, row in work.changed:
            wanted[table].add(row["id"])
    if not wanted:
        return list(works), []
    versions: dict[tuple[Table, UUID], int] = {}
    for table in sorted(wanted, key=_order):
        rows = await connection.fetch(
            f"SELECT id, version FROM {table.name} WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE",
            sorted(wanted[table]),
        )
        versions |= {(table, row["id"]): row["version"] for row in rows}
    current, stale = [], []
    for work in works:
        keys = {(table, row["id"]): row["version"] for table, row in work.changed}
        if all(versions.get(key) == version - 1 for key, version in keys.items()):
            versions |= keys
            current.append(work)
        else:
            stale.append(work)
    return current, stale


async def keep_house(database: Database) -> None:
    """Make the coming months' partitions and forget old answers, each day; a background task of the service."""
    while True:
        await database.fetch("SELECT outbox_make_partitions(13)")
        await database.fetch("DELETE FROM answers WHERE answered_at < now() - interval '30 days'")
        await asyncio.sleep(86_400)
