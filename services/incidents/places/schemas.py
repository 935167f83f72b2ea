"""What crosses HTTP about places."""

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, Field

from shared.days import Day
from shared.http import Input
from shared.text import Line, UnitId
from shared.units import Edition

Kind = Literal["boundaries", "hamlets"]
# The province's own code of a hamlet; there is no national one.
HamletCode = Annotated[str, Field(max_length=40, pattern=r"^[0-9A-Za-z._-]+$", examples=["25942-03"])]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]


class LoadHamlet(Input):
    """A hamlet (thôn, ấp, bản, buôn, bon, phum, sóc, tổ dân phố, khu phố, khóm) and the commune it is in."""

    code: HamletCode
    name: Line
    unit: UnitId


class LoadHamlets(Input):
    """All hamlets of one edition, and the decision or resolution that the list rests on."""

    hamlets: Annotated[list[LoadHamlet], Field(min_length=1, max_length=50_000)]
    edition: Edition
    decision: Line | None = None


class Loaded(BaseModel):
    """What was loaded last. `version` is the ETag; `missing`: communes served that have none of it."""

    kind: Kind
    edition: Edition
    version: int
    entries: int
    missing: list[str]
    decision: str | None
    loaded_by: str
    loaded_at: AwareDatetime


class BoundariesOut(BaseModel):
    """The boundaries of one edition's communes: a GeoJSON FeatureCollection (RFC 7946)."""

    type: Literal["FeatureCollection"]
    features: list[dict[str, Any]]


class HamletOut(BaseModel):
    """A hamlet."""

    code: str
    name: str
    unit: str


class HamletPage(BaseModel):
    """A page of hamlets in the order of their codes."""

    items: list[HamletOut]


class ListHamlets(Input):
    """Hamlets of an edition, today's unless given, in a unit and all below it, behind the code `after`."""

    edition: Edition | None = None
    unit: Annotated[UnitId | None, Query()] = None
    limit: Annotated[int, Query(ge=1, le=500)] = 50
    after: HamletCode | None = None


class AskPlace(Input):
    """A point in WGS84, and the day, today unless given, whose edition is meant."""

    longitude: Annotated[Longitude, Query()]
    latitude: Annotated[Latitude, Query()]
    on: Day | None = None


class PlaceOut(BaseModel):
    """The commune that a point lies in."""

    unit: str
    name: str
    on: date
