"""What crosses HTTP about changes: a cursor, the question, and events as CloudEvents."""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from shared.events import EVENTS, told_by
from shared.http import Input
from shared.log import Mark

EVENT_TYPES = sorted(type for type in EVENTS if told_by(type) == "incidents")

# generation, seq, microseconds since 1970, and the event's id.
_PLACE = struct.Struct(">Iqq16s")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def cursor_of(mark: Mark) -> str:
    """The mark as a cursor: it names the event read last, so that one which is no longer there is noticed."""
    if mark.event_id is None:
        return "start"
    microseconds = (mark.recorded_at - _EPOCH) // timedelta(microseconds=1)
    return urlsafe_b64encode(
        _PLACE.pack(mark.generation, mark.seq, microseconds, UUID(mark.event_id).bytes)
    ).decode()  # 36 bytes: no padding


def mark_of(cursor: str) -> Mark:
    """The mark that a cursor names; `now` is none. Raises ValueError for what was never a cursor."""
    if cursor == "start":
        return Mark()
    try:
        generation, seq, microseconds, id = _PLACE.unpack(urlsafe_b64decode(cursor))
        recorded_at = _EPOCH + timedelta(microseconds=microseconds)
        if generation < 1 or seq < 1 or not 2000 <= recorded_at.year < 9999:
            raise ValueError
        return Mark(generation, seq, str(UUID(bytes=id)), recorded_at)
    except (ValueError, OverflowError, struct.error):
        raise ValueError("give a cursor as an answer gave it, `start` or `now`") from None


def _cursor(text: str) -> str:
    if text != "now":
        mark_of(text)
    return text


def _event_type(text: str) -> str:
    if text not in EVENT_TYPES:
        raise ValueError("no event of incidents has this type")
    return text


# A place between two events: the `next` of an earlier answer, `start` before the first event, `now` behind the last.
Cursor = Annotated[str, Field(max_length=64, examples=["start"]), AfterValidator(_cursor)]
EventType = Annotated[str, Field(json_schema_extra={"enum": EVENT_TYPES}), AfterValidator(_event_type)]


class ReadChanges(Input):
    """The events after a cursor; with `wait`, for which the answer is kept back until there is one."""

    after: Annotated[Cursor, Query()] = "start"
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100
    wait: Annotated[int, Query(ge=0, le=60, description="Seconds to wait for an event when there is none yet.")] = 0
    types: Annotated[tuple[EventType, ...], Query(description="Only events of these types; none: of all.")] = ()


class ChangeData(BaseModel):
    """The fact before and after, as /asyncapi.json describes it for each type, and ids of records to follow."""

    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    links: dict[str, str] = {}


class CloudEvent(BaseModel):
    """A CloudEvent 1.0. `id` is the same whenever the event is told again; it never carries personal data."""

    specversion: Literal["1.0"]
    id: UUID
    source: Annotated[str, Field(examples=["/antt/2024:74/incidents"])]
    type: str
    subject: Annotated[str, Field(description="The id of the record that changed.")]
    time: AwareDatetime
    datacontenttype: Literal["application/json"]
    dataversion: int
    position: Annotated[
        str, Field(description="Its place in the log; `counted=` of stats waits for it.", examples=["incidents:1:12"])
    ]
    tombstone: Annotated[
        bool, Field(description="The record no longer stands: it was withdrawn, merged, returned or removed.")
    ]
    traceparent: str | None = None
    data: ChangeData


class ChangesPage(BaseModel):
    """Events in the order of their commits. Go on with `next`, which moves even where no event was for the caller."""

    items: list[CloudEvent]
    next: Annotated[str, Field(description="The cursor behind all that was looked at.")]
    more: Annotated[bool, Field(description="More is there already: ask again at once.")]
