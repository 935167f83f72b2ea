"""The tables of stats beside the counters: which sets there are, how far each has counted, and what could not be counted.

The counters' own tables are made from INDICATORS by the consumer or a rebuild (`counting/sets.py`).
"""

from datetime import datetime

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, SmallInteger, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field

from shared.outbox import Declared, instant

_NOW = {"server_default": text("now()")}


class StatsModel(Declared, registry=registry()):
    """What every table of stats derives from."""


class CounterSet(StatsModel, table=True):
    """A set of counters: a table of days and one of months, with a column for each of its indicators."""

    __tablename__ = "counter_sets"
    id: int = Field(sa_column=Column(Integer, Identity(always=True), primary_key=True))
    indicators: list[str] = Field(sa_type=JSONB)
    serving: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    made_at: datetime = instant(sa_column_kwargs=_NOW)

    __table_args__ = (Index("one_set_serves", "serving", unique=True, postgresql_where="serving"),)


class CountedPosition(StatsModel, table=True):
    """How far a set has counted a source."""

    __tablename__ = "positions"
    set_id: int = Field(primary_key=True, foreign_key="counter_sets.id", ondelete="CASCADE")
    source: str = Field(primary_key=True)
    generation: int
    seq: int = Field(sa_type=BigInteger)
    event_id: str | None = None
    recorded_at: datetime = instant()
    offset: int = Field(sa_type=BigInteger)
    watermark: datetime | None = instant(default=None)
    # Events that could not be counted since the last one that could: many stop the consumer, also after a restart.
    failed_in_a_row: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})


class Uncounted(StatsModel, table=True):
    """An event that could not be counted, as it came, and why."""

    __tablename__ = "dead_letters"
    set_id: int = Field(primary_key=True, foreign_key="counter_sets.id", ondelete="CASCADE")
    source: str = Field(primary_key=True)
    generation: int = Field(primary_key=True)
    seq: int = Field(sa_type=BigInteger, primary_key=True)
    id: str
    type: str
    dataversion: int = Field(sa_type=SmallInteger)
    subject: str
    recorded_at: datetime = instant()
    data: bytes
    reason: str
    failed_at: datetime = instant(sa_column_kwargs=_NOW)
