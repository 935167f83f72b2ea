"""How far a caller's reading of the registry reaches: an area's units, or for a leader the own team."""

from typing import NamedTuple
from uuid import UUID

from shared import units
from shared.auth import MAY, TEAM, Identity


class Reach(NamedTuple):
    """What a list is narrowed to: one team, or these units."""

    team_id: UUID | None
    units: list[str] | None


def reach(caller: Identity, unit: str | None) -> Reach:
    """What the caller may read of `unit` and all below it, or of everything. ForeignArea for a unit elsewhere."""
    if MAY["read_records"].get(caller.role) == TEAM:
        return Reach(UUID(caller.team), sorted(_within(unit)) if unit else None)
    caller.require("read_records", unit or caller.unit)
    area = units.area(caller.unit)
    return Reach(None, sorted(area & _within(unit) if unit else area))


def _within(unit: str) -> frozenset[str]:
    return units.area(unit) if units.get(unit) else frozenset()
