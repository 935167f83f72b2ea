"""The caller of a request: who it is, and whether that may do something to a record of some unit."""

import math
from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

from shared import units
from shared.access.permissions import ALL, AREA, MAY, TEAM
from shared.errors import Forbidden, ForeignArea, Unauthenticated, UnknownUnit
from shared.jurisdiction import area as area_of


class Seen(NamedTuple):
    """Who sees a kind of record: by which right, and which of its columns name the units and the team whose it is."""

    may: str
    units: tuple[str, ...] = ("unit",)
    # None for what belongs to no team: no leader sees it.
    team: str | None = "team_id"


class Identity(NamedTuple):
    """The caller of one request."""

    role: str = "anyone"
    subject: str = "anyone"
    unit: str = ""
    team: str = ""
    scopes: frozenset[str] = frozenset()
    # Until when the token holds, in seconds since 1970, the leeway included.
    holds_until: float = math.inf

    def extent(self, action: str) -> str | None:
        """How far the caller may do this: ALL, AREA or TEAM; None when not at all."""
        if self.role != "system":
            return MAY[action].get(self.role)
        return next((MAY[action][f"system:{scope}"] for scope in self.scopes if f"system:{scope}" in MAY[action]), None)

    def may(self, action: str) -> bool:
        """Whether the caller may do this at all, wherever."""
        return self.extent(action) is not None

    def require(self, action: str, unit: str, team: str | None = None) -> None:
        """Raise unless the caller may do `action` on a record of `unit` (and of `team`, for its leader).

        Without a token that is 401, with the wrong role 403 `forbidden`, elsewhere 403 `foreign-area`.
        """
        reach = self.extent(action)
        if reach is None:
            raise Unauthenticated() if self.role == "anyone" else Forbidden(action=action)
        if reach == AREA and unit not in area_of(self.unit):
            raise ForeignArea(unit=unit)
        if reach == TEAM and (team is None or str(team) != self.team):
            raise ForeignArea(unit=unit)

    def require_role(self, action: str) -> None:
        """Raise as `require` does unless the role may do this somewhere; for what comes before a record is known."""
        if not self.may(action):
            raise Unauthenticated() if self.role == "anyone" else Forbidden(action=action)

    def require_sight(self, seen: Seen) -> None:
        """Raise unless the caller sees some record of this kind, whichever: as `require_role` does, and ForeignArea for a
        leader where records belong to no team. For what comes before one is looked up."""
        self.require_role(seen.may)
        if seen.team is None and self.extent(seen.may) == TEAM:
            raise ForeignArea(unit=self.unit)

    def sees(self, seen: Seen, value: Callable[[str], object], action: str | None = None) -> bool:
        """Whether a record is among those that the caller sees, or may do `action` to; `value` gives a column of it."""
        reach = self.extent(action or seen.may)
        if reach == AREA:
            return not area_of(self.unit).isdisjoint(map(value, seen.units))
        if reach == TEAM:
            return seen.team is not None and str(value(seen.team)) == self.team
        return reach == ALL

    def reach(self, action: str, unit: str | None) -> tuple[UUID | None, list[str] | None]:
        """What a list is narrowed to: the team, for its leader, and the units, `unit` and below where one is named.

        Raises as `require` does, and UnknownUnit for a unit that is none.
        """
        self.require_role(action)
        if unit is not None and units.get(unit) is None:
            raise UnknownUnit(unit=unit)
        below = area_of(unit) if unit is not None else None
        if self.extent(action) == TEAM:
            return UUID(self.team), sorted(below) if below is not None else None
        area = area_of(self.unit) if below is None else area_of(self.unit) & below
        if not area:
            raise ForeignArea(unit=unit)
        return None, sorted(area)


ANYONE = Identity()
