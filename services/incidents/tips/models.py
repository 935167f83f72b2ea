"""The table of tips and of the steps that each has taken."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field

from services.incidents.models import IncidentsModel, instant
from services.incidents.steps import StepTaken


class Tip(IncidentsModel, table=True):
    """A tip (tin báo). Its receipt is not here, only a keyed hash of it."""

    __tablename__ = "tips"
    id: UUID = Field(primary_key=True)
    unit: str = Field(index=True)
    content: str
    topic: str | None = None
    channel: str
    supplied_by: str
    team_id: UUID | None = None
    state: str
    classified_as: str | None = None
    occurred_at: datetime | None = instant(nullable=True)
    received_at: datetime = instant(nullable=False)
    received_on: date
    outcome: str | None = None
    closed_on: date | None = None
    receipt_hash: bytes
    recorded_by: str
    version: int = 1

    __table_args__ = (Index("tips_by_receipt", "receipt_hash", unique=True),)


class TipStep(StepTaken, table=True):
    """One step of a tip: who did what, when and why (DOMAIN.md: every step records it)."""

    __tablename__ = "tip_steps"
    tip_id: UUID = Field(foreign_key="tips.id")
