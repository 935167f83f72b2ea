"""The supervision of background tasks."""

import asyncio
from contextlib import suppress

import pytest

from shared.service import Service
from shared.settings import settings


@pytest.mark.parametrize("fails", [True, False])
async def test_a_task_that_answers_its_cancellation_otherwise_does_not_keep_the_service_from_ending(
    databases: dict[str, str], fails: bool
) -> None:
    service = Service("incidents", settings())
    began: list[bool] = []

    async def stubborn(service: Service) -> None:
        began.append(True)
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3_600)
        if fails:
            raise ConnectionError("the connection went first")

    supervised = asyncio.create_task(service.supervise("stubborn", stubborn))
    # Supervision watches a new task for a second; only then does it wait for nothing else.
    await asyncio.sleep(1.1)
    supervised.cancel()
    await asyncio.wait({supervised}, timeout=3)
    assert supervised.cancelled()
    assert len(began) == 1
