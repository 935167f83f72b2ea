"""The tables of members and of their terms."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlmodel import Field

from services.teams.tables.teams import TeamsModel
from shared.events.teams import Role
from shared.listing import Words
from shared.outbox import after_create, instant, word

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

# By what a member is found.
WORDS = Words("full_name")


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
    # Of one that another system sent: that system, and its own reference.
    source_system: str | None = None
    reference: str | None = None
    version: int = 1

    __table_args__ = (
        # A person is in the force once; a known namesake of the same birth date is another person.
        Index(
            "members_in_force",
            "name_key",
            "born_on",
            unique=True,
            postgresql_where="released_on IS NULL AND NOT namesake AND withdrawn_at IS NULL",
        ),
        Index("members_by_person", "name_key", "born_on"),
        Index("members_by_words", text(WORDS.indexed), postgresql_using="gin"),
        Index(
            "members_by_reference", "source_system", "reference", unique=True, postgresql_where="reference IS NOT NULL"
        ),
    )


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

    __table_args__ = (
        CheckConstraint("until_on >= from_on", name="member_terms_days_in_order"),
        # A member is in one team in one role, and a team has one leader. Looked at when all of a change is written,
        # since the term that ends and the one that begins are written one after the other.
        ExcludeConstraint(
            ("member_id", "="),
            name="member_terms_present",
            using="btree",
            where="until_on IS NULL AND withdrawn_at IS NULL",
            deferrable=True,
            initially="DEFERRED",
        ),
        ExcludeConstraint(
            ("team_id", "="),
            name="member_terms_leader",
            using="btree",
            where="until_on IS NULL AND role = 'leader' AND withdrawn_at IS NULL",
            deferrable=True,
            initially="DEFERRED",
        ),
        Index("member_terms_by_member", "member_id", "from_on"),
        Index("member_terms_by_team", "team_id", "member_id"),
    )


after_create(
    MemberTerm,
    """CREATE CONSTRAINT TRIGGER terms_lie_within_their_team AFTER INSERT OR UPDATE ON member_terms
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION terms_lie_within_their_team('team_id')""",
    """CREATE CONSTRAINT TRIGGER certificates_fit AFTER UPDATE ON member_terms
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION certificates_fit('member', 'member_id')""",
)
