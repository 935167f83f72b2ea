"""What may be read of attachments."""

from datetime import timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from shared.access import Identity
from shared.database import Database
from shared.days import now
from shared.errors import NotFound
from shared.files.models import AttachmentLook
from shared.files.records import FilesOf
from shared.files.schemas import AttachmentKept, AttachmentLookOut, AttachmentOut
from shared.http import Reader
from shared.outbox import UnitOfWork

# So long the parts that somebody fetches of a file are one download: films are fetched so, and what broke off.
ONE_DOWNLOAD = timedelta(minutes=15)


async def list_attachments(reader: Reader, kind: FilesOf, record_id: UUID) -> list[AttachmentOut]:
    """The files that are shown with a record, in the order in which they came."""
    await kind.see(reader, record_id)
    rows = await reader.database.fetch(
        "SELECT * FROM attachments WHERE record_id = ANY($1) AND removed_at IS NULL ORDER BY id",
        await kind.shown_with(reader, record_id),
    )
    return [AttachmentOut.model_validate(dict(row)) for row in rows]


async def read_attachment(
    reader: Reader, kind: FilesOf, of: str, record_id: UUID, attachment_id: UUID
) -> AttachmentKept:
    """One file of a record. NotFound without one, or when it was taken away."""
    await kind.see(reader, record_id)
    row = await reader.database.fetchrow(
        "SELECT * FROM attachments WHERE id = $1 AND record_id = ANY($2) AND of = $3 AND removed_at IS NULL",
        attachment_id,
        await kind.shown_with(reader, record_id),
        of,
    )
    if row is None:
        raise NotFound(id=attachment_id)
    return AttachmentKept.model_validate(dict(row))


async def record_look(work: UnitOfWork, caller: Identity, attachment: AttachmentOut, start: int) -> None:
    """Record that the caller downloads what a sender has sent.

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
    reader: Reader, kind: FilesOf, record_id: UUID, attachment_id: UUID
) -> list[AttachmentLookOut]:
    """Who downloaded what a sender has sent, also of a file that was taken away, oldest first."""
    reader.caller.require_role("audit_looks")
    record = await kind.see(reader, record_id)
    reader.caller.require("audit_looks", record.unit)
    rows = await reader.database.fetch(
        """SELECT l.* FROM attachment_looks l JOIN attachments a ON a.id = l.attachment_id
        WHERE a.id = $1 AND a.record_id = ANY($2) ORDER BY l.id""",
        attachment_id,
        await kind.shown_with(reader, record_id),
    )
    return [AttachmentLookOut.model_validate(dict(row)) for row in rows]


async def attachments_of_stranger(database: Database, record_id: UUID) -> list[AttachmentOut]:
    """What no caller has sent to a record, in the order in which it came."""
    rows = await database.fetch(
        "SELECT * FROM attachments WHERE record_id = $1 AND from_sender AND removed_at IS NULL ORDER BY id", record_id
    )
    return [AttachmentOut.model_validate(dict(row)) for row in rows]
