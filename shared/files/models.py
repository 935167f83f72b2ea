"""The tables of attachments, of the contents that the store holds for them, and of who looked at them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index
from sqlmodel import Field

from shared.outbox import instant
from shared.outbox.rows import PlatformModel


class Attachment(PlatformModel, table=True):
    """A file that belongs to a record; its content lies in the store under that name."""

    __tablename__ = "attachments"
    id: UUID = Field(primary_key=True)
    # The kind of record, as its address names it.
    of: str
    record_id: UUID
    # From who is no caller, but may add to this one record. Such files are numbered apart, so that they leave room for those
    # of callers.
    from_sender: bool
    place: int
    content: str
    media_type: str
    bytes: int = Field(sa_type=BigInteger)
    name: str
    added_by: str
    added_at: datetime = instant()
    removed_by: str | None = None
    removed_at: datetime | None = instant(default=None)
    removal_reason: str | None = None
    version: int = 1

    __table_args__ = (
        CheckConstraint("(removed_at IS NULL) = (removed_by IS NULL)", name="attachments_removed"),
        Index("attachments_by_record", "record_id", "id"),
        # The same content is attached to a record once, and no more files than there are numbers, whoever sends at the
        # same time.
        Index(
            "attachments_once",
            "record_id",
            "from_sender",
            "content",
            unique=True,
            postgresql_where="removed_at IS NULL",
        ),
        Index(
            "attachments_places",
            "record_id",
            "from_sender",
            "place",
            unique=True,
            postgresql_where="removed_at IS NULL",
        ),
        Index("attachments_by_content", "content"),
    )


class AttachmentContent(PlatformModel, table=True):
    """A content that was put into the store or is about to be; uploads and the sweep meet at its row."""

    __tablename__ = "attachment_contents"
    content: str = Field(primary_key=True)
    touched_at: datetime = instant()

    __table_args__ = (Index("attachment_contents_by_age", "touched_at"),)


class AttachmentLook(PlatformModel, table=True):
    """One download of what a sender has sent: who and when. By handwriting and voice somebody is known."""

    __tablename__ = "attachment_looks"
    id: UUID = Field(primary_key=True)
    attachment_id: UUID = Field(foreign_key="attachments.id")
    looked_by: str
    looked_at: datetime = instant()

    __table_args__ = (Index("attachment_looks_by_attachment", "attachment_id", "id"),)
