"""The table of activities and of the steps that each has taken."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.incidents.models import IncidentsModel
from shared.events.incidents import ActivityKind, ActivityState
from shared.outbox import instant, word
from shared.workflow import StepTaken


class Activity(IncidentsModel, table=True):
    """An activity of the force; what its kind has is in `details`, `turns` in a column of its own.

    `entered_at`: since when what a team entered waits, or waited, for the police; `confirm_by`: the last day on
    which it is confirmed in time; `confirmed_at`: when it was. All three are null for what others entered.
    """

    __tablename__ = "activities"
    id: UUID = Field(primary_key=True)
    kind: ActivityKind = word()
    unit: str
    team_id: UUID | None = None
    started_at: datetime = instant()
    ended_at: datetime = instant()
    held_on: date
    turns: int
    details: dict[str, Any] = Field(sa_type=JSONB)
    state: ActivityState = word()
    # Of an activity that another system sent: that system, and its own reference.
    source_system: str | None = None
    reference: str | None = None
    entered_at: datetime | None = instant(default=None)
    confirm_by: date | None = None
    confirmed_at: datetime | None = instant(default=None)
    recorded_by: str
    version: int = 1

    __table_args__ = (
        CheckConstraint("(entered_at IS NULL) = (confirm_by IS NULL)", name="activities_entered"),
        CheckConstraint(
            "confirmed_at IS NULL OR entered_at IS NOT NULL AND state = 'confirmed'", name="activities_confirmed"
        ),
        Index(
            "activities_by_unit_and_time",
            "unit",
            "started_at",
            "id",
            postgresql_include=["kind", "state", "team_id"],
        ),
        Index("activities_by_time", "started_at", "id"),
        Index("activities_by_kind", "kind", "started_at", "id"),
        Index("activities_waiting", "state", "started_at", "id", postgresql_where="state <> 'confirmed'"),
        Index("activities_by_team", "team_id", "started_at", "id", postgresql_where="team_id IS NOT NULL"),
        Index(
            "activities_by_reference",
            "source_system",
            "reference",
            unique=True,
            postgresql_where="reference IS NOT NULL",
        ),
    )


class ActivityStep(IncidentsModel, StepTaken, table=True):
    """One step of an activity: who did what, when and why."""

    __tablename__ = "activity_steps"
    activity_id: UUID = Field(foreign_key="activities.id")

    __table_args__ = (Index("activity_steps_by_activity", "activity_id", "id"),)
