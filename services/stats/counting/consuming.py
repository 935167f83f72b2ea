"""From the log to the counters: a batch and the position behind it in one transaction, so each event counts exactly once.

What a batch adds is summed in `measuring.py`; `sets.py` writes the sums, with the months they make up, by one upsert
each.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing, nullcontext
from datetime import datetime

import asyncpg
import structlog

from services.stats.counting.measuring import Counted, Dead, count
from services.stats.counting.sets import CountingSet, progress_of, serving_set, upserts_of
from shared import telemetry
from shared.database import Database, one_at_a_time
from shared.days import now
from shared.log import Batch, Mark, Source, open_log, sources_of
from shared.settings import Settings

log = structlog.get_logger()

# For each source this process counts: the time up to which every commit is counted.
_counted_until: dict[Source, datetime] = {}


class ConsumerFenced(Exception):
    """Another consumer has counted beyond this one's position; nothing of this batch was written."""


async def apply(
    connection: asyncpg.Connection,
    counters: CountingSet,
    source: Source,
    after: Mark,
    batch: Batch,
    most_dead_in_a_row: int,
    failed_before: int = 0,
) -> int:
    """Count a batch and move the position over it, in one transaction; how many events in a row had failed at its end.

    Raises ConsumerFenced if another has moved the position.
    """
    counted = count(batch.records, most_dead_in_a_row, failed_before)
    # One statement is a transaction of its own, without a round trip to begin it and one to commit it.
    async with connection.transaction() if counted.dead else nullcontext():
        await add(connection, counters, source, after, batch.mark, batch.watermark, counted)
    return counted.failed_in_a_row


async def add(
    connection: asyncpg.Connection,
    counters: CountingSet,
    source: Source,
    after: Mark,
    to: Mark,
    watermark: datetime | None,
    counted: Counted,
) -> None:
    """Add what the events of a source between two marks count, with the statement that moves the set's position on.

    Raises ConsumerFenced if the position is no longer where it was; that statement then writes nothing.
    """
    if counted.dead:
        await bury(connection, counters, source, counted.dead)
    move = (counters.id, source.label, *to, watermark, counted.failed_in_a_row, *after.position)
    upserts, arrays = upserts_of(counters, counted.cells, len(move), only_if="EXISTS (SELECT FROM moved)")
    statement = ", ".join([f"moved AS ({_MOVE})", *upserts])
    if not await connection.fetchval(f"WITH {statement} SELECT count(*) FROM moved", *move, *arrays):
        raise ConsumerFenced(f"{source.label} of set {counters.id} is no longer at {after.position}")


# Moves the position on by compare-and-set, and wakes at the commit whoever waits for figures.
_MOVE = """
UPDATE positions SET generation = $3, seq = $4, event_id = $5, recorded_at = $6, "offset" = $7,
  watermark = coalesce($8, watermark), failed_in_a_row = $9
WHERE set_id = $1 AND source = $2 AND (generation, seq) = ($10, $11)
RETURNING CASE WHEN (generation, seq) <> ($10, $11)
  THEN pg_notify('counted', source || ':' || generation || ':' || seq) END
"""


async def wake_readers(connection: asyncpg.Connection, source: Source, mark: Mark) -> None:
    """Wake whoever waits for figures, at the commit."""
    await connection.execute("SELECT pg_notify('counted', $1)", f"{source.label}:{mark.generation}:{mark.seq}")


async def bury(connection: asyncpg.Connection, counters: CountingSet, source: Source, dead: Sequence[Dead]) -> None:
    """Keep what could not be counted, with its reason and log position, until it is replayed."""
    log.error("events not counted", source=source.label, count=len(dead), first=dead[0][1])
    await connection.executemany(
        """INSERT INTO dead_letters
          (set_id, source, generation, seq, id, type, dataversion, subject, recorded_at, data, reason)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)""",
        [
            (
                counters.id, source.label, r.generation, r.seq, r.id, r.type, r.dataversion, r.subject, r.recorded_at,
                r.data, reason,
            )
            for r, reason in dead
        ],
    )  # fmt: skip


async def run(settings: Settings, database: Database) -> None:
    """Count every source until something fails; a background task of stats, and what `antt count` does."""
    turn = asyncio.Lock()
    async with asyncio.TaskGroup() as group:
        for source in sources_of(settings):
            group.create_task(_run(settings, database, source, turn))
        group.create_task(_watch_dead_letters(database))


async def _run(settings: Settings, database: Database, source: Source, turn: asyncio.Lock) -> None:
    # One consumer counts a source; another waits here.
    async with one_at_a_time(database.url, f"7304, {source.lock_key}"):
        async with database.connection() as connection:
            counters = await serving_set(connection, [source])
            mark, failed, watermark = (await progress_of(connection, counters.id, [source]))[source]
            _counted_until[source] = watermark or now()
        telemetry.COUNTING_LAG.labels(source.label).set_function(
            lambda: (now() - _counted_until[source]).total_seconds()
        )
        counted = telemetry.COUNTED.labels(source.label)
        async with aclosing(open_log(settings).follow(source, mark, settings.count_batch)) as batches:
            async for batch in batches:
                # The sources of one process take turns, so that they never wait for each other's rows in the database.
                traced = telemetry.batch_span(f"count {source.label}", [record.traceparent for record in batch.records])
                async with turn, database.connection() as connection:
                    with traced:
                        failed = await apply(
                            connection, counters, source, mark, batch, settings.dead_letters_in_a_row, failed
                        )
                counted.inc(len(batch.records))
                _counted_until[source] = batch.watermark or _counted_until[source]
                mark = batch.mark


async def _watch_dead_letters(database: Database) -> None:
    """Keep the number of events that wait to be replayed in the metrics."""
    while True:
        row = await database.fetchrow(
            "SELECT count(*) FROM dead_letters d JOIN counter_sets s ON s.id = d.set_id WHERE s.serving"
        )
        telemetry.DEAD_LETTERS.set(row[0] if row else 0)
        await asyncio.sleep(15)


async def count_for_ever(settings: Settings) -> None:
    """The consumer as a process of its own: whatever fails is logged, and counting begins again a second later."""
    database = Database(settings.database_url("stats"), settings.database_connections, settings.transaction_seconds)
    await database.open()
    try:
        while True:
            try:
                # A task of its own: a group of tasks that fails would leave us looking as if we had been cancelled.
                await asyncio.ensure_future(run(settings, database))
            except* Exception as failed:
                log.error("counting begins again", reason=[f"{type(e).__name__}: {e}"[:300] for e in failed.exceptions])
            if (us := asyncio.current_task()) is not None and us.cancelling():
                # A group of tasks that fail while we are cancelled raises only their failures; it must not begin again for that.
                raise asyncio.CancelledError
            await asyncio.sleep(1)
    finally:
        await database.close()
