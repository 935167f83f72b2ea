"""The verbs of attachments: add a file to a record, take one away."""

from uuid import UUID

from uuid_utils.compat import uuid7

from services.incidents.attachments.models import Attachment, Of
from services.incidents.attachments.receiving import KeptFile, name_now
from services.incidents.attachments.schemas import AttachmentOut, TooManyAttachments
from services.incidents.attachments.workflow import ADD, BY_TEAM, RECORDS, REMOVE
from services.incidents.tips.models import Tip
from services.incidents.tips.reading import standing
from services.incidents.tips.receipts import tip_of_receipt
from services.incidents.tips.workflow import WRITE, also_concerned
from shared import events
from shared.access import Identity
from shared.database import Database
from shared.days import now
from shared.errors import NotFound, StepNotAllowed
from shared.outbox import UnitOfWork, row_of
from shared.outbox.rows import table_of
from shared.outbox.statements import record_of
from shared.settings import settings
from shared.workflow import Record, Step, require_may_step

# What is made of a file to look at has a place so far behind the file's own: it takes none of those that are limited.
_BESIDE = 10_000
# What a file from who holds the receipt is recorded under; who they are nobody knows here.
SENDER = "informant"


async def require_may_add(database: Database, caller: Identity, of: Of, record_id: UUID) -> Record:
    """The record, if the caller may add to it now; told before a file is taken, and again when it is attached."""
    return await _require(database, caller, of, record_id, ADD[of], None)


async def require_may_send(database: Database, receipt: str, client: str) -> Tip:
    """The tip of a receipt, if its sender may still add to it. Raises as `tip_of_receipt` does, and StepNotAllowed."""
    tip = await tip_of_receipt(database, receipt, client)
    stands = await standing(database, tip)
    if stands.state not in WRITE.of:
        raise StepNotAllowed(state=stands.state, step="add_attachment", allowed_from=WRITE.of)
    return tip


async def add_attachment(
    work: UnitOfWork, caller: Identity | None, of: Of, record: Record, kept: KeptFile
) -> AttachmentOut:
    """Attach a file that the store has; `caller` None is who holds the tip's receipt.

    The same content is attached to a record once: the attachment that is there is answered, under its first name.
    """
    from_sender = caller is None
    found = await work.database.fetch(
        "SELECT * FROM attachments WHERE record_id = $1 AND from_sender = $2 AND removed_at IS NULL",
        record.id,
        from_sender,
    )
    there = [row_of(Attachment, each) for each in found]
    for attachment in there:
        if name_now(attachment.content) == kept.itself.content:
            return AttachmentOut.model_validate(attachment)
    most = settings().attachments_by_sender if from_sender else settings().attachments_per_record
    # Places are unique, so that of those who come at the same time none gets in beyond the last one.
    places = set(range(1, most + 1)) - {attachment.place for attachment in there}
    if not places:
        raise TooManyAttachments(most=most)
    place = min(places)
    rows = [
        work.add(
            Attachment,
            id=uuid7(),
            of=of,
            record_id=record.id,
            from_sender=from_sender,
            place=place + beside,
            content=each.content,
            media_type=each.media_type,
            bytes=each.bytes,
            name=each.name,
            added_by=SENDER if caller is None else caller.subject,
            added_at=now(),
            version=1,
        )
        for beside, each in ((0, kept.itself), (_BESIDE, kept.beside))
        if each is not None and each.content not in {name_now(attachment.content) for attachment in there}
    ]
    for row in rows:
        told = fact(row, record.unit)
        work.emit("AttachmentAdded", row.id, None, told, also_concerned(record), **{_LINKS[of]: record.id})
    return AttachmentOut.model_validate(rows[0])


async def remove_attachment(
    work: UnitOfWork, caller: Identity, of: Of, record_id: UUID, attachment_id: UUID, reason: str
) -> AttachmentOut:
    """Take a file away from its record, with the reason. Its content is deleted unless another record has it too."""
    record = await _require(work.database, caller, of, record_id, REMOVE[of], reason)
    attachment = await work.load(Attachment, attachment_id)
    if attachment.record_id != record_id or attachment.of != of or attachment.removed_at is not None:
        raise NotFound(id=attachment_id)
    beside = await work.database.fetchrow(
        "SELECT * FROM attachments WHERE record_id = $1 AND from_sender = $2 AND place = $3 AND removed_at IS NULL",
        record_id,
        attachment.from_sender,
        attachment.place + _BESIDE,
    )
    removed = [work.change(each) for each in (attachment, row_of(Attachment, beside) if beside else None) if each]
    for each in removed:
        # A name may be a person's; the row stays, to tell who took the file away and why.
        each.name, each.removed_by, each.removed_at, each.removal_reason = "", caller.subject, now(), reason
        gone = fact(each, record.unit)
        work.emit("AttachmentRemoved", each.id, gone, None, also_concerned(record), **{_LINKS[of]: record_id})
    return AttachmentOut.model_validate(removed[0])


async def _require(
    database: Database, caller: Identity, of: Of, record_id: UUID, step: Step[str], reason: str | None
) -> Record:
    caller.require_role(step.may if caller.role != "team_leader" or of != "activities" else "enter_activity")
    found = await database.fetchrow(record_of(table_of(RECORDS[of])), record_id)
    if found is None:
        raise NotFound(id=record_id)
    record: Record = row_of(RECORDS[of], found)
    if caller.role == "team_leader" and of == "activities":
        step = BY_TEAM[step.event]
    # A tip's files are whose police handle it.
    require_may_step(caller, record, step.event, step, reason, getattr(record, "handled_by", None))
    return record


_LINKS = {"tips": "tip_id", "cases": "case_id", "activities": "activity_id"}


def fact(attachment: Attachment, unit: str) -> events.Attachment:
    """What of an attachment others are told."""
    return events.Attachment(unit=unit, of=attachment.of, media_type=attachment.media_type, bytes=attachment.bytes)
