"""The table of activities and of the steps that each has taken."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.incidents.models import IncidentsModel, instant
from services.incidents.steps import StepTaken


class Activity(IncidentsModel, table=True):
    """An activity of the force. `turns` is counted, so it is a column; what else a kind has is in `details`."""

    __tablename__ = "activities"
    id: UUID = Field(primary_key=True)
    kind: str
    unit: str
    team_id: UUID | None = None
    started_at: datetime = instant(nullable=False)
    ended_at: datetime = instant(nullable=False)
    held_on: date
    turns: int
    details: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    state: str
    recorded_by: str
    version: int = 1


class ActivityStep(StepTaken, table=True):
    """One step of an activity: who did what, when and why."""

    __tablename__ = "activity_steps"
    activity_id: UUID = Field(foreign_key="activities.id")
