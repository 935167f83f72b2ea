"""The event log: one interface, two transports. A reader asks for batches after a mark and goes on for ever.

The outbox of each service is the record and keeps every event. Embedded, a reader reads it in place;
in production the relay copies it to Kafka (`kafka.py` beside this file) and readers read that. Marks,
batches and records are the same in both, so everything above is the same code.
"""

import asyncio
import gc
from bisect import bisect_left
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from operator import itemgetter
from typing import NamedTuple, Protocol

import asyncpg

from shared.days import now
from shared.log.source import Source
from shared.outbox import Position
from shared.settings import Settings

NEVER = datetime(2000, 1, 1, tzinfo=UTC)


class Record(NamedTuple):
    """One event as the log carries it. `previous_seq` is the seq before it in its source, so that a gap is seen."""

    generation: int
    seq: int
    previous_seq: int
    id: str
    type: str
    dataversion: int
    subject: str
    recorded_at: datetime
    data: bytes
    traceparent: str | None


class Mark(NamedTuple):
    """How far a reader has come: the last event read, and where the log keeps it."""

    generation: int = 1
    seq: int = 0
    event_id: str | None = None
    recorded_at: datetime = NEVER
    offset: int = 0

    @property
    def position(self) -> Position:
        """The position in the source's outbox, the same on either log."""
        return Position(self.generation, self.seq)


class Batch(NamedTuple):
    """Events in the order of their commits, maybe none; `watermark`: whatever was committed before it has been read."""

    records: list[Record]
    mark: Mark
    watermark: datetime | None


class Log(Protocol):
    """What a consumer stands on."""

    def follow(
        self, source: Source, after: Mark, most: int, recovered: Mapping[int, int] | None = None
    ) -> AsyncGenerator[Batch, None]:
        """Batches after the mark, of at most `most` events, for ever; an empty one each second brings the watermark.

        `recovered` names generations and the last seq before each: events of earlier generations above it are
        passed over, since a recovery took them back.
        """


class SourceWentBack(Exception):
    """The source no longer has the event that was read last: its database was restored. `antt recover` mends it."""


class CountedBeyondRecovery(Exception):
    """A recovery took back events that this reader has seen: `antt rebuild` counts anew without them."""

    def __init__(self, generation: int, after_seq: int, read: int) -> None:
        super().__init__(f"generation {generation} begins after {after_seq}, read was {read}: run antt rebuild")
        self.generation, self.after_seq = generation, after_seq


class GapInLog(Exception):
    """The log lacks events that its source has; the relay writes them again when it is restarted on an empty topic."""


# Columns in the order of Record's fields, in the form in which a record carries them.
_READ = """
SELECT seq, id::text, type, dataversion, subject, recorded_at, convert_to(data, 'UTF8'), traceparent,
  (SELECT max(generation) FROM outbox_generations)
FROM outbox WHERE seq > $1 AND recorded_at >= $2 ORDER BY seq LIMIT $3
"""


async def read_once(connection: asyncpg.Connection, after: Mark, most: int) -> Batch:
    """The events after the mark that an outbox has now, at most so many, without waiting for more.

    Raises SourceWentBack or CountedBeyondRecovery when the outbox contradicts the mark.
    """
    generations = await read_generations(connection)
    await _checked(connection, generations, after)
    return _batch(generations, await connection.fetch(_READ, after.seq, after.recorded_at, most), after)


async def newest_mark(
    connection: asyncpg.Connection, most_seq: int | None = None, until: datetime | None = None
) -> Mark:
    """The mark of an outbox's last event: of all, or of those up to a seq and committed no later than `until`."""
    row = await connection.fetchrow(
        """SELECT seq, id::text, recorded_at FROM outbox
        WHERE ($1::bigint IS NULL OR seq <= $1) AND ($2::timestamptz IS NULL OR recorded_at <= $2)
        ORDER BY seq DESC LIMIT 1""",
        most_seq,
        until,
    )
    if row is None:
        return Mark()
    generation = generation_of(await read_generations(connection), row["seq"])
    return Mark(generation, row["seq"], row["id"], row["recorded_at"])


def _batch(generations: list[tuple[int, int]], rows: list[asyncpg.Record], after: Mark) -> Batch:
    """The rows of an outbox as records behind the mark, without a watermark.

    Raises ConnectionError where the outbox has begun another generation since these were read: who reads connects again.
    """
    if rows and rows[-1][-1] != generations[-1][0]:
        raise ConnectionError("the outbox has begun another generation")
    records, previous, mark = [], after.seq, after
    # Looked for only where another generation may have begun: of thousands of rows that is dear.
    newest, begins_after = generations[-1]
    for seq, *content, _ in rows:
        generation = newest if seq > begins_after else generation_of(generations, seq)
        records.append(Record(generation, seq, previous, *content))
        previous = seq
    if records:
        last = records[-1]
        mark = Mark(last.generation, last.seq, last.id, last.recorded_at)
    return Batch(records, mark, None)


class EmbeddedLog:
    """Reads each outbox in place, woken by the writer's NOTIFY; a poll each second stands behind it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def follow(
        self, source: Source, after: Mark, most: int, recovered: Mapping[int, int] | None = None
    ) -> AsyncGenerator[Batch, None]:
        """See Log; a recovered outbox no longer has what was taken back. Raises SourceWentBack or CountedBeyondRecovery when the outbox contradicts the mark."""
        if not source.own:
            raise ValueError(f"the outbox of {source.label} is out of reach: it is read over Kafka")
        connection = await asyncpg.connect(self._settings.database_url(source.service), server_settings={"jit": "off"})
        wake = asyncio.Event()
        ahead: asyncio.Task[list[asyncpg.Record]] | None = None
        try:
            await connection.add_listener("outbox", lambda *_: wake.set())
            # A reader that waits for a dead server would wait for ever without this.
            connection.add_termination_listener(lambda *_: wake.set())
            generations = await read_generations(connection)
            mark = await _checked(connection, generations, after)
            while True:
                if ahead is None:
                    wake.clear()
                    asked_at = now()
                    rows = await connection.fetch(_READ, mark.seq, mark.recorded_at, most)
                else:
                    rows = await ahead
                ahead = None
                records, mark, _ = _batch(generations, rows, mark)
                full = len(rows) == most
                if full:
                    # PostgreSQL looks for the next rows while these are dealt with.
                    ahead = asyncio.create_task(connection.fetch(_READ, mark.seq, mark.recorded_at, most))
                    await asyncio.sleep(0)
                yield Batch(records, mark, None if full else asked_at)
                if not full:
                    # Not wait_for: Python 3.11's loses a cancellation that comes together with the wake.
                    with suppress(TimeoutError):
                        async with asyncio.timeout(1):
                            await wake.wait()
        finally:
            if ahead is not None:
                ahead.cancel()
            connection.terminate()


async def read_generations(connection: asyncpg.Connection) -> list[tuple[int, int]]:
    """The outbox's generations, oldest first: (generation, the last seq before it)."""
    rows = await connection.fetch("SELECT generation, after_seq FROM outbox_generations ORDER BY generation")
    return [(row["generation"], row["after_seq"]) for row in rows]


def generation_of(generations: list[tuple[int, int]], seq: int) -> int:
    """The generation in which an event of this seq was appended."""
    return generations[bisect_left(generations, seq, key=itemgetter(1)) - 1][0]


async def _checked(connection: asyncpg.Connection, generations: list[tuple[int, int]], after: Mark) -> Mark:
    """The mark, once it is sure that the outbox goes on from there."""
    for generation, after_seq in generations:
        if generation > after.generation and after_seq < after.seq:
            raise CountedBeyondRecovery(generation, after_seq, after.seq)
    if after.event_id is not None:
        id = await connection.fetchval(
            "SELECT id::text FROM outbox WHERE seq = $1 AND recorded_at = $2", after.seq, after.recorded_at
        )
        if id != after.event_id:
            raise SourceWentBack(f"the outbox no longer holds event {after.event_id} at {after.seq}")
    return after


def raise_gc_threshold() -> None:
    """Let the garbage collector run a hundred times less often: a batch is many small objects that end with it.

    By default it looks at all of them each 700 objects, which was a third of what relaying and counting cost.
    """
    gc.set_threshold(70_000, 20, 20)
