"""What crosses HTTP about webhooks."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, HttpUrl, TypeAdapter

from services.incidents.changes.schemas import Cursor, EventType
from services.incidents.webhooks.models import Webhook, WebhookState
from shared.http import Input
from shared.outbox.rows import values_of
from shared.text import Line, UnitId

_HTTP_URL = TypeAdapter(HttpUrl)


def _url(text: str) -> str:
    url = _HTTP_URL.validate_python(text)
    if url.username or url.password or url.fragment:
        raise ValueError("give a URL without user, password and fragment: the signature says who sends")
    return str(url)


Url = Annotated[
    str,
    Field(max_length=2_000, json_schema_extra={"format": "uri"}, examples=["https://example.vn/antt"]),
    AfterValidator(_url),
]
Types = Annotated[tuple[EventType, ...], Field(max_length=200, description="Only events of these types; none: of all.")]


class MakeWebhook(Input):
    """Where to send which events. `unit` and all below it, the caller's own unless told; `after`: from which on."""

    url: Url
    types: Types = ()
    unit: UnitId | None = None
    note: Line | None = None
    after: Cursor = "now"


class ChangeWebhook(Input):
    """What is to be otherwise; a field that is left out stays. What waits for another attempt is tried at once."""

    url: Url | None = None
    types: Types | None = None
    note: Line | None = None
    state: Literal["enabled", "disabled"] | None = None


class RotateSecret(Input):
    """For so many hours the old secret signs beside the new one; 0 where the old one has leaked."""

    overlap_hours: Annotated[int, Field(ge=0, le=168)] = 24


class Replay(Input):
    """From where to deliver once more; every event keeps its id."""

    after: Cursor


class WebhookOut(BaseModel):
    """A webhook as it is set."""

    id: UUID
    url: str
    types: list[str]
    unit: str
    note: str | None
    state: WebhookState
    disabled_because: Annotated[str | None, Field(description="`gone`: the receiver answered 410.")]
    secret_before_until: Annotated[AwareDatetime | None, Field(description="Until then the secret before signs too.")]
    made_by: str
    made_at: AwareDatetime
    version: int

    @classmethod
    def of(cls, webhook: Webhook, **more: object) -> Self:
        """The webhook of a row, without its secrets."""
        # What it has no field for is left out.
        return cls.model_validate({**values_of(webhook), "types": webhook.types.split(), **more})


class WebhookWithSecret(WebhookOut):
    """A webhook and its new secret (`whsec_…`), which is shown this once."""

    secret: str


class Delivery(BaseModel):
    """How the deliveries stand."""

    position: Annotated[str | None, Field(description="The last event that was dealt with.")]
    behind: Annotated[int, Field(description="How many events there are behind it, of other types and units too.")]
    delivered_at: AwareDatetime | None
    attempts: Annotated[int, Field(description="How often the next event was tried already.")]
    next_attempt_at: AwareDatetime | None
    last_failure: Annotated[str | None, Field(description="Why the last attempt failed, or what holds deliveries up.")]
    failed_at: AwareDatetime | None
    dead_letters: int


class WebhookStanding(WebhookOut):
    """A webhook and how its deliveries stand."""

    delivery: Delivery


class Webhooks(BaseModel):
    """All webhooks that the caller may keep, oldest first."""

    items: list[WebhookStanding]


class DeadLetter(BaseModel):
    """An event that could not be delivered, and why."""

    id: UUID
    event_id: UUID
    type: str
    attempts: int
    reason: str
    failed_at: AwareDatetime


class DeadLetters(BaseModel):
    """A page of dead letters, in the order in which they died."""

    items: list[DeadLetter]


class Pinged(BaseModel):
    """What the receiver answered to a test event."""

    delivered: bool
    status: int | None
    failure: str | None
    milliseconds: int
