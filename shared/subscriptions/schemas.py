"""What crosses HTTP about changes and webhooks."""

from typing import Annotated, Any, Literal, Self, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, HttpUrl, TypeAdapter, create_model

from shared.events import EVENTS_OF
from shared.http import Input
from shared.outbox.rows import values_of
from shared.settings import Service
from shared.subscriptions.cursors import Cursor
from shared.subscriptions.models import Webhook, WebhookState
from shared.text import Line, UnitId

Asked = TypeVar("Asked", bound=Input)

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
_TYPES = "Only events of these types; none: of all."


class ReadChanges(Input):
    """The events after a cursor; with `wait`, for which the answer is kept back until there is one."""

    after: Annotated[Cursor, Query()] = "start"
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100
    wait: Annotated[int, Query(ge=0, le=60, description="Seconds to wait for an event when there is none yet.")] = 0
    types: Annotated[tuple[str, ...], Query(description=_TYPES)] = ()


class ChangeData(BaseModel):
    """The fact before and after, as /asyncapi.json describes it for each type, and ids of records to follow."""

    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    links: dict[str, str] = {}


class CloudEvent(BaseModel):
    """A CloudEvent 1.0. `id` is the same whenever the event is sent again; it never carries personal data."""

    specversion: Literal["1.0"]
    id: UUID
    source: Annotated[str, Field(examples=["/antt/2024:74/incidents"])]
    type: str
    subject: Annotated[str, Field(description="The id of the record that changed.")]
    time: AwareDatetime
    datacontenttype: Literal["application/json"]
    dataversion: int
    position: Annotated[
        str,
        Field(description="Its position in the log; `counted=` of stats waits for it.", examples=["incidents:1:12"]),
    ]
    tombstone: Annotated[
        bool, Field(description="The record no longer stands: it was withdrawn, merged, returned or removed.")
    ]
    traceparent: str | None = None
    data: ChangeData


class ChangesPage(BaseModel):
    """Events in the order of their commits. Go on with `next`, which moves even where no event was for the caller."""

    items: list[CloudEvent]
    next: Annotated[str, Field(description="The cursor behind all that was looked at.")]
    more: Annotated[bool, Field(description="More is there already: ask again at once.")]


class MakeWebhook(Input):
    """Where to send which events. `unit` and all below it, the caller's own unless named; `after`: from which on."""

    url: Url
    types: Annotated[tuple[str, ...], Field(max_length=200, description=_TYPES)] = ()
    unit: UnitId | None = None
    note: Line | None = None
    after: Cursor = "now"


class ChangeWebhook(Input):
    """What is to be otherwise; a field that is left out stays. What waits for another attempt is tried at once."""

    url: Url | None = None
    types: Annotated[tuple[str, ...] | None, Field(max_length=200, description=_TYPES)] = None
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


def asked_of(source: Service) -> tuple[type[ReadChanges], type[MakeWebhook], type[ChangeWebhook]]:
    """What is asked about the events of a service: the same, but of no types that the service does not emit."""
    emitted = sorted(EVENTS_OF[source])

    def one(text: str) -> str:
        if text not in emitted:
            raise ValueError(f"no event of {source} has this type")
        return text

    known: Any = emitted
    of_it: Any = Annotated[str, Field(json_schema_extra={"enum": known}), AfterValidator(one)]

    def narrowed(model: type[Asked], types: Any) -> type[Asked]:
        field = model.model_fields["types"]
        return create_model(model.__name__, __base__=model, __doc__=model.__doc__, types=(types, field))

    many = tuple[of_it, ...]
    return narrowed(ReadChanges, many), narrowed(MakeWebhook, many), narrowed(ChangeWebhook, many | None)
