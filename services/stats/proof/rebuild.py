"""Counts everything anew from the log, beside the counters that serve, and swaps the new set in at their position.

It is how an indicator gets its history, how counters follow a source that was recovered, and a proof:
what differs between the two sets at the same position is named. Answers and counting go on meanwhile;
the consumer waits only while the last few events are counted, finds its set gone, and begins again.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from time import monotonic
from typing import NamedTuple

import asyncpg

from services.stats import counting
from services.stats.counting import Cells, Counted, CountingSet, Dead
from services.stats.proof.differences import Comparison, compare
from shared.database import Database
from shared.log import CountedBeyondRecovery, Log, Mark, Record, Source, SourceWentBack, open_log, sources_of
from shared.settings import Settings

_LOCK = 7305
# Cells of own units that are summed before they are written: some 60 MB with what is spread from them.
_CELLS_AT_ONCE = 50_000
_MOST_NAMED = 50
# So long may a log be silent that has not yet brought what was counted from it before.
_PATIENCE_SECONDS = 30
# A reader asks for the set and then for its rows; whoever asked before the swap has long read them by then.
_GRACE_SECONDS = 1.0

Recovered = dict[Source, dict[int, int]]


class RebuildRunning(Exception):
    """Another rebuild is at work on this database."""


class LogIsSilent(Exception):
    """The log does not bring the events that were counted from it before; its relay may be down."""


class Rebuilt(NamedTuple):
    """What a rebuild did: the new set and its positions, the events counted, the indicators that are new in it,
    what differs from the old set, and how many events could not be counted."""

    set_id: int
    positions: dict[Source, Mark]
    events: int
    new_indicators: list[str]
    comparison: Comparison
    uncounted: int


class _BeginAgain(Exception):
    """A recovery took back events that this attempt has counted already, or the position it was to stop at."""

    def __init__(self, source: Source, generation: int, after_seq: int) -> None:
        super().__init__(f"generation {generation} of {source.label} begins after {after_seq}")
        self.source, self.generation, self.after_seq = source, generation, after_seq


async def rebuild(settings: Settings) -> Rebuilt:
    """Count anew and swap. Raises RebuildRunning, LogIsSilent, or SourceWentBack where `antt recover` comes first."""
    # Neither its long transactions nor its reading may be ended by the limit that holds for requests.
    database = Database(settings.database_url("stats"), 1, 0)
    await database.open()
    try:
        async with database.connection() as connection:
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
                raise RebuildRunning("another rebuild is running")
            recovered: Recovered = {source: {} for source in sources_of(settings)}
            while True:
                await _remove_sets_that_do_not_serve(connection)
                try:
                    return await _rebuild(settings, connection, recovered)
                except _BeginAgain as again:
                    recovered[again.source][again.generation] = again.after_seq
    finally:
        await database.close()


async def remove_old_sets(settings: Settings) -> None:
    """Remove the tables that a swap left behind, once nobody reads them any more."""
    database = Database(settings.database_url("stats"), 1, 0)
    await database.open()
    try:
        await asyncio.sleep(_GRACE_SECONDS)
        async with database.connection() as connection:
            if await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
                await _remove_sets_that_do_not_serve(connection)
    finally:
        await database.close()


async def _remove_sets_that_do_not_serve(connection: asyncpg.Connection) -> None:
    for row in await connection.fetch("SELECT id FROM counter_sets WHERE NOT serving"):
        async with connection.transaction():
            for table in counting.tables(row["id"]):
                await connection.execute(f"DROP TABLE IF EXISTS {table}")
            await connection.execute("DELETE FROM counter_sets WHERE id = $1", row["id"])


async def _rebuild(settings: Settings, connection: asyncpg.Connection, recovered: Recovered) -> Rebuilt:
    sources = tuple(recovered)
    old = await counting.serving_set(connection, sources)
    async with connection.transaction():
        new = await counting.make_set(connection, sources, serving=False)
    filling = _Filling(settings, connection, new, recovered)
    for source, (goal, *_) in (await counting.progress_of(connection, old.id, sources)).items():
        await filling.count_to(source, goal, to_the_end=True)
    for table in counting.tables(new.id):
        await connection.execute(f"ANALYZE {table}")
    both = [name for name in new.lanes if name in old.lanes]
    # One snapshot of the serving set is compared, at exactly its position, while the consumer goes on.
    async with connection.transaction(isolation="repeatable_read"):
        for source, (goal, *_) in (await counting.progress_of(connection, old.id, sources)).items():
            await filling.count_to(source, goal)
        was, now = counting.tables(old.id)[0], counting.tables(new.id)[0]
        comparison = await compare(connection, was, now, both, _MOST_NAMED)
    async with connection.transaction():
        # From here to the commit the consumer waits.
        for source, (goal, *_) in (await counting.progress_of(connection, old.id, sources, "FOR UPDATE")).items():
            await filling.count_to(source, goal)
        await _swap(connection, old, new)
        for source, mark in filling.marks.items():
            await counting.wake_readers(connection, source, mark)
    uncounted = await connection.fetchval("SELECT count(*) FROM dead_letters WHERE set_id = $1", new.id)
    added = [name for name in new.lanes if name not in old.lanes]
    return Rebuilt(new.id, filling.marks, filling.events, added, comparison, uncounted)


async def _swap(connection: asyncpg.Connection, old: CountingSet, new: CountingSet) -> None:
    await connection.execute(
        """UPDATE positions SET watermark = before.watermark FROM positions before
        WHERE positions.set_id = $1 AND before.set_id = $2 AND before.source = positions.source""",
        new.id,
        old.id,
    )
    await connection.execute("UPDATE counter_sets SET serving = false WHERE id = $1", old.id)
    await connection.execute("UPDATE counter_sets SET serving = true WHERE id = $1", new.id)
    # The consumer finds no position of its set to move, and begins again on the new one.
    await connection.execute("DELETE FROM positions WHERE set_id = $1", old.id)


class _Filling:
    """The set that is being filled, and how far it is."""

    def __init__(
        self, settings: Settings, connection: asyncpg.Connection, counters: CountingSet, recovered: Recovered
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._counters = counters
        self._recovered = recovered
        self._log = open_log(settings)
        self._failed = dict.fromkeys(recovered, 0)
        self.marks: dict[Source, Mark] = dict.fromkeys(recovered, Mark())
        self.events = 0

    async def count_to(self, source: Source, goal: Mark, to_the_end: bool = False) -> None:
        """Count a source up to exactly the goal; where a recovery took the goal back, up to the log's end.

        With `to_the_end` the events behind the goal are looked at too, for a recovery may have taken it back.
        """
        recovered = self._recovered[source]
        taken_back = any(later > goal.generation and after < goal.seq for later, after in recovered.items())
        if goal.seq == 0 or (self.marks[source].position == goal.position and not to_the_end):
            return
        mark, cells, dead = self.marks[source], Cells(), list[Dead]()
        most_dead = self._settings.dead_letters_in_a_row
        read = _read(
            self._log, source, mark, None if taken_back else goal, to_the_end, self._settings.count_batch, recovered
        )
        async with aclosing(read) as parts:
            async for records, mark in parts:
                counted = counting.count(records, most_dead, self._failed[source])
                self._failed[source] = counted.failed_in_a_row
                self.events += len(records)
                dead += counted.dead
                for key, vector in counted.cells.items():
                    cells[key] = cells.get(key, 0) + vector
                if len(cells) >= _CELLS_AT_ONCE:
                    await self._write(source, mark, cells, dead)
                    cells, dead = {}, []
        # Where a recovery began it stands in the new generation: in Kafka what was taken back lies right behind it.
        begun = [later for later, after in recovered.items() if later > mark.generation and after == mark.seq]
        await self._write(source, mark._replace(generation=max(begun, default=mark.generation)), cells, dead)

    async def _write(self, source: Source, mark: Mark, cells: Cells, dead: list[Dead]) -> None:
        counted = Counted(cells, dead, self._failed[source])
        async with self._connection.transaction():
            await counting.add(self._connection, self._counters, source, self.marks[source], mark, None, counted)
        self.marks[source] = mark


async def _read(
    log: Log,
    source: Source,
    mark: Mark,
    goal: Mark | None,
    to_the_end: bool,
    most: int,
    recovered: dict[int, int],
) -> AsyncGenerator[tuple[list[Record], Mark], None]:
    """Events after the mark up to the goal, or to the log's end without one, each time with the mark they lead to."""
    heard_at = monotonic()
    try:
        async with aclosing(log.follow(source, mark, most, recovered)) as batches:
            async for batch in batches:
                records = batch.records if goal is None else _up_to(goal, source, batch.records)
                passed = len(records) < len(batch.records)
                if records:
                    heard_at, last = monotonic(), records[-1]
                    mark = (
                        Mark(last.generation, last.seq, last.id, last.recorded_at, goal.offset)
                        if goal and passed
                        else batch.mark
                    )
                    yield records, mark
                at_end = batch.watermark is not None
                if goal is None:
                    if at_end:
                        return
                elif (mark.seq, mark.event_id) == (goal.seq, goal.event_id):
                    # Silence is not the end: a relay that is just beginning has a recovery to report.
                    if at_end or not to_the_end:
                        return
                elif passed or at_end:
                    await _refuse(log, source, goal)
                if monotonic() - heard_at > _PATIENCE_SECONDS:
                    raise LogIsSilent(
                        f"the log of {source.label} ends at {mark.seq}, and nothing says that this is all"
                    )
    except CountedBeyondRecovery as error:
        raise _BeginAgain(source, error.generation, error.after_seq) from error


def _up_to(goal: Mark, source: Source, records: list[Record]) -> list[Record]:
    """The events up to the goal. Raises _BeginAgain if one behind it shows that a recovery took the goal back."""
    position = goal.position
    if records and (records[-1].generation, records[-1].seq) <= position:
        return records
    wanted = [record for record in records if (record.generation, record.seq) <= position]
    for record in records[len(wanted) :]:
        if record.generation > goal.generation and record.previous_seq < goal.seq:
            raise _BeginAgain(source, record.generation, record.previous_seq)
    return wanted


async def _refuse(log: Log, source: Source, goal: Mark) -> None:
    """Say why the log does not hold what the serving set has counted last."""
    async with aclosing(log.follow(source, goal, 1)) as batches:
        await anext(batches)
    raise SourceWentBack(
        f"the log of {source.label} no longer holds event {goal.event_id} at {goal.seq}: run antt recover"
    )
