"""The HTTP side of activities."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from services.incidents.activities import commands, reading
from services.incidents.activities.kinds import KINDS, AnyActivity
from services.incidents.activities.schemas import (
    ActivityOut,
    ActivityPage,
    CorrectActivity,
    ExportActivities,
    KindOut,
    ListActivities,
    ReturnActivity,
    SearchActivities,
)
from services.incidents.known_teams import TeamNotYetKnown
from shared import listing
from shared.access import Caller
from shared.errors import (
    Forbidden,
    ForeignArea,
    KeyReused,
    NotFound,
    Overloaded,
    PreconditionFailed,
    StepNotAllowed,
    Unauthenticated,
)
from shared.http import CommandRoute, Reader, Step, Work, link_next, problems
from shared.listing import Count
from shared.references import ReferenceKnown
from shared.workflow import StepOut

router = APIRouter(
    prefix="/activities",
    tags=["activities"],
    route_class=CommandRoute,
    responses=problems(
        Unauthenticated,
        Forbidden,
        ForeignArea,
        NotFound,
        StepNotAllowed,
        TeamNotYetKnown,
        PreconditionFailed,
        ReferenceKnown,
        KeyReused,
        Overloaded,
    ),
)
queries = APIRouter(
    prefix="/activities", tags=["activities"], responses=problems(Unauthenticated, Forbidden, ForeignArea, NotFound)
)


@router.post("", status_code=201)
async def enter_activity(activity: AnyActivity, caller: Caller, work: Work) -> ActivityOut:
    """Enter an activity of any kind; a team's waits for the police, what others enter is confirmed at once."""
    return await commands.enter_activity(work, caller, activity)


@router.post("/{activity_id}/confirm")
async def confirm(activity_id: UUID, step: Step, caller: Caller, work: Work) -> ActivityOut:
    """Confirm what a team entered; from now on it counts."""
    return await commands.confirm_activity(work, caller, activity_id, step.reason)


@router.post("/{activity_id}/return")
async def return_(activity_id: UUID, step: ReturnActivity, caller: Caller, work: Work) -> ActivityOut:
    """Give the activity back with the reason; it does not count until it is corrected and confirmed."""
    return await commands.return_activity(work, caller, activity_id, step.reason)


@router.post("/{activity_id}/correct")
async def correct(activity_id: UUID, correction: CorrectActivity, caller: Caller, work: Work) -> ActivityOut:
    """Set right what was entered wrongly, with the reason; a team's correction waits for the police again."""
    return await commands.correct_activity(work, caller, activity_id, correction)


@queries.get("")
async def list_activities(
    query: Annotated[ListActivities, Query()], reader: Reader, request: Request, response: Response
) -> ActivityPage:
    """Activities that the caller may see, in the order of their beginnings."""
    items = await reading.ACTIVITIES.page(reader, query)
    link_next(request, response, items, query.limit)
    return ActivityPage(items=items)


@queries.get("/count")
async def count_activities(query: Annotated[SearchActivities, Query()], reader: Reader) -> Count:
    """How many activities the same list holds on all its pages."""
    return await reading.ACTIVITIES.count(reader, query)


@queries.get("/export", response_class=StreamingResponse, responses=listing.ANSWERS)
async def export_activities(query: Annotated[ExportActivities, Query()], reader: Reader) -> StreamingResponse:
    """The same list as a file, CSV or XLSX with Vietnamese titles or NDJSON."""
    return await reading.ACTIVITIES.export(reader, query)


@queries.get("/kinds")
async def activity_kinds() -> list[KindOut]:
    """The kinds of activity, with their official names and the units in which they are counted."""
    return [
        KindOut(kind=name, vietnamese=kind.vietnamese, unit_of_count=kind.unit_of_count, quantities=kind.quantities)
        for name, kind in KINDS.items()
    ]


@queries.get("/{activity_id}")
async def read_activity(activity_id: UUID, reader: Reader, response: Response) -> ActivityOut:
    """One activity; its ETag names the version."""
    activity = await reading.read_activity(reader, activity_id)
    response.headers["ETag"] = f'"{activity.version}"'
    return activity


@queries.get("/{activity_id}/steps")
async def activity_steps(activity_id: UUID, reader: Reader) -> list[StepOut]:
    """Every step the activity has taken: who, when, why."""
    return await reading.activity_steps(reader, activity_id)
