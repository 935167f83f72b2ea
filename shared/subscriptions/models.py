"""The table of webhooks; the places and dead letters beside it belong to the job that delivers."""

from datetime import datetime
from typing import Literal
from uuid import UUID

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
