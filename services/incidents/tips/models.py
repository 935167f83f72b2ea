"""The table of tips and of the steps that each has taken."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import Column, Computed, Index, Text, text
from sqlmodel import Field

from services.incidents.models import IncidentsModel
from shared.events.incidents import Channel, SuppliedBy, TipClass, TipState
from shared.listing import Words
from shared.outbox import after_create, instant, word
from shared.workflow import StepTaken

# By what a tip is found beside its columns: its words, and whom it reaches.
WORDS = Words("content", ("unit", "handled_by", "coalesce(forwarded_to, unit)"), "state", "received_on")


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
        # Who handles a tip that is another commune's; a column of its own, so that the planner knows how few those are.
        Column("taken_over_by", Text, Computed("nullif(handled_by, unit)", persisted=True)),
        Index("tips_by_receipt", "receipt_hash", unique=True),
        Index("tips_by_reference", "source_system", "reference", unique=True, postgresql_where="reference IS NOT NULL"),
        Index("tips_merged_into", "merged_into", postgresql_where="merged_into IS NOT NULL"),
        # What another system asks after with its own key; most tips come from nobody in particular.
        Index("tips_by_recorder", "recorded_by", "id", postgresql_where="recorded_by <> 'anyone'"),
        # Lists are in the order of time. A commune's list is read from this index alone, whatever it is narrowed to.
        Index(
            "tips_by_unit_and_time",
            "unit",
            "received_at",
            "id",
            postgresql_include=["state", "classified_as", "topic", "channel", "officer", "team_id"],
        ),
        Index("tips_by_handler", "taken_over_by", "received_at", "id", postgresql_where="taken_over_by IS NOT NULL"),
        Index("tips_by_receiver", "forwarded_to", "received_at", "id", postgresql_where="forwarded_to IS NOT NULL"),
        # A province's lists: one index for each filter, since what is seldom would else be looked for through all years.
        Index("tips_by_time", "received_at", "id"),
        Index("tips_by_unit_and_state", "unit", "state", "received_at", "id"),
        Index("tips_by_state", "state", "received_at", "id"),
        Index("tips_by_class", "classified_as", "received_at", "id", postgresql_where="classified_as IS NOT NULL"),
        Index("tips_by_topic", "topic", "received_at", "id", postgresql_where="topic IS NOT NULL"),
        Index("tips_by_channel", "channel", "received_at", "id"),
        Index("tips_by_officer", "officer", "unit", "received_at", "id", postgresql_where="officer IS NOT NULL"),
        Index("tips_by_team", "team_id", "unit", "received_at", "id", postgresql_where="team_id IS NOT NULL"),
        # Intake only appends to this index's list of what is pending; a job sorts that in.
        Index(
            "tips_by_words",
            text(WORDS.indexed),
            postgresql_using="gin",
            postgresql_with={"gin_pending_list_limit": 1048576},
        ),
    )


# Indexes alone answer only of pages that a vacuum has seen.
after_create(
    Tip, "ALTER TABLE tips SET (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_vacuum_scale_factor = 0.05)"
)


class TipStep(IncidentsModel, StepTaken, table=True):
    """One step of a tip: who did what, when and why (DOMAIN.md: every step records it)."""

    __tablename__ = "tip_steps"
    tip_id: UUID = Field(foreign_key="tips.id")

    __table_args__ = (Index("tip_steps_by_tip", "tip_id", "id"),)


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

    __table_args__ = (Index("informant_looks_by_tip", "tip_id", "id"),)


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

    __table_args__ = (
        Index("tip_messages_by_tip", "tip_id", "id"),
        Index("tip_messages_one_answer", "answers", unique=True, postgresql_where="answers IS NOT NULL"),
    )


class ReceiptTry(IncidentsModel, table=True):
    """How many wrong receipts came from an address, which is here by a keyed hash; a crash may forget it."""

    __tablename__ = "receipt_tries"
    address: bytes = Field(primary_key=True)
    tries: int
    until: datetime = instant()

    __table_args__ = ({"prefixes": ["UNLOGGED"]},)


class ReceiptUsed(IncidentsModel, table=True):
    """That a receipt was used from an address: a keyed hash of both; a crash may forget it."""

    __tablename__ = "receipts_used"
    pair: bytes = Field(primary_key=True)
    used_at: datetime = instant(sa_column_kwargs={"server_default": text("now()")})

    __table_args__ = ({"prefixes": ["UNLOGGED"]},)
