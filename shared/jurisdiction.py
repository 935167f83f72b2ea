"""What this deployment accepts and who acts on it, from one description: whatever is accepted has somebody in charge.

A deployment serves one province, of either edition. Its province's roles oversee all that it accepts, and so do those
of the province that it became: also new communes that only in part are its own. Any other caller has the area of the
own unit, which crosses the editions only where a commune has one successor: a split gives nobody a stranger's tips.
"""

from functools import lru_cache

from shared import units
from shared.settings import settings


def served() -> frozenset[str]:
    """The units whose facts this deployment accepts, of both editions."""
    return _served(settings().province)


def area(unit: str) -> frozenset[str]:
    """The units on whose records a caller of this unit may act in this deployment. KeyError for what is no unit."""
    return _area(unit, settings().province)


@lru_cache(maxsize=4096)
def lineage(unit: str) -> frozenset[str]:
    """The unit, what it became and what became it, alone or with others: where a team of it may be found at work."""
    found = {unit, *units.successors(unit), *units.predecessors(unit)}
    if len(units.successors(unit)) != 1 and unit.startswith("2024:"):
        # What no single commune inherits may belong to the new province.
        found.update(units.successors(units.ancestors(unit)[-1]) if units.ancestors(unit) else ())
    return frozenset(found)


@lru_cache
def _served(province: str) -> frozenset[str]:
    return units.served(province)


@lru_cache(maxsize=4096)
def _area(unit: str, province: str) -> frozenset[str]:
    if unit in (province, *units.successors(province)):
        return _served(province)
    return units.area(unit)
