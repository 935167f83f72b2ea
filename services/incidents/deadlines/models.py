"""The table of deadlines and of what was decided about each."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, SmallInteger
from sqlmodel import Field

from services.incidents.models import IncidentsModel
from shared.events.incidents import DeadlineState, TipClass
from shared.outbox import instant, word
from shared.workflow import StepTaken


class Deadline(IncidentsModel, table=True):
    """One deadline of a tip. Of a name the one with the highest `round` holds: a reopened tip begins a new round."""

    __tablename__ = "deadlines"
    id: UUID = Field(primary_key=True)
    tip_id: UUID = Field(foreign_key="tips.id")
    name: str
    round: int = Field(sa_type=SmallInteger)
    # Whose police must meet it: they handled the tip when it was met or missed.
    unit: str
    # Whose police handle the tip now: it stands on their work list.
    handled_by: str
    # By these two its rule was chosen.
    classified_as: TipClass | None = word(default=None)
    difficult: bool
    starts_at: datetime = instant()
    due_at: datetime = instant()
    complex: bool
    extended_to: datetime | None = instant(default=None)
    met_at: datetime | None = instant(default=None)
    # The step that met it.
    met_by: str | None = None
    state: DeadlineState = word()
    # Somebody must still do it: running, or missed and not given up with the closing of the tip.
    to_do: bool
    version: int = 1

    __table_args__ = (
        Index("deadlines_of_tip", "tip_id", "name", "round", unique=True),
        # The work list in its order; handler and state stand in the index, so that rows of others are passed over there.
        Index("deadlines_to_do", "due_at", "id", "handled_by", "state", postgresql_where="to_do"),
    )


class DeadlineStep(IncidentsModel, StepTaken, table=True):
    """What an officer decided about a deadline: marked complex, extended, met otherwise; who, when and why."""

    __tablename__ = "deadline_steps"
    deadline_id: UUID = Field(foreign_key="deadlines.id")

    __table_args__ = (Index("deadline_steps_of_deadline", "deadline_id", "id"),)
