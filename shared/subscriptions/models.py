"""The tables of webhooks; how far each has come, and its dead letters, only the job that delivers writes."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import BigInteger, Index, UniqueConstraint, text
from sqlmodel import Field

from shared.outbox import after_create, instant, word
from shared.outbox.rows import PlatformModel

WebhookState = Literal["enabled", "disabled", "deleted"]


class Webhook(PlatformModel, table=True):
    """An address to which events are sent, signed. Its secrets are encrypted with a key outside the database."""

    __tablename__ = "webhooks"
    id: UUID = Field(primary_key=True)
    url: str
    # Names of events, with spaces between them; none: all.
    types: str
    unit: str
    note: str | None = None
    state: WebhookState = word()
    disabled_because: str | None = None
    secret: bytes | None = None
    # After a rotation both secrets sign, until then.
    secret_before: bytes | None = None
    secret_before_until: datetime | None = instant(default=None)
    # Where the deliveries began, and how many times they were begun: a replay begins them anew.
    begin_after: str
    begun: int
    # Dead letters that failed before then are sent once more.
    letters_due_at: datetime | None = instant(default=None)
    made_by: str
    made_at: datetime = instant()
    version: int = 1


after_create(
    Webhook,
    """CREATE TRIGGER webhooks_changed AFTER INSERT OR UPDATE ON webhooks
    FOR EACH STATEMENT EXECUTE FUNCTION webhooks_changed()""",
)


class WebhookProgress(PlatformModel, table=True):
    """How far a webhook has come, and how its last attempt ended."""

    __tablename__ = "webhook_places"
    webhook_id: UUID = Field(primary_key=True, foreign_key="webhooks.id")
    version: int
    begun: int
    generation: int
    seq: int = Field(sa_type=BigInteger)
    event_id: str | None = None
    recorded_at: datetime = instant()
    offset: int = Field(sa_type=BigInteger)
    # The newest generation that the receiver knows of.
    told_generation: int
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    next_attempt_at: datetime | None = instant(default=None)
    last_failure: str | None = None
    failed_at: datetime | None = instant(default=None)
    delivered_at: datetime | None = instant(default=None)


class WebhookDeadLetter(PlatformModel, table=True):
    """An event whose last attempt failed, as it was sent."""

    __tablename__ = "webhook_dead_letters"
    id: UUID = Field(primary_key=True)
    webhook_id: UUID = Field(foreign_key="webhooks.id")
    event_id: UUID
    type: str
    event: str
    attempts: int
    reason: str
    failed_at: datetime = instant()

    __table_args__ = (
        UniqueConstraint("webhook_id", "event_id"),
        Index("webhook_dead_letters_in_order", "webhook_id", "id"),
    )
