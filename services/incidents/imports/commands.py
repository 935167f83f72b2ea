"""The verbs of imports: send a file, cancel what a job has not finished."""

import hashlib
from collections.abc import AsyncIterable, AsyncIterator
from uuid import UUID

import obstore
from uuid_utils.compat import uuid7

from services.incidents.imports.models import Import
from services.incidents.imports.schemas import ENDED, Format, ImportOut, NewImport
from services.incidents.imports.uploads import path_of, sealed
from shared.auth import Identity
from shared.days import now
from shared.errors import BodyTooLarge, Conflict, KeyReused, NotFound, StepNotAllowed
from shared.outbox import UnitOfWork
from shared.service import Service
from shared.store import open_store


async def start_import(
    service: Service,
    caller: Identity,
    asked: NewImport,
    format: Format,
    body: AsyncIterable[bytes],
    key: bytes | None,
) -> tuple[ImportOut, bool]:
    """Put the file into the store, sealed, and leave it to the job; whether it was sent before with this key.

    Nothing of it is kept unless all of it has come. Raises BodyTooLarge, or KeyReused for another file.
    """
    caller.require_role("import_records")
    id, sha256, length = uuid7(), hashlib.sha256(), 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal length
        async for chunk in body:
            length += len(chunk)
            if length > service.settings.import_bytes:
                raise BodyTooLarge(most_bytes=service.settings.import_bytes)
            sha256.update(chunk)
            yield chunk

    store = open_store(service.settings)
    await obstore.put_async(store, path_of(id), sealed(counted(), service.secret, id))
    work = UnitOfWork(service.writer)
    hashed = hashlib.sha256(caller.subject.encode() + b"\0imports\0" + key).digest() if key is not None else None
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
        sha256=sha256.hexdigest(),
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
        created_at=now(),
        key=hashed,
        version=1,
    )
    try:
        await work.commit()
    except Conflict:
        await obstore.delete_async(store, path_of(id))
        first = await service.database.fetchrow("SELECT * FROM imports WHERE key = $1", hashed)
        if first is None:
            raise
        asked_before = ("of", "format", "strategy", "dry_run", "sha256")
        if any(first[name] != row[name] for name in asked_before):
            raise KeyReused() from None
        return ImportOut.of_row(dict(first)), True
    return ImportOut.of_row(row), False


async def cancel_import(work: UnitOfWork, caller: Identity, import_id: UUID) -> ImportOut:
    """Stop an import behind the rows that it has taken. Raises StepNotAllowed once it has ended."""
    row = await work.load(Import, import_id)
    if row["subject"] != caller.subject and not caller.may("handle_imports"):
        raise NotFound(id=import_id)
    if row["state"] in ENDED:
        raise StepNotAllowed(state=row["state"], step="cancel", allowed_from=["queued", "running"])
    return ImportOut.of_row(work.change(Import, row, state="cancelled", ended_at=now()))
