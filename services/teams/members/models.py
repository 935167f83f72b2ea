"""The tables of members and of their terms."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import DateTime
from sqlmodel import Field

from services.teams.teams.models import TeamsModel


class Member(TeamsModel, table=True):
    """A member. Name and birth date are here alone, in no event; `term_id` is the latest of the member's terms."""

    __tablename__ = "members"
    id: UUID = Field(primary_key=True)
    full_name: str
    # The same for every spelling of one name (case, tone placement).
    name_key: str
    born_on: date
    gender: str | None = None
    origin: str
    over_70_decision: bool
    namesake: bool
    term_id: UUID
    released_on: date | None = None
    withdrawn_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    recorded_by: str
    version: int = 1


class MemberTerm(TeamsModel, table=True):
    """A member's time in one role of one team, both days inclusive; a promotion or a transfer begins another."""

    __tablename__ = "member_terms"
    id: UUID = Field(primary_key=True)
    member_id: UUID = Field(foreign_key="members.id")
    team_id: UUID = Field(foreign_key="teams.id")
    unit: str
    role: str
    from_on: date
    decision_number: str
    decision_on: date
    decision_signer: str
    until_on: date | None = None
    ended_for: str | None = None
    end_decision_number: str | None = None
    end_decision_on: date | None = None
    end_decision_signer: str | None = None
    end_reason: str | None = None
    withdrawn_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    recorded_by: str
    version: int = 1
