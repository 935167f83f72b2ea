"""The verbs of imports: send a file, cancel what a job has not finished."""

import asyncio
import codecs
import hashlib
from collections.abc import AsyncIterable, AsyncIterator
from typing import ClassVar
from uuid import UUID

from uuid_utils.compat import uuid7

from shared.access import Identity
from shared.access.secrets import keyed
from shared.database import Database
from shared.days import now
from shared.errors import BodyTooLarge, Conflict, KeyReused, NotFound, Problem, StepNotAllowed
from shared.files.store import delete, put_capped, store_of
from shared.importing import uploads
from shared.importing.models import Format, Import
from shared.importing.rejections import ImportRefused, NotXlsx
from shared.importing.schemas import ImportOut, NewImport
from shared.importing.workflow import ENDED, overseen
from shared.outbox import UnitOfWork, row_of
from shared.service import Service

# Bytes that a seal adds to a file at most, a block of it at least being there.
_SEAL = 1 << 20


def bell_of(service: Service) -> asyncio.Event:
    """Rings in this process when a file was sent, so that a job of the same process need not look for it."""
    bell: asyncio.Event = service.state.setdefault("imports", asyncio.Event())
    return bell


class NotUtf8(ImportRefused):
    name = "not-utf-8"
    vi, en = (
        "Tệp không phải văn bản UTF-8 (có thể là UTF-16 hoặc Windows-1258): hãy lưu lại với mã UTF-8.",
        "The file is no text in UTF-8 (maybe UTF-16 or Windows-1258): save it as UTF-8.",
    )


class DigestWrong(Problem):
    """What came is not what the sender's Content-Digest names."""

    status, name = 422, "digest-wrong"
    vi, en = "Tệp nhận được không khớp Content-Digest.", "What came does not match the Content-Digest."
    headers: ClassVar = {"Want-Content-Digest": "sha-256=10"}


def _hashed(caller: Identity, key: bytes) -> bytes:
    bare = hashlib.sha256(caller.subject.encode() + b"\0imports\0" + key).digest()
    return _key(caller.role, caller.unit, caller.team, bare)


def _key(role: str, unit: str, team: str, bare: bytes) -> bytes:
    """An Idempotency-Key is of one caller in one place, as that of every command; the subject is in what is given."""
    return keyed(b"import keys", "\0".join([role, unit, team, ""]).encode() + bare)


async def rename_old(database: Database) -> None:
    """Give the imports whose Idempotency-Key was hashed without a key what is hashed with one."""
    for row in await database.fetch("SELECT * FROM imports WHERE starts_with(encode(key, 'escape'), 'old:')"):
        key = _key(row["role"], row["unit"], row["team"], row["key"].removeprefix(b"old:"))
        # A new version, or a job that has read the row would write the old key again.
        await database.fetch("UPDATE imports SET key = $2, version = version + 1 WHERE id = $1", row["id"], key)


async def start_import(
    service: Service,
    folder: str,
    caller: Identity,
    asked: NewImport,
    format: Format,
    body: AsyncIterable[bytes],
    key: bytes | None,
    digest: bytes | None = None,
) -> tuple[ImportOut, bool]:
    """Put the file into the store, sealed, and leave it to the job; whether it was sent before with this key.

    Nothing of it is kept unless all of it has come. Raises BodyTooLarge, NotUtf8 or NotXlsx as soon as that is known,
    DigestWrong when it is not of this SHA-256, KeyReused for another file, StoreUnavailable.
    """
    caller.require_role("import_records")
    store, id, sha256, length = store_of(service.settings), uuid7(), hashlib.sha256(), 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal length
        async for chunk in body:
            length += len(chunk)
            if length > service.settings.import_bytes:
                raise BodyTooLarge(most_bytes=service.settings.import_bytes)
            sha256.update(chunk)
            yield chunk
        if digest is not None and digest != sha256.digest():
            raise DigestWrong()

    checked = _zip(counted()) if format == "xlsx" else _text(counted())
    most = service.settings.import_bytes + _SEAL
    await put_capped(store, uploads.path_of(folder, id), uploads.sealed(checked, id), most)
    work = UnitOfWork(service.database)
    hashed = _hashed(caller, key) if key is not None else None
    row = work.add(
        Import,
        id=id,
        of=asked.of,
        format=format,
        strategy=asked.strategy,
        dry_run=asked.dry_run,
        atomic=asked.atomic,
        filename=asked.filename,
        size_bytes=length,
        content=keyed(b"import contents", sha256.digest()),
        role=caller.role,
        subject=caller.subject,
        unit=caller.unit,
        team=caller.team,
        state="queued",
        rows_read=0,
        created=0,
        updated=0,
        unchanged=0,
        rejected=0,
        left_out=0,
        created_at=now(),
        key=hashed,
        version=1,
    )
    try:
        await service.writer.commit(work)
    except Conflict:
        await delete(store, uploads.path_of(folder, id))
        found = await service.database.fetchrow("SELECT * FROM imports WHERE key = $1", hashed)
        if found is None:
            raise
        first = row_of(Import, found)
        same = not first.content or first.content == row.content
        if not same or any(
            getattr(first, name) != getattr(row, name) for name in ("of", "format", "strategy", "dry_run")
        ):
            raise KeyReused() from None
        return ImportOut.of_row(first), True
    bell_of(service).set()
    return ImportOut.of_row(row), False


async def _text(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The chunks of a text in UTF-8. Raises NotUtf8 where it is none."""
    decoder, length = codecs.getincrementaldecoder("utf-8")(), 0
    try:
        async for chunk in chunks:
            decoder.decode(chunk)
            if b"\0" in chunk:
                raise NotUtf8(byte=length + chunk.index(b"\0"))
            length += len(chunk)
            yield chunk
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise NotUtf8(byte=length + error.start) from None


async def _zip(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The chunks of what begins as a ZIP archive does. Raises NotXlsx otherwise: an old or an encrypted workbook."""
    begins = b""
    async for chunk in chunks:
        if len(begins) < 4:
            begins += chunk[:4]
            if not b"PK\x03\x04".startswith(begins[:4]):
                raise NotXlsx()
        yield chunk
    if len(begins) < 4:
        raise NotXlsx()


async def cancel_import(work: UnitOfWork, caller: Identity, import_id: UUID) -> ImportOut:
    """Stop an import behind the rows that it has taken. Raises StepNotAllowed once it has ended."""
    caller.require_role("import_records")
    row = await work.look_up(Import, import_id)
    if row is None or (row.subject != caller.subject and row.unit not in overseen(caller)):
        raise NotFound(id=import_id)
    work.require_matched(row)
    if row.state in ENDED:
        raise StepNotAllowed(state=row.state, step="cancel", allowed_from=["queued", "running"])
    cancelled = work.change(row)
    cancelled.state, cancelled.ended_at = "cancelled", now()
    return ImportOut.of_row(cancelled)
