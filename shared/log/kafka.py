"""The log over Apache Kafka: the relay copies an outbox to its topic, and readers follow the topic.

One province, one source, one topic of one partition, so the order of commits is the order of the
topic. A record is a CloudEvent 1.0 in binary mode. The relay keeps no cursor: it goes on after the
last record of its topic, which also heals a broker that lost its disk, and stops if that record is not the outbox's row
of the same `seq`: the database was restored. No other file knows Kafka.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from functools import lru_cache, partial
from time import monotonic
from typing import Any

import asyncpg
import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from shared import telemetry
from shared.database import one_at_a_time
from shared.log.log import (
    Batch,
    CountedBeyondRecovery,
    EmbeddedLog,
    GapInLog,
    Mark,
    Record,
    raise_gc_threshold,
    read_generations,
)
from shared.log.source import Source
from shared.settings import Settings

log = structlog.get_logger()

_RELAY_LOCK = 7303
# A fetch asks for this much at once; an event has about 500 bytes.
_FETCH_BYTES = 4 * 1024 * 1024
# What the broker has not taken by then is given up, and the relay looks anew where its topic ends.
_DELIVERY_SECONDS = 10
_BATCH_BYTES = 900_000


def topic_of(settings: Settings, source: Source) -> str:
    """The topic of a source's events; its watermarks go to the topic of the same name with `.watermark`."""
    named = settings.kafka_topics if source.own else ""
    return f"{named or 'antt.' + source.province.replace(':', '-')}.{source.service}"


async def ensure_topics(settings: Settings, source: Source) -> None:
    """Make the source's topics unless they are there; events stay for ever, watermarks for an hour."""
    topic = topic_of(settings, source)
    # The broker's own number of copies (-1); aiokafka takes that only beside an empty assignment.
    events = NewTopic(topic, 1, -1, {}, {"retention.ms": "-1", "retention.bytes": "-1"})
    watermarks = NewTopic(f"{topic}.watermark", 1, -1, {}, {"retention.ms": "3600000"})
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap, request_timeout_ms=10_000)
    async with _started(admin.start, admin.close):
        answer = await admin.create_topics([events, watermarks])
        for failed in answer.topic_errors:
            error = for_code(failed[1])
            if failed[1] and error is not TopicAlreadyExistsError:
                raise error(failed[2])


@asynccontextmanager
async def _started(start: Callable[[], Awaitable[None]], close: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """A client of Kafka, started and closed again, also when who uses it is ended while it starts or closes."""
    starting = asyncio.ensure_future(start())
    try:
        # Cancelled in the midst of it, aiokafka would forget a connection that it has opened.
        await asyncio.shield(starting)
        yield
    finally:
        ending = asyncio.ensure_future(_end(starting, close))
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await asyncio.wait({ending})
            raise


async def _end(starting: asyncio.Future[None], close: Callable[[], Awaitable[None]]) -> None:
    await asyncio.wait({starting}, timeout=5)
    starting.cancel()
    await asyncio.wait({starting}, timeout=1)
    await close()


class Watermark(msgspec.Struct):
    """Whatever was committed before `at` is in the topic, up to this event.

    `generations`: each of the outbox, with the last seq before it. A recovery is seen by this, also while nothing new
    happens at the source.
    """

    generation: int
    seq: int
    at: datetime
    generations: list[tuple[int, int]] = []


def _headers(record: Record, source: bytes, time: bytes) -> list[tuple[str, bytes]]:
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", record.id.encode()),
        ("ce_source", source),
        ("ce_type", record.type.encode()),
        ("ce_subject", record.subject.encode()),
        ("ce_time", time),
        ("ce_dataversion", b"%d" % record.dataversion),
        ("ce_generation", b"%d" % record.generation),
        ("ce_sequence", b"%d" % record.seq),
        ("ce_previoussequence", b"%d" % record.previous_seq),
        ("content-type", b"application/json"),
    ]
    if record.traceparent:
        headers.append(("traceparent", record.traceparent.encode()))
    return headers


@lru_cache(maxsize=64)
def _instant(text: bytes) -> datetime:
    # The events of one commit have one time.
    return datetime.fromisoformat(text.decode())


def _record(message: Any) -> Record:
    headers: dict[str, bytes] = dict(message.headers)
    trace = headers.get("traceparent")
    return Record(
        int(headers["ce_generation"]),
        int(headers["ce_sequence"]),
        int(headers["ce_previoussequence"]),
        headers["ce_id"].decode(),
        headers["ce_type"].decode(),
        int(headers["ce_dataversion"]),
        headers["ce_subject"].decode(),
        _instant(headers["ce_time"]),
        message.value,
        trace.decode() if trace else None,
    )


def _consumer(settings: Settings) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap,
        # The position is kept beside the counters, in their transaction; Kafka keeps none.
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_bytes=_FETCH_BYTES,
        max_partition_fetch_bytes=_FETCH_BYTES,
        request_timeout_ms=10_000,
    )


class KafkaLog:
    """Follows a source's topic. Records already read are passed over, and a gap is read again from the beginning."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def follow(
        self, source: Source, after: Mark, most: int, recovered: Mapping[int, int] | None = None
    ) -> AsyncGenerator[Batch, None]:
        """See Log. Raises CountedBeyondRecovery when a recovery took back what the mark includes, GapInLog when
        events are missing between the mark and the topic's next record."""
        topic = topic_of(self._settings, source)
        events, watermarks = TopicPartition(topic, 0), TopicPartition(f"{topic}.watermark", 0)
        consumer = _consumer(self._settings)
        async with _started(consumer.start, consumer.stop):
            # Only a relay makes topics, and then looks where to begin: one that is at work must never find
            # an empty topic of somebody else's making, and go on in it with what it happened to be sending.
            while not {events.topic, watermarks.topic} <= await consumer.topics():
                yield Batch([], after, None)
                await asyncio.sleep(0.2)
            consumer.assign([events, watermarks])
            consumer.seek(events, after.offset)
            await consumer.seek_to_end(watermarks)
            mark, from_beginning = after, after.offset == 0
            newest: Watermark | None = None
            while True:
                got = await consumer.getmany(timeout_ms=1_000, max_records=most)
                for message in got.get(watermarks, ()):
                    newest = msgspec.json.decode(message.value, type=Watermark)
                records = []
                try:
                    for message in got.get(events, ()):
                        record = _next(_record(message), mark, recovered or {})
                        if record is not None:
                            records.append(record)
                            mark = Mark(
                                record.generation, record.seq, record.id, record.recorded_at, message.offset + 1
                            )
                except GapInLog:
                    if from_beginning:
                        raise
                    # The topic was made anew, or the offset belongs to another one: what was read is passed over.
                    log.warning("log is read again from its beginning", source=source.label, after=after.position)
                    from_beginning = True
                    await consumer.seek_to_beginning(events)
                reached = newest is not None and _reached(newest, mark)
                yield Batch(records, mark, newest.at if newest is not None and reached else None)


def _reached(newest: Watermark, mark: Mark) -> bool:
    """Whether all that the watermark covers has been read. Raises CountedBeyondRecovery when more was read than stands."""
    for generation, after_seq in newest.generations:
        if generation > mark.generation and after_seq < mark.seq:
            raise CountedBeyondRecovery(generation, after_seq, mark.seq)
    # A generation without an event yet takes nothing away from who stands before it.
    return (
        newest.seq <= mark.seq
        if newest.generation > mark.generation
        else ((newest.generation, newest.seq) <= mark.position)
    )


def _next(record: Record, mark: Mark, recovered: Mapping[int, int]) -> Record | None:
    """The record if it is the one after the mark, None if it is to be passed over; raises on a gap."""
    if record.generation < mark.generation or (record.generation, record.seq) <= mark.position:
        return None
    if any(record.generation < later and record.seq > after_seq for later, after_seq in recovered.items()):
        return None
    if record.generation > mark.generation and record.previous_seq < mark.seq:
        raise CountedBeyondRecovery(record.generation, record.previous_seq, mark.seq)
    if record.previous_seq != mark.seq:
        raise GapInLog(f"the record after {mark.position} names {record.previous_seq} before it")
    return record


async def relay(settings: Settings, source: Source) -> None:
    """Copy a source's outbox to its topic, in order, for ever. One relay at a time; a second one waits its turn."""
    raise_gc_threshold()
    # Two would write every event twice, which readers pass over, but the topic would keep it for ever.
    async with one_at_a_time(settings.database_url(source.service), str(_RELAY_LOCK)) as holder:
        generations = await read_generations(holder)
        # Also while no broker answers: how much waits is what an operator asks then.
        last = await holder.fetchval("SELECT coalesce(max(seq), 0) FROM outbox")
        telemetry.APPENDED_TO.labels(source.label).set(last)
        await ensure_topics(settings, source)
        mark = await _resume(settings, source, generations)
        telemetry.RELAYED_TO.labels(source.label).set(mark.seq)
        log.info("relay goes on", source=source.label, after=mark.position)
        producer = AIOKafkaProducer(
            bootstrap_servers=settings.bootstrap,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=1_000_000,
            request_timeout_ms=10_000,
        )
        async with _started(producer.start, partial(_give_up, producer)):
            await _relay(settings, source, mark, generations, producer)


async def _relay(
    settings: Settings, source: Source, mark: Mark, generations: list[tuple[int, int]], producer: AIOKafkaProducer
) -> None:
    topic = topic_of(settings, source)
    ce_source = source.uri.encode()
    watermark_sent_at = 0.0
    sending: list[asyncio.Future[Any]] = []
    relayed = telemetry.RELAYED.labels(source.label)
    async with aclosing(EmbeddedLog(settings).follow(source, mark, settings.relay_batch)) as batches:
        async for batch in batches:
            # The next rows are read while these are on their way; one failure ends the relay, and it resumes by the topic.
            await _delivered(sending)
            sending = await _send(producer, topic, ce_source, batch.records)
            relayed.inc(len(batch.records))
            telemetry.RELAYED_TO.labels(source.label).set(batch.mark.seq)
            if batch.watermark is not None:
                telemetry.APPENDED_TO.labels(source.label).set(batch.mark.seq)
            if batch.watermark is not None and monotonic() - watermark_sent_at >= 1:
                await _delivered(sending)
                telemetry.RELAYED_AT.labels(source.label).set(batch.watermark.timestamp())
                value = msgspec.json.encode(Watermark(*batch.mark.position, batch.watermark, generations))
                sending = [await producer.send(f"{topic}.watermark", value, partition=0)]
                watermark_sent_at = monotonic()


async def _delivered(sending: list[asyncio.Future[Any]]) -> None:
    """Wait until the broker has all of it. An idempotent producer would try for ever, also where the topic is gone."""
    async with asyncio.timeout(_DELIVERY_SECONDS):
        await asyncio.gather(*sending)


async def _give_up(producer: AIOKafkaProducer) -> None:
    """Close the producer without sending what waits: it might come behind what the next one sends."""
    # stop() would wait until all of it is sent.
    producer._closed = True
    await producer._sender.close()
    await producer.client.close()


async def _send(
    producer: AIOKafkaProducer, topic: str, source: bytes, records: list[Record]
) -> list[asyncio.Future[Any]]:
    """Hand the records to the producer in batches; a future for each batch."""
    futures, builder, size = [], producer.create_batch(), 0
    recorded_at, timestamp, time = None, 0, b""
    for record in records:
        if record.recorded_at != recorded_at:
            # The events of one commit have one time, and to write it is dear.
            recorded_at = record.recorded_at
            timestamp, time = int(recorded_at.timestamp() * 1000), recorded_at.isoformat().encode()
        headers = _headers(record, source, time)
        size += len(record.data) + 500
        if size > _BATCH_BYTES or not builder.append(timestamp=timestamp, key=None, value=record.data, headers=headers):
            futures.append(await producer.send_batch(builder, topic, partition=0))
            builder, size = producer.create_batch(), len(record.data) + 500
            if not builder.append(timestamp=timestamp, key=None, value=record.data, headers=headers):
                raise ValueError(f"event {record.seq} of {topic} is larger than a batch may be")
    if builder.record_count():
        futures.append(await producer.send_batch(builder, topic, partition=0))
    return futures


async def _resume(settings: Settings, source: Source, generations: list[tuple[int, int]]) -> Mark:
    """Where the relay goes on: after the topic's last record, or where a later generation of the outbox begins."""
    last = await last_record(settings, source)
    if last is None:
        return Mark()
    begins = [after_seq for generation, after_seq in generations if generation > last.generation]
    if begins and min(begins) < last.seq:
        return Mark(last.generation + 1, min(begins))
    return Mark(last.generation, last.seq, last.id, last.recorded_at)


async def last_record(settings: Settings, source: Source) -> Record | None:
    """The last record of the source's topic."""
    partition = TopicPartition(topic_of(settings, source), 0)
    consumer = _consumer(settings)
    async with _started(consumer.start, consumer.stop):
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        if end == 0:
            return None
        consumer.seek(partition, end - 1)
        async with asyncio.timeout(30):
            return _record(await consumer.getone(partition))


async def relay_for_ever(settings: Settings, source: Source) -> None:
    """Relay, and begin again a second after a broker or a database was gone; whatever else fails ends it."""
    while True:
        try:
            # A task of its own, so that whether we are ended is never what something in it left behind.
            await asyncio.ensure_future(relay(settings, source))
        except (KafkaError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            log.warning("relay begins again", source=source.label, reason=f"{type(error).__name__}: {error}"[:300])
        if (us := asyncio.current_task()) is not None and us.cancelling():
            # A client may answer its cancellation by failing; it must not begin again for that.
            raise asyncio.CancelledError
        await asyncio.sleep(1)
