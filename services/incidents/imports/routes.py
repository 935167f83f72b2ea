"""The HTTP side of imports."""

from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from services.incidents.imports import commands, reading
from services.incidents.imports.schemas import (
    MEDIA_TYPES,
    ImportOut,
    ImportPage,
    ListImports,
    ListRejected,
    NewImport,
    RejectedPage,
)
from shared.auth import Caller
from shared.errors import (
    BodyTooLarge,
    Forbidden,
    KeyReused,
    NotFound,
    Overloaded,
    Problem,
    StepNotAllowed,
    Unauthenticated,
)
from shared.http import CommandRoute, Work, link_next, problems


class UnknownFormat(Problem):
    status, name = 415, "unknown-format"
    vi, en = (
        "Chỉ nhận NDJSON (application/x-ndjson).",
        "Only NDJSON (application/x-ndjson) is accepted.",
    )


router = APIRouter(
    prefix="/imports",
    tags=["imports"],
    route_class=CommandRoute,
    responses=problems(Unauthenticated, Forbidden, NotFound, StepNotAllowed, KeyReused, Overloaded),
)
reads = APIRouter(prefix="/imports", tags=["imports"], responses=problems(Unauthenticated, Forbidden, NotFound))

_FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The file itself: a JSON object a line, each as a single request would have it.",
        "content": {media_type: {"schema": {}} for media_type in MEDIA_TYPES},
    }
}


@reads.post(
    "",
    status_code=202,
    openapi_extra=_FILE,
    responses=problems(Unauthenticated, Forbidden, BodyTooLarge, UnknownFormat, KeyReused, Overloaded),
)
async def start_import(
    asked: Annotated[NewImport, Query()],
    caller: Caller,
    request: Request,
    response: Response,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> ImportOut:
    """Send a file of tips, cases or activities, as the body; a job takes its rows, `Location` tells how far it is.

    Each row is decided as a single request of the same caller would be.
    """
    caller.require_role("import_records")
    format = MEDIA_TYPES.get(request.headers.get("content-type", "").partition(";")[0].strip().lower())
    if format is None:
        raise UnknownFormat()
    key = idempotency_key.encode() if idempotency_key is not None else None
    service = request.app.state.service
    started, replayed = await commands.start_import(service, caller, asked, format, request.stream(), key)
    response.headers["Location"] = f"{request.url.path}/{started.id}"
    if replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return started


@router.post("/{import_id}/cancel")
async def cancel_import(import_id: UUID, caller: Caller, work: Work) -> ImportOut:
    """Stop an import; the rows that it has taken stay."""
    return await commands.cancel_import(work, caller, import_id)


@reads.get("")
async def list_imports(
    query: Annotated[ListImports, Query()], caller: Caller, request: Request, response: Response
) -> ImportPage:
    """The caller's imports, and those of the area for who oversees it, in the order in which they were sent."""
    page = await reading.list_imports(request.app.state.service.database, caller, query)
    link_next(request, response, page.items, query.limit)
    return page


@reads.get("/{import_id}")
async def read_import(import_id: UUID, caller: Caller, request: Request) -> ImportOut:
    """One import and how far it is."""
    return await reading.read_import(request.app.state.service.database, caller, import_id)


async def _may_watch(import_id: UUID, caller: Caller, request: Request) -> UUID:
    """The import of a stream. What is wrong is raised before the stream begins, for then it is a problem."""
    await reading.read_import(request.app.state.service.database, caller, import_id)
    return import_id


@reads.get("/{import_id}/progress", response_class=EventSourceResponse)
async def import_progress(
    import_id: Annotated[UUID, Depends(_may_watch)], caller: Caller, request: Request
) -> AsyncIterator[ServerSentEvent]:
    """Server-Sent Events: the import now and on each change, until it has ended."""
    async for found in reading.progress(request.app.state.service.database, caller, import_id):
        yield ServerSentEvent(raw_data=found.model_dump_json())


@reads.get("/{import_id}/rejected")
async def rejected_rows(
    import_id: UUID,
    query: Annotated[ListRejected, Query()],
    caller: Caller,
    request: Request,
    response: Response,
) -> RejectedPage:
    """The rows that were not taken, in the order of the file, each with every reason; kept for 30 days."""
    page = await reading.rejected_rows(request.app.state.service.database, caller, import_id, query)
    if len(page.items) == query.limit:
        response.headers["Link"] = f'<{request.url.path}?limit={query.limit}&after={page.items[-1].line}>; rel="next"'
    return page
