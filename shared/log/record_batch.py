"""Events in Kafka's record batch, the bytes of each record joined at once.

aiokafka writes a record header by header, which costs more than all else that the relay does with an event. All events
have headers of the same names in the same order, so most bytes of a record are those of the one before it. The test
compares these batches with aiokafka's own.
"""

import struct
from datetime import datetime

from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.util import calc_crc32c

from shared.log.log import Record

# Record batch, magic 2: base offset, length, leader epoch, magic, CRC | attributes, last offset, first and last time,
# producer's id and epoch, first sequence, number of records.
_BEGINNING, _COVERED = struct.Struct(">qiibI"), struct.Struct(">hiqqqhii")


def _varint(number: int) -> bytes:
    """A number as records have it: zigzag, seven bits a byte."""
    rest, written = (number << 1) ^ (number >> 63), bytearray()
    while rest > 0x7F:
        written.append(rest & 0x7F | 0x80)
        rest >>= 7
    written.append(rest)
    return bytes(written)


class _Varints(dict[int, bytes]):
    """The numbers that come again and again, ready-made; others are made when asked for."""

    def __missing__(self, number: int) -> bytes:
        return _varint(number)


_VARINT = _Varints({number: _varint(number) for number in range(8_192)})


def _sized(value: bytes) -> bytes:
    return _VARINT[len(value)] + value


def _named(name: bytes, value: bytes) -> bytes:
    return _sized(name) + _sized(value)


_FIRST = _VARINT[11] + _named(b"ce_specversion", b"1.0") + _sized(b"ce_id")
_FIRST_TRACED = _VARINT[12] + _FIRST[1:]
_SUBJECT, _SEQUENCE, _PREVIOUS = map(_sized, (b"ce_subject", b"ce_sequence", b"ce_previoussequence"))
_LAST = _named(b"content-type", b"application/json")


class EventBatch(BatchBuilder):  # type: ignore[misc]
    """A batch for `send_batch` that takes events instead of headers."""

    def __init__(self, source: bytes, most_bytes: int) -> None:
        super().__init__(most_bytes, 0)
        self._source = source
        self._most_bytes = most_bytes
        self._records: list[bytes] = []
        self._bytes = _BEGINNING.size + _COVERED.size
        self._producer = (-1, -1, 0)
        self._buffer: bytes | None = None
        # The headers between id and subject, by type; those between subject and sequence, of the event before.
        self._to_subject: dict[str, bytes] = {}
        self._of: tuple[datetime, int, int] | None = None
        self._delta = self._to_sequence = b""
        self._first = self._last = self._newest = 0

    def add(self, event: Record) -> bool:
        """Take an event. False, and nothing is taken, where the batch is full; ValueError where it fits into none."""
        generation, seq, previous, id, type, dataversion, subject, recorded_at, data, trace = event
        if self._of != (of := (recorded_at, dataversion, generation)):
            self._begin(*of)
            self._of = of
        if (to_subject := self._to_subject.get(type)) is None:
            to_subject = _named(b"ce_source", self._source) + _named(b"ce_type", type.encode()) + _SUBJECT
            self._to_subject[type] = to_subject
        key, about, number, before = id.encode(), subject.encode(), b"%d" % seq, b"%d" % previous
        fields = [
            self._delta, _VARINT[len(self._records)], b"\x01", _VARINT[len(data)], data,
            _FIRST_TRACED if trace else _FIRST, _VARINT[len(key)], key,
            to_subject, _VARINT[len(about)], about,
            self._to_sequence, _VARINT[len(number)], number, _PREVIOUS, _VARINT[len(before)], before, _LAST,
        ]  # fmt: skip
        if trace:
            fields.append(_named(b"traceparent", trace.encode()))
        record = _sized(b"".join(fields))
        if self._bytes + len(record) > self._most_bytes:
            if not self._records:
                raise ValueError(f"event {seq} of {self._source.decode()} is larger than a batch may be")
            return False
        self._records.append(record)
        self._bytes += len(record)
        self._newest = max(self._newest, self._last)
        return True

    def _begin(self, recorded_at: datetime, dataversion: int, generation: int) -> None:
        # The events of one commit have one time.
        self._last = int(recorded_at.timestamp() * 1000)
        if not self._records:
            self._first = self._newest = self._last
        self._delta = b"\0" + _varint(self._last - self._first)
        self._to_sequence = (
            _named(b"ce_time", recorded_at.isoformat().encode())
            + _named(b"ce_dataversion", b"%d" % dataversion)
            + _named(b"ce_generation", b"%d" % generation)
            + _SEQUENCE
        )

    # What aiokafka's sender asks of a batch.

    def record_count(self) -> int:
        """How many events it has."""
        return len(self._records)

    def size(self) -> int:
        """How many bytes it has."""
        return self._bytes

    def _set_producer_state(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        self._producer = (producer_id, producer_epoch, base_sequence)

    def _build(self) -> bytes:
        self.close()
        if self._buffer is None:
            count = len(self._records)
            covered = _COVERED.pack(0, count - 1, self._first, self._newest, *self._producer, count)
            covered += b"".join(self._records)
            # The length counts what is behind it.
            self._buffer = _BEGINNING.pack(0, self._bytes - 12, -1, 2, calc_crc32c(covered)) + covered
        return self._buffer
