"""An event as another system receives it: CloudEvents 1.0 in structured JSON, as Kafka carries it in binary mode."""

from uuid import NAMESPACE_URL, uuid5

import msgspec

from shared.days import now
from shared.events import GONE
from shared.log.log import Record
from shared.log.source import Source


class _State(msgspec.Struct):
    """What must be known of any fact, also of one that this code is too old to know."""

    unit: str
    state: str | None = None


class Outline(msgspec.Struct):
    """The units that an event concerns, and whether its record still stands after it."""

    before: _State | None = None
    after: _State | None = None
    concerns: tuple[str, ...] = ()

    @property
    def units(self) -> set[str]:
        """The units of the fact before and after: two, when a record moved; and those that it concerns beside."""
        return {fact.unit for fact in (self.before, self.after) if fact is not None}.union(self.concerns)

    @property
    def tombstone(self) -> bool:
        """Whether the record no longer stands: there is no fact after it, or one that was withdrawn, merged, returned."""
        return self.after is None or self.after.state in GONE


class _CloudEvent(msgspec.Struct, omit_defaults=True):
    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    datacontenttype: str
    dataversion: int
    position: str
    tombstone: bool
    data: msgspec.Raw
    traceparent: str | None = None


_outline = msgspec.json.Decoder(Outline).decode
_encode = msgspec.json.Encoder().encode


def outline(record: Record) -> Outline:
    """What must be known of an event to hand it on."""
    return _outline(record.data)


def cloud_event(source: Source, record: Record) -> bytes:
    """The event as JSON. Its `position` is what `counted=` of stats waits for; `data` stands as the outbox keeps it."""
    return _encode(
        _CloudEvent(
            specversion="1.0",
            id=record.id,
            source=source.uri,
            type=record.type,
            subject=record.subject,
            time=record.recorded_at.isoformat(),
            datacontenttype="application/json",
            dataversion=record.dataversion,
            position=f"{source.service}:{record.generation}:{record.seq}",
            tombstone=outline(record).tombstone,
            data=msgspec.Raw(record.data),
            traceparent=record.traceparent,
        )
    )


def ping_event(source: Source, id: str, subject: str) -> bytes:
    """An event of nothing, by which a receiver is tried out."""
    return _control_event(source, id, subject, "Ping", {})


def taken_back_event(source: Source, subject: str, generation: int, after_seq: int) -> tuple[str, bytes]:
    """The id and the event by which a receiver learns of a recovery: what it has of earlier generations behind
    `after_seq` no longer stands. The id is the same for every receiver, whenever it is sent."""
    id = str(uuid5(NAMESPACE_URL, f"{source.uri}:{generation}"))
    data = {"generation": generation, "after_seq": after_seq}
    return id, _control_event(source, id, subject, "EventsTakenBack", data)


def _control_event(source: Source, id: str, subject: str, type: str, data: dict[str, int]) -> bytes:
    return _encode(
        {
            "specversion": "1.0",
            "id": id,
            "source": source.uri,
            "type": type,
            "subject": subject,
            "time": now().isoformat(),
            "datacontenttype": "application/json",
            "data": data,
        }
    )
