"""Civil days: a fact belongs to the day it had in Viet Nam, wherever the server's clock stands."""

import re
from datetime import UTC, date, datetime
from functools import partial
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BeforeValidator, Field, Strict

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")

_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _iso(day: object) -> object:
    if isinstance(day, str) and not _ISO_DAY.fullmatch(day):
        raise ValueError("give a day as 2026-11-30")
    return day


# A day and an instant as they may enter: ISO 8601 texts, no numbers; no counter begins before 1900,
# and at either end of the calendar an instant has no civil day, and a day none after it.
Day = Annotated[date, Strict(), Field(ge=date(1900, 1, 1), lt=date(9999, 1, 1))]
# A day in a query, where every value is a text, and where pydantic would take `0` for 1970-01-01.
QueryDay = Annotated[date, BeforeValidator(_iso), Field(ge=date(1900, 1, 1), lt=date(9999, 1, 1))]
Instant = Annotated[
    AwareDatetime, Strict(), Field(ge=datetime(1900, 1, 2, tzinfo=UTC), lt=datetime(9999, 1, 1, tzinfo=UTC))
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
