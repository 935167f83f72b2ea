"""The HTTP side of changes and webhooks, the same for every service whose events others follow."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from shared.access import Caller
from shared.errors import (
    DatabaseUnavailable,
    Forbidden,
    ForeignArea,
    KeyReused,
    NotFound,
    Overloaded,
    Unauthenticated,
    UnknownUnit,
)
from shared.http import CommandRoute, Page, QueryRoute, Reader, Work, link_next, problems
from shared.settings import Service
from shared.subscriptions import commands, reading
from shared.subscriptions.changes import ChangesLost
from shared.subscriptions.changes import changes as read_changes
from shared.subscriptions.commands import HostNotAllowed, TooManyWebhooks
from shared.subscriptions.schemas import (
    ChangesPage,
    DeadLetters,
    Pinged,
    Replay,
    RotateSecret,
    WebhookOut,
    Webhooks,
    WebhookStanding,
    WebhookWithSecret,
    asked_of,
)


def rooms(source: Service) -> list[APIRouter]:
    """The routes by which others follow the events of a service: `/changes`, and webhooks."""
    ReadIt, MakeIt, ChangeIt = asked_of(source)
    changes_router = APIRouter(
        tags=["changes"],
        route_class=QueryRoute,
        responses=problems(Unauthenticated, Forbidden, ChangesLost, DatabaseUnavailable),
    )
    router = APIRouter(
        prefix="/webhooks",
        tags=["webhooks"],
        route_class=CommandRoute,
        responses=problems(Unauthenticated, Forbidden, ForeignArea, NotFound, KeyReused, Overloaded),
    )
    queries = APIRouter(
        prefix="/webhooks", tags=["webhooks"], responses=problems(Unauthenticated, Forbidden, ForeignArea, NotFound)
    )

    # mypy does not follow classes that are made.
    @changes_router.get("/changes", response_model=ChangesPage)
    async def changes(query: Annotated[ReadIt, Query()], reader: Reader) -> Response:  # type: ignore[valid-type]
        """Every event of the service that concerns the caller's area, in the order of the commits, as CloudEvents 1.0.

        Begin with `start`, or with `now` before a first full export; then go on with each answer's `next`, for ever. An
        event may come twice after a fault on the way: its `id` shows.
        """
        body = await read_changes(reader, query)
        return Response(body, media_type="application/json")

    @router.post("", status_code=201, responses=problems(UnknownUnit, HostNotAllowed, TooManyWebhooks, ChangesLost))
    async def make_webhook(made: MakeIt, caller: Caller, work: Work) -> WebhookWithSecret:  # type: ignore[valid-type]
        """Have events sent to a URL, signed by the Standard Webhooks specification; the secret is shown this once.

        Each is a POST of a CloudEvent whose `webhook-id` is the event's id, in the order of the commits. What is not
        answered by a 2xx is sent again, later and later, and then becomes a dead letter; 410 disables the webhook.
        """
        return await commands.make_webhook(work, caller, made)

    @router.patch("/{webhook_id}", responses=problems(HostNotAllowed))
    async def change_webhook(webhook_id: UUID, change: ChangeIt, caller: Caller, work: Work) -> WebhookOut:  # type: ignore[valid-type]
        """Change where and what is sent, or disable it for a while; enabled again it goes on where it stood."""
        return await commands.change_webhook(work, caller, webhook_id, change)

    @router.delete("/{webhook_id}")
    async def delete_webhook(webhook_id: UUID, caller: Caller, work: Work) -> WebhookOut:
        """Send nothing more there, for good."""
        return await commands.delete_webhook(work, caller, webhook_id)

    @router.post("/{webhook_id}/rotate")
    async def rotate_secret(webhook_id: UUID, rotation: RotateSecret, caller: Caller, work: Work) -> WebhookWithSecret:
        """Give it a new secret, shown this once; for `overlap_hours` the old one signs too."""
        return await commands.rotate_secret(work, caller, webhook_id, rotation)

    @router.post("/{webhook_id}/replay", responses=problems(ChangesLost))
    async def replay(webhook_id: UUID, from_: Replay, caller: Caller, work: Work) -> WebhookOut:
        """Deliver from a cursor of /changes on, once more; who has seen an event knows it by its id."""
        return await commands.replay(work, caller, webhook_id, from_.after)

    @router.post("/{webhook_id}/dead-letters/replay")
    async def replay_dead_letters(webhook_id: UUID, caller: Caller, work: Work) -> WebhookOut:
        """Try every dead letter once more, in their order; what is delivered leaves the list."""
        return await commands.replay_dead_letters(work, caller, webhook_id)

    @router.post("/{webhook_id}/ping")
    async def ping(webhook_id: UUID, caller: Caller, work: Work) -> Pinged:
        """Send a test event of type `Ping` at once and return what the receiver answered."""
        return await commands.ping(work, caller, webhook_id, source)

    @queries.get("")
    async def list_webhooks(reader: Reader) -> Webhooks:
        """The webhooks that the caller may keep, each with how its deliveries stand."""
        return await reading.list_webhooks(reader)

    @queries.get("/{webhook_id}")
    async def read_webhook(webhook_id: UUID, reader: Reader, response: Response) -> WebhookStanding:
        """One webhook and how its deliveries stand; its ETag names the version."""
        webhook = await reading.read_webhook(reader, webhook_id)
        response.headers["ETag"] = f'"{webhook.version}"'
        return webhook

    @queries.get("/{webhook_id}/dead-letters")
    async def list_dead_letters(
        webhook_id: UUID, query: Annotated[Page, Query()], reader: Reader, request: Request, response: Response
    ) -> DeadLetters:
        """What could not be delivered there, and why."""
        page = await reading.list_dead_letters(reader, webhook_id, query)
        link_next(request, response, page.items, query.limit)
        return page

    return [changes_router, router, queries]
