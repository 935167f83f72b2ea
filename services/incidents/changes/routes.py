"""The HTTP side of changes."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from services.incidents.changes import reading
from services.incidents.changes.reading import ChangesLost
from services.incidents.changes.schemas import ChangesPage, ReadChanges
from shared.auth import Caller
from shared.errors import DatabaseUnavailable, Forbidden, Unauthenticated
from shared.http import problems
from shared.queries import QueryRoute

router = APIRouter(
    tags=["changes"],
    route_class=QueryRoute,
    responses=problems(Unauthenticated, Forbidden, ChangesLost, DatabaseUnavailable),
)


@router.get("/changes", response_model=ChangesPage)
async def changes(query: Annotated[ReadChanges, Query()], caller: Caller, request: Request) -> Response:
    """Every event of incidents that concerns the caller's area, in the order of the commits, as CloudEvents 1.0.

    Begin with `start`, or with `now` before a first full export; then go on with each answer's `next`, for ever. An
    event may come twice after a fault on the way: its `id` tells.
    """
    return Response(await reading.changes(request.app.state.service, caller, query), media_type="application/json")
