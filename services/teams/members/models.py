"""The tables of members and of their terms."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from sqlmodel import Field

from services.teams.teams.models import TeamsModel
from shared.events import Role
from shared.outbox import instant, word

Origin = Literal["ward_guard", "part_time_police", "civil_defence", "recruited"]
Gender = Literal["male", "female"]
# The four grounds of the law, and what else ends a term.
Ground = Literal["own_request", "health", "failed_duty", "prosecution"]
EndedFor = Literal[
    "own_request",
    "health",
    "failed_duty",
    "prosecution",
    "role_changed",
    "transferred",
    "team_placed",
    "team_dissolved",
]


class Member(TeamsModel, table=True):
    """A member. Name and birth date are here alone, in no event; `term_id` is the latest of the member's terms."""

    __tablename__ = "members"
    id: UUID = Field(primary_key=True)
    full_name: str
    # The same for every spelling of one name (case, tone placement).
    name_key: str
    born_on: date
    gender: Gender | None = word(default=None)
    origin: Origin = word()
    over_70_decision: bool
    namesake: bool
    term_id: UUID
    released_on: date | None = None
    withdrawn_at: datetime | None = instant(default=None)
    recorded_by: str
    version: int = 1


class MemberTerm(TeamsModel, table=True):
    """A member's time in one role of one team, both days inclusive; a promotion or a transfer begins another."""

    __tablename__ = "member_terms"
    id: UUID = Field(primary_key=True)
    member_id: UUID = Field(foreign_key="members.id")
    team_id: UUID = Field(foreign_key="teams.id")
    unit: str
    role: Role = word()
    from_on: date
    decision_number: str
    decision_on: date
    decision_signer: str
    until_on: date | None = None
    ended_for: EndedFor | None = word(default=None)
    end_decision_number: str | None = None
    end_decision_on: date | None = None
    end_decision_signer: str | None = None
    end_reason: str | None = None
    withdrawn_at: datetime | None = instant(default=None)
    recorded_by: str
    version: int = 1
