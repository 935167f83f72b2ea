"""The table of teams."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy.orm import registry
from sqlmodel import Field

from shared.outbox import Declared, instant


class TeamsModel(Declared, registry=registry()):
    """The tables of teams; their own registry, since other services have tables of the same names."""


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
    version: int = 1
