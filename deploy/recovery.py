"""`antt recover`: after a service's database was restored to an earlier time, its outbox goes on in a new generation.

Events that were reported after the backup are gone from the outbox, but the log and its readers have seen
them. A new generation says from where on the outbox is another one: the relay goes on from
there, and a reader that has counted more stops until `antt rebuild` counts anew without what was lost.

`antt recover --redate` does the same where a clock ran ahead: what was reported at times that have not come
yet is taken back, and reported anew as of now.
"""

from typing import NamedTuple

import asyncpg

from shared.database import CLOCKS_MAY_DIFFER, clocks_apart
from shared.errors import ClocksDiffer
from shared.log import Mark, Source, read_generations, source_of
from shared.outbox import Position, dated_ahead
from shared.settings import Service, Settings

# Who reads a service's events, and where each keeps how far it has come.
READERS: dict[Service, str] = {
    "stats": """SELECT generation, seq, event_id, recorded_at FROM positions
        JOIN counter_sets ON id = set_id AND serving WHERE source = $1""",
    "incidents": "SELECT generation, seq, event_id, recorded_at FROM followed WHERE source = $1",
}


class NothingRestored(Exception):
    """Whatever was read of the service is still in its outbox: there is nothing to recover from."""


class NothingAhead(Exception):
    """The outbox names no time that has not come yet: there is nothing to date anew."""


_LOCK_SECONDS = 10


class Recovered(NamedTuple):
    """The new generation, the last event before it, and who had read events that are gone, each up to where."""

    generation: int
    after_seq: int
    ahead: dict[str, Position]


async def recover(settings: Settings, service: Service, force: bool = False) -> Recovered:
    """Open a new generation behind the last event that the outbox and its readers have in common.

    Raises NothingRestored where nobody has read what is not there; with `force` it opens one at the outbox's end.
    """
    read = await _read_by(settings, source_of(settings, service))
    connection = await asyncpg.connect(settings.database_url(service))
    try:
        async with connection.transaction():
            # Nothing is appended meanwhile, and two recoveries wait for each other.
            await connection.execute("SELECT pg_advisory_xact_lock(7302)")
            generations = await read_generations(connection)
            newest = max(generation for generation, _ in generations)
            ahead = {reader: mark for reader, mark in read.items() if not await _stands(connection, generations, mark)}
            if not ahead and not force:
                raise NothingRestored(f"{service} still has all that was read of it, or was recovered already")
            after_seq = await connection.fetchval("SELECT coalesce(max(seq), 0) FROM outbox")
            for mark in ahead.values():
                after_seq = min(after_seq, await _last_in_common(connection, newest, mark))
            generation = max([newest, *(mark.generation for mark in read.values())]) + 1
            await connection.execute(
                "INSERT INTO outbox_generations (generation, after_seq) VALUES ($1, $2)", generation, after_seq
            )
            return Recovered(generation, after_seq, {reader: mark.position for reader, mark in ahead.items()})
    finally:
        await connection.close()


async def redate(settings: Settings, service: Service) -> Recovered:
    """Report anew, in a new generation and as of now, what was reported at times that have not come yet; their order stays.

    Raises NothingAhead where there is nothing such, and ClocksDiffer while it is not sure what time it is.
    """
    read = await _read_by(settings, source_of(settings, service))
    connection = await asyncpg.connect(settings.database_url(service))
    try:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'")
            # In the order in which who appends takes them.
            await connection.execute("LOCK TABLE outbox IN SHARE ROW EXCLUSIVE MODE")
            await connection.execute("SELECT pg_advisory_xact_lock(7302)")
            if await clocks_apart(connection) > CLOCKS_MAY_DIFFER:
                raise ClocksDiffer()
            if await dated_ahead(connection) <= CLOCKS_MAY_DIFFER:
                raise NothingAhead(f"{service} names no time that has not come yet")
            at = await connection.fetchval("SELECT clock_timestamp()")
            generation = 1 + await connection.fetchval("SELECT max(generation) FROM outbox_generations")
            after_seq = await connection.fetchval(
                "SELECT coalesce(max(seq), 0) FROM outbox WHERE recorded_at <= $1", at
            )
            await connection.execute("ALTER TABLE outbox DISABLE TRIGGER outbox_is_for_ever")
            # Another id: it is another event, for those who have thrown away the one taken back.
            await connection.execute(
                "UPDATE outbox SET recorded_at = $1, id = gen_random_uuid() WHERE recorded_at > $1", at
            )
            await connection.execute("ALTER TABLE outbox ENABLE TRIGGER outbox_is_for_ever")
            await connection.execute(
                "SELECT setval('outbox_clock', (extract(epoch FROM $1::timestamptz) * 1000000)::bigint)", at
            )
            await connection.execute(
                "INSERT INTO outbox_generations (generation, after_seq) VALUES ($1, $2)", generation, after_seq
            )
        # Who follows the outbox learns of its generations when it connects.
        await connection.execute(
            """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"""
        )
        ahead = {reader: mark.position for reader, mark in read.items() if mark.seq > after_seq}
        return Recovered(generation, after_seq, ahead)
    finally:
        await connection.close()


async def _read_by(settings: Settings, source: Source) -> dict[str, Mark]:
    """How far the source's events have been read: by each reader, and by the relay into the topic."""
    read: dict[str, Mark] = {}
    for reader, statement in READERS.items():
        if reader == source.service:
            continue
        connection = await asyncpg.connect(settings.database_url(reader))
        try:
            row = await connection.fetchrow(statement, source.label)
        finally:
            await connection.close()
        if row is not None and row["event_id"] is not None:
            read[reader] = Mark(*row.values())
    if settings.log == "kafka":
        from shared.log.kafka import last_record

        if (last := await last_record(settings, source)) is not None:
            read["kafka"] = Mark(last.generation, last.seq, last.id, last.recorded_at)
    return read


async def _stands(connection: asyncpg.Connection, generations: list[tuple[int, int]], mark: Mark) -> bool:
    """Whether the outbox still has the event that was read last, or a generation says already that it was lost."""
    if any(generation > mark.generation and after_seq < mark.seq for generation, after_seq in generations):
        return True
    id = await connection.fetchval("SELECT id::text FROM outbox WHERE seq = $1", mark.seq)
    return bool(mark.generation <= generations[-1][0] and id == mark.event_id)


async def _last_in_common(connection: asyncpg.Connection, newest: int, mark: Mark) -> int:
    """The last event before the restoration: what the outbox took in later is younger than anything read before.

    An outbox that has lost a whole generation may lack where that one began: all of it is reported anew.
    """
    if mark.generation > newest:
        return 0
    seq: int = await connection.fetchval(
        "SELECT coalesce(max(seq), 0) FROM outbox WHERE recorded_at <= $1 AND seq < $2", mark.recorded_at, mark.seq
    )
    return seq
