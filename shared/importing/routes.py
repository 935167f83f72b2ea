"""The HTTP side of imports."""

import base64
import binascii
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.requests import ClientDisconnect

from shared.access import Caller
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
from shared.files.store import StoreUnavailable
from shared.http import CommandRoute, Reader, Work, language_of, link_next, problems
from shared.importing import commands, reading
from shared.importing.commands import DigestWrong, NotUtf8
from shared.importing.kinds import Imports
from shared.importing.rejections import NotXlsx
from shared.importing.schemas import (
    MEDIA_TYPES,
    ImportOut,
    ImportPage,
    LeftOutPage,
    ListRejected,
    RejectedPage,
    asked_of,
)


class UnknownFormat(Problem):
    status, name = 415, "unknown-format"
    vi, en = (
        "Chỉ nhận NDJSON (application/x-ndjson), CSV (text/csv) hoặc XLSX.",
        "Only NDJSON (application/x-ndjson), CSV (text/csv) or XLSX is accepted.",
    )


class BodyCutShort(Problem):
    status, name = 400, "body-cut-short"
    vi, en = "Tệp chưa được gửi hết.", "The file did not come to its end."


_FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The file itself. NDJSON: an object a line, as a single request would have it. CSV in UTF-8, "
        "or each visible sheet of XLSX: a heading of fields, with dots for what is inside another (`decision.number`, "
        "`items.0.quantity`), and a row for each record; 2.501 is 2501, 30/11/2026 a day.",
        "content": {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in MEDIA_TYPES},
    }
}


async def _body(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes. Raises BodyCutShort when the client goes before its end."""
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect:
        raise BodyCutShort() from None


def _sha256(content_digest: str | None) -> bytes | None:
    """The SHA-256 that a Content-Digest names, None when it names none."""
    found = re.search(r"sha-256=:([A-Za-z0-9+/=]*):", content_digest or "")
    try:
        return base64.b64decode(found[1], validate=True) if found else None
    except binascii.Error:
        raise commands.DigestWrong() from None


async def _may_watch(import_id: UUID, reader: Reader) -> UUID:
    """The import of a stream. What is wrong is raised before the stream begins, for then it is a problem."""
    await reading.read_import(reader, import_id)
    return import_id


def _name_next(request: Request, response: Response, limit: int, after: int | None) -> None:
    if after is not None:
        response.headers["Link"] = f'<{request.url.path}?limit={limit}&after={after}>; rel="next"'


def rooms(imports: Imports) -> list[APIRouter]:
    """The routes by which files of a service's kinds of rows are imported."""
    NewIt, ListIt = asked_of(imports.kinds)
    router = APIRouter(
        prefix="/imports",
        tags=["imports"],
        route_class=CommandRoute,
        responses=problems(Unauthenticated, Forbidden, NotFound, StepNotAllowed, KeyReused, Overloaded),
    )
    uploads_and_queries = APIRouter(
        prefix="/imports", tags=["imports"], responses=problems(Unauthenticated, Forbidden, NotFound)
    )

    # mypy does not follow classes that are made.
    @uploads_and_queries.post(
        "",
        status_code=202,
        openapi_extra=_FILE,
        responses=problems(
            BodyCutShort,
            Unauthenticated,
            Forbidden,
            BodyTooLarge,
            UnknownFormat,
            NotUtf8,
            NotXlsx,
            DigestWrong,
            KeyReused,
            Overloaded,
            StoreUnavailable,
        ),
    )
    async def start_import(
        asked: Annotated[NewIt, Query()],  # type: ignore[valid-type]
        reader: Reader,
        request: Request,
        response: Response,
        idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
        content_digest: Annotated[str | None, Header(max_length=1_000)] = None,
    ) -> ImportOut:
        """Send a file, as the body; a job takes its rows, `Location` shows how far it is.

        Each row is decided as a single request of the same caller would be. `Content-Digest: sha-256=:…:` (RFC 9530)
        makes sure that the file came whole.
        """
        reader.caller.require_role("import_records")
        reader.caller.require_role(imports.kinds[asked.of].action)  # type: ignore[attr-defined]
        format = MEDIA_TYPES.get(request.headers.get("content-type", "").partition(";")[0].strip().lower())
        if format is None:
            raise UnknownFormat()
        key = idempotency_key.encode() if idempotency_key is not None else None
        body, digest = _body(request), _sha256(content_digest)
        started, replayed = await commands.start_import(
            reader.service, imports.folder, reader.caller, asked, format, body, key, digest
        )
        response.headers["Location"] = f"{request.url.path}/{started.id}"
        if replayed:
            response.headers["Idempotency-Replayed"] = "true"
        return started

    @router.post("/{import_id}/cancel")
    async def cancel_import(import_id: UUID, caller: Caller, work: Work) -> ImportOut:
        """Stop an import; the rows that it has taken stay."""
        return await commands.cancel_import(work, caller, import_id)

    @uploads_and_queries.get("")
    async def list_imports(
        query: Annotated[ListIt, Query()],  # type: ignore[valid-type]
        reader: Reader,
        request: Request,
        response: Response,
    ) -> ImportPage:
        """The caller's imports, and those of the area for who oversees it, in the order in which they were sent."""
        page = await reading.list_imports(reader, query)
        link_next(request, response, page.items, query.limit)  # type: ignore[attr-defined]
        return page

    @uploads_and_queries.get("/{import_id}")
    async def read_import(import_id: UUID, reader: Reader) -> ImportOut:
        """One import and how far it is."""
        return await reading.read_import(reader, import_id)

    @uploads_and_queries.get("/{import_id}/progress", response_class=EventSourceResponse)
    async def import_progress(
        import_id: Annotated[UUID, Depends(_may_watch)], reader: Reader
    ) -> AsyncIterator[ServerSentEvent]:
        """Server-Sent Events: the import now and on each change, until it has ended."""
        async for found in reading.progress(reader, import_id):
            yield ServerSentEvent(raw_data=found.model_dump_json())

    @uploads_and_queries.get("/{import_id}/rejected")
    async def rejected_rows(
        import_id: UUID,
        query: Annotated[ListRejected, Query()],
        reader: Reader,
        request: Request,
        response: Response,
    ) -> RejectedPage:
        """The rows that were not taken, in the order of the file, each with every reason; kept for 30 days."""
        page, after = await reading.rejected_rows(reader, import_id, query, language_of(request))
        _name_next(request, response, query.limit, after)
        return page

    @uploads_and_queries.get("/{import_id}/left-out")
    async def left_out_rows(
        import_id: UUID,
        query: Annotated[ListRejected, Query()],
        reader: Reader,
        request: Request,
        response: Response,
    ) -> LeftOutPage:
        """The rows that were taken without something that is none, a telephone number say; kept for 30 days."""
        page, after = await reading.left_out_rows(reader, import_id, query)
        _name_next(request, response, query.limit, after)
        return page

    return [router, uploads_and_queries]
