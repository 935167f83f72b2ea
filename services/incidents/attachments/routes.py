"""The HTTP side of attachments."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse

from services.incidents.attachments import commands, reading
from services.incidents.attachments.models import Of
from services.incidents.attachments.receiving import cipher_of, key_of, receive
from services.incidents.attachments.schemas import (
    ENDINGS,
    AttachmentLookOut,
    AttachmentOut,
    FileRefused,
    NotAForm,
    RemoveAttachment,
    SentAttachment,
    TooManyAttachments,
)
from services.incidents.tips.receipts import TooManyWrongReceipts
from services.incidents.tips.routes import Receipt
from shared.access import Caller
from shared.errors import (
    BodyTooLarge,
    Changed,
    Conflict,
    Forbidden,
    ForeignArea,
    NotFound,
    Overloaded,
    Problem,
    StepNotAllowed,
    Unauthenticated,
)
from shared.files.sealing import unsealed
from shared.files.store import StoreUnavailable, store_of
from shared.http import ClientAddress, CommandRoute, Work, position_text, problems
from shared.limits import network_of
from shared.outbox import UnitOfWork, decide_and_commit
from shared.service import Service

_SEEN = (Unauthenticated, Forbidden, ForeignArea, NotFound)
_TAKEN = (
    NotFound,
    StepNotAllowed,
    NotAForm,
    BodyTooLarge,
    FileRefused,
    TooManyAttachments,
    StoreUnavailable,
    Overloaded,
)

commanded = APIRouter(tags=["attachments"], route_class=CommandRoute, responses=problems(*_SEEN, StepNotAllowed))
router = APIRouter(tags=["attachments"])


class RangeNotSatisfiable(Problem):
    status, name = 416, "range-not-satisfiable"
    vi, en = "Phạm vi byte nằm ngoài tệp.", "The range of bytes lies outside the file."


_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": f"One of {', '.join(ENDINGS)}, told by its content.",
                        }
                    },
                }
            }
        },
    }
}
_THERE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The same content is attached already; this is its attachment."}
}


@router.post(
    "/tips/by-receipt/attachments",
    status_code=201,
    responses={**_THERE, **problems(*_TAKEN, TooManyWrongReceipts)},
    openapi_extra=_FORM,
)
async def send_attachment(
    antt_receipt: Receipt, client: ClientAddress, request: Request, response: Response
) -> SentAttachment:
    """Add a file to a tip, as its sender: a form with one field `file` (curl -F file=@picture.jpg).

    The answer is sent once the file is durable. Pictures and films lose what tells where and with what they were made.
    """
    service: Service = request.app.state.service
    await commands.require_may_send(service.database, antt_receipt, client)
    kept = await receive(request, network_of(client), antt_receipt)

    async def attach(work: UnitOfWork) -> AttachmentOut:
        tip = await commands.require_may_send(service.database, antt_receipt, client)
        return await commands.add_attachment(work, None, "tips", tip, kept)

    return SentAttachment.model_validate((await _committed(service, response, attach)).model_dump())


@router.get("/tips/by-receipt/attachments", responses=problems(NotFound, TooManyWrongReceipts))
async def sent_attachments(antt_receipt: Receipt, client: ClientAddress, request: Request) -> list[SentAttachment]:
    """The files that a tip's sender has added, without their contents."""
    return await reading.sent_attachments(request.app.state.service.database, antt_receipt, client)


@router.post(
    "/{of}/{record_id}/attachments",
    status_code=201,
    responses={**_THERE, **problems(*_SEEN, *_TAKEN)},
    openapi_extra=_FORM,
)
async def add_attachment(
    of: Of, record_id: UUID, caller: Caller, request: Request, response: Response
) -> AttachmentOut:
    """Add a file to a record: a form with one field `file` (curl -F file=@picture.jpg).

    What it is tells its content, never its name. The answer is sent once the file is durable; the same content sent
    again gets the same attachment. Pictures and films lose what tells where and with what they were made.
    """
    service: Service = request.app.state.service
    await commands.require_may_add(service.database, caller, of, record_id)
    kept = await receive(request, caller.subject)

    async def attach(work: UnitOfWork) -> AttachmentOut:
        record = await commands.require_may_add(service.database, caller, of, record_id)
        return await commands.add_attachment(work, caller, of, record, kept)

    attachment = await _committed(service, response, attach)
    response.headers["Location"] = f"{request.url.path}/{attachment.id}"
    return attachment


@router.get("/{of}/{record_id}/attachments", responses=problems(*_SEEN))
async def list_attachments(of: Of, record_id: UUID, caller: Caller, request: Request) -> list[AttachmentOut]:
    """The files of a record, for who may see the record; of a tip also those of the tips merged into it.

    A team's leader is shown those of the team's own tips alone.
    """
    return await reading.list_attachments(request.app.state.service.database, caller, of, record_id)


@router.get(
    "/{of}/{record_id}/attachments/{attachment_id}",
    response_class=Response,
    responses={
        200: {"description": "The file", "content": {media_type: {} for media_type in ENDINGS}},
        206: {"description": "The part of it that was asked for"},
        **problems(*_SEEN, RangeNotSatisfiable, StoreUnavailable),
    },
)
async def download_attachment(
    of: Of,
    record_id: UUID,
    attachment_id: UUID,
    caller: Caller,
    request: Request,
    wanted: Annotated[str | None, Header(alias="Range", description="bytes=FROM-TO, one range.")] = None,
) -> Response:
    """The file itself, for who may see the record; a download of what a tip's sender has sent is recorded.

    Parts from the middle that the same caller fetches within 15 minutes belong to the download that was recorded.
    """
    service: Service = request.app.state.service
    attachment = await reading.read_attachment(service.database, caller, of, record_id, attachment_id)
    # An attachment's content never changes, so its id is tag enough; a hash of it would tell what it is.
    etag = f'"{attachment.id}"'
    headers = {
        # Whatever a file is, a browser shall keep it as a file: not guess, not show, not run.
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(attachment.name)}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "private, no-store",
        "Accept-Ranges": "bytes",
        "ETag": etag,
    }
    part = _range(wanted, attachment.bytes) if request.headers.get("if-range", etag) == etag else None
    start, end = part or (0, attachment.bytes)
    if attachment.from_sender:
        work = UnitOfWork(service.database)
        await reading.record_look(work, caller, attachment, start)
        # Committed before the first byte goes out.
        await service.writer.commit(work)
    headers["Content-Length"] = str(end - start)
    if part:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{attachment.bytes}"
    store, key, cipher = (
        store_of(service.settings),
        key_of(attachment.content),
        cipher_of(attachment.content),
    )
    content = await _begun(unsealed(store, key, cipher, attachment.bytes, start, end))
    return StreamingResponse(content, 206 if part else 200, headers, attachment.media_type)


@router.get("/{of}/{record_id}/attachments/{attachment_id}/looks", responses=problems(*_SEEN))
async def attachment_looks(
    of: Of, record_id: UUID, attachment_id: UUID, caller: Caller, request: Request
) -> list[AttachmentLookOut]:
    """Who downloaded what a tip's sender has sent, and when."""
    return await reading.attachment_looks(request.app.state.service.database, caller, of, record_id, attachment_id)


@commanded.post("/{of}/{record_id}/attachments/{attachment_id}/remove")
async def remove_attachment(
    of: Of, record_id: UUID, attachment_id: UUID, removal: RemoveAttachment, caller: Caller, work: Work
) -> AttachmentOut:
    """Take a file away from its record, with the reason; its content is deleted after a day."""
    return await commands.remove_attachment(work, caller, of, record_id, attachment_id, removal.reason)


async def _committed(
    service: Service, response: Response, attach: Callable[[UnitOfWork], Awaitable[AttachmentOut]]
) -> AttachmentOut:
    """Attach and commit; who came at the same time and took the place, or attached the same, is seen the next time."""
    attachment, position = await decide_and_commit(service.writer, attach, again=(Changed, Conflict))
    if position is None:
        # It was there already.
        response.status_code = 200
    else:
        response.headers["Antt-Position"] = position_text(service.name, position)
    response.headers["ETag"] = f'"{attachment.version}"'
    return attachment


async def _begun(content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The content, of which the first piece is there: a store that is down is told before anything was sent."""
    first = await anext(content, b"")

    async def whole() -> AsyncIterator[bytes]:
        yield first
        async for chunk in content:
            yield chunk

    return whole()


def _range(wanted: str | None, length: int) -> tuple[int, int] | None:
    """From where to before where, of one range (RFC 9110, 14.1.2); None for none, or for what is no single range."""
    found = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", wanted or "")
    if found is None or found[0] == "bytes=-":
        return None
    first, last = found[1], found[2]
    start = int(first) if first else max(length - int(last), 0)
    end = min(int(last) + 1, length) if first and last else length
    if first and last and int(last) < int(first):
        return None
    if start >= length:
        raise RangeNotSatisfiable(bytes=length)
    return start, end
