"""Civil days: a fact belongs to the day it had in Viet Nam, wherever the server's clock stands."""

import re
from datetime import UTC, date, datetime
from functools import partial
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BeforeValidator, Field, Strict
from pydantic_core import PydanticCustomError

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")

_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_ISO_INSTANT = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?(Z|[+-]\d{2}(:?\d{2})?)?", re.ASCII | re.IGNORECASE
)


# Pydantic would take a text of digits for seconds since 1970, so no text reaches its own parser.
def _day(given: object) -> object:
    if not isinstance(given, str):
        return given
    if not _ISO_DAY.fullmatch(given):
        raise PydanticCustomError("date_parsing", "give a day as 2026-11-30")
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise PydanticCustomError("date_parsing", "the calendar has no such day") from None


def _instant(given: object) -> object:
    if not isinstance(given, str):
        return given
    if not _ISO_INSTANT.fullmatch(given):
        raise PydanticCustomError("datetime_parsing", "give an instant as 2026-11-30T08:30:00+07:00")
    try:
        return datetime.fromisoformat(given.upper())
    except ValueError:
        raise PydanticCustomError("datetime_parsing", "no clock or calendar has such an instant") from None


# A day and an instant as they enter at every door: ISO 8601 in its extended form (a blank for the T and missing seconds
# are accepted), no numbers, neither as such nor as text. No counter begins before 1900, and at either end of the
# calendar an instant has no civil day, and a day none after it.
Day = Annotated[date, Strict(), BeforeValidator(_day), Field(ge=date(1900, 1, 1), lt=date(9999, 1, 1))]
Instant = Annotated[
    AwareDatetime,
    Strict(),
    BeforeValidator(_instant),
    Field(ge=datetime(1900, 1, 2, tzinfo=UTC), lt=datetime(9999, 1, 1, tzinfo=UTC)),
]


# The one clock of every service; tests set another in its place.
_clock = partial(datetime.now, UTC)


def now() -> datetime:
    """This instant, in UTC. Whatever asks for the time asks this, `today`, or the database."""
    return _clock()


def day_of(instant: datetime) -> date:
    """The civil day in Viet Nam that an instant falls on."""
    return instant.astimezone(VIETNAM).date()


def today() -> date:
    """The civil day in Viet Nam now."""
    return day_of(now())
