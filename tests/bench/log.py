"""relay_events, count_events, count_events_spread, rebuild: events through a real broker, each end of it beside bare aiokafka.

Each measurement runs as a job in a process of its own, `python -m tests.bench.log JOB …`, and its clock runs
from the call to the last event, connecting included.
"""

import asyncio
import json
import statistics
import sys
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import uuid4

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from services.stats import counting
from shared import events
from shared.database import Database
from shared.log import source_of
from shared.log.kafka import ensure_topics, relay, topic_of
from shared.settings import Settings, settings
from tests.bench import history, memory, stage
from tests.bench.stage import Figure, Stage

PLACES = {"live": history.live_like, "spread": history.spread}
# As much as the product's own consumer fetches at once and its producer puts into a batch.
FETCH_BYTES, BATCH_BYTES, TOGETHER = 4 * 1024 * 1024, 1_000_000, 10_000


async def _outbox(on: Stage, kind: str) -> dict[str, str]:
    """Databases of which the outbox of incidents holds the events of this kind; made once."""
    if f"outbox {kind}" not in on.kept:
        environment = await on.databases()
        await history.fill_outbox(environment["ANTT_INCIDENTS_DATABASE_URL"], PLACES[kind], on.events)
        on.kept[f"outbox {kind}"] = environment
    return dict(on.kept[f"outbox {kind}"])


async def _topic(on: Stage, kind: str) -> dict[str, str]:
    """The environment in which a topic holds these events, as the relay wrote them; made once."""
    environment = await _outbox(on, kind) | on.on_kafka(f"bench.{kind}")
    if f"topic {kind}" not in on.kept:
        on.kept[f"topic {kind}"] = await stage.job(__name__, "relay", str(on.events), **environment)
    return environment


async def _rate(on: Stage, job: str, environment: dict[str, str], *arguments: str) -> float:
    return on.events / (await stage.job(__name__, job, *(arguments or [str(on.events)]), **environment))["seconds"]


async def relay_events(on: Stage) -> list[Figure]:
    """How many events a second the relay brings from the outbox to the topic."""
    environment = await _topic(on, "live")

    async def ours() -> float:
        return await _rate(on, "relay", environment | on.on_kafka(f"bench.{uuid4().hex}"))

    async def baseline() -> float:
        return await _rate(on, "produce", environment | on.on_kafka(f"bench.{uuid4().hex}"), "bench.live")

    return [stage.figure("relay_events", await on.take_turns({"ours": ours, "baseline": baseline}))]


async def count_events(on: Stage, name: str = "count_events", kind: str = "live") -> list[Figure]:
    """How many events a second become counters: every indicator, every level, both times, days and months."""
    environment = await _topic(on, kind)

    async def ours() -> float:
        return await _rate(on, "count", environment | await _fresh_stats(on))

    async def baseline() -> float:
        return await _rate(on, "consume", environment)

    return [stage.figure(name, await on.take_turns({"ours": ours, "baseline": baseline}))]


async def count_events_spread(on: Stage) -> list[Figure]:
    """The same over two months and all communes of the nation."""
    return await count_events(on, "count_events_spread", "spread")


async def _fresh_stats(on: Stage) -> dict[str, str]:
    return {key: url for key, url in (await on.databases()).items() if "STATS" in key}


async def rebuild(on: Stage) -> list[Figure]:
    """Counting anew beside the serving counters, beside counting for the first time; and what memory it takes."""
    environment = await _topic(on, "live")
    counted: dict[str, str] = {}
    peaks: list[float] = []

    async def ours() -> float:
        found = await stage.job(__name__, "rebuild", **environment | counted)
        peaks.append(found["megabytes"])
        return on.events / found["seconds"]

    async def baseline() -> float:
        counted.update(await _fresh_stats(on))
        return await _rate(on, "count", environment | counted)

    # The relay tells each second how far it is; without it a rebuild would wait to be sure that it has seen all.
    async with stage.process("-m", "deploy.cli", "relay", "incidents", **environment):
        # Counted first: a rebuild needs counters that serve.
        runs = await on.take_turns({"baseline": baseline, "ours": ours})
    return [
        stage.figure("rebuild", runs),
        memory.figure("memory_rebuild", statistics.median(peaks), memory.REBUILDING),
    ]


# What follows runs in processes of their own.


async def relay_job(settings: Settings, how_many: str) -> float:
    """Relay until the topic has so many events; the seconds it took."""
    partition = TopicPartition(topic_of(settings, source_of(settings, "incidents")), 0)
    await ensure_topics(settings, source_of(settings, "incidents"))
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap)
    await consumer.start()
    started = perf_counter()
    running = asyncio.ensure_future(relay(settings, source_of(settings, "incidents")))
    while (await consumer.end_offsets([partition]))[partition] < int(how_many):
        await _still(running)
    seconds = perf_counter() - started
    await _ended(running)
    await consumer.stop()
    return seconds


async def produce_job(settings: Settings, source_topics: str) -> float:
    """Produce what another topic holds, from memory; the seconds it took."""
    source = TopicPartition(f"{source_topics}.incidents", 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, max_partition_fetch_bytes=FETCH_BYTES)
    await consumer.start()
    consumer.assign([source])
    await consumer.seek_to_beginning(source)
    end = (await consumer.end_offsets([source]))[source]
    messages: list[tuple[int, bytes | None, bytes, Any]] = []
    while len(messages) < end:
        for message in (await consumer.getmany(timeout_ms=1000)).get(source, ()):
            messages.append((message.timestamp, message.key, message.value, list(message.headers)))
    await consumer.stop()
    topic = topic_of(settings, source_of(settings, "incidents"))
    await ensure_topics(settings, source_of(settings, "incidents"))
    started = perf_counter()
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap, acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES
    )
    await producer.start()
    builder, sent = producer.create_batch(), []
    for timestamp, key, value, headers in messages:
        if builder.append(timestamp=timestamp, key=key, value=value, headers=headers) is None:
            sent.append(await producer.send_batch(builder, topic, partition=0))
            builder = producer.create_batch()
            builder.append(timestamp=timestamp, key=key, value=value, headers=headers)
    sent.append(await producer.send_batch(builder, topic, partition=0))
    await asyncio.gather(*sent)
    seconds = perf_counter() - started
    await producer.stop()
    return seconds


async def count_job(settings: Settings, how_many: str) -> float:
    """Count until the counters stand at this event; the seconds it took."""
    database = Database(settings.database_url("stats"), settings.database_connections, settings.transaction_seconds)
    await database.open()
    listener = await asyncpg.connect(settings.database_url("stats"))
    reached = asyncio.Event()

    def counted(_connection: Any, _pid: int, _channel: str, position: Any) -> None:
        if int(position.rpartition(":")[2]) >= int(how_many):
            reached.set()

    await listener.add_listener("counted", counted)
    started = perf_counter()
    running = asyncio.ensure_future(counting.run(settings, database))
    while not reached.is_set():
        await _still(running)
    seconds = perf_counter() - started
    await _ended(running)
    await listener.close()
    await database.close()
    return seconds


async def consume_job(settings: Settings, how_many: str) -> float:
    """Read so many events and decode them, and nothing else; the seconds it took."""
    partition = TopicPartition(topic_of(settings, source_of(settings, "incidents")), 0)
    started = perf_counter()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        fetch_max_bytes=FETCH_BYTES,
        max_partition_fetch_bytes=FETCH_BYTES,
        enable_auto_commit=False,
    )
    await consumer.start()
    consumer.assign([partition])
    await consumer.seek_to_beginning(partition)
    seen = 0
    while seen < int(how_many):
        for message in (await consumer.getmany(timeout_ms=1000, max_records=TOGETHER)).get(partition, ()):
            headers = dict(message.headers)
            events.decode(headers["ce_type"].decode(), int(headers["ce_dataversion"]), message.value)
            seen += 1
    seconds = perf_counter() - started
    await consumer.stop()
    return seconds


async def rebuild_job(settings: Settings) -> float:
    """Count anew; the seconds it took until the new counters serve."""
    from services.stats.proof import rebuild

    started = perf_counter()
    await rebuild.rebuild(settings)
    return perf_counter() - started


async def _still(running: asyncio.Future[None]) -> None:
    """Look again in an instant, unless what was to run has ended; seldom, for looking takes from what is measured."""
    await asyncio.wait({running}, timeout=0.02)
    if running.done():
        await running
        raise RuntimeError("ended before its end was reached")


async def _ended(running: asyncio.Future[None]) -> None:
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


if __name__ == "__main__":
    asked: Coroutine[Any, Any, float] = globals()[f"{sys.argv[1]}_job"](settings(), *sys.argv[2:])
    took = uvloop.run(asked)
    # The most that this process held at any time; getrusage would tell the parent's where that is more.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak = int(status["VmHWM"].split()[0]) * 1024 / 1_000_000
    print(json.dumps({"seconds": took, "megabytes": peak}))
