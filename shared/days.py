"""Civil days: a fact belongs to the day it had in Viet Nam, wherever the server's clock stands."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")


def now() -> datetime:
    """This instant, in UTC."""
    return datetime.now(UTC)


def day_of(instant: datetime) -> date:
    """The civil day in Viet Nam that an instant falls on."""
    return instant.astimezone(VIETNAM).date()


def today() -> date:
    """The civil day in Viet Nam now."""
    return day_of(now())
