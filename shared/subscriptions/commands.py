"""The verbs of webhooks: make, change, delete one; rotate its secret, replay, try it out."""

from datetime import timedelta
from time import perf_counter
from uuid import UUID

from uuid_utils.compat import uuid7

from shared import units
from shared.access import Identity, Seen
from shared.days import now
from shared.errors import NotFound, Problem, UnknownUnit, invalid
from shared.log import ping_event, source_of
from shared.outbox import UnitOfWork
from shared.settings import Service, settings
from shared.subscriptions import sending, signing
from shared.subscriptions.changes import mark_at
from shared.subscriptions.cursors import cursor_of
from shared.subscriptions.models import Webhook
from shared.subscriptions.schemas import (
    ChangeWebhook,
    MakeWebhook,
    Pinged,
    RotateSecret,
    WebhookOut,
    WebhookWithSecret,
)
from shared.workflow import look_up_seen

# Each one that delivers reads the log by a connection of its own.
MOST_WEBHOOKS = 20
# Of these, what all units below the province may use together, and one of them alone: the province's are its own.
MOST_BELOW_THE_PROVINCE, MOST_OF_A_UNIT = 12, 2


class TooManyWebhooks(Problem):
    status, name = 409, "too-many-webhooks"
    vi, en = "Đã đủ số webhook cho phép.", "There are as many webhooks as there may be."


class HostNotAllowed(Problem):
    status, name = 422, "host-not-allowed"
    vi, en = (
        "Máy chủ này không nằm trong ANTT_WEBHOOK_HOSTS.",
        "This host is not among those of ANTT_WEBHOOK_HOSTS.",
    )


SEEN = Seen("keep_webhooks", team=None)


def require_kept_by(caller: Identity, webhook: Webhook) -> None:
    """Raise NotFound for a webhook that was deleted and, for another system, for one that it did not make itself."""
    if webhook.state == "deleted" or (caller.role == "system" and webhook.made_by != caller.subject):
        raise NotFound(id=webhook.id)


async def _load(work: UnitOfWork, caller: Identity, webhook_id: UUID) -> Webhook:
    webhook = await look_up_seen(work, caller, Webhook, webhook_id, SEEN, SEEN.may)
    require_kept_by(caller, webhook)
    work.require_matched(webhook)
    return webhook


def _require_host(caller: Identity, url: str) -> None:
    """Another system may name only hosts that the operator allowed; otherwise it could try out the inner network."""
    named_by_operator = caller.role != "system" or settings().webhook_hosts
    if not (named_by_operator and sending.allowed_host(settings(), url)):
        raise HostNotAllowed(url=url)


async def make_webhook(work: UnitOfWork, caller: Identity, made: MakeWebhook) -> WebhookWithSecret:
    """Make a webhook. Raises for a foreign unit, a host that may not be, or a cursor whose events are lost."""
    caller.require_role("keep_webhooks")
    unit = made.unit or caller.unit
    if units.get(unit) is None:
        raise UnknownUnit(unit=unit)
    caller.require("keep_webhooks", unit)
    _require_host(caller, made.url)
    await _require_room(work, unit)
    id, secret = uuid7(), signing.new_secret()
    webhook = work.add(
        Webhook,
        id=id,
        url=made.url,
        types=" ".join(made.types),
        unit=unit,
        note=made.note,
        state="enabled",
        secret=signing.seal(id, secret),
        begin_after=cursor_of(await mark_at(work.database, made.after)),
        begun=1,
        made_by=caller.subject,
        made_at=now(),
        version=1,
    )
    return WebhookWithSecret.of(webhook, secret=secret)


async def _require_room(work: UnitOfWork, unit: str) -> None:
    rows = await work.database.fetch("SELECT unit FROM webhooks WHERE state <> 'deleted'")
    others = [row["unit"] for row in rows]
    below = [other for other in others if not units.is_province(other)]
    if len(others) >= MOST_WEBHOOKS:
        raise TooManyWebhooks(most=MOST_WEBHOOKS)
    if not units.is_province(unit):
        if below.count(unit) >= MOST_OF_A_UNIT:
            raise TooManyWebhooks(most=MOST_OF_A_UNIT, unit=unit)
        if len(below) >= MOST_BELOW_THE_PROVINCE:
            raise TooManyWebhooks(most=MOST_BELOW_THE_PROVINCE)


async def change_webhook(work: UnitOfWork, caller: Identity, webhook_id: UUID, change: ChangeWebhook) -> WebhookOut:
    """Change what is sent. To enable it again goes on where it stood."""
    webhook = await _load(work, caller, webhook_id)
    values = change.model_dump(exclude_unset=True)
    for name in ("url", "types", "state"):
        if name in values and values[name] is None:
            raise invalid(name, "missing", "leave it out to keep it")
    if "url" in values:
        _require_host(caller, values["url"])
    if "types" in values:
        values["types"] = " ".join(values["types"])
    if "state" in values:
        values["disabled_because"] = None
    return WebhookOut.of(work.change(webhook, values))


async def delete_webhook(work: UnitOfWork, caller: Identity, webhook_id: UUID) -> WebhookOut:
    """Send nothing more there; who made it and where it led stays on record, its secrets don't."""
    webhook = await _load(work, caller, webhook_id)
    deleted = work.change(webhook)
    deleted.state, deleted.secret = "deleted", None
    deleted.secret_before = deleted.secret_before_until = None
    return WebhookOut.of(deleted)


async def rotate_secret(
    work: UnitOfWork, caller: Identity, webhook_id: UUID, rotation: RotateSecret
) -> WebhookWithSecret:
    """Give it a new secret; for a while both sign."""
    webhook = await _load(work, caller, webhook_id)
    secret, overlap = signing.new_secret(), timedelta(hours=rotation.overlap_hours)
    rotated = work.change(webhook)
    rotated.secret = signing.seal(webhook_id, secret)
    rotated.secret_before = webhook.secret if overlap else None
    rotated.secret_before_until = now() + overlap if overlap else None
    return WebhookWithSecret.of(rotated, secret=secret)


async def replay(work: UnitOfWork, caller: Identity, webhook_id: UUID, after: str) -> WebhookOut:
    """Deliver from a cursor on, once more or with some left out. Raises ChangesLost for one whose events are lost."""
    webhook = await _load(work, caller, webhook_id)
    begun_anew = work.change(webhook)
    begun_anew.begin_after = cursor_of(await mark_at(work.database, after))
    begun_anew.begun += 1
    return WebhookOut.of(begun_anew)


async def replay_dead_letters(work: UnitOfWork, caller: Identity, webhook_id: UUID) -> WebhookOut:
    """Try each dead letter of now once more; what is delivered is gone from the list."""
    webhook = await _load(work, caller, webhook_id)
    due = work.change(webhook)
    due.letters_due_at = now()
    return WebhookOut.of(due)


async def ping(work: UnitOfWork, caller: Identity, webhook_id: UUID, source: Service) -> Pinged:
    """Send a test event of type `Ping` now, also where the webhook is disabled, and report what came of it."""
    webhook = await _load(work, caller, webhook_id)
    id = str(uuid7())
    began = perf_counter()
    async with sending.open_pool() as pool:
        body = ping_event(source_of(settings(), source), id, str(webhook_id))
        outcome = await sending.post(pool, settings(), webhook, id, body)
    milliseconds = round((perf_counter() - began) * 1000)
    return Pinged(
        delivered=outcome.failure is None, status=outcome.status, failure=outcome.failure, milliseconds=milliseconds
    )
