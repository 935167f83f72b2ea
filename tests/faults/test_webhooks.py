"""kill -9 in the middle of deliveries: a receiver that knows events by their webhook-id misses none and sees none twice."""

import asyncio

import httpx
import pytest

from shared.access.issuer import issue_token
from tests.conftest import PROVINCE, eventually
from tests.faults.conftest import PATIENCE, Installation
from tests.receiver import Delivery, Receiver, answer, receiving


def slowly(_: Delivery) -> object:
    """An answer that takes long enough for a kill to fall into a delivery."""

    async def write(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02)
        writer.write(answer(200))
        await writer.drain()

    return write


@pytest.mark.parametrize(
    ("installation", "victim"),
    [("embedded", "all"), pytest.param("on_kafka", "work", marks=pytest.mark.slow)],
    indirect=["installation"],
)
async def test_a_killed_delivery_loses_nothing_and_repeats_only_with_the_same_id(
    installation: Installation, victim: str
) -> None:
    token = issue_token(installation.settings, "operator", PROVINCE)
    async with receiving() as receiver, httpx.AsyncClient(timeout=60) as http:
        receiver.answers = slowly  # type: ignore[assignment]
        made = await http.post(
            f"{installation.url('incidents')}/v1/webhooks",
            json={"url": receiver.url, "types": ["TipReceived"]},
            headers={"Authorization": f"Bearer {token}"},
        )
        assert made.status_code == 201, made.text
        async with installation.tips_coming_in():
            await eventually(lambda: len(receiver.deliveries) > 20, seconds=PATIENCE)
            await installation.kill_and_await_the_next(victim)
            killed_at = len(receiver.deliveries)
            await eventually(lambda: len(receiver.deliveries) > killed_at + 20, seconds=PATIENCE)
        async with installation.connection("incidents") as connection:
            rows = await connection.fetch(
                """SELECT o.id::text FROM outbox o, webhooks w
                WHERE w.id = $1 AND o.type = 'TipReceived' AND o.recorded_at > w.made_at ORDER BY o.seq""",
                made.json()["id"],
            )
        told = [row["id"] for row in rows]
        await eventually(lambda: len(first_of_each(receiver)) >= len(told), seconds=PATIENCE)
        assert list(first_of_each(receiver)) == told
        # Only what the kill fell into is sent again, byte for byte, with a signature of its own time.
        assert all(delivery.body == first_of_each(receiver)[delivery.id].body for delivery in receiver.deliveries)
        assert len(receiver.deliveries) <= len(told) + 1
        assert all(delivery.signed_by(made.json()["secret"]) for delivery in receiver.deliveries[-5:])
        await http.delete(
            f"{installation.url('incidents')}/v1/webhooks/{made.json()['id']}",
            headers={"Authorization": f"Bearer {token}"},
        )


def first_of_each(receiver: Receiver) -> dict[str, Delivery]:
    """What came, each event where it came first."""
    first: dict[str, Delivery] = {}
    for delivery in receiver.deliveries:
        first.setdefault(delivery.id, delivery)
    return first
