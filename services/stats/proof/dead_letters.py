"""Events that could not be counted: what they are and why, and how they are counted after all.

A letter belongs to the set of counters that lacks it; a rebuild tries every event anew.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from services.stats import counting
from shared.database import Database
from shared.log import Record, source_of, sources_of
from shared.settings import Service, Settings


class Letter(NamedTuple):
    """An event that could not be counted, where it stands in its source's outbox, and the reason."""

    source: str
    generation: int
    seq: int
    id: UUID
    type: str
    subject: str
    recorded_at: datetime
    reason: str
    failed_at: datetime


class Replayed(NamedTuple):
    """How many letters were counted and are gone, and those that failed again."""

    counted: int
    failed: list[Letter]


_FIND = """
SELECT * FROM dead_letters WHERE set_id = $1 AND ($2::text IS NULL OR source = $2) AND ($3::bigint IS NULL OR seq = $3)
ORDER BY source, generation, seq
"""


@asynccontextmanager
async def _connection(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    database = Database(settings.database_url("stats"), 1, settings.transaction_seconds)
    await database.open()
    try:
        async with database.connection() as connection:
            yield connection
    finally:
        await database.close()


async def list_letters(settings: Settings) -> list[Letter]:
    """The letters of the serving set, in the order of their sources' outboxes."""
    async with _connection(settings) as connection:
        counters = await counting.serving_set(connection, sources_of(settings))
        return [_letter(row) for row in await connection.fetch(_FIND, counters.id, None, None)]


async def records_of(connection: asyncpg.Connection, set_id: int) -> list[Record]:
    """The events that a set of counters lacks."""
    return [_record(row) for row in await connection.fetch(_FIND, set_id, None, None)]


async def replay(settings: Settings, service: Service | None = None, seq: int | None = None) -> Replayed:
    """Measure letters again: all, those of a service's events, or one. What can be counted now is added to the counters and
    its letter deleted, in one transaction; what fails again stays, with its new reason."""
    counted, failed = 0, list[Letter]()
    for source in [source_of(settings, service)] if service else sources_of(settings):
        async with _connection(settings) as connection, connection.transaction():
            # A rebuild's swap waits, so that nothing is added to a set that serves no more.
            await connection.execute("SELECT FROM counter_sets WHERE serving FOR SHARE")
            counters = await counting.serving_set(connection, [source])
            rows = await connection.fetch(f"{_FIND} FOR UPDATE", counters.id, source.label, seq)
            records = [_record(row) for row in rows]
            cells, dead, _ = counting.count(records, most_in_a_row=len(records) + 1)
            await counting.write(connection, counters, cells)
            await connection.execute(
                "DELETE FROM dead_letters WHERE set_id = $1 AND source = $2 AND id = ANY($3)",
                counters.id,
                source.label,
                [record.id for record in records],
            )
            if dead:
                await counting.bury(connection, counters, source, dead)
            if cells:
                mark = (await counting.progress_of(connection, counters.id, [source]))[source].mark
                await counting.wake_readers(connection, source, mark)
            counted += len(records) - len(dead)
            buried = await connection.fetch(_FIND, counters.id, source.label, seq)
        failed += [_letter(row) for row in buried]
    return Replayed(counted, failed)


def _letter(row: asyncpg.Record) -> Letter:
    return Letter(*[row[name] for name in Letter._fields])


def _record(row: asyncpg.Record) -> Record:
    kept = {name: row[name] for name in Record._fields if name not in ("previous_seq", "traceparent")}
    return Record(**kept, previous_seq=0, traceparent=None)
