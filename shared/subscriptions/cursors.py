"""A cursor names a position between two events of a service's outbox, so that one which is no longer there is noticed."""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field

from shared.log import Mark

# generation, seq, microseconds since 1970, and the event's id.
_CURSOR = struct.Struct(">Iqq16s")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def cursor_of(mark: Mark) -> str:
    """The mark as a cursor: it names the event read last, so that one which is no longer there is noticed."""
    if mark.event_id is None:
        return "start"
    microseconds = (mark.recorded_at - _EPOCH) // timedelta(microseconds=1)
    return urlsafe_b64encode(
        _CURSOR.pack(mark.generation, mark.seq, microseconds, UUID(mark.event_id).bytes)
    ).decode()  # 36 bytes: no padding


def mark_of(cursor: str) -> Mark:
    """The mark that a cursor names; `now` is none. Raises ValueError for what was never a cursor."""
    if cursor == "start":
        return Mark()
    try:
        generation, seq, microseconds, id = _CURSOR.unpack(urlsafe_b64decode(cursor))
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


# A position between two events: the `next` of an earlier answer, `start` before the first event, `now` behind the last.
Cursor = Annotated[str, Field(max_length=64, examples=["start"]), AfterValidator(_cursor)]
