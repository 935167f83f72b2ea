"""The HTTP side of administrative units: reference data, which anyone may read."""

from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from services.teams.units.schemas import ListUnits, UnitDetails, UnitOut, UnitPage
from shared import units
from shared.errors import NotFound
from shared.http import link_next, problems
from shared.settings import settings
from shared.text import UnitId
from shared.validity import served

queries = APIRouter(prefix="/units", tags=["units"], responses=problems())


@queries.get("")
async def list_units(query: Annotated[ListUnits, Query()], request: Request, response: Response) -> UnitPage:
    """Units of every edition, found by code, name, parent, level or edition."""
    found = units.search(**{name: value or "" for name, value in query if name != "limit"}, limit=query.limit)
    link_next(request, response, found, query.limit)
    return UnitPage(items=[_out(unit) for unit in found])


@queries.get("/{unit}", responses=problems(NotFound))
async def read_unit(unit: UnitId) -> UnitDetails:
    """One unit, what lies above it, what it became in the next edition, what became it, and whether it is served here."""
    found = units.get(unit)
    if found is None:
        raise NotFound(unit=unit)
    return UnitDetails(
        **found._asdict(),
        ancestors=_named(units.ancestors(unit)),
        successors=_named(units.successors(unit)),
        predecessors=_named(units.predecessors(unit)),
        served=unit in served(),
        partial=unit in served() and units.is_partial(unit, settings().province),
    )


def _named(ids: Iterable[str]) -> list[UnitOut]:
    return [_out(unit) for unit in map(units.get, ids) if unit]


def _out(unit: units.Unit) -> UnitOut:
    return UnitOut(**unit._asdict())
