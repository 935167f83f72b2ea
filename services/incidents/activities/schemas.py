"""What crosses HTTP about activities, and the table of their kinds: a new kind is one model and one row of KINDS."""

from datetime import date
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, Strict, StrictBool

from shared.database import Row
from shared.days import Instant
from shared.events import ActivityKind, ActivityState
from shared.http import Input, Page
from shared.text import Line, UnitId


class EnterActivity(Input):
    """What every kind of activity tells: where, by which team, from when to when.

    `unit` is a commune, district or province; a team leader's `team_id` is the own team unless named.
    """

    kind: str
    unit: UnitId
    team_id: UUID | None = None
    started_at: Instant
    ended_at: Instant


class Patrol(EnterActivity):
    """A patrol (tuần tra); `joint`: together with the police."""

    kind: Literal["patrol"]
    joint: StrictBool = False


class TrafficControl(EnterActivity):
    """Directing traffic (hướng dẫn, phân luồng giao thông), counted in turns (lượt)."""

    kind: Literal["traffic_control"]
    turns: Annotated[int, Strict(), Field(ge=1, le=100_000)]


class SecurityDuty(EnterActivity):
    """Guarding an event or a target (bảo vệ ANTT)."""

    kind: Literal["security_duty"]
    target: Line | None = None


class Kind(NamedTuple):
    """One kind of activity: what is told of it, its official name, and the unit in which it is counted."""

    input: type[EnterActivity]
    vietnamese: str
    unit_of_count: str


# A new kind's name also joins ActivityKind (shared/events.py), and what shall be counted of it joins INDICATORS.
# Routes, commands, the database and the documentation take the rest from here.
KINDS: dict[ActivityKind, Kind] = {
    "patrol": Kind(Patrol, "tuần tra", "cuộc"),
    "traffic_control": Kind(TrafficControl, "hướng dẫn, phân luồng giao thông", "lượt"),
    "security_duty": Kind(SecurityDuty, "bảo vệ ANTT", "cuộc"),
}

# The fields that only one kind has.
OWN_FIELDS: dict[str, tuple[str, ...]] = {
    name: tuple(field for field in kind.input.model_fields if field not in EnterActivity.model_fields)
    for name, kind in KINDS.items()
}

if TYPE_CHECKING:
    AnyActivity = EnterActivity
else:
    AnyActivity = Annotated[reduce(or_, (kind.input for kind in KINDS.values())), Field(discriminator="kind")]


class CorrectActivity(Input):
    """The activity as it should have been entered, whole and of the same kind, with the reason."""

    reason: Line
    activity: AnyActivity


class ReturnActivity(Input):
    """Why the activity goes back to who entered it."""

    reason: Line


class ActivityOut(BaseModel):
    """An activity; beside these fields it has those of its kind, as they were entered."""

    model_config = ConfigDict(extra="allow")
    id: UUID
    kind: ActivityKind
    unit: str
    team_id: UUID | None
    started_at: AwareDatetime
    ended_at: AwareDatetime
    held_on: date
    state: ActivityState
    version: int

    @classmethod
    def of(cls, row: Row) -> "ActivityOut":
        """The activity of a row, which was valid when it was written."""
        common = {name: row[name] for name in cls.model_fields}
        own: dict[str, Any] = {
            name: row["turns"] if name == "turns" else row["details"].get(name) for name in OWN_FIELDS[row["kind"]]
        }
        return cls.model_construct(**common, **own)


class ActivityPage(BaseModel):
    """A page of activities, in the order in which they were entered."""

    items: list[ActivityOut]


class ListActivities(Page):
    """Activities of a unit and all below it, of a kind, in a state."""

    unit: Annotated[UnitId | None, Query()] = None
    kind: Annotated[ActivityKind | None, Query()] = None
    state: Annotated[ActivityState | None, Query()] = None


class KindOut(BaseModel):
    """A kind of activity: its official name, and the unit in which it is counted."""

    kind: ActivityKind
    vietnamese: str
    unit_of_count: str
