"""The table of teams."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import registry
from sqlmodel import Field

from shared.access import Seen
from shared.listing import Words
from shared.outbox import Declared, after_create, instant

# A team is its leader's own, and of those who keep or read the registry of its unit.
SEEN = Seen("read_registry", team="id")


class TeamsModel(Declared, registry=registry()):
    """The tables of teams; their own registry, since other services have tables of the same names."""


# By what a team is found: its name, its hamlets, and the numbers of the decisions on it.
WORDS = Words(
    "name || ' ' || hamlets || ' ' || decision_number"
    " || ' ' || coalesce(placement_number, '') || ' ' || coalesce(dissolution_number, '')"
)


class Team(TeamsModel, table=True):
    """A team (Tổ bảo vệ ANTT). Its version rises with a new leader, so that there is one at a time."""

    __tablename__ = "teams"
    id: UUID = Field(primary_key=True)
    unit: str
    name: str
    # A JSON list: the writer takes a list for an array of rows.
    hamlets: str
    from_on: date
    decision_number: str
    decision_on: date
    decision_signer: str
    until_on: date | None = None
    dissolution_number: str | None = None
    dissolution_on: date | None = None
    dissolution_signer: str | None = None
    dissolution_reason: str | None = None
    # Of one whose commune was split: where it was before, and since when it is where it is.
    left_unit: str | None = None
    placed_on: date | None = None
    placement_number: str | None = None
    placement_on: date | None = None
    placement_signer: str | None = None
    # Since when it is known that it should never have been entered.
    withdrawn_at: datetime | None = instant(default=None)
    recorded_by: str
    # Of one that another system sent: that system, and its own reference.
    source_system: str | None = None
    reference: str | None = None
    version: int = 1

    __table_args__ = (
        CheckConstraint("until_on >= from_on", name="teams_days_in_order"),
        CheckConstraint(
            "(left_unit IS NULL) = (placed_on IS NULL) AND (placed_on IS NULL) = (placement_number IS NULL) "
            "AND placed_on > from_on AND placed_on <= coalesce(until_on, placed_on)",
            name="teams_placed",
        ),
        Index("teams_by_unit", "unit", "id"),
        Index("teams_by_words", text(WORDS.indexed), postgresql_using="gin"),
        Index(
            "teams_by_reference", "source_system", "reference", unique=True, postgresql_where="reference IS NOT NULL"
        ),
    )


after_create(
    Team,
    """CREATE CONSTRAINT TRIGGER terms_lie_within_their_team
    AFTER UPDATE OF from_on, until_on, placed_on, unit, withdrawn_at ON teams
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION terms_lie_within_their_team('id')""",
)
