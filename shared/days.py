"""Civil days: a fact belongs to the day it had in Viet Nam, wherever the server's clock stands."""

from datetime import UTC, date, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, Field, Strict

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")

# A day and an instant as they may enter: ISO 8601 texts, no numbers; no counter begins before 1900,
# and an instant at either end of the calendar has no civil day.
Day = Annotated[date, Strict(), Field(ge=date(1900, 1, 1))]
Instant = Annotated[
    AwareDatetime, Strict(), Field(ge=datetime(1900, 1, 2, tzinfo=UTC), lt=datetime(9999, 1, 1, tzinfo=UTC))
]


def now() -> datetime:
    """This instant, in UTC."""
    return datetime.now(UTC)


def day_of(instant: datetime) -> date:
    """The civil day in Viet Nam that an instant falls on."""
    return instant.astimezone(VIETNAM).date()


def today() -> date:
    """The civil day in Viet Nam now."""
    return day_of(now())
