"""The tables of boundaries and hamlets, as the province loads them: whole, an edition at a time."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, Identity, Index, text
from sqlmodel import Field

from services.incidents.models import IncidentsModel
from shared.outbox import instant


class PlaceLoad(IncidentsModel, table=True):
    """One load of an edition's boundaries or hamlets; a process sees by the newest version that it must read anew."""

    __tablename__ = "place_loads"
    version: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    kind: str
    edition: str
    entries: int
    decision: str | None = None
    loaded_by: str
    loaded_at: datetime = instant(sa_column_kwargs={"server_default": text("now()")})


class Boundary(IncidentsModel, table=True):
    """The ground of a commune: WKB of a polygon or several, longitude and latitude in WGS84."""

    __tablename__ = "boundaries"
    unit: str = Field(primary_key=True)
    shape: bytes


class LoadedHamlet(IncidentsModel, table=True):
    """A hamlet of a commune, by the code that the province gives it."""

    __tablename__ = "hamlets"
    edition: str = Field(primary_key=True)
    code: str = Field(primary_key=True)
    name: str
    unit: str

    __table_args__ = (Index("hamlets_by_unit", "unit", "code"),)
