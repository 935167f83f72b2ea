"""What crosses HTTP about cases."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from shared.database import Row
from shared.days import Day
from shared.events import CaseState, FoundThrough
from shared.http import Input, Page
from shared.text import Line, UnitId, Word


class OpenCase(Input):
    """A case as it comes in. `kind` is a word of the province's list; found through a tip or a patrol, not both.

    `reference`: the number that the sending system gave it, unique there.
    """

    unit: UnitId
    kind: Word
    found_on: Day
    tip_id: UUID | None = None
    patrol_id: UUID | None = None
    reference: Line | None = None


class ResolveCase(Input):
    """The day on which the case was resolved, not before it was found."""

    resolved_on: Day
    reason: Line | None = None


class ReopenCase(Input):
    """Why a resolved case is taken up again."""

    reason: Line


class CorrectCase(Input):
    """What was entered wrongly, with the reason; a field that is left out stays."""

    reason: Line
    unit: UnitId | None = None
    kind: Word | None = None
    found_on: Day | None = None


class CaseOut(BaseModel):
    """A case and how it stands."""

    id: UUID
    unit: str
    kind: str
    found_on: date
    found_through: FoundThrough
    tip_id: UUID | None
    patrol_id: UUID | None
    state: CaseState
    resolved_on: date | None
    reference: str | None = None
    version: int

    @classmethod
    def of(cls, row: Row) -> "CaseOut":
        """The case of a row, which was valid when it was written."""
        values: dict[str, Any] = {name: row.get(name) for name in cls.model_fields}
        values["found_through"] = found_through(row)
        return cls.model_construct(**values)


class CasePage(BaseModel):
    """A page of cases, in the order in which they were opened."""

    items: list[CaseOut]


class ListCases(Page):
    """Cases of a unit and all below it, of a kind, in a state."""

    unit: Annotated[UnitId | None, Query()] = None
    kind: Annotated[Word | None, Query()] = None
    state: Annotated[CaseState | None, Query()] = None


def found_through(case: Row) -> FoundThrough:
    """What a case's links say of how it was found."""
    if case.get("tip_id") is not None:
        return "tip"
    return "patrol" if case.get("patrol_id") is not None else "other"
