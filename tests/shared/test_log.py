"""The event log, embedded and over Kafka: order, gaps, duplicates, restored databases."""

from contextlib import aclosing

from shared.log import Batch, Log, Mark, open_log
from shared.settings import settings
from tests.conftest import COMMUNE, Antt


async def report(antt: Antt, times: int = 1) -> str:
    for _ in range(times):
        answer = await antt.post("/incidents/v1/tips", {"unit": COMMUNE, "content": "Tụ tập đông người"})
        assert answer.status_code == 201, answer.text
    return str(answer.headers["antt-position"])


async def read_until(log: Log, seq: int, after: Mark | None = None) -> Batch:
    """All records of incidents up to a seq, as one batch."""
    records = []
    async with aclosing(log.follow("incidents", after or Mark(), 1_000)) as batches:  # type: ignore[type-var]
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
