"""Polygons of communes, by shapely. It is imported where there are boundaries: elsewhere it would only cost memory."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import numpy
import shapely

from shared.units import edition_of

# Viet Nam with its islands, Hoàng Sa and Trường Sa among them: west, south, east, north.
VIETNAM = (102.0, 6.0, 118.0, 24.0)
# The outline of a commune 50 km around, drawn each half metre.
MOST_VERTICES = 100_000
# Neighbours drawn apart from each other overlap by slivers; more than this part of the smaller one is a mistake.
MOST_OVERLAP = 0.01
# Digitised neighbours leave slivers between them: so far apart, in degrees (some 50 m), they still touch.
_TOUCHING = 0.0005

# By what shapes are named: a unit, or the number of a part.
Name = TypeVar("Name", str, int)


class NoPolygon(Exception):
    """What is wrong with a geometry: a code, and in words."""


class Communes:
    """The boundaries of one edition's communes."""

    def __init__(self, boundaries: Mapping[str, shapely.Geometry]) -> None:
        # Sorted, so that a point on a border belongs to the commune of the lowest code, in every process.
        self.units = sorted(boundaries)
        self._shapes = numpy.array([boundaries[unit] for unit in self.units], dtype=object)
        shapely.prepare(self._shapes)
        self._west, self._south, self._east, self._north = shapely.bounds(self._shapes).T
        near = shapely.STRtree(self._shapes).query(self._shapes, "dwithin", distance=_TOUCHING)
        found: dict[str, set[str]] = {unit: set() for unit in self.units}
        for one, other in near.T.tolist():
            if one != other:
                found[self.units[one]].add(self.units[other])
        self.neighbours = {unit: frozenset(others) for unit, others in found.items()}

    def find(self, longitude: float, latitude: float) -> str | None:
        """The commune that contains the point, its border included."""
        # A province has some hundred communes: comparing all their boxes is faster than asking a tree.
        candidates = numpy.flatnonzero(
            (self._west <= longitude)
            & (longitude <= self._east)
            & (self._south <= latitude)
            & (latitude <= self._north)
        )
        hits = candidates[shapely.intersects_xy(self._shapes[candidates], longitude, latitude)]
        return self.units[hits[0]] if hits.size else None


def communes_of(kept: Mapping[str, bytes]) -> dict[str, Communes]:
    """The communes of each edition, from what is kept of each unit."""
    editions: dict[str, dict[str, shapely.Geometry]] = {}
    for unit, shape in kept.items():
        editions.setdefault(edition_of(unit), {})[unit] = shapely.from_wkb(shape)
    return {edition: Communes(boundaries) for edition, boundaries in editions.items()}


def polygon_of(geometry: bytes) -> shapely.Geometry:
    """The valid polygon, or several, in Viet Nam, that a GeoJSON geometry is. Raises NoPolygon."""
    # Each position opens one bracket: counted before anything is made of them.
    if geometry.count(b"[") > MOST_VERTICES:
        raise NoPolygon("too-many-vertices", f"at most {MOST_VERTICES} vertices; simplify it")
    try:
        shape = shapely.force_2d(shapely.from_geojson(geometry))
    except (shapely.GEOSException, TypeError):
        raise NoPolygon("not-geojson", "no GeoJSON geometry") from None
    if shape is None or shape.geom_type not in ("Polygon", "MultiPolygon") or shape.is_empty:
        raise NoPolygon("no-polygon", "give a Polygon or a MultiPolygon")
    west, south, east, north = shape.bounds
    if not (VIETNAM[0] <= west and VIETNAM[1] <= south and east <= VIETNAM[2] and north <= VIETNAM[3]):
        raise NoPolygon("outside-vietnam", "outside Viet Nam: give [longitude, latitude] in WGS84, not VN-2000")
    if not shape.is_valid:
        raise NoPolygon("not-valid", shapely.is_valid_reason(shape))
    return shape


def together(parts: Sequence[shapely.Geometry]) -> shapely.Geometry:
    """The ground of a commune that comes in parts. Raises NoPolygon."""
    if len(parts) == 1:
        return parts[0]
    if shapely.get_num_coordinates(numpy.array(parts, dtype=object)).sum() > MOST_VERTICES:
        raise NoPolygon("too-many-vertices", f"at most {MOST_VERTICES} vertices; simplify it")
    return shapely.union_all(parts)


def overlapping(shapes: Mapping[Name, shapely.Geometry]) -> Iterator[tuple[Name, Name]]:
    """The pairs of units, or of parts of one, in both of which a point may lie, but for the slivers between neighbours."""
    named, geometries = list(shapes), numpy.array(list(shapes.values()), dtype=object)
    pairs = shapely.STRtree(geometries).query(geometries, "intersects").T
    for one, other in pairs[pairs[:, 0] < pairs[:, 1]].tolist():
        common = shapely.area(shapely.intersection(geometries[one], geometries[other]))
        if common > MOST_OVERLAP * min(geometries[one].area, geometries[other].area):
            yield named[one], named[other]


def to_keep(shape: shapely.Geometry) -> bytes:
    """The polygon as the database keeps it (WKB)."""
    kept: bytes = shapely.to_wkb(shape)
    return kept


def geojson_of(kept: bytes) -> str:
    """A GeoJSON geometry of what the database keeps."""
    geometry: str = shapely.to_geojson(shapely.from_wkb(kept))
    return geometry
