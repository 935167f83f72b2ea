"""The event log, embedded and over Kafka: order, gaps, duplicates, restored databases."""

import asyncio
import gc
import warnings
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from typing import Any

import asyncpg
import pytest
from aiokafka.conn import AIOKafkaConnection
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.produce import ProduceRequest

from shared.log import Batch, Log, Mark, open_log
from shared.log.kafka import ensure_topics, relay
from shared.settings import Settings, settings
from tests.conftest import COMMUNE, INCIDENTS, Antt
from tests.stats.writing import sql


async def report(antt: Antt, times: int = 1) -> str:
    for _ in range(times):
        answer = await antt.post("/incidents/v1/tips", {"unit": COMMUNE, "content": "Tụ tập đông người"})
        assert answer.status_code == 201, answer.text
    return str(answer.headers["antt-position"])


async def read_until(log: Log, seq: int, after: Mark | None = None) -> Batch:
    """All records of incidents up to a seq, as one batch."""
    records = []
    async with aclosing(log.follow(INCIDENTS, after or Mark(), 1_000)) as batches:
        async for batch in batches:
            records += batch.records
            if batch.mark.seq >= seq:
                return Batch(records, batch.mark, batch.watermark)
    raise AssertionError("the log ended")


async def test_a_tip_reaches_the_provinces_counter_through_a_real_broker(antt_on_kafka: Antt) -> None:
    position = await report(antt_on_kafka, 3)
    assert (await antt_on_kafka.counters(position))["tips_received"] == 3


async def test_both_logs_give_the_same_records_in_the_same_order(antt_on_kafka: Antt) -> None:
    seq = int((await report(antt_on_kafka, 5)).split(":")[2])
    over_kafka = await read_until(open_log(settings()), seq)
    in_place = await read_until(open_log(settings().model_copy(update={"log": "embedded"})), seq)
    assert over_kafka.records == in_place.records
    assert [r.previous_seq for r in in_place.records[1:]] == [r.seq for r in in_place.records[:-1]]


async def test_who_reads_while_a_generation_begins_connects_again_before_it_hands_on_an_event_of_it(antt: Antt) -> None:
    after = int((await report(antt, 3)).split(":")[2])
    async with aclosing(open_log(settings()).follow(INCIDENTS, Mark(), 100)) as batches:
        assert [record.seq for record in (await anext(batches)).records] == [1, 2, 3]
        await sql("incidents", "INSERT INTO outbox_generations (generation, after_seq) VALUES (2, $1)", after)
        await report(antt)
        with pytest.raises(ConnectionError, match="another generation"):
            await anext(batch async for batch in batches if batch.records)
    assert [(r.generation, r.seq) for r in (await read_until(open_log(settings()), after + 1)).records][-2:] == [
        (1, after),
        (2, after + 1),
    ]


async def test_a_reader_that_is_ended_as_news_comes_ends(
    databases: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wakes: list[Callable[[], None]] = []

    async def add_listener(self: asyncpg.Connection, channel: str, callback: Callable[[], None]) -> None:
        wakes.append(callback)

    monkeypatch.setattr(asyncpg.Connection, "add_listener", add_listener)
    waiting = asyncio.Event()

    async def read() -> None:
        async with aclosing(open_log(settings()).follow(INCIDENTS, Mark(), 1_000)) as batches:
            async for _ in batches:
                waiting.set()

    # Between the news and the reader's next step lie a few turns of the loop: it is ended in each of them.
    for turns in range(5):
        waiting.clear()
        reading = asyncio.create_task(read())
        await waiting.wait()
        await asyncio.sleep(0)
        wakes[-1]()
        for _ in range(turns):
            await asyncio.sleep(0)
        reading.cancel()
        done, _ = await asyncio.wait({reading}, timeout=5)
        assert done, turns


async def follow(settings: Settings) -> None:
    async with aclosing(open_log(settings).follow(INCIDENTS, Mark(), 1_000)) as batches:
        async for _ in batches:
            pass


@pytest.mark.slow
@pytest.mark.parametrize(("work", "last"), [(partial(relay, source=INCIDENTS), ProduceRequest), (follow, FetchRequest)])
async def test_who_is_ended_while_it_speaks_with_the_broker_leaves_nothing_open(
    databases: dict[str, str], kafka_log: Settings, monkeypatch: pytest.MonkeyPatch, work: Any, last: type
) -> None:
    await ensure_topics(kafka_log, INCIDENTS)
    send, asked = AIOKafkaConnection.send, []

    def ended_as_it_asks(self: AIOKafkaConnection, request: Any, **more: Any) -> Any:
        asked.append(type(request))
        if len(asked) == ended_at:
            working.cancel()
        return send(self, request, **more)

    monkeypatch.setattr(AIOKafkaConnection, "send", ended_as_it_asks)
    ended_at = 0
    with warnings.catch_warnings(record=True) as left_open:
        warnings.simplefilter("always")
        # It is ended at its first request, then at its second, until it does what it is for.
        while not asked or not issubclass(asked[ended_at - 1], last):
            ended_at, asked = ended_at + 1, []
            working = asyncio.create_task(work(kafka_log))
            done, _ = await asyncio.wait({working}, timeout=10)
            assert done, asked
            gc.collect()
            assert not [str(warning.message) for warning in left_open], asked
