"""The job that delivers: each webhook follows the log in a task of its own and keeps its own log position.

All that a delivery needs to go on stands in the database: the position, the attempts, the time of the next one. A failed
attempt ends the task's reading; it begins anew at that time just as another process would after a kill -9, so there is
one way on and not two. The position moves after the receiver's 2xx: what is sent again carries the same `webhook-id`.
"""

import asyncio
import random
from contextlib import aclosing, suppress
from datetime import datetime, timedelta
from time import monotonic
from typing import NamedTuple, NoReturn
from uuid import UUID

import asyncpg
import httpcore
import structlog
from prometheus_client import Counter
from uuid_utils.compat import uuid7

from shared.days import now
from shared.errors import Changed
from shared.jurisdiction import area as area_of
from shared.log import CountedBeyondRecovery, Mark, cloud_event, open_log, read_generations, source_of, taken_back_event
from shared.outbox import UnitOfWork, row_of
from shared.service import Service
from shared.subscriptions import sending
from shared.subscriptions.changes import concerns
from shared.subscriptions.cursors import mark_of
from shared.subscriptions.models import Webhook
from shared.subscriptions.sending import Outcome

log = structlog.get_logger()

DELIVERIES = Counter("antt_webhook_deliveries", "Attempts to deliver an event.", ["outcome"])

_AT_ONCE = 500
# Between two readings, so that a webhook that few events are for does not read at every commit.
_PAUSE_SECONDS = 0.05
# How often a position is written down while nothing is delivered.
_KEEP_SECONDS = 1
# Its own, so that nobody else's chances depend on when a delivery fails.
_CHANCE = random.Random()
# When a webhook's task looks again after the log or the database failed it.
_AGAIN_SECONDS = 5


class Standing(NamedTuple):
    """How far a webhook has come, and how it stands with the next event."""

    mark: Mark
    told_generation: int
    attempts: int
    next_attempt_at: datetime | None


class Event(NamedTuple):
    """One event as it is sent."""

    id: str
    type: str
    body: bytes


class Fenced(Exception):
    """Another process delivers for this webhook, or it was changed: the task begins anew."""


async def run(service: Service) -> None:
    """Deliver for every enabled webhook, for ever. A webhook that is changed begins anew with what it is now."""
    changed = asyncio.Event()
    running: dict[UUID, tuple[int, asyncio.Task[None]]] = {}
    listener = await asyncpg.connect(service.database.url)
    try:
        listener.add_termination_listener(lambda *_: changed.set())
        await listener.add_listener("webhooks", lambda *_: changed.set())
        async with sending.open_pool() as pool:
            while not listener.is_closed():
                changed.clear()
                rows = await service.database.fetch("SELECT id, version FROM webhooks WHERE state = 'enabled'")
                enabled = {row["id"]: row["version"] for row in rows}
                # One webhook never has two tasks, or its events would come out of order.
                await _end([running.pop(id)[1] for id in list(running) if running[id][0] != enabled.get(id)])
                for id in enabled.keys() - running.keys():
                    running[id] = enabled[id], asyncio.create_task(_deliver_for_ever(service, pool, id))
                with suppress(TimeoutError):
                    async with asyncio.timeout(30):
                        await changed.wait()
        raise ConnectionError("the database ended the connection")
    finally:
        listener.terminate()
        await _end([task for _, task in running.values()])


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _deliver_for_ever(service: Service, pool: httpcore.AsyncConnectionPool, id: UUID) -> None:
    while True:
        try:
            webhook, standing = await _load(service, id)
            try:
                await _deliver(service, pool, webhook, standing)
            except CountedBeyondRecovery as error:
                await _go_back(service, webhook, error)
        except Fenced:
            await asyncio.sleep(_PAUSE_SECONDS)
        except Exception as error:
            # One webhook's trouble, a log that must be recovered included, is no other's: it shows where it is read.
            log.warning("webhook waits", webhook=str(id), reason=f"{type(error).__name__}: {error}"[:300])
            with suppress(Exception):
                await service.database.fetch(
                    "UPDATE webhook_places SET last_failure = $2, failed_at = now() WHERE webhook_id = $1",
                    id,
                    type(error).__name__,
                )
            await asyncio.sleep(_AGAIN_SECONDS)


async def _load(service: Service, id: UUID) -> tuple[Webhook, Standing]:
    """The webhook and its standing: where it began if it was begun anew; tried at once if it was changed."""
    async with service.database.connection() as connection, connection.transaction():
        found = await connection.fetchrow("SELECT * FROM webhooks WHERE id = $1 AND state = 'enabled'", id)
        if found is None:
            raise Fenced(id)
        webhook = row_of(Webhook, found)
        kept = await connection.fetchrow("SELECT * FROM webhook_places WHERE webhook_id = $1 FOR UPDATE", id)
        if kept is not None and (kept["version"], kept["begun"]) == (webhook.version, webhook.begun):
            return webhook, Standing(_mark(kept), kept["told_generation"], kept["attempts"], kept["next_attempt_at"])
        begun_anew = kept is None or kept["begun"] != webhook.begun
        mark = mark_of(webhook.begin_after) if kept is None or begun_anew else _mark(kept)
        # Who begins today has nothing that an earlier recovery could take back.
        generation = await connection.fetchval(
            """INSERT INTO webhook_places
              (webhook_id, version, begun, generation, seq, event_id, recorded_at, "offset", told_generation)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, (SELECT max(generation) FROM outbox_generations))
            ON CONFLICT (webhook_id) DO UPDATE SET version = excluded.version, begun = excluded.begun,
              generation = excluded.generation, seq = excluded.seq, event_id = excluded.event_id,
              recorded_at = excluded.recorded_at, "offset" = excluded."offset", attempts = 0, next_attempt_at = NULL
            RETURNING told_generation""",
            id, webhook.version, webhook.begun, *mark,
        )  # fmt: skip
        return webhook, Standing(mark, generation, 0, None)


def _mark(row: asyncpg.Record) -> Mark:
    return Mark(*[row[name] for name in Mark._fields])


async def _deliver(service: Service, pool: httpcore.AsyncConnectionPool, webhook: Webhook, standing: Standing) -> None:
    """Deliver from the position on until an attempt fails."""
    if standing.next_attempt_at is not None:
        await asyncio.sleep((standing.next_attempt_at - now()).total_seconds())
    await _send_letters(service, pool, webhook)
    async with service.database.connection() as connection:
        recovered = dict((await read_generations(connection))[1:])
    source = source_of(service.settings, service.name)
    for generation in sorted(recovered.keys()):
        if generation <= standing.told_generation:
            continue
        id, body = taken_back_event(source, str(webhook.id), generation, recovered[generation])
        event, informed = Event(id, "EventsTakenBack", body), standing._replace(told_generation=generation, attempts=0)
        if not await _send(service, pool, webhook, standing, event, informed):
            return
        standing = informed
    area, types = area_of(webhook.unit), webhook.types.split()
    mark, kept_at = standing.mark, monotonic()
    batches = open_log(service.settings).follow(source, mark, _AT_ONCE, recovered)
    async with aclosing(batches):
        async for batch in batches:
            for record in batch.records:
                if record.generation > standing.told_generation:
                    raise Fenced(webhook.id)
                if not concerns(record, area, types):
                    continue
                # The log's offset of one event is not known: it goes on from the batch's and passes over what was sent.
                reached = Mark(record.generation, record.seq, record.id, record.recorded_at, mark.offset)
                event = Event(record.id, record.type, cloud_event(source, record))
                beyond = standing._replace(mark=reached, attempts=0)
                if not await _send(service, pool, webhook, standing, event, beyond):
                    return
                standing, kept_at = beyond, monotonic()
            mark = batch.mark
            if mark != standing.mark and monotonic() - kept_at > _KEEP_SECONDS:
                await _keep(service, webhook, standing, standing._replace(mark=mark))
                standing, kept_at = standing._replace(mark=mark), monotonic()
            await asyncio.sleep(_PAUSE_SECONDS)


async def _send(
    service: Service,
    pool: httpcore.AsyncConnectionPool,
    webhook: Webhook,
    standing: Standing,
    event: Event,
    beyond: Standing,
) -> bool:
    """Send one event and move the position beyond it; whether it was taken. A failure is written down."""
    outcome = await sending.post(pool, service.settings, webhook, event.id, event.body)
    if outcome.failure is not None:
        await _failed(service, webhook, standing, event, beyond, outcome)
        return False
    DELIVERIES.labels("delivered").inc()
    await _keep(service, webhook, standing, beyond, delivered=True)
    return True


async def _keep(
    service: Service,
    webhook: Webhook,
    before: Standing,
    reached: Standing,
    delivered: bool = False,
    clear: bool = False,
) -> None:
    """Move the position on by compare-and-set. Raises Fenced where it is no longer what it was."""
    moved = await service.database.fetch(
        """UPDATE webhook_places SET generation = $2, seq = $3, event_id = $4, recorded_at = $5, "offset" = $6,
          attempts = CASE WHEN $7 THEN 0 ELSE attempts END,
          next_attempt_at = CASE WHEN $7 THEN NULL ELSE next_attempt_at END,
          last_failure = CASE WHEN $7 THEN NULL ELSE last_failure END,
          delivered_at = CASE WHEN $8 THEN now() ELSE delivered_at END, told_generation = $9
        WHERE webhook_id = $1
          AND (generation, seq, told_generation, version, begun) = ($10, $11, $12, $13, $14) RETURNING 1""",
        webhook.id, *reached.mark, delivered or clear, delivered, reached.told_generation,
        *before.mark.position, before.told_generation, webhook.version, webhook.begun,
    )  # fmt: skip
    if not moved:
        raise Fenced(webhook.id)


async def _failed(
    service: Service, webhook: Webhook, standing: Standing, event: Event, beyond: Standing, outcome: Outcome
) -> None:
    """Write down when the event is tried again; after the last pause it is a dead letter and the position moves on."""
    if outcome.status == sending.GONE:
        DELIVERIES.labels("gone").inc()
        await _disable(service, webhook)
    attempts, pauses = standing.attempts + 1, service.settings.webhook_retry_seconds
    if attempts > len(pauses):
        DELIVERIES.labels("dead").inc()
        log.error("event not delivered", webhook=str(webhook.id), id=event.id, reason=outcome.failure)
        # The letter is written first: killed in between, the event is tried once more and its letter kept once.
        await service.database.fetch(
            """INSERT INTO webhook_dead_letters (id, webhook_id, event_id, type, event, attempts, reason, failed_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, now())
            ON CONFLICT (webhook_id, event_id) DO UPDATE SET attempts = webhook_dead_letters.attempts
              + excluded.attempts, reason = excluded.reason, failed_at = excluded.failed_at""",
            uuid7(), webhook.id, event.id, event.type, event.body.decode(), attempts, outcome.failure,
        )  # fmt: skip
        await _keep(service, webhook, standing, beyond, clear=True)
        return
    DELIVERIES.labels("failed").inc()
    # Receivers that failed together are not all tried again together.
    pause = max(pauses[attempts - 1] * _CHANCE.uniform(0.8, 1.2), outcome.retry_after)
    moved = await service.database.fetch(
        """UPDATE webhook_places SET attempts = $2, next_attempt_at = $3, last_failure = $4, failed_at = now()
        WHERE webhook_id = $1 AND (generation, seq, version, begun) = ($5, $6, $7, $8) RETURNING 1""",
        webhook.id, attempts, now() + timedelta(seconds=pause), outcome.failure,
        *standing.mark.position, webhook.version, webhook.begun,
    )  # fmt: skip
    if not moved:
        raise Fenced(webhook.id)


async def _disable(service: Service, webhook: Webhook) -> NoReturn:
    """Send nothing more to a receiver that has said it is gone, until a person enables it again."""
    log.warning("webhook disabled: its receiver is gone", webhook=str(webhook.id))
    work = UnitOfWork(service.database)
    disabled = work.change(webhook)
    disabled.state, disabled.disabled_because = "disabled", "gone"
    with suppress(Changed):
        await service.writer.commit(work)
    # This task ends with the change that was just made; were it another's, it begins anew with that.
    raise Fenced(webhook.id)


async def _send_letters(service: Service, pool: httpcore.AsyncConnectionPool, webhook: Webhook) -> None:
    """Try each dead letter that was asked for once more, in their order."""
    letters = await service.database.fetch(
        "SELECT * FROM webhook_dead_letters WHERE webhook_id = $1 AND failed_at < $2 ORDER BY id",
        webhook.id,
        webhook.letters_due_at,
    )
    for letter in letters:
        outcome = await sending.post(pool, service.settings, webhook, str(letter["event_id"]), letter["event"].encode())
        if outcome.failure is None:
            DELIVERIES.labels("delivered").inc()
            await service.database.fetch("DELETE FROM webhook_dead_letters WHERE id = $1", letter["id"])
        elif outcome.status == sending.GONE:
            await _disable(service, webhook)
        else:
            DELIVERIES.labels("failed").inc()
            await service.database.fetch(
                """UPDATE webhook_dead_letters SET attempts = attempts + 1, reason = $2, failed_at = now()
                WHERE id = $1""",
                letter["id"],
                outcome.failure,
            )


async def _go_back(service: Service, webhook: Webhook, error: CountedBeyondRecovery) -> None:
    """After a recovery go on from the last event in common; the receiver knows already what no longer stands."""
    log.warning("webhook goes back behind a recovery", webhook=str(webhook.id), after=error.after_seq)
    _, standing = await _load(service, webhook.id)
    mark = Mark(error.generation, error.after_seq, offset=standing.mark.offset)
    await _keep(service, webhook, standing, standing._replace(mark=mark), clear=True)
