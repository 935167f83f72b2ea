"""The HTTP side of attachments, the same for every service whose records have files."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, NamedTuple
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse

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
from shared.files import commands, reading
from shared.files.contents import cipher_of, key_of
from shared.files.receiving import receive
from shared.files.records import Files, Holder
from shared.files.schemas import (
    ENDINGS,
    AttachmentLookOut,
    AttachmentOut,
    FileRefused,
    NotAForm,
    RemoveAttachment,
    TooManyAttachments,
    shown_of,
)
from shared.files.sealing import unsealed
from shared.files.store import StoreUnavailable, store_of
from shared.http import CommandRoute, Reader, Work, position_text, problems, service_of
from shared.outbox import UnitOfWork, decide_and_commit

_SEEN = (Unauthenticated, Forbidden, ForeignArea, NotFound)


class RangeNotSatisfiable(Problem):
    status, name = 416, "range-not-satisfiable"
    vi, en = "Phạm vi byte nằm ngoài tệp.", "The range of bytes lies outside the file."


# How a route that takes a file is documented.
FORM = {
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
                            "description": f"One of {', '.join(ENDINGS)}, recognised by its content.",
                        }
                    },
                }
            }
        },
    }
}


def answers(*more: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """How a route that takes a file may answer: as every such route does, and with these problems."""
    return {
        200: {"description": "The same content is attached already; this is its attachment."},
        **problems(
            NotFound,
            StepNotAllowed,
            NotAForm,
            BodyTooLarge,
            FileRefused,
            TooManyAttachments,
            StoreUnavailable,
            Overloaded,
            *more,
        ),
    }


class Sender(NamedTuple):
    """Who sends a file: what it is recorded under, and whose turn it is to have one cleaned.

    `stranger`: no caller, but someone who may add to this one record; each download of what they send is recorded.
    """

    name: str
    turn: tuple[str, ...]
    stranger: bool = False


async def take_file(
    request: Request,
    response: Response,
    files: Files,
    of: str,
    sender: Sender,
    may_add: Callable[[], Awaitable[Holder]],
) -> AttachmentOut:
    """Take the file of a request and attach it to the record that `may_add` gives; the response says how it went.

    Whether its sender may is asked before a byte of it is read, and again when it is attached.
    """
    service = service_of(request.scope)
    await may_add()
    kept = await receive(request, files.folder, *sender.turn)

    async def attach(work: UnitOfWork) -> AttachmentOut:
        return await commands.add_attachment(
            work, files, of, await may_add(), kept, sender.name, from_sender=sender.stranger
        )

    # Who came at the same time and took the number, or attached the same, is seen the next time.
    attachment, position = await decide_and_commit(service.writer, attach, again=(Changed, Conflict))
    if position is None:
        # It was there already.
        response.status_code = 200
    else:
        response.headers["Antt-Position"] = position_text(service.name, position)
    response.headers["ETag"] = f'"{attachment.version}"'
    return attachment


def rooms(files: Files) -> list[APIRouter]:
    """The routes by which callers add files to records of a service, list them, download them, and take them away."""
    Of, Shown = shown_of(files.kinds)
    commanded = APIRouter(tags=["attachments"], route_class=CommandRoute, responses=problems(*_SEEN, StepNotAllowed))
    router = APIRouter(tags=["attachments"])

    # mypy does not follow types that are made.
    @router.post(
        "/{of}/{record_id}/attachments",
        status_code=201,
        response_model=Shown,
        responses=answers(Unauthenticated, Forbidden, ForeignArea),
        openapi_extra=FORM,
    )
    async def add_attachment(
        of: Of,  # type: ignore[valid-type]
        record_id: UUID,
        reader: Reader,
        request: Request,
        response: Response,
    ) -> AttachmentOut:
        """Add a file to a record: a form with one field `file` (curl -F file=@picture.jpg).

        What it is is recognised by its content, never by its name. The answer is sent once the file is durable; the same
        content sent again gets the same attachment. Pictures and films lose what says where and with what they were made.
        """

        async def may_add() -> Holder:
            return await files.kinds[of].may_change(UnitOfWork(reader.database), reader.caller, record_id, "add", None)

        sender = Sender(reader.caller.subject, (reader.caller.subject,))
        attachment = await take_file(request, response, files, of, sender, may_add)
        response.headers["Location"] = f"{request.url.path}/{attachment.id}"
        return attachment

    @router.get("/{of}/{record_id}/attachments", response_model=list[Shown], responses=problems(*_SEEN))  # type: ignore[valid-type]
    async def list_attachments(of: Of, record_id: UUID, reader: Reader) -> list[AttachmentOut]:  # type: ignore[valid-type]
        """The files of a record, for who may see the record, in the order in which they came.

        Shown with it are those of records that were merged into it, as far as the caller may see them.
        """
        return await reading.list_attachments(reader, files.kinds[of], record_id)

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
        of: Of,  # type: ignore[valid-type]
        record_id: UUID,
        attachment_id: UUID,
        reader: Reader,
        request: Request,
        wanted: Annotated[str | None, Header(alias="Range", description="bytes=FROM-TO, one range.")] = None,
    ) -> Response:
        """The file itself, for who may see the record; a download of what a stranger has sent is recorded.

        Parts from the middle that the same caller fetches within 15 minutes belong to the download that was recorded.
        """
        attachment = await reading.read_attachment(reader, files.kinds[of], of, record_id, attachment_id)
        # An attachment's content never changes, so its id is tag enough; a hash of it would say what it is.
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
            work = UnitOfWork(reader.database)
            await reading.record_look(work, reader.caller, attachment, start)
            # Committed before the first byte goes out.
            await reader.service.writer.commit(work)
        headers["Content-Length"] = str(end - start)
        if part:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{attachment.bytes}"
        store, key = store_of(reader.settings), key_of(files.folder, attachment.content)
        content = unsealed(store, key, cipher_of(attachment.content), attachment.bytes, start, end)
        return StreamingResponse(await _begun(content), 206 if part else 200, headers, attachment.media_type)

    @router.get("/{of}/{record_id}/attachments/{attachment_id}/looks", responses=problems(*_SEEN))
    async def attachment_looks(
        of: Of,  # type: ignore[valid-type]
        record_id: UUID,
        attachment_id: UUID,
        reader: Reader,
    ) -> list[AttachmentLookOut]:
        """Who downloaded what a stranger has sent, and when."""
        return await reading.attachment_looks(reader, files.kinds[of], record_id, attachment_id)

    @commanded.post("/{of}/{record_id}/attachments/{attachment_id}/remove", response_model=Shown)
    async def remove_attachment(
        of: Of,  # type: ignore[valid-type]
        record_id: UUID,
        attachment_id: UUID,
        removal: RemoveAttachment,
        caller: Caller,
        work: Work,
    ) -> AttachmentOut:
        """Take a file away from its record, with the reason; its content is deleted after a day."""
        return await commands.remove_attachment(work, caller, files, of, record_id, attachment_id, removal.reason)

    return [router, commanded]


async def _begun(content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The content, of which the first piece is there: a store that is down is reported before anything was sent."""
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
