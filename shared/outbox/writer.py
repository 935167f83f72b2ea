"""Many requests for each transaction: rows and their events commit together.

The writer takes the units of work that wait, writes them with one statement, which appends the events to the outbox
last, and answers each request only after the commit. The append takes a lock that the database holds until the
commit, so the outbox's order is the order of commits.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple, Protocol, TypeVar
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy import Table

from shared import telemetry
from shared.database import Database
from shared.days import now
from shared.errors import Changed, ClocksDiffer, Conflict, DatabaseUnavailable, KeyInFlight, Overloaded, Problem
from shared.outbox.rows import table_of_row
from shared.outbox.statements import arrays, batch_statement, order_of
from shared.outbox.unit_of_work import Position, UnitOfWork

log = structlog.get_logger()

# What PostgreSQL does not write. Two batches of two processes that hold the same references, in another order, wait for
# each other; it then ends one of them.
_REFUSED = (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError, asyncpg.DeadlockDetectedError)
_TRIES = 5
# From twice so many on, works that come at once are two batches.
_WORTH_A_BATCH = 16

Decision = TypeVar("Decision")


async def dated_ahead(connection: asyncpg.Connection) -> timedelta:
    """How far the newest date in the outbox is ahead of the database's clock, which ran ahead once."""
    ahead: timedelta = await connection.fetchval(
        "SELECT timestamptz 'epoch' + last_value * interval '1 microsecond' - clock_timestamp() FROM outbox_clock"
    )
    return ahead


class Commits(Protocol):
    """What commits units of work: the writer of a process, or `Alone`."""

    @property
    def database(self) -> Database:
        """Where it commits."""

    async def commit(self, work: UnitOfWork) -> Position | None:
        """Return once the work is durable: the position of its last event, None where it emits none.

        Raises Changed where a record that it changes has moved on, Conflict where the database refuses it, and
        DatabaseUnavailable; then nothing of it is written, or with DatabaseUnavailable maybe all.
        """


async def decide_and_commit(
    by: Commits,
    decide: Callable[[UnitOfWork], Awaitable[Decision]],
    if_match: str | None = None,
    again: tuple[type[Problem], ...] = (Changed,),
) -> tuple[Decision, Position | None]:
    """Decide and commit; what fails with one of `again` is decided anew, with what others wrote meanwhile, five times at most."""
    for tries_left in reversed(range(_TRIES)):
        work = UnitOfWork(by.database, if_match)
        decision = await decide(work)
        try:
            return decision, await by.commit(work)
        except again:
            if not tries_left:
                raise
    raise AssertionError


class _Waiting(NamedTuple):
    work: UnitOfWork
    done: asyncio.Future[Position | None]


class Writer:
    """The one writer of a process: it commits together all that waits, in two batches at a time at most.

    While the database writes one of them, the service answers the other and decides what comes next; with one alone they
    wait for each other in turn. A second batch begins once as many works wait as are on their way, and of many that come
    at once only half are taken: smaller ones would not be worth their fixed cost. Works of two batches commit in any order.
    """

    def __init__(self, database: Database, queue: int, batch: int) -> None:
        self.database = database
        self._queue: deque[_Waiting] = deque()
        self._most_waiting = queue
        self._most_together = batch
        # How many works each batch on its way has.
        self._on_their_way: dict[asyncio.Task[None], int] = {}
        self._wake = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many works wait for their turn."""
        return len(self._queue)

    async def commit(self, work: UnitOfWork) -> Position | None:
        """Queue the work and wait for its commit. Raises Overloaded at once when too much waits already."""
        if work.is_empty:
            return None
        if len(self._queue) >= self._most_waiting:
            raise Overloaded()
        done: asyncio.Future[Position | None] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(work, done))
        if self._may_begin():
            self._wake.set()
        return await done

    async def run(self) -> None:
        """Commit what waits, for ever; a background task of the service."""
        try:
            async with asyncio.TaskGroup() as batches:
                while True:
                    await self._wake.wait()
                    self._wake.clear()
                    while self._may_begin():
                        together = [self._queue.popleft() for _ in range(self._next_size())]
                        batch = batches.create_task(self._commit_together(together))
                        self._on_their_way[batch] = len(together)
                        batch.add_done_callback(self._end)
        finally:
            # What was answered so is not committed later, when the task begins anew.
            _fail(self._queue, DatabaseUnavailable())
            self._queue.clear()

    def _may_begin(self) -> bool:
        on_their_way = list(self._on_their_way.values())
        return len(on_their_way) < 2 and len(self._queue) >= (on_their_way or [1])[0]

    def _next_size(self) -> int:
        waiting = len(self._queue)
        halved = waiting >= 2 * _WORTH_A_BATCH and not self._on_their_way
        return min(waiting // 2 if halved else waiting, self._most_together)

    def _end(self, batch: asyncio.Task[None]) -> None:
        del self._on_their_way[batch]
        self._wake.set()

    async def _commit_together(self, together: list[_Waiting]) -> None:
        try:
            telemetry.INTAKE_BATCH.observe(len(together))
            async with self.database.connection() as connection:
                try:
                    _answer(together, await _write_together(connection, [each.work for each in together]))
                except _REFUSED:
                    # One bad row never fails its neighbours: each is written alone.
                    for each in together:
                        try:
                            _answer([each], await _write_together(connection, [each.work]))
                        except _REFUSED as error:
                            _fail([each], _refusal(error))
        except DatabaseUnavailable as error:
            _fail(together, error)
        except Exception:
            log.exception("write failed")
            _fail(together, Problem())
        finally:
            _fail(together, DatabaseUnavailable())


class Alone(NamedTuple):
    """Commits each work in a transaction of its own beside the writer: bulk work, behind which no request queues."""

    database: Database

    async def commit(self, work: UnitOfWork) -> Position | None:
        """Commit the work now."""
        async with self.database.connection() as connection:
            try:
                [outcome] = await _write_together(connection, [work])
            except _REFUSED as error:
                raise _refusal(error) from error
        if isinstance(outcome, Changed):
            raise outcome
        return outcome


def _answer(waiting: Sequence[_Waiting], outcomes: Sequence[Position | Changed | None]) -> None:
    for each, outcome in zip(waiting, outcomes, strict=True):
        if each.done.done():
            continue
        if isinstance(outcome, Changed):
            each.done.set_exception(outcome)
        else:
            each.done.set_result(outcome)


def _fail(waiting: Iterable[_Waiting], problem: Problem) -> None:
    for each in waiting:
        if not each.done.done():
            each.done.set_exception(problem)


def _refusal(error: asyncpg.PostgresError) -> Problem:
    # Another process was first with the same Idempotency-Key; its answer is there to be asked for.
    in_flight = getattr(error, "table_name", None) == "answers"
    log.warning("write refused", reason=type(error).__name__, in_flight=in_flight)
    return KeyInFlight() if in_flight else Conflict()


async def _write_together(
    connection: asyncpg.Connection, works: Sequence[UnitOfWork]
) -> list[Position | Changed | None]:
    """Commit these works in one transaction; for each its last event's position, or Changed if its record has moved on.

    Raises ClocksDiffer, and writes nothing, while this machine and the database do not agree what time it is.
    """
    for last_try in (False, True):
        try:
            return await _write_once(connection, works)
        except asyncpg.PostgresError as error:
            if error.sqlstate != "CLOCK":
                raise
            # What a server that stood still took up late was given the time of its sending: it is sent once more.
            if last_try:
                log.error("clocks differ", reason=str(error))
                raise ClocksDiffer() from error
    raise AssertionError


async def _write_once(connection: asyncpg.Connection, works: Sequence[UnitOfWork]) -> list[Position | Changed | None]:
    if not any(work.changed for work in works):
        # A statement is a transaction of its own, without a round trip to begin it and one to commit it.
        positions = await _write(connection, works)
        return [positions.get(id(work)) for work in works]
    async with connection.transaction():
        current, stale = await _without_stale(connection, works)
        positions = await _write(connection, current)
    return [Changed() if id(work) in stale else positions.get(id(work)) for work in works]


async def _write(connection: asyncpg.Connection, works: Sequence[UnitOfWork]) -> dict[int, Position]:
    """Write all that the works change, tell and answer with one statement; the position of each one's last event."""
    inserts: dict[Table, list[object]] = defaultdict(list)
    updates: dict[Table, list[object]] = defaultdict(list)
    for work in works:
        for row in work.added:
            inserts[table_of_row(row)].append(row)
        for row in work.changed:
            updates[table_of_row(row)].append(row)
    # Tables in one order, as their records were locked in the order of their keys: no two processes wait for each other.
    inserted, updated = sorted(inserts, key=order_of), sorted(updates, key=order_of)
    outgoing = [event for work in works for event in work.outgoing]
    answers = [(*work.answer, work.outgoing[-1][0] if work.outgoing else None) for work in works if work.answer]
    if not (inserted or updated or outgoing or answers):
        return {}
    values: list[Any] = [array for table in inserted for array in arrays(table, inserts[table])]
    values += [array for table in updated for array in arrays(table, updates[table])]
    values += [list(column) for rows in (outgoing, answers) for column in zip(*rows, strict=True)]
    statement = batch_statement(tuple(inserted), tuple(updated), bool(outgoing), bool(answers))
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


async def _without_stale(
    connection: asyncpg.Connection, works: Sequence[UnitOfWork]
) -> tuple[list[UnitOfWork], set[int]]:
    """Lock the records that the works change: the works whose records are as they were read, and the `id()` of the others."""
    wanted: dict[Table, set[UUID]] = defaultdict(set)
    for work in works:
        for row in work.changed:
            wanted[table_of_row(row)].add(row.id)
    versions: dict[tuple[Table, UUID], int] = {}
    for table in sorted(wanted, key=order_of):
        rows = await connection.fetch(
            f"SELECT id, version FROM {table.name} WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE",
            sorted(wanted[table]),
        )
        versions |= {(table, row["id"]): row["version"] for row in rows}
    current, stale = [], set()
    for work in works:
        keys = {(table_of_row(row), row.id): row.version for row in work.changed}
        if all(versions.get(key) == version - 1 for key, version in keys.items()):
            versions |= keys
            current.append(work)
        else:
            stale.add(id(work))
    return current, stale


async def maintain(database: Database) -> None:
    """Make the coming months' partitions and forget old answers, each day; a background task of the service."""
    while True:
        await database.fetch("SELECT outbox_make_partitions(13)")
        await database.fetch("DELETE FROM answers WHERE answered_at < now() - interval '30 days'")
        await asyncio.sleep(86_400)
