"""The tables of attachments, of the contents that the store holds for them, and of who looked at them."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index
from sqlmodel import Field

from services.incidents.models import IncidentsModel
from shared.outbox import instant, word

# The kinds of record that have attachments, as their addresses name them.
Of = Literal["tips", "cases", "activities"]


class Attachment(IncidentsModel, table=True):
    """A file that belongs to a tip, a case or an activity; its content lies in the store under that name."""

    __tablename__ = "attachments"
    id: UUID = Field(primary_key=True)
    of: Of = word()
    record_id: UUID
    # From who holds the tip's receipt; such files have places of their own, so that they leave room for the police's.
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
        CheckConstraint("of IN ('tips', 'cases', 'activities')", name="attachments_of_check"),
        CheckConstraint("(removed_at IS NULL) = (removed_by IS NULL)", name="attachments_removed"),
        Index("attachments_by_record", "record_id", "id"),
        # The same content is attached to a record once, and no more files than there are places, whoever sends at the
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


class AttachmentLook(IncidentsModel, table=True):
    """One download of what a tip's sender has sent: who and when. Handwriting and voice tell who somebody is."""

    __tablename__ = "attachment_looks"
    id: UUID = Field(primary_key=True)
    attachment_id: UUID = Field(foreign_key="attachments.id")
    looked_by: str
    looked_at: datetime = instant()

    __table_args__ = (Index("attachment_looks_by_attachment", "attachment_id", "id"),)
