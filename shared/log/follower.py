"""A service that needs what another knows follows its events, and keeps its position beside what it has learnt."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import datetime
from typing import Protocol

import asyncpg

from shared.database import Database
from shared.days import now
from shared.log.log import NEVER, CountedBeyondRecovery, Mark, Record
from shared.log.opening import open_log
from shared.log.source import Source
from shared.settings import Settings


class Overtaken(Exception):
    """Another process has followed further: what it took in is there for all of them."""


class Follower(Protocol):
    """What a service that follows has: its settings, its database, and a note of when each source was last heard of."""

    settings: Settings
    database: Database

    def hear(self, source: str, at: datetime) -> None:
        """Note that a source was heard of."""


Apply = Callable[[asyncpg.Connection, list[Record]], Awaitable[None]]


async def follow_events(service: Follower, source: Source, apply: Apply) -> None:
    """Hand every event of a source to `apply`, once and in order, in one transaction with the position reached.

    After a recovery of the source all that stands is handed over once more, from the beginning.
    """
    recovered: dict[int, int] = {}
    while True:
        try:
            await _follow(service, source, apply, recovered)
        except CountedBeyondRecovery as error:
            recovered[error.generation] = error.after_seq
            await service.database.fetch("DELETE FROM followed WHERE source = $1", source.label)
        except Overtaken:
            pass


async def _follow(service: Follower, source: Source, apply: Apply, recovered: dict[int, int]) -> None:
    log = open_log(service.settings)
    row = await service.database.fetchrow("SELECT * FROM followed WHERE source = $1", source.label)
    mark = Mark(*[row[name] for name in Mark._fields]) if row else Mark()
    service.hear(source.label, NEVER)
    async with aclosing(log.follow(source, mark, 1_000, recovered)) as batches:
        async for batch in batches:
            if not batch.records:
                service.hear(source.label, batch.watermark or NEVER)
                continue
            service.hear(source.label, now())
            async with service.database.connection() as connection, connection.transaction():
                await apply(connection, batch.records)
                # Several processes of a service may follow; whoever comes second finds the position taken and starts anew.
                moved = await connection.execute(
                    """INSERT INTO followed (source, generation, seq, event_id, recorded_at, "offset")
                    VALUES ($1, $2, $3, $4, $5, $6)
                    ON CONFLICT (source) DO UPDATE SET generation = excluded.generation, seq = excluded.seq,
                      event_id = excluded.event_id, recorded_at = excluded.recorded_at, "offset" = excluded."offset"
                    WHERE (followed.generation, followed.seq) = ($7, $8)""",
                    source.label, *batch.mark, *mark.position,
                )  # fmt: skip
                if moved != "INSERT 0 1":
                    raise Overtaken()
            mark = batch.mark
