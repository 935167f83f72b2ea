"""What crosses HTTP about deadlines."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

import asyncpg
from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, TypeAdapter

from services.incidents.deadlines.models import Deadline
from services.incidents.deadlines.rules import texts
from shared.days import Day, Instant
from shared.decisions import Decision
from shared.events.incidents import DeadlineState, TipClass, TipState
from shared.http import Input
from shared.outbox import row_of
from shared.outbox.rows import values_of
from shared.text import Line, UnitId, Word
from shared.working_days import last_day


def place_of(cursor: str) -> tuple[datetime, UUID]:
    """The end and the id that a cursor names. Raises ValueError."""
    ends, _, id = cursor.partition("_")
    return TypeAdapter(AwareDatetime).validate_python(ends), UUID(id)


def _is_cursor(text: str) -> str:
    place_of(text)
    return text


# Where a page begins: behind the deadline that ends then and has that id.
Cursor = Annotated[str, AfterValidator(_is_cursor)]


class DeadlineOut(BaseModel):
    """A deadline of a tip: what is due, by when, who must do it, and how it stands.

    `due_at`: the instant at which it ends, for days the 24:00 of `due_on`. `to_do`: somebody must still do it; a missed
    one no longer, once its tip is closed, unless an agency has yet to acknowledge it. `met_by`: the step that met it.
    `round`: 2 and more after reopenings of what was closed.
    """

    id: UUID
    tip_id: UUID
    name: str
    title: dict[Literal["vi", "en"], str]
    round: int
    unit: str
    handled_by: str
    classified_as: TipClass | None
    difficult: bool
    starts_at: AwareDatetime
    due_at: AwareDatetime
    due_on: date
    complex: bool
    extended: bool
    met_at: AwareDatetime | None
    met_by: str | None
    state: DeadlineState
    to_do: bool
    version: int


def deadline_out(deadline: Deadline) -> DeadlineOut:
    """A row of the table as people see it."""
    return DeadlineOut.model_validate(_shown(deadline))


def _shown(deadline: Deadline) -> dict[str, object]:
    vi, en = texts().get(deadline.name, (deadline.name, deadline.name))
    return {
        **values_of(deadline),
        "title": {"vi": vi, "en": en},
        "due_on": last_day(deadline.due_at),
        "extended": deadline.extended_to is not None,
    }


class DeadlineToDo(DeadlineOut):
    """A deadline on the work list, with what its tip is about. `officer`: to whom the tip is assigned."""

    tip_state: TipState
    topic: str | None
    officer: str | None
    overdue: bool


def to_do_out(record: asyncpg.Record, now: datetime) -> DeadlineToDo:
    """A deadline of the work list, with what its query gives of the tip."""
    deadline = row_of(Deadline, record)
    of_tip = {name: record[name] for name in ("tip_state", "topic", "officer")}
    return DeadlineToDo.model_validate({**_shown(deadline), **of_tip, "overdue": deadline.due_at < now})


class DeadlinePage(BaseModel):
    """A page of the work list, by the instants at which they end, the first one first."""

    items: list[DeadlineToDo]


class ListDeadlines(Input):
    """What is to be done in a unit and all below it.

    `state`: `due_soon` ends within `within_hours`, `overdue` has ended; left out: all that is to do.
    """

    unit: Annotated[UnitId | None, Query()] = None
    state: Annotated[Literal["due_soon", "overdue"] | None, Query()] = None
    within_hours: Annotated[int, Query(ge=1, le=8_760)] = 48
    officer: Annotated[Line | None, Query()] = None
    name: Annotated[Word | None, Query()] = None
    limit: Annotated[int, Query(ge=1, le=500)] = 50
    after: Annotated[Cursor | None, Query()] = None


class DeadlineDecision(Input):
    """What an officer decides about a deadline, with the reason."""

    reason: Line


class ExtendDeadline(DeadlineDecision):
    """An extension, requested on a day (today if left out), until the end of a day (as far as the rule goes if left out)."""

    requested_on: Day | None = None
    until: Day | None = None
    decision: Decision


class MarkComplex(DeadlineDecision):
    """That the tip is complex: many circumstances, or to be verified in several places."""

    decision: Decision | None = None


class MeetDeadline(DeadlineDecision):
    """When what was due was done, and how; now if left out."""

    met_at: Instant | None = None
