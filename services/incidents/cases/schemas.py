"""What crosses HTTP about cases, with the tables of the measures that persons meet and of what may be seized."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Annotated, NamedTuple
from uuid import UUID

from fastapi import Query
from pydantic import AfterValidator, BaseModel, Field, Strict, model_validator
from pydantic_core import PydanticCustomError

from services.incidents.cases.models import Case
from services.incidents.places.schemas import HamletCode
from shared.days import Day
from shared.decisions import Decision, decision_of
from shared.events.incidents import CaseState, FoundThrough, LinkKind, Measure, SeizedKind, SeizedUnit
from shared.http import Input, Output
from shared.listing import ExportQuery, ListQuery, Search
from shared.outbox.rows import values_of
from shared.text import Line, UnitId, Word

# More than one case can hold; counting refuses larger amounts.
MOST = 1_000_000_000


class MeasureKind(NamedTuple):
    """One measure: its official name, and whether the law wants a decision for it."""

    vietnamese: str
    needs_decision: bool


class SeizableKind(NamedTuple):
    """One kind of what is seized: its official name, and the units in which it is counted."""

    vietnamese: str
    units: tuple[SeizedUnit, ...]


# Sanctions (Law 15/2012/QH13, art. 21) need a written decision (art. 67), administrative measures too (art. 89–96).
MEASURES: dict[Measure, MeasureKind] = {
    "reminder": MeasureKind("nhắc nhở, giáo dục", False),
    "mediation": MeasureKind("hòa giải", False),
    "warning": MeasureKind("phạt cảnh cáo", True),
    "fine": MeasureKind("phạt tiền", True),
    "confiscation": MeasureKind("tịch thu tang vật, phương tiện", True),
    "commune_education": MeasureKind("giáo dục tại xã, phường, thị trấn", True),
    "compulsory_measure": MeasureKind(
        "đưa vào trường giáo dưỡng, cơ sở giáo dục bắt buộc, cơ sở cai nghiện bắt buộc", True
    ),
    "handed_over": MeasureKind("bàn giao cho cơ quan có thẩm quyền", False),
}
# Whole numbers only, so that sums are exact: each kind has a unit that needs no fraction.
SEIZABLE: dict[SeizedKind, SeizableKind] = {
    "weapons": SeizableKind("vũ khí", ("piece",)),
    "ammunition": SeizableKind("đạn", ("round",)),
    "explosives": SeizableKind("vật liệu nổ", ("gram", "piece", "metre")),
    "support_tools": SeizableKind("công cụ hỗ trợ", ("piece",)),
    "firecrackers": SeizableKind("pháo", ("gram", "piece")),
    "drugs": SeizableKind("ma túy", ("milligram", "piece", "millilitre")),
    "vehicles": SeizableKind("phương tiện", ("piece",)),
    "money": SeizableKind("tiền", ("dong",)),
    "other": SeizableKind("tang vật khác", ("piece", "gram", "milligram", "millilitre", "metre")),
}


class Link(Input):
    """What a case was found through: a tip, a patrol, or an activity of another kind."""

    kind: LinkKind
    id: UUID


class Handled(Input):
    """How many persons met a measure, each counted with the heaviest only, and what they were fined in all (đồng)."""

    measure: Measure
    persons: Annotated[int, Strict(), Field(ge=0, le=100_000)] = 0
    fines_dong: Annotated[int, Strict(), Field(ge=0, le=MOST)] = 0

    @model_validator(mode="after")
    def _only_a_fine_has_an_amount(self) -> "Handled":
        if self.fines_dong and self.measure != "fine":
            raise PydanticCustomError("no_fine", "only the measure `fine` has an amount")
        return self


class Seized(Input):
    """What was seized, in whole numbers of a unit that its kind has; `description`: no names of persons."""

    kind: SeizedKind
    quantity: Annotated[int, Strict(), Field(ge=1, le=MOST)]
    unit: SeizedUnit
    description: Line | None = None

    @model_validator(mode="after")
    def _in_a_unit_of_its_kind(self) -> "Seized":
        if self.unit not in SEIZABLE[self.kind].units:
            raise PydanticCustomError("foreign_unit", "this kind is not counted in that unit")
        return self


def _each_measure_once(handled: list[Handled]) -> list[Handled]:
    if len({entry.measure for entry in handled}) < len(handled):
        raise PydanticCustomError("repeated", "each measure is given once")
    return handled


def _not_more_than_counts(seized: list[Seized]) -> list[Seized]:
    sums: Counter[tuple[str, str]] = Counter()
    for entry in seized:
        sums[entry.kind, entry.unit] += entry.quantity
    if any(quantity > MOST for quantity in sums.values()):
        raise PydanticCustomError("too_much", "one case holds at most 1,000,000,000 of a kind")
    return seized


AllHandled = Annotated[list[Handled], Field(max_length=20), AfterValidator(_each_measure_once)]
AllSeized = Annotated[list[Seized], Field(max_length=100), AfterValidator(_not_more_than_counts)]


class OpenCase(Input):
    """A case as it comes in. `kind` is a word of the province's list; `links`: what it was found through.

    `hamlet` (a code of the province's list) and `place` say where in the unit. `tip_id` and `patrol_id` are short for
    a link of that kind.
    `reference`: the number that the sending system gave it, unique there.
    """

    unit: UnitId
    hamlet: HamletCode | None = None
    place: Line | None = None
    kind: Word
    found_on: Day
    links: list[Link] = Field(default=[], max_length=100)
    tip_id: UUID | None = None
    patrol_id: UUID | None = None
    reference: Line | None = None
    seized: AllSeized = Field(default=[])

    def all_links(self) -> list[Link]:
        """The links, those in short first."""
        short: dict[LinkKind, UUID | None] = {"tip": self.tip_id, "patrol": self.patrol_id}
        return [*(Link(kind=kind, id=id) for kind, id in short.items() if id is not None), *self.links]


class WhatWasDone(Input):
    """Persons handled by measure, and what was seized; what is left out stays, an empty list empties it.

    `handled_on`: the day persons were handled, on which they count; the day the case was closed if left out.
    What was seized counts on the day the case was found.
    """

    handled: AllHandled | None = None
    handled_on: Day | None = None
    seized: AllSeized | None = None


class ResolveCase(WhatWasDone):
    """The day the case was resolved, not before it was found; sanctions need their decision (Law 15/2012/QH13)."""

    resolved_on: Day
    decision: Decision | None = None
    reason: Line | None = None


class TransferCase(WhatWasDone):
    """The body that takes the case over, the day of it, and the decision (Law 15/2012/QH13, art. 62)."""

    transferred_on: Day
    transferred_to: Line
    decision: Decision
    reason: Line | None = None


class ReopenCase(Input):
    """Why a case is taken up again, and the decision where there is one."""

    reason: Line
    decision: Decision | None = None


class WithdrawCase(Input):
    """Why a case should not have been opened: entered twice, or no case at all."""

    reason: Line


class CorrectCase(WhatWasDone):
    """What was entered wrongly, with the reason; a field that is left out stays. A closed case's closing, too.

    Another `unit` without a `hamlet` forgets the hamlet.
    """

    reason: Line
    unit: UnitId | None = None
    hamlet: HamletCode | None = None
    place: Line | None = None
    kind: Word | None = None
    found_on: Day | None = None
    resolved_on: Day | None = None
    transferred_on: Day | None = None
    transferred_to: Line | None = None
    decision: Decision | None = None


class LinkCase(Link):
    """What the case was found through as well."""

    reason: Line | None = None


class UnlinkCase(Link):
    """A link that was none, with the reason."""

    reason: Line


class Linked(NamedTuple):
    """What a case is linked to, as its row keeps it; `by_force`: the force supplied the tip."""

    kind: LinkKind
    id: UUID
    by_force: bool = False


class CaseOut(BaseModel):
    """A case and how it stands. `found_through`: the tip before the patrol where it is linked to both."""

    id: UUID
    unit: str
    hamlet: str | None
    place: str | None
    kind: str
    found_on: date
    found_through: FoundThrough
    links: list[Link]
    handled: list[Handled]
    handled_on: date | None
    seized: list[Seized]
    state: CaseState
    resolved_on: date | None
    transferred_on: date | None
    transferred_to: str | None
    decision: Decision | None
    reference: str | None
    version: int

    @classmethod
    def of(cls, case: Case, links: Sequence[Linked]) -> "CaseOut":
        """The case of a row, and what it is linked to."""
        return cls.model_validate(
            {
                **values_of(case),
                **case.details,
                "links": [{"kind": link.kind, "id": link.id} for link in links],
                "found_through": found_through(links),
                "decision": decision_of(case, "decision"),
            }
        )


class CaseOfTip(Output):
    """A case as it is shown on a tip through which it was found."""

    id: UUID
    unit: str
    kind: str
    found_on: date
    state: CaseState
    resolved_on: date | None
    transferred_on: date | None


class CasePage(BaseModel):
    """A page of cases, in the order of the days on which they were found."""

    items: list[CaseOut]


class MeasureOut(BaseModel):
    """A measure that persons of a case may meet."""

    measure: Measure
    vietnamese: str
    needs_decision: bool


class SeizableOut(BaseModel):
    """A kind of what may be seized, and the units in which it is counted."""

    kind: SeizedKind
    vietnamese: str
    units: list[SeizedUnit]


class SearchCases(Search):
    """Which cases: all that is given must hold. The period is of the day found.

    `tip_id`, `patrol_id`, `activity_id`: those that were found through it.
    """

    kind: Annotated[Word | None, Query()] = None
    state: Annotated[CaseState | None, Query()] = None
    found_through: Annotated[FoundThrough | None, Query()] = None
    tip_id: Annotated[UUID | None, Query()] = None
    patrol_id: Annotated[UUID | None, Query()] = None
    activity_id: Annotated[UUID | None, Query()] = None


class ListCases(SearchCases, ListQuery):
    """A page of them."""


class ExportCases(SearchCases, ExportQuery):
    """A file of them."""


def found_through(links: Iterable[Linked]) -> FoundThrough:
    """What a case's links say of how it was found."""
    kinds = {link.kind for link in links}
    if "tip" in kinds:
        return "tip"
    return "patrol" if "patrol" in kinds else "other"
