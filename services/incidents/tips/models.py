"""The table of tips and of the steps that each has taken."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field

from services.incidents.models import IncidentsModel
from shared.events import Channel, SuppliedBy, TipClass, TipState
from shared.outbox import instant, word
from shared.workflow import StepTaken


class Tip(IncidentsModel, table=True):
    """A tip (tin báo). Its receipt is not here, only a keyed hash of it."""

    __tablename__ = "tips"
    id: UUID = Field(primary_key=True)
    unit: str
    hamlet: str | None = None
    longitude: float | None = None
    latitude: float | None = None
    content: str
    topic: str | None = None
    channel: Channel = word()
    named: bool
    # Of a tip that another system relays: that system, and its own reference.
    source_system: str | None = None
    reference: str | None = None
    supplied_by: SuppliedBy = word()
    team_id: UUID | None = None
    state: TipState = word()
    classified_as: TipClass | None = word(default=None)
    # Whose police handle it: the unit's own, or another commune's once that has taken it over.
    handled_by: str
    officer: str | None = None
    forwarded_to: str | None = None
    merged_into: UUID | None = Field(default=None, foreign_key="tips.id")
    occurred_at: datetime | None = instant(default=None)
    received_at: datetime = instant()
    received_on: date
    outcome: Literal["resolved", "rejected"] | None = word(default=None)
    closed_on: date | None = None
    receipt_hash: bytes
    recorded_by: str
    version: int = 1

    __table_args__ = (
        Index("tips_by_receipt", "receipt_hash", unique=True),
        Index("tips_by_reference", "source_system", "reference", unique=True),
    )


class TipStep(IncidentsModel, StepTaken, table=True):
    """One step of a tip: who did what, when and why (DOMAIN.md: every step records it)."""

    __tablename__ = "tip_steps"
    tip_id: UUID = Field(foreign_key="tips.id")


class Informant(IncidentsModel, table=True):
    """Who reported a tip, sealed (tips/informants.py): nobody reads it in the database."""

    __tablename__ = "informants"
    tip_id: UUID = Field(primary_key=True, foreign_key="tips.id")
    sealed: bytes


class InformantLook(IncidentsModel, table=True):
    """One look at an informant's identity: who, when, why."""

    __tablename__ = "informant_looks"
    id: UUID = Field(primary_key=True)
    tip_id: UUID = Field(foreign_key="tips.id")
    looked_by: str
    looked_at: datetime = instant()
    reason: str


class TipMessage(IncidentsModel, table=True):
    """What the police ask the sender, and what the sender answers or adds."""

    __tablename__ = "tip_messages"
    id: UUID = Field(primary_key=True)
    tip_id: UUID = Field(foreign_key="tips.id")
    kind: str
    answers: UUID | None = Field(default=None, foreign_key="tip_messages.id")
    content: str
    written_by: str
    written_at: datetime = instant()
