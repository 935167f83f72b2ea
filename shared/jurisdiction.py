"""What this deployment accepts and who acts on it, from one description: whatever is accepted has somebody in charge.

A deployment serves one province, of any edition. Its province's roles oversee all that it accepts, and so do those
of the provinces that it became: also new communes that only in part are its own. Any other caller has the area of the
own unit, which crosses the editions only where a commune has one successor: a split gives nobody a stranger's tips.
"""

from shared import units
from shared.settings import settings


def served() -> frozenset[str]:
    """The units whose facts this deployment accepts, of every edition."""
    return units.served(settings().province)


def area(unit: str) -> frozenset[str]:
    """The units on whose records a caller of this unit may act in this deployment. KeyError for what is no unit."""
    province = settings().province
    return units.served(province) if unit in (province, *units.later(province)) else units.area(unit)


@units.remembered
def lineage(unit: str) -> frozenset[str]:
    """The unit, what it became and what became it, alone or with others: where a team of it may be found at work."""
    # What no single commune inherits may belong to the province of a later edition.
    heirs, here = set[str](), units.heir(unit)
    while here is not None:
        heirs.add(here)
        here = units.heir(here)
    return frozenset((unit, *heirs, *units.later(unit), *units.earlier(unit)))
