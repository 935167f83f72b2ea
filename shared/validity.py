"""Where and when a fact may be: a unit that the deployment serves, of the edition that holds on the fact's day."""

from datetime import date, datetime, timedelta

from shared import units
from shared.days import day_of, now
from shared.errors import DayInTheFuture, UnitNotInForce, UnitNotServed, UnknownUnit
from shared.jurisdiction import served as served

# Clocks of other systems may run ahead of ours by this much.
_CLOCK_TOLERANCE = timedelta(minutes=2)


def require_unit(unit: str, day: date) -> None:
    """Raise unless a fact of `day` may belong to `unit` here: known, served, of that day's edition, not in the future."""
    if unit not in served():
        raise UnknownUnit(unit=unit) if units.get(unit) is None else UnitNotServed(unit=unit)
    require_not_future(day)
    if units.edition_of(unit) != units.edition_on(day):
        raise UnitNotInForce(unit=unit, day=day, edition=units.edition_on(day))


def unit_on(unit: str, day: date) -> str:
    """The unit in which a fact of `day` belongs to a body of `unit`, which may be of an earlier edition.

    The unit itself while its edition holds; then the one commune that it became, or their province where that is
    not known, so that the province's figures stay exact. Where no unit has its facts any more it stays the last that
    had them, which `require_unit` refuses.
    """
    while units.last_day(units.edition_of(unit)) < day and (inherits := units.heir(unit)) is not None:
        unit = inherits
    return unit


def require_not_future(day: date) -> None:
    """Raise when a civil day has not begun in Viet Nam."""
    if day > day_of(now() + _CLOCK_TOLERANCE):
        raise DayInTheFuture(day=day)


def require_past(*instants: datetime | None) -> None:
    """Raise when an instant that is given lies in the future."""
    for instant in instants:
        if instant is not None and instant > now() + _CLOCK_TOLERANCE:
            raise DayInTheFuture(at=instant)
