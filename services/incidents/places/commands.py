"""The verbs of places: load an edition's boundaries, load its hamlets.

A load replaces all of its kind and edition in one transaction of its own: megabytes of boundaries don't wait in the
queue that tips wait in, nothing of them is counted, and so they emit no event.
"""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Literal

import msgspec
from pydantic import ValidationError

from services.incidents.places import lookup, reading
from services.incidents.places.schemas import Kind, Loaded, LoadHamlets
from shared import units
from shared.access import Identity
from shared.database import Database
from shared.errors import InvalidInput, PreconditionFailed
from shared.http import invalid_input
from shared.validity import served

_MOST_ERRORS = 100
# So many islands a commune may have as features of their own; each is compared with each.
_MOST_PARTS = 1_000
# As some editors write it before JSON.
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Feature(msgspec.Struct):
    """A GeoJSON feature: a commune's boundary; the geometry is read by shapely."""

    type: Literal["Feature"]
    geometry: msgspec.Raw
    properties: dict[str, object] | None = None


class FeatureCollection(msgspec.Struct):
    """GeoJSON's list of features; `crs` is of an older GeoJSON, and must then say WGS84."""

    type: Literal["FeatureCollection"]
    features: list[Feature]
    crs: msgspec.Raw = msgspec.Raw(b"null")


class _Errors(list[dict[str, str]]):
    def report(self, at: str, code: str, message: str) -> None:
        if len(self) < _MOST_ERRORS:
            self.append({"at": at, "code": code, "message": message})


async def load_boundaries(database: Database, caller: Identity, content: bytes, if_match: str | None) -> Loaded:
    """Replace the boundaries of one edition by those of a FeatureCollection. InvalidInput names each bad feature.

    A commune may come in several features, its islands beside the mainland.
    """
    edition, rows = await asyncio.to_thread(_boundaries, content)
    return await _replace(
        database,
        caller,
        ("boundaries", edition, None),
        if_match,
        "DELETE FROM boundaries WHERE starts_with(unit, $1 || ':')",
        "INSERT INTO boundaries (unit, shape) SELECT * FROM unnest($1::text[], $2::bytea[])",
        rows,
    )


async def load_hamlets(database: Database, caller: Identity, content: bytes, if_match: str | None) -> Loaded:
    """Replace the hamlets of one edition. InvalidInput names each bad row."""
    given, rows = await asyncio.to_thread(_hamlets, content)
    return await _replace(
        database,
        caller,
        ("hamlets", given.edition, given.decision),
        if_match,
        "DELETE FROM hamlets WHERE edition = $1",
        "INSERT INTO hamlets (edition, code, name, unit) SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])",
        rows,
    )


async def _replace(
    database: Database,
    caller: Identity,
    load: tuple[Kind, str, str | None],
    if_match: str | None,
    delete: str,
    insert: str,
    rows: Sequence[Sequence[object]],
) -> Loaded:
    kind, edition, decision = load
    async with database.connection() as connection, connection.transaction():
        # One load at a time, so that versions are in the order of commits; who reads waits for nothing.
        await connection.execute("LOCK TABLE place_loads IN EXCLUSIVE MODE")
        before = await reading.version(connection, kind, edition)
        if if_match is not None and not {f'"{before}"', "*"}.intersection(map(str.strip, if_match.split(","))):
            raise PreconditionFailed(etag=f'"{before}"')
        await connection.execute(delete, edition)
        await connection.execute(insert, *map(list, zip(*rows, strict=True)))
        await connection.execute(
            """INSERT INTO place_loads (kind, edition, entries, decision, loaded_by) VALUES ($1, $2, $3, $4, $5)""",
            kind,
            edition,
            len(rows),
            decision,
            caller.subject,
        )
    # Whoever loaded them finds them in use.
    await lookup.refresh(database)
    return await reading.loaded(database, kind, edition)


def _boundaries(content: bytes) -> tuple[str, list[tuple[str, bytes]]]:
    from services.incidents.places import geometry

    errors = _Errors()
    try:
        given = msgspec.json.decode(content.removeprefix(_BYTE_ORDER_MARK), type=FeatureCollection)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise InvalidInput(errors=[{"at": "", "code": "not-geojson", "message": "give a FeatureCollection"}]) from None
    if not any(name in bytes(given.crs) for name in (b"null", b"CRS84", b"4326")):
        errors.report("crs", "not-wgs84", "give longitude and latitude in WGS84, not in VN-2000")
    parts: dict[str, dict[int, Any]] = {}
    for number, feature in enumerate(given.features):
        unit = _unit_of(feature.properties or {}, f"features.{number}.properties", errors)
        shape = None
        try:
            shape = geometry.polygon_of(bytes(feature.geometry))
        except geometry.NoPolygon as wrong:
            errors.report(f"features.{number}.geometry", *wrong.args)
        if unit is not None and _is_right_unit(unit, parts, f"features.{number}.properties", errors):
            parts.setdefault(unit, {})[number] = shape
    if not given.features:
        errors.report("features", "empty", "no feature at all")
    shapes: dict[str, Any] = {}
    if not errors:
        for unit, of_unit in parts.items():
            if len(of_unit) > _MOST_PARTS:
                errors.report(
                    f"features.{max(of_unit)}.properties", "too-many-parts", f"at most {_MOST_PARTS} of a commune"
                )
                continue
            for one, other in islice(geometry.overlapping(of_unit), _MOST_ERRORS):
                errors.report(f"features.{other}.properties", "duplicate", f"the ground of features.{one} again")
            try:
                shapes[unit] = geometry.together(list(of_unit.values()))
            except geometry.NoPolygon as wrong:
                errors.report(f"features.{max(of_unit)}.geometry", *wrong.args)
    if not errors:
        for here, there in geometry.overlapping(shapes):
            pair = next(geometry.overlapping(parts[here] | parts[there]), (max(parts[here]), max(parts[there])))
            errors.report(f"features.{max(pair)}.geometry", "overlap", f"{here} and {there} overlap")
    if errors:
        raise InvalidInput(errors=errors)
    return units.edition_of(next(iter(shapes))), [
        (unit, geometry.to_keep(shape)) for unit, shape in sorted(shapes.items())
    ]


def _unit_of(properties: dict[str, object], at: str, errors: _Errors) -> str | None:
    """The unit that a feature names: `unit` as 2025:25942, or `edition` and `code`."""
    unit = properties.get("unit")
    if unit is None:
        unit = f"{properties.get('edition')}:{properties.get('code')}"
    if isinstance(unit, str) and units.get(unit) is not None:
        return unit
    errors.report(at, "unknown-unit", "`unit` names no unit, and neither do `edition` and `code`")
    return None


def _is_right_unit(unit: str, before: Iterable[str], at: str, errors: _Errors) -> bool:
    """Whether the unit may have a boundary or hamlets: a commune that is served, of the edition of those before."""
    if unit not in served():
        errors.report(at, "unit-not-served", "the unit is outside the province served")
    elif units.children(unit):
        errors.report(at, "not-a-commune", "the unit is no commune")
    elif units.edition_of(unit) != units.edition_of(next(iter(before), unit)):
        errors.report(at, "other-edition", "all must be of one edition")
    else:
        return True
    return False


def _hamlets(content: bytes) -> tuple[LoadHamlets, list[tuple[str, str, str, str]]]:
    try:
        given = LoadHamlets.model_validate_json(content.removeprefix(_BYTE_ORDER_MARK))
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise invalid_input(found[:_MOST_ERRORS]) from None
    errors, codes = _Errors(), set[str]()
    for number, hamlet in enumerate(given.hamlets):
        at = f"hamlets.{number}"
        if units.get(hamlet.unit) is None:
            errors.report(at, "unknown-unit", "there is no such unit")
        elif _is_right_unit(hamlet.unit, (), at, errors) and units.edition_of(hamlet.unit) != given.edition:
            errors.report(at, "other-edition", "all must be of the edition named")
        if hamlet.code in codes:
            errors.report(at, "duplicate", "this code again")
        codes.add(hamlet.code)
    if errors:
        raise InvalidInput(errors=errors)
    return given, [(given.edition, hamlet.code, hamlet.name, hamlet.unit) for hamlet in given.hamlets]
