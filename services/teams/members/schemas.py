"""What crosses HTTP about members."""

from datetime import date
from typing import Annotated, ClassVar, Literal, Self
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, model_validator

from services.teams.corrections import Reason
from services.teams.tables.members import EndedFor, Gender, Ground, Origin
from shared.days import Day
from shared.decisions import Decision
from shared.events.teams import Role
from shared.http import Input
from shared.listing import ExportQuery, ListQuery, Search, Sought
from shared.references import require_one_name
from shared.text import Line


class RecogniseMember(Input):
    """A member, by decision of the commune's chairman, of the team that is named by its id or by its `reference`.

    `over_70_decision`: the decision takes in a person over 70; `namesake`: this is another person than the one
    of the same name and birth date who is in the force. `reference`: the number that the sending system gave the
    member, unique there.
    """

    team_id: UUID | None = None
    team_reference: Line | None = None
    full_name: Line
    born_on: Day
    gender: Gender | None = None
    origin: Origin
    role: Role
    from_on: Day
    decision: Decision
    over_70_decision: bool = False
    namesake: bool = False
    reference: Line | None = None

    @model_validator(mode="after")
    def _name_team(self) -> Self:
        require_one_name(self, "team")
        return self


class ChangeMember(Input):
    """What is known of the person; a field that is left out stays."""

    full_name: Line | None = None
    born_on: Day | None = None
    gender: Gender | None = None
    origin: Origin | None = None
    over_70_decision: bool | None = None
    namesake: bool | None = None


class ChangeRole(Input):
    """The new role and its first day; the present term ends the day before."""

    role: Role
    from_on: Day
    decision: Decision


class TransferMember(Input):
    """The other team, the role in it and its first day; the present term ends the day before."""

    team_id: UUID
    role: Role
    from_on: Day
    decision: Decision


class ReleaseMember(Input):
    """The last day in the force and the ground, one of four (Law 30/2023/QH15, art. 15)."""

    until_on: Day
    ground: Ground
    decision: Decision
    reason: Line | None = None


class CorrectTerm(Input):
    """What was entered wrongly of a term, with the reason; a field that is left out stays.

    Another `from_on` moves the end of the term before that it follows. `until_on`, `ground`, `end_decision`: of a
    member who was released; `until_on: null` takes the release back.
    """

    reason: Reason
    role: Role | None = None
    from_on: Day | None = None
    decision: Decision | None = None
    until_on: Day | None = None
    ground: Ground | None = None
    end_decision: Decision | None = None


class TermOut(BaseModel):
    """A term; both days are inclusive, and one without a last day goes on."""

    id: UUID
    team_id: UUID
    unit: str
    role: Role
    from_on: date
    decision: Decision
    until_on: date | None
    ended_for: EndedFor | None
    end_decision: Decision | None
    end_reason: str | None
    withdrawn_at: AwareDatetime | None


class MemberOut(BaseModel):
    """A member and the latest term: personal data, for those who keep the registry and the own team's leader."""

    id: UUID
    full_name: str
    born_on: date
    gender: Gender | None
    origin: Origin
    over_70_decision: bool
    namesake: bool
    released_on: date | None
    withdrawn_at: AwareDatetime | None
    reference: str | None
    term: TermOut
    version: int


class MemberHistory(MemberOut):
    """A member with every term, oldest first."""

    terms: list[TermOut]


MemberState = Literal["active", "released", "withdrawn"]


class ListedMember(MemberOut):
    """A member as lists and files show one, with the name of the team of the term."""

    team_name: str
    state: MemberState


class MemberPage(BaseModel):
    """A page of members, in the order of their entry."""

    items: list[ListedMember]


class SearchMembers(Search):
    """Which members: all that is given must hold, of their latest term, or of the one held `on` a day.

    The unit is that of the term's team today, the period of the term's first day. `text`: words of the name, all of which
    must occur, in any order, without regard to diacritics and the place of a tone. `decision_number`: of the decision by
    which the term began or ended, whole, without regard to case and diacritics.
    """

    text: Annotated[Sought | None, Query()] = None
    team_id: Annotated[UUID | None, Query()] = None
    on: Annotated[Day | None, Query()] = None
    state: Annotated[MemberState | None, Query()] = None
    role: Annotated[Role | None, Query()] = None
    decision_number: Annotated[Line | None, Query()] = None


class ListMembers(SearchMembers, ListQuery):
    """A page of them."""


class ExportMembers(SearchMembers, ExportQuery):
    """A file of them."""

    free_words: ClassVar = frozenset({"text", "decision_number"})
