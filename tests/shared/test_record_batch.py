"""The record batches of events are those that aiokafka would write of the same headers."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatch

from shared.log import Record
from shared.log.record_batch import EventBatch

SOURCE = b"/antt/2025:79/incidents"
AT = datetime(2026, 11, 28, 3, 4, 5, 678901, UTC)


def event(seq: int, data: bytes = b"{}", at: datetime = AT, trace: str | None = None, generation: int = 2) -> Record:
    return Record(
        generation, seq, seq - 1, str(UUID(int=seq)), "TipReceived", 1, str(UUID(int=-seq % 2**128)), at, data, trace
    )


def headers(event: Record) -> list[tuple[str, bytes]]:
    trace = [("traceparent", event.traceparent.encode())] if event.traceparent else []
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", event.id.encode()),
        ("ce_source", SOURCE),
        ("ce_type", event.type.encode()),
        ("ce_subject", event.subject.encode()),
        ("ce_time", event.recorded_at.isoformat().encode()),
        ("ce_dataversion", b"%d" % event.dataversion),
        ("ce_generation", b"%d" % event.generation),
        ("ce_sequence", b"%d" % event.seq),
        ("ce_previoussequence", b"%d" % event.previous_seq),
        ("content-type", b"application/json"),
        *trace,
    ]


EVENTS = {
    "one": [event(1)],
    "times that differ, and one that went back": [event(n, at=AT + timedelta(seconds=n % 7)) for n in range(1, 40)],
    "long data": [event(1, b"x" * 70), event(2, b"x" * 9_000), event(3, b"x" * 300_000)],
    "a trace now and then": [
        event(n, trace="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" if n % 2 else None) for n in range(9)
    ],
    "another generation": [event(2**40), event(2**40 + 1, generation=3)],
    "thousands": [event(n) for n in range(9_000)],
}


@pytest.mark.parametrize("name", EVENTS)
def test_a_batch_has_the_bytes_that_aiokafka_would_write(name: str) -> None:
    ours, theirs = EventBatch(SOURCE, 10_000_000), BatchBuilder(10_000_000, 0)
    for each in EVENTS[name]:
        assert ours.add(each)
        timestamp = int(each.recorded_at.timestamp() * 1000)
        theirs.append(timestamp=timestamp, key=None, value=each.data, headers=headers(each))
    assert ours.record_count() == theirs.record_count() == len(EVENTS[name])
    for batch in (ours, theirs):
        batch._set_producer_state(4_711, 3, 1_000_000)
    assert bytes(ours._build()) == bytes(theirs._build())
    assert ours.size() == len(ours._build())


def test_a_full_batch_takes_no_more_and_stays_as_it_was() -> None:
    batch = EventBatch(SOURCE, 1_000)
    taken = [batch.add(event(n)) for n in range(1, 5)]
    assert taken == [True, True, False, False]
    read = DefaultRecordBatch(bytes(batch._build()))
    assert read.validate_crc()
    assert len(batch._build()) <= 1_000
    assert [dict(record.headers)["ce_sequence"] for record in read] == [b"1", b"2"]


def test_an_event_that_fits_into_no_batch_is_named() -> None:
    with pytest.raises(ValueError, match="event 7 of /antt/2025:79/incidents"):
        EventBatch(SOURCE, 1_000).add(event(7, b"x" * 1_000))
