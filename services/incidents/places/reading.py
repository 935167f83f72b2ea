"""What may be read of places."""

import asyncio
from datetime import date

import asyncpg

from services.incidents.places import lookup
from services.incidents.places.schemas import (
    AskPlace,
    HamletOut,
    HamletPage,
    Kind,
    ListHamlets,
    Loaded,
    PlaceOut,
)
from shared import units
from shared.database import Database
from shared.days import today
from shared.errors import UnknownUnit
from shared.validity import served


async def version(connection: asyncpg.Connection, kind: Kind, edition: str) -> int:
    """The version of what was loaded last; 0 before the first load."""
    found: int = await connection.fetchval(
        "SELECT coalesce(max(version), 0) FROM place_loads WHERE kind = $1 AND edition = $2", kind, edition
    )
    return found


async def loads(database: Database) -> list[Loaded]:
    """What was loaded last, of each kind and edition."""
    rows = await database.fetch(
        "SELECT DISTINCT ON (kind, edition) * FROM place_loads ORDER BY kind, edition, version DESC"
    )
    there = await database.fetch(
        """SELECT 'boundaries' AS kind, unit FROM boundaries UNION SELECT 'hamlets', unit FROM hamlets"""
    )
    have = {(row["kind"], row["unit"]) for row in there}
    return [
        Loaded.model_validate({**row, "missing": [u for u in communes(row["edition"]) if (row["kind"], u) not in have]})
        for row in rows
    ]


async def loaded(database: Database, kind: Kind, edition: str) -> Loaded:
    """What was loaded last of this kind and edition, which there must be."""
    return next(load for load in await loads(database) if (load.kind, load.edition) == (kind, edition))


def communes(edition: str) -> list[str]:
    """The communes served of this edition, and the districts that have none below them."""
    return sorted(unit for unit in served() if units.edition_of(unit) == edition and not units.children(unit))


async def boundaries(database: Database, edition: str) -> tuple[int, bytes]:
    """The version and the FeatureCollection of an edition's boundaries."""
    async with database.connection() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        now = await version(connection, "boundaries", edition)
        rows = await connection.fetch(
            "SELECT unit, shape FROM boundaries WHERE starts_with(unit, $1 || ':') ORDER BY unit", edition
        )
    return now, await asyncio.to_thread(_collection, [(row["unit"], row["shape"]) for row in rows])


def _collection(rows: list[tuple[str, bytes]]) -> bytes:
    from services.incidents.places.geometry import geojson_of

    features = (
        f'{{"type":"Feature","properties":{{"unit":"{unit}"}},"geometry":{geojson_of(shape)}}}' for unit, shape in rows
    )
    return f'{{"type":"FeatureCollection","features":[{",".join(features)}]}}'.encode()


async def list_hamlets(database: Database, query: ListHamlets) -> HamletPage:
    """A page of hamlets. UnknownUnit for a unit that is none."""
    if query.unit is not None and units.get(query.unit) is None:
        raise UnknownUnit(unit=query.unit)
    edition = query.edition or (units.edition_of(query.unit) if query.unit else units.edition_on(today()))
    rows = await database.fetch(
        """SELECT code, name, unit FROM hamlets
        WHERE edition = $1 AND ($2::text[] IS NULL OR unit = ANY($2)) AND ($3::text IS NULL OR code > $3)
        ORDER BY code LIMIT $4""",
        edition,
        [unit for unit in communes(edition) if query.unit in (unit, *units.ancestors(unit))] if query.unit else None,
        query.after,
        query.limit,
    )
    return HamletPage(items=[HamletOut.model_validate(dict(row)) for row in rows])


async def place_at(database: Database, query: AskPlace) -> PlaceOut:
    """The commune of a point. PlaceUnknown where none contains it, BoundariesNotLoaded before there are any."""
    day: date = query.on or today()
    found = await lookup.locate(database, day, longitude=query.longitude, latitude=query.latitude)
    unit = units.get(found)
    assert unit is not None
    return PlaceOut(unit=unit.id, name=unit.name, on=day)
