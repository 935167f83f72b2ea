"""Who may ask for which figures: officers those of their area, everyone what is public of the province."""

from datetime import date, timedelta
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

from services.stats.counters.schemas import Figures, Series
from services.stats.indicators import INDICATORS
from shared import units
from shared.access import Identity
from shared.days import today
from shared.errors import ForeignArea, InvalidInput, Unauthenticated, UnitNotServed, UnknownUnit
from shared.jurisdiction import area as area_of
from shared.settings import settings
from shared.validity import served

Question = TypeVar("Question", bound=Figures)
Question_co = TypeVar("Question_co", bound=Figures, covariant=True)


class Permitted(NamedTuple, Generic[Question_co]):
    """A question that its caller may ask, about a unit in the edition asked for.

    `publicly`: the caller may ask it for its figures' being public alone.
    """

    caller: Identity
    query: Question_co
    unit: units.Unit
    publicly: bool


def permitted(caller: Identity, query: Question) -> Permitted[Question]:
    """The question, with its unit in the edition asked for. Raises unless the caller may ask it.

    Public are a province's figures of public indicators over whole months, as known now or at the end of a month:
    the difference of two such answers never is what one day did.
    """
    query = _shown(query)
    unit = units.get(query.unit)
    if unit is None:
        raise UnknownUnit(unit=query.unit)
    if query.unit not in served():
        raise UnitNotServed(unit=query.unit)
    if query.to < query.from_:
        raise InvalidInput(errors=[{"at": "to", "code": "before-from", "message": "the range ends before it begins"}])
    if query.to.year > 9990 or query.from_.year < 1900:
        raise InvalidInput(errors=[{"at": "from", "code": "range", "message": "years 1900 to 9990"}])
    anyone = caller.role == "anyone"
    if not anyone:
        caller.require_role("read_counters")
        if query.unit in area_of(caller.unit):
            return Permitted(caller, query, unit, publicly=False)
    by_months = query.from_.day == 1 and _ends_a_month(query.to)
    by_months = by_months and (query.known_at is None or _ends_a_month(query.known_at))
    by_months = by_months and not (isinstance(query, Series) and query.by == "day")
    if unit.level != "province" or not by_months or not public_indicators().issuperset(query.indicator):
        raise Unauthenticated() if anyone else ForeignArea(unit=query.unit)
    return Permitted(caller, query, unit, publicly=True)


def permitted_breakdown(caller: Identity, query: Figures) -> Permitted[Figures]:
    """The same for a breakdown: everyone may ask for that of today's province, as known now, over at most a year.

    Other editions and earlier knowledge would cut the same facts in another way.
    """
    asked = permitted(caller, query)
    if caller.role == "anyone":
        if asked.unit.edition != units.edition_on(today()) or asked.query.known_at is not None:
            raise Unauthenticated()
        if asked.query.to > asked.query.from_ + timedelta(days=366):
            raise InvalidInput(errors=[{"at": "to", "code": "too-many-periods", "message": "at most 12 periods"}])
    return asked


def _shown(query: Question) -> Question:
    """A unit is shown in another edition as the one unit that it became, or that alone became it."""
    unit = units.get(query.unit)
    if unit is None or query.edition is None or query.edition == unit.edition:
        return query
    found = units.counterpart(unit.id, query.edition)
    if found is None:
        raise InvalidInput(
            errors=[{"at": "edition", "code": "no-single-counterpart", "message": "no one unit stands for it there"}]
        )
    return query.model_copy(update={"unit": found, "edition": None})


def _ends_a_month(day: date) -> bool:
    return (day + timedelta(days=1)).day == 1


def public_indicators() -> frozenset[str]:
    """The indicators that are read without a token. ValueError for one that the province opens and that is none."""
    return _public_indicators(settings().public_indicators)


@lru_cache
def _public_indicators(further: str) -> frozenset[str]:
    opened = {name.strip() for name in further.split(",") if name.strip()}
    if unknown := opened - {indicator.name for indicator in INDICATORS}:
        raise ValueError(f"ANTT_PUBLIC_INDICATORS: there is no indicator {', '.join(sorted(unknown))}")
    return frozenset(opened.union(indicator.name for indicator in INDICATORS if indicator.public))
