"""The verbs of files: add one to a record, take one away."""

from uuid import UUID

from uuid_utils.compat import uuid7

from shared.access import Identity
from shared.days import now
from shared.errors import NotFound
from shared.files.contents import name_now
from shared.files.models import Attachment
from shared.files.receiving import KeptFile
from shared.files.records import Files, Holder
from shared.files.schemas import AttachmentOut, TooManyAttachments
from shared.outbox import UnitOfWork, row_of
from shared.settings import settings

# What is made of a file to look at has a number so far behind the file's own: it takes none of those that are limited.
_BESIDE = 10_000


async def add_attachment(
    work: UnitOfWork, files: Files, of: str, holder: Holder, kept: KeptFile, added_by: str, *, from_sender: bool
) -> AttachmentOut:
    """Attach a file that the store has; `from_sender`: it comes from who is no caller, whose files are counted apart.

    The same content is attached to a record once: the attachment that is there is answered, under its first name.
    """
    found = await work.database.fetch(
        "SELECT * FROM attachments WHERE record_id = $1 AND from_sender = $2 AND removed_at IS NULL",
        holder.id,
        from_sender,
    )
    there = [row_of(Attachment, each) for each in found]
    for attachment in there:
        if name_now(attachment.content) == kept.itself.content:
            return AttachmentOut.model_validate(attachment)
    most = settings().attachments_by_sender if from_sender else settings().attachments_per_record
    # Numbers are unique, so that of those who come at the same time none gets in beyond the last one.
    free = set(range(1, most + 1)) - {attachment.place for attachment in there}
    if not free:
        raise TooManyAttachments(most=most)
    rows = [
        work.add(
            Attachment,
            id=uuid7(),
            of=of,
            record_id=holder.id,
            from_sender=from_sender,
            place=min(free) + beside,
            content=each.content,
            media_type=each.media_type,
            bytes=each.bytes,
            name=each.name,
            added_by=added_by,
            added_at=now(),
            version=1,
        )
        for beside, each in ((0, kept.itself), (_BESIDE, kept.beside))
        if each is not None and each.content not in {name_now(attachment.content) for attachment in there}
    ]
    kind = files.kinds[of]
    for row in rows:
        fact = kind.fact(unit=holder.unit, media_type=row.media_type, bytes=row.bytes)
        work.emit("AttachmentAdded", row.id, None, fact, holder.concerns, **{kind.link: holder.id})
    return AttachmentOut.model_validate(rows[0])


async def remove_attachment(
    work: UnitOfWork, caller: Identity, files: Files, of: str, record_id: UUID, attachment_id: UUID, reason: str
) -> AttachmentOut:
    """Take a file away from its record, with the reason. Its content is deleted unless another record has it too."""
    kind = files.kinds[of]
    holder = await kind.may_change(work, caller, record_id, "remove", reason)
    attachment = await work.look_up(Attachment, attachment_id)
    if attachment is None or (attachment.record_id, attachment.of, attachment.removed_at) != (record_id, of, None):
        raise NotFound(id=attachment_id)
    work.require_matched(attachment)
    beside = await work.database.fetchrow(
        "SELECT * FROM attachments WHERE record_id = $1 AND from_sender = $2 AND place = $3 AND removed_at IS NULL",
        record_id,
        attachment.from_sender,
        attachment.place + _BESIDE,
    )
    removed = [work.change(each) for each in (attachment, row_of(Attachment, beside) if beside else None) if each]
    for each in removed:
        # A name may be a person's; the row stays, as the record of who took the file away and why.
        each.name, each.removed_by, each.removed_at, each.removal_reason = "", caller.subject, now(), reason
        fact = kind.fact(unit=holder.unit, media_type=each.media_type, bytes=each.bytes)
        work.emit("AttachmentRemoved", each.id, fact, None, holder.concerns, **{kind.link: record_id})
    return AttachmentOut.model_validate(removed[0])
