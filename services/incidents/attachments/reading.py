"""What may be read of attachments."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from services.incidents.activities.reading import read_activity
from services.incidents.attachments.models import AttachmentLook, Of
from services.incidents.attachments.schemas import AttachmentKept, AttachmentLookOut, AttachmentOut, SentAttachment
from services.incidents.cases.reading import read_case
from services.incidents.tips.reading import read_tip, with_duplicates
from services.incidents.tips.receipts import tip_of_receipt
from shared.access import Identity
from shared.database import Database
from shared.days import now
from shared.errors import NotFound
from shared.outbox import UnitOfWork

# Who may see a record may see its files: each raises as it does for the record.
_SEE: dict[Of, Callable[[Database, Identity, UUID], Awaitable[Any]]] = {
    "tips": read_tip,
    "cases": read_case,
    "activities": read_activity,
}

# So long the parts that somebody fetches of a file are one download: films are fetched so, and what broke off.
ONE_DOWNLOAD = timedelta(minutes=15)


async def list_attachments(database: Database, caller: Identity, of: Of, record_id: UUID) -> list[AttachmentOut]:
    """The files of a record, in the order in which they came."""
    await _SEE[of](database, caller, record_id)
    rows = await database.fetch(
        "SELECT * FROM attachments WHERE record_id = ANY($1) AND removed_at IS NULL ORDER BY id",
        await _with_duplicates(database, caller, of, record_id),
    )
    return [AttachmentOut.model_validate(dict(row)) for row in rows]


async def read_attachment(
    database: Database, caller: Identity, of: Of, record_id: UUID, attachment_id: UUID
) -> AttachmentKept:
    """One file of a record. NotFound without one, or when it was taken away."""
    await _SEE[of](database, caller, record_id)
    row = await database.fetchrow(
        "SELECT * FROM attachments WHERE id = $1 AND record_id = ANY($2) AND of = $3 AND removed_at IS NULL",
        attachment_id,
        await _with_duplicates(database, caller, of, record_id),
        of,
    )
    if row is None:
        raise NotFound(id=attachment_id)
    return AttachmentKept.model_validate(dict(row))


async def _with_duplicates(database: Database, caller: Identity, of: Of, record_id: UUID) -> list[UUID]:
    """Whose files are shown with a record that the caller may see: its own, and of a tip those of its duplicates."""
    return await with_duplicates(database, caller, record_id) if of == "tips" else [record_id]


async def record_look(work: UnitOfWork, caller: Identity, attachment: AttachmentOut, start: int) -> None:
    """Keep that the caller downloads what a tip's sender has sent.

    From the middle on it is no further look for who looked at it within ONE_DOWNLOAD.
    """
    if start > 0 and await work.database.fetchrow(
        "SELECT id FROM attachment_looks WHERE attachment_id = $1 AND looked_by = $2 AND looked_at > $3",
        attachment.id,
        caller.subject,
        now() - ONE_DOWNLOAD,
    ):
        return
    work.add(AttachmentLook, id=uuid7(), attachment_id=attachment.id, looked_by=caller.subject, looked_at=now())


async def attachment_looks(
    database: Database, caller: Identity, of: Of, record_id: UUID, attachment_id: UUID
) -> list[AttachmentLookOut]:
    """Who downloaded what a tip's sender has sent, also of a file that was taken away, oldest first."""
    caller.require_role("audit_looks")
    record = await _SEE[of](database, caller, record_id)
    caller.require("audit_looks", record.unit)
    rows = await database.fetch(
        """SELECT l.* FROM attachment_looks l JOIN attachments a ON a.id = l.attachment_id
        WHERE a.id = $1 AND a.record_id = ANY($2) ORDER BY l.id""",
        attachment_id,
        await _with_duplicates(database, caller, of, record_id),
    )
    return [AttachmentLookOut.model_validate(dict(row)) for row in rows]


async def sent_attachments(database: Database, receipt: str, client: str) -> list[SentAttachment]:
    """What the holder of a receipt has sent, without the contents: a receipt that was stolen shows no pictures."""
    tip = await tip_of_receipt(database, receipt, client)
    rows = await database.fetch(
        "SELECT * FROM attachments WHERE record_id = $1 AND from_sender AND removed_at IS NULL ORDER BY id", tip.id
    )
    return [SentAttachment.model_validate(dict(row)) for row in rows]
