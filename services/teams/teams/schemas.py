"""What crosses HTTP about teams."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, Field

from services.teams.corrections import Reason
from shared.days import Day
from shared.decisions import Decision
from shared.http import Input
from shared.listing import ExportQuery, ListQuery, Search, Sought
from shared.text import Line, UnitId

Hamlets = Annotated[list[Line], Field(max_length=50)]


class CreateTeam(Input):
    """A team, by decision of the commune's chairman. `hamlets`: the hamlets it serves; `from_on`: its first day.

    `reference`: the number that the sending system gave it, unique there.
    """

    unit: UnitId
    name: Line
    hamlets: Hamlets = Field(default_factory=list)
    from_on: Day
    decision: Decision
    reference: Line | None = None


class ChangeTeam(Input):
    """What a team is called and which hamlets it serves; a field that is left out stays."""

    name: Line | None = None
    hamlets: Hamlets | None = None


class DissolveTeam(Input):
    """The team's last day, and the decision that says so."""

    until_on: Day
    decision: Decision
    reason: Line | None = None


class PlaceTeam(Input):
    """The commune in which the team is from a day on, one of those that its own became, and the decision on it."""

    unit: UnitId
    from_on: Day
    decision: Decision


class CorrectTeam(Input):
    """What was entered wrongly, with the reason; a field that is left out stays.

    Another `unit` moves the terms and the certificates of its members with it. `until_on`, `dissolution`: of a
    dissolved team; `until_on: null` takes the dissolution back, and the terms that ended with the team go on.
    `placed_on: null` takes back that the team was placed anew, its members with it.
    """

    reason: Reason
    unit: UnitId | None = None
    name: Line | None = None
    hamlets: Hamlets | None = None
    from_on: Day | None = None
    decision: Decision | None = None
    until_on: Day | None = None
    dissolution: Decision | None = None
    placed_on: None = None


class TeamOut(BaseModel):
    """A team of the registry; `until_on` is the last day of one that was dissolved, `withdrawn_at` since when it is
    known that it should never have been entered. One that was placed anew on `placed_on` was in `left_unit` before."""

    id: UUID
    unit: str
    name: str
    hamlets: list[str]
    from_on: date
    until_on: date | None
    decision: Decision
    dissolution: Decision | None
    dissolution_reason: str | None
    left_unit: str | None
    placed_on: date | None
    placement: Decision | None
    withdrawn_at: AwareDatetime | None
    reference: str | None
    version: int


TeamState = Literal["active", "dissolved", "withdrawn"]


class ListedTeam(TeamOut):
    """A team as lists and files show it."""

    state: TeamState


class TeamPage(BaseModel):
    """A page of teams, in the order of their entry."""

    items: list[ListedTeam]


class SearchTeams(Search):
    """Which teams: all that is given must hold. The period is of the team's first day.

    `text`: words of the name, the hamlets or the numbers of the decisions on the team, all of which must occur, in any
    order; diacritics and the place of a tone make no difference.
    """

    text: Annotated[Sought | None, Query()] = None
    state: Annotated[TeamState | None, Query()] = None


class ListTeams(SearchTeams, ListQuery):
    """A page of them."""


class ExportTeams(SearchTeams, ExportQuery):
    """A file of them."""
