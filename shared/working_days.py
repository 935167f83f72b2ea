"""Working days and the ends of periods, as Viet Nam reckons them (Criminal Procedure Code 2015, art. 134).

A period in days or months ends at 24:00 of its last day, and when that is no working day, of the first working day
after it; the day on which it begins is not counted. Hours run through nights and holidays. An end at 24:00 is given
as the instant at which the next day begins, and belongs to the day that ends: `last_day` gives it.
"""

import tomllib
from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from pathlib import Path

import holidays
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.days import VIETNAM, Day, day_of
from shared.settings import settings

SWAPS = Path(__file__).parent / "data" / "swaps.toml"


class BadFile(Exception):
    """A file of the province cannot be used; the text says where and why."""


class Swap(BaseModel):
    """A working day that the government made a day of rest, and the day worked instead."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    off: Day
    worked: Day
    source: str = Field(min_length=1)


class _Swaps(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    swap: list[Swap] = []


def read_swaps(path: Path) -> list[Swap]:
    """The swaps that a file lists. Raises BadFile."""
    try:
        return _Swaps.model_validate(tomllib.loads(path.read_text("utf-8"))).swap
    except (OSError, ValueError) as error:
        raise BadFile(f"{path}: {in_words(error)}") from error


def in_words(error: Exception) -> str:
    """What is wrong with a file, each place and its reason."""
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())


@cache
def _swapped() -> dict[date, bool]:
    """The days that a swap decides: whether they are worked."""
    own = settings().swaps
    swaps = [*read_swaps(SWAPS), *(read_swaps(Path(own)) if own else [])]
    return {swap.off: False for swap in swaps} | {swap.worked: True for swap in swaps}


@cache
def _public_holidays(year: int) -> holidays.HolidayBase:
    # With the years around it, for a swap may reach across New Year.
    return holidays.country_holidays("VN", years=(year - 1, year, year + 1), expand=False)


@lru_cache(maxsize=8_192)
def is_working_day(day: date) -> bool:
    """Whether offices work: Monday to Friday but public holidays, Tết included, and days swapped with them."""
    swapped = _swapped().get(day)
    if swapped is not None:
        return swapped
    return _public_holidays(day.year).is_working_day(day)


def _working_day_from(day: date) -> date:
    while not is_working_day(day):
        day += timedelta(days=1)
    return day


def end_of(day: date) -> datetime:
    """24:00 of a day in Viet Nam, as an instant in UTC."""
    return datetime.combine(day + timedelta(days=1), time(), VIETNAM).astimezone(UTC)


def end_on_working_day(day: date) -> datetime:
    """24:00 of a day, or of the first working day after it."""
    return end_of(_working_day_from(day))


def last_day(end: datetime) -> date:
    """The civil day on which a period ends; an end at 24:00 belongs to the day before."""
    return day_of(end - timedelta(microseconds=1))


def hours_later(instant: datetime, hours: int) -> datetime:
    """So many hours later; nights and holidays count."""
    return instant + timedelta(hours=hours)


def days_later(instant: datetime, days: int) -> datetime:
    """24:00 of the last of so many civil days, or of the first working day after it."""
    return end_on_working_day(day_of(instant) + timedelta(days=days))


def working_days_later(instant: datetime, days: int) -> datetime:
    """24:00 of the last of so many working days after the instant's day; of none: of its day, or the first working day after."""
    day = day_of(instant)
    if not days:
        return end_on_working_day(day)
    for _ in range(days):
        day = _working_day_from(day + timedelta(days=1))
    return end_of(day)


def months_later(instant: datetime, months: int) -> datetime:
    """24:00 of the same day so many months later, of the month's last day where it has none such, or of the first working day after."""
    day = day_of(instant)
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    same_day = min(day.day, monthrange(year, month + 1)[1])
    return end_on_working_day(date(year, month + 1, same_day))
