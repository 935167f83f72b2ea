"""What may be read of webhooks: how they are set, how their deliveries stand, what could not be delivered."""

from uuid import UUID

import asyncpg

from shared.access import Identity
from shared.errors import NotFound
from shared.http import Page, position_text
from shared.jurisdiction import area as area_of
from shared.outbox import Position, row_of
from shared.service import Service
from shared.subscriptions.commands import require_may_keep
from shared.subscriptions.models import Webhook
from shared.subscriptions.schemas import DeadLetter, DeadLetters, Webhooks, WebhookStanding

_STANDING = """
SELECT w.*, p.generation, p.seq, p.delivered_at, coalesce(p.attempts, 0) AS attempts, p.next_attempt_at,
  p.last_failure, p.failed_at,
  (SELECT count(*) FROM webhook_dead_letters d WHERE d.webhook_id = w.id) AS dead_letters,
  (SELECT coalesce(max(seq), 0) FROM outbox) - coalesce(p.seq, 0) AS behind
FROM webhooks w LEFT JOIN webhook_places p ON p.webhook_id = w.id
"""


async def list_webhooks(service: Service, caller: Identity) -> Webhooks:
    """Those of the caller's area; for another system those that it made."""
    caller.require_role("keep_webhooks")
    rows = await service.database.fetch(
        f"""{_STANDING} WHERE w.state <> 'deleted' AND w.unit = ANY($1)
          AND ($2::text IS NULL OR w.made_by = $2) ORDER BY w.id""",
        sorted(area_of(caller.unit)),
        caller.subject if caller.role == "system" else None,
    )
    return Webhooks(items=[_standing(service, row) for row in rows])


async def read_webhook(service: Service, caller: Identity, webhook_id: UUID) -> WebhookStanding:
    """One webhook. NotFound without one, ForeignArea for another's."""
    caller.require_role("keep_webhooks")
    row = await service.database.fetchrow(f"{_STANDING} WHERE w.id = $1", webhook_id)
    if row is None:
        raise NotFound(id=webhook_id)
    require_may_keep(caller, row_of(Webhook, row))
    return _standing(service, row)


async def list_dead_letters(service: Service, caller: Identity, webhook_id: UUID, page: Page) -> DeadLetters:
    """A page of what could not be delivered there."""
    await read_webhook(service, caller, webhook_id)
    rows = await service.database.fetch(
        """SELECT * FROM webhook_dead_letters WHERE webhook_id = $1 AND ($2::uuid IS NULL OR id > $2)
        ORDER BY id LIMIT $3""",
        webhook_id,
        page.after,
        page.limit,
    )
    return DeadLetters(items=[DeadLetter.model_validate(dict(row)) for row in rows])


def _standing(service: Service, row: asyncpg.Record) -> WebhookStanding:
    seen = row["seq"] is not None
    position = position_text(service.name, Position(row["generation"], row["seq"])) if seen else None
    return WebhookStanding.of(row_of(Webhook, row), delivery={**row, "position": position})
