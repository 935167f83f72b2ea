"""What may be read of webhooks: how they are set, how their deliveries stand, what could not be delivered."""

from uuid import UUID

import asyncpg

from shared.http import Page, Reader, position_text
from shared.jurisdiction import area as area_of
from shared.outbox import Position, row_of
from shared.subscriptions.commands import SEEN, require_kept_by
from shared.subscriptions.models import Webhook
from shared.subscriptions.schemas import DeadLetter, DeadLetters, Webhooks, WebhookStanding

_STANDING = """
SELECT w.*, p.generation, p.seq, p.delivered_at, coalesce(p.attempts, 0) AS attempts, p.next_attempt_at,
  p.last_failure, p.failed_at,
  (SELECT count(*) FROM webhook_dead_letters d WHERE d.webhook_id = w.id) AS dead_letters,
  (SELECT coalesce(max(seq), 0) FROM outbox) - coalesce(p.seq, 0) AS behind
FROM webhooks w LEFT JOIN webhook_places p ON p.webhook_id = w.id
"""


async def list_webhooks(reader: Reader) -> Webhooks:
    """Those of the caller's area; for another system those that it made."""
    caller = reader.caller
    caller.require_role(SEEN.may)
    rows = await reader.database.fetch(
        f"""{_STANDING} WHERE w.state <> 'deleted' AND w.unit = ANY($1)
          AND ($2::text IS NULL OR w.made_by = $2) ORDER BY w.id""",
        sorted(area_of(caller.unit)),
        caller.subject if caller.role == "system" else None,
    )
    return Webhooks(items=[_standing(reader, row) for row in rows])


async def read_webhook(reader: Reader, webhook_id: UUID) -> WebhookStanding:
    """One webhook. NotFound without one that the caller keeps."""
    row = await reader.one(SEEN, f"{_STANDING} WHERE w.id = $1", webhook_id)
    require_kept_by(reader.caller, row_of(Webhook, row))
    return _standing(reader, row)


async def list_dead_letters(reader: Reader, webhook_id: UUID, page: Page) -> DeadLetters:
    """A page of what could not be delivered there."""
    await read_webhook(reader, webhook_id)
    rows = await reader.database.fetch(
        """SELECT * FROM webhook_dead_letters WHERE webhook_id = $1 AND ($2::uuid IS NULL OR id > $2)
        ORDER BY id LIMIT $3""",
        webhook_id,
        page.after,
        page.limit,
    )
    return DeadLetters(items=[DeadLetter.model_validate(dict(row)) for row in rows])


def _standing(reader: Reader, row: asyncpg.Record) -> WebhookStanding:
    seen = row["seq"] is not None
    position = position_text(reader.service.name, Position(row["generation"], row["seq"])) if seen else None
    return WebhookStanding.of(row_of(Webhook, row), delivery={**row, "position": position})
