"""The tables of cases, of what each is linked to, and of the steps that each has taken."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.incidents.models import IncidentsModel
from shared.events.incidents import CaseState, LinkKind
from shared.outbox import instant, word
from shared.workflow import StepTaken


class Case(IncidentsModel, table=True):
    """A case (vụ việc). Through what it was found its links tell. Of persons it keeps numbers, never names."""

    __tablename__ = "cases"
    id: UUID = Field(primary_key=True)
    unit: str
    hamlet: str | None = None
    place: str | None = None
    kind: str
    found_on: date
    # `handled`: persons by measure; `seized`: what, how much.
    details: dict[str, Any] = Field(sa_type=JSONB)
    handled_on: date | None = None
    state: CaseState = word()
    resolved_on: date | None = None
    transferred_on: date | None = None
    transferred_to: str | None = None
    # What the present state rests on; a step keeps its own.
    decision_number: str | None = None
    decision_on: date | None = None
    decision_signer: str | None = None
    # Of a case that another system sent: that system, and its own reference.
    source_system: str | None = None
    reference: str | None = None
    recorded_by: str
    version: int = 1

    __table_args__ = (
        CheckConstraint("(state = 'resolved') = (resolved_on IS NOT NULL)", name="cases_resolved"),
        CheckConstraint("(state = 'transferred') = (transferred_on IS NOT NULL)", name="cases_transferred"),
        CheckConstraint("(transferred_on IS NULL) = (transferred_to IS NULL)", name="cases_transferred_to"),
        CheckConstraint("(details->'handled' = '[]') = (handled_on IS NULL)", name="cases_handled"),
        Index("cases_by_unit_and_day", "unit", "found_on", "id", postgresql_include=["kind", "state"]),
        Index("cases_by_day", "found_on", "id"),
        Index("cases_by_kind", "kind", "found_on", "id"),
        Index(
            "cases_by_reference", "source_system", "reference", unique=True, postgresql_where="reference IS NOT NULL"
        ),
    )


class CaseLink(IncidentsModel, table=True):
    """That a case was found through a tip, a patrol or another activity. One that is taken back stays on record."""

    __tablename__ = "case_links"
    id: UUID = Field(primary_key=True)
    case_id: UUID = Field(foreign_key="cases.id")
    kind: LinkKind = word()
    linked_id: UUID
    # Of a tip: whether the force supplied it, as it stood when it was linked.
    by_force: bool = False
    linked_by: str
    linked_at: datetime = instant()
    removed_by: str | None = None
    removed_at: datetime | None = instant(default=None)
    version: int = 1

    __table_args__ = (
        CheckConstraint("kind IN ('tip', 'patrol', 'activity')", name="case_links_kind_check"),
        Index("case_links_once", "case_id", "linked_id", unique=True, postgresql_where="removed_at IS NULL"),
        Index("case_links_by_linked", "linked_id", "case_id", postgresql_where="removed_at IS NULL"),
    )


class CaseStep(IncidentsModel, StepTaken, table=True):
    """One step of a case: who did what, when and why."""

    __tablename__ = "case_steps"
    case_id: UUID = Field(foreign_key="cases.id")

    __table_args__ = (Index("case_steps_by_case", "case_id", "id"),)
