"""The table of cases and of the steps that each has taken."""

from datetime import date
from uuid import UUID

from sqlmodel import Field

from services.incidents.models import IncidentsModel
from services.incidents.steps import StepTaken


class Case(IncidentsModel, table=True):
    """A case (vụ việc). Through what it was found its links tell: a tip, a patrol, or neither."""

    __tablename__ = "cases"
    id: UUID = Field(primary_key=True)
    unit: str
    kind: str
    found_on: date
    tip_id: UUID | None = Field(default=None, foreign_key="tips.id")
    patrol_id: UUID | None = Field(default=None, foreign_key="activities.id")
    state: str
    resolved_on: date | None = None
    # Of a case that another system sent: that system, and its own reference.
    source_system: str | None = None
    reference: str | None = None
    recorded_by: str
    version: int = 1


class CaseStep(StepTaken, table=True):
    """One step of a case: who did what, when and why."""

    __tablename__ = "case_steps"
    case_id: UUID = Field(foreign_key="cases.id")
