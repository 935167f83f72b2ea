"""What crosses HTTP about activities; what each kind has is in kinds.py."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict

from services.incidents.activities.kinds import OWN_FIELDS, AnyActivity
from services.incidents.activities.models import Activity
from shared.events.incidents import ActivityKind, ActivityState
from shared.http import Input
from shared.listing import ExportQuery, ListQuery, Search
from shared.outbox.rows import values_of
from shared.text import Line


class CorrectActivity(Input):
    """The activity as it should have been entered, whole and of the same kind, with the reason."""

    reason: Line
    activity: AnyActivity


class ReturnActivity(Input):
    """Why the activity goes back to who entered it."""

    reason: Line


class ActivityOut(BaseModel):
    """An activity; beside these fields it has those of its kind, as they were entered.

    What a team entered shows since when it waits for the police, until which day they confirm it in time, and
    when they did; for anything else these are null.
    """

    model_config = ConfigDict(extra="allow")
    id: UUID
    kind: ActivityKind
    unit: str
    team_id: UUID | None
    started_at: AwareDatetime
    ended_at: AwareDatetime
    held_on: date
    reference: str | None = None
    hamlets: list[str]
    members: int | None
    member_ids: list[UUID]
    state: ActivityState
    entered_at: AwareDatetime | None
    confirm_by: date | None
    confirmed_at: AwareDatetime | None
    version: int

    @classmethod
    def of(cls, activity: Activity) -> "ActivityOut":
        """The activity of a row, which was valid when it was written."""
        given = {"hamlets": [], **activity.details, **values_of(activity)}
        given["member_ids"] = [UUID(id) for id in given.get("member_ids", ())]
        names = (*cls.model_fields, *OWN_FIELDS[activity.kind])
        values: dict[str, Any] = {name: given.get(name) for name in names}
        return cls.model_construct(**values)


class ActivityPage(BaseModel):
    """A page of activities, in the order of their beginnings."""

    items: list[ActivityOut]


class SearchActivities(Search):
    """Which activities: all that is given must hold. The period is of the day on which they began."""

    kind: Annotated[ActivityKind | None, Query()] = None
    state: Annotated[ActivityState | None, Query()] = None
    team_id: Annotated[UUID | None, Query()] = None


class ListActivities(SearchActivities, ListQuery):
    """A page of them."""


class ExportActivities(SearchActivities, ExportQuery):
    """A file of them."""


class KindOut(BaseModel):
    """A kind of activity: its official name, the unit in which it is counted, and that of each of its quantities."""

    kind: ActivityKind
    vietnamese: str
    unit_of_count: str
    quantities: dict[str, str]
