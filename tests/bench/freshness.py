"""freshness_p99_*: how long after the commit of a tip its counter is committed, at 1,000 tips a second.

All instants are read from one machine's clock. A tip's commit begins when the outbox stamps it
(`recorded_at`, under the append's lock) and is done when a connection that listens on `outbox` hears of it;
its counter is committed when a connection that listens on `counted` hears of a position at or above it.

Embedded, ours and the baseline both begin at the stamp: the time until `counted` is heard beside the time
until `outbox` is heard, so that a ratio of 2 is two commits in place of one. Over Kafka, ours begins when the
commit is done, since the bare round trip beside it commits nothing either.
"""

import asyncio
import json
import sys
import time
from bisect import bisect_left
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import uuid4

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.days import now
from shared.log import source_of
from shared.log.kafka import ensure_topics, topic_of
from shared.settings import Settings, settings
from tests.bench import intake, load, stage
from tests.bench.stage import Figure, Stage

RATE, CONNECTIONS, WARM_UP = 1_000, 32, 2.0


def _p99(seconds: list[float]) -> float:
    return sorted(seconds)[len(seconds) * 99 // 100] * 1000


class Witness:
    """Hears when tips and counters are committed, on connections of its own."""

    def __init__(self, incidents: asyncpg.Connection, stats: asyncpg.Connection) -> None:
        self._incidents = incidents
        self._stats = stats
        self._appends: list[float] = []
        self._counts: list[tuple[int, float]] = []
        self._heard = asyncio.Event()

    async def listen(self) -> None:
        """Begin; nothing must have been appended yet."""
        await self._incidents.add_listener("outbox", lambda *_: self._appends.append(now().timestamp()))

        def counted(_connection: Any, _pid: int, _channel: str, position: Any) -> None:
            source, _, seq = position.split(":")
            if source == "incidents":
                self._counts.append((int(seq), now().timestamp()))
                self._heard.set()

        await self._stats.add_listener("counted", counted)

    async def tips(self) -> list[tuple[int, float, float]]:
        """Each tip that counts: its seq, when it was stamped, when its commit was heard of."""
        rows = await self._incidents.fetch(
            "SELECT seq, extract(epoch FROM recorded_at)::float8 AS stamped_at FROM outbox ORDER BY seq"
        )
        # One stamp for each append, one notification for each commit, in the same order.
        appends = [list(together) for _, together in groupby(rows, key=itemgetter("stamped_at"))]
        if len(appends) != len(self._appends):
            raise RuntimeError(f"{len(appends)} appends, but {len(self._appends)} were heard of")
        warm = rows[0]["stamped_at"] + WARM_UP
        return [
            (row["seq"], row["stamped_at"], heard_at)
            for together, heard_at in zip(appends, self._appends, strict=True)
            for row in together
            if row["stamped_at"] >= warm
        ]

    async def counted(self, seq: int) -> None:
        """Wait until this event is counted."""
        async with asyncio.timeout(60):
            while not self._counts or self._counts[-1][0] < seq:
                self._heard.clear()
                await self._heard.wait()

    def counted_at(self, seq: int) -> float:
        """When the counter of this event was heard to be committed."""
        return self._counts[bisect_left(self._counts, (seq, 0.0))][1]


@asynccontextmanager
async def _witness(environment: dict[str, str]) -> AsyncIterator[Witness]:
    incidents = await asyncpg.connect(environment["ANTT_INCIDENTS_DATABASE_URL"])
    stats = await asyncpg.connect(environment["ANTT_STATS_DATABASE_URL"])
    witness = Witness(incidents, stats)
    await witness.listen()
    try:
        yield witness
    finally:
        await incidents.close()
        await stats.close()


async def _send_tips(on: Stage, port: int) -> None:
    """Tips at the rate, open-loop; RuntimeError when the service did not keep up."""
    outcome = await load.run(load.Load(port, intake.requests(), CONNECTIONS, on.seconds * 2, WARM_UP, RATE))
    if outcome.per_second < RATE * 0.98:
        raise RuntimeError(f"only {outcome.per_second:.0f} tips a second")


async def freshness_p99_embedded(on: Stage) -> list[Figure]:
    """On the embedded log, the three services in one process."""

    async def ours() -> float:
        environment = await on.databases()
        async with stage.service("all", **environment) as (port, _), _witness(environment) as witness:
            await _send_tips(on, port)
            tips = await witness.tips()
            await witness.counted(tips[-1][0])
            return _p99([witness.counted_at(seq) - stamped_at for seq, stamped_at, _ in tips])

    async def baseline() -> float:
        environment = await on.databases()
        async with stage.service("incidents", **environment) as (port, _), _witness(environment) as witness:
            await _send_tips(on, port)
            return _p99([heard_at - stamped_at for _, stamped_at, heard_at in await witness.tips()])

    runs = await on.take_turns({"ours": ours, "baseline": baseline})
    return [stage.figure("freshness_p99_embedded", runs, "ms")]


async def freshness_p99_kafka(on: Stage) -> list[Figure]:
    """Through the broker: intake, relays and consumer are a process each."""
    from_the_stamp: list[float] = []

    async def ours() -> float:
        environment = await on.databases() | on.on_kafka(f"bench.{uuid4().hex}")
        async with AsyncExitStack() as running:
            for command in (("relay", "teams"), ("relay", "incidents"), ("count",)):
                await running.enter_async_context(stage.process("-m", "deploy.cli", *command, **environment))
            port, _ = await running.enter_async_context(stage.service("incidents", **environment))
            witness = await running.enter_async_context(_witness(environment))
            await _send_tips(on, port)
            tips = await witness.tips()
            await witness.counted(tips[-1][0])
        from_the_stamp.append(_p99([witness.counted_at(seq) - stamped_at for seq, stamped_at, _ in tips]))
        return _p99([witness.counted_at(seq) - heard_at for seq, _, heard_at in tips])

    async def baseline() -> float:
        environment = on.on_kafka(f"bench.{uuid4().hex}")
        return (await stage.job(__name__, str(on.seconds * 2), **environment))["p99_ms"]

    runs = await on.take_turns({"ours": ours, "baseline": baseline})
    note = f"from the stamp {sorted(from_the_stamp)[on.turns // 2]:.2f} ms"
    return [stage.figure("freshness_p99_kafka", runs, "ms", note)]


async def round_trip(settings: Settings, seconds: float) -> float:
    """Produce at the rate and fetch, and nothing else: the slowest hundredth of the way from send to fetch, in ms."""
    topic = topic_of(settings, source_of(settings, "incidents"))
    await ensure_topics(settings, source_of(settings, "incidents"))
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, enable_auto_commit=False)
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap, acks="all", enable_idempotence=True)
    await consumer.start()
    await producer.start()
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    await consumer.seek_to_beginning(partition)
    how_many = int(RATE * (WARM_UP + seconds))
    took: list[float] = []

    async def fetch() -> None:
        while len(took) < how_many:
            for message in (await consumer.getmany(timeout_ms=1000)).get(partition, ()):
                took.append(time.perf_counter() - float(message.value[:32]))

    fetching = asyncio.ensure_future(fetch())
    started = time.perf_counter()
    for number in range(how_many):
        await asyncio.sleep(max(0.0, started + number / RATE - time.perf_counter()))
        # As long as an event with its headers.
        await producer.send(topic, f"{time.perf_counter():<470}".encode(), partition=0)
    async with asyncio.timeout(30):
        await fetching
    await producer.stop()
    await consumer.stop()
    return _p99(took[int(RATE * WARM_UP) :])


if __name__ == "__main__":
    print(json.dumps({"p99_ms": uvloop.run(round_trip(settings(), float(sys.argv[1])))}))
