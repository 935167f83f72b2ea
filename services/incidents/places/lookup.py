"""Which commune a point or a hamlet is in, answered from memory: `await lookup.locate(work.database, …)`.

Each process holds what is loaded in its database and looks once a second, when asked, whether another process
has loaded something newer. Until that is read the older answers hold, for a second or two.
"""

import asyncio
from contextlib import suppress
from datetime import date
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import asyncpg

from shared import units
from shared.database import Database
from shared.errors import Problem, invalid

if TYPE_CHECKING:
    from services.incidents.places.geometry import Communes

_SECONDS_BETWEEN_LOOKS = 1.0


class PlaceUnknown(Problem):
    status, name = 422, "place-unknown"
    vi, en = (
        "Điểm này không nằm trong xã, phường nào đã có ranh giới; hãy chọn xã, phường.",
        "The point lies in no commune whose boundary is loaded; name the commune.",
    )


class BoundariesNotLoaded(Problem):
    status, name = 422, "boundaries-not-loaded"
    vi, en = (
        "Tỉnh chưa nạp ranh giới xã, phường; hãy chọn xã, phường.",
        "The province has not loaded the boundaries of its communes; name the commune.",
    )


class UnknownHamlet(Problem):
    status, name = 422, "unknown-hamlet"
    vi, en = (
        "Không có thôn, ấp, tổ dân phố nào mang mã này.",
        "There is no hamlet of this code.",
    )


class Hamlet(NamedTuple):
    """A hamlet as the province names it: a tuple of its commune and its name."""

    unit: str
    name: str


class Places:
    """All that is loaded, of one version; it never changes."""

    def __init__(self, version: int, communes: "dict[str, Communes]", hamlets: dict[str, dict[str, Hamlet]]) -> None:
        self.version = version
        self._communes = communes
        self._hamlets = hamlets

    def find(self, longitude: float, latitude: float, edition: str) -> str | None:
        """The commune of this edition that contains a point in WGS84, or None; on a border that of the lowest code.

        Raises BoundariesNotLoaded when the edition has no boundaries at all.
        """
        if edition not in self._communes:
            raise BoundariesNotLoaded(edition=edition)
        return self._communes[edition].find(longitude, latitude)

    def has_boundaries(self, edition: str) -> bool:
        """Whether the province has loaded boundaries of this edition."""
        return edition in self._communes

    def has_boundary(self, unit: str) -> bool:
        """Whether the boundary of a commune is loaded."""
        communes = self._communes.get(units.edition_of(unit))
        return communes is not None and unit in communes.units

    def hamlet(self, code: str, edition: str) -> Hamlet | None:
        """The commune and the name of the hamlet that the province gave this code, or None."""
        return self._hamlets.get(edition, {}).get(code)

    def has_hamlets(self, edition: str) -> bool:
        """Whether the province has loaded the hamlets of this edition."""
        return edition in self._hamlets

    def neighbours(self, unit: str) -> frozenset[str]:
        """The communes whose boundaries touch the unit's, within some 50 m; none where boundaries are not loaded."""
        communes = self._communes.get(units.edition_of(unit))
        return communes.neighbours.get(unit, frozenset()) if communes else frozenset()


class _Loaded:
    """What one process knows of one database's places."""

    def __init__(self) -> None:
        self.places: Places | None = None
        self.looked_at = float("-inf")
        self.reading = asyncio.Lock()


_held: WeakKeyDictionary[Database, _Loaded] = WeakKeyDictionary()


async def known(database: Database) -> Places:
    """What is loaded; at most some seconds older than what another process has just loaded."""
    held = _held.setdefault(database, _Loaded())
    newest = monotonic() - _SECONDS_BETWEEN_LOOKS
    # While one request looks for something newer the others go on with what there is.
    if held.places is None or (held.looked_at < newest and not held.reading.locked()):
        await _look(database, held, newest)
    assert held.places is not None
    return held.places


async def refresh(database: Database) -> None:
    """Know all that was loaded before this call."""
    await _look(database, _held.setdefault(database, _Loaded()), monotonic())


async def _look(database: Database, held: _Loaded, newest: float) -> None:
    async with held.reading:
        if held.places is not None and held.looked_at >= newest:
            return
        looked_at = monotonic()
        async with (
            database.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            version = await connection.fetchval("SELECT coalesce(max(version), 0) FROM place_loads")
            if held.places is None or held.places.version != version:
                boundaries = await connection.fetch("SELECT unit, shape FROM boundaries")
                hamlets = await connection.fetch("SELECT edition, code, unit, name FROM hamlets")
                held.places = await asyncio.to_thread(_build, version, boundaries, hamlets)
        held.looked_at = looked_at


def _build(version: int, boundaries: list[asyncpg.Record], hamlets: list[asyncpg.Record]) -> Places:
    communes: dict[str, Communes] = {}
    if boundaries:
        from services.incidents.places.geometry import communes_of

        communes = communes_of({row["unit"]: row["shape"] for row in boundaries})
    named: dict[str, dict[str, Hamlet]] = {}
    for hamlet in hamlets:
        named.setdefault(hamlet["edition"], {})[hamlet["code"]] = Hamlet(hamlet["unit"], hamlet["name"])
    return Places(version, communes, named)


async def locate(
    database: Database,
    day: date,
    unit: str | None = None,
    hamlet: str | None = None,
    longitude: float | None = None,
    latitude: float | None = None,
) -> str:
    """The unit that a fact of `day` belongs to, named by a unit, a hamlet's code or a point in WGS84, in that order.

    A hamlet must be of the unit named beside it, or below it; where the province has loaded none, the unit alone
    counts. A point beside a unit or a hamlet is only kept: whoever names a commune knows better than a receiver.
    Raises UnknownHamlet, PlaceUnknown, BoundariesNotLoaded, InvalidInput. Whether the unit is served and of that
    day's edition is for `require_unit` to say.
    """
    edition = units.edition_on(day)
    if hamlet is not None:
        places = await known(database)
        found = places.hamlet(hamlet, edition)
        if found is None and (unit is None or places.has_hamlets(edition)):
            raise UnknownHamlet()
        if found is not None:
            if unit not in (None, found.unit, *units.ancestors(found.unit)):
                raise invalid("hamlet", "other-unit", "the hamlet is of another unit")
            return found.unit
    if unit is not None:
        return unit
    if longitude is None or latitude is None:
        raise invalid("unit", "missing", "name a unit, a hamlet or a point")
    commune = (await known(database)).find(longitude, latitude, edition)
    if commune is None:
        raise PlaceUnknown()
    return commune


async def has_boundaries(database: Database, day: date) -> bool:
    """Whether the province has loaded boundaries of that day's edition, so that a point says where it lies."""
    return (await known(database)).has_boundaries(units.edition_on(day))


async def contradicts(database: Database, day: date, unit: str, longitude: float, latitude: float) -> bool:
    """Whether a point in WGS84 certainly lies outside a unit: in another commune, or not in it though its boundary is known."""
    places = await known(database)
    edition = units.edition_on(day)
    if not places.has_boundaries(edition):
        return False
    commune = places.find(longitude, latitude, edition)
    if commune is None:
        return places.has_boundary(unit)
    return unit not in (commune, *units.ancestors(commune))


async def lies_elsewhere(database: Database, day: date, unit: str, longitude: float, latitude: float) -> bool:
    """Whether the boundaries of `day` show a point in WGS84 in a commune that is neither `unit` nor below it."""
    with suppress(BoundariesNotLoaded):
        commune = (await known(database)).find(longitude, latitude, units.edition_on(day))
        return commune is not None and unit not in (commune, *units.ancestors(commune))
    return False
