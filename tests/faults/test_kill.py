"""kill -9 of each process in the middle of a stream of tips: what was acknowledged is counted, exactly once."""

import pytest

from tests.conftest import eventually
from tests.faults.conftest import Installation
from tests.local.conftest import gone

pytestmark = pytest.mark.xdist_group("faults")


@pytest.mark.parametrize(
    ("installation", "victim"),
    [
        ("on_kafka", "incidents"),
        ("on_kafka", "relay-incidents"),
        ("on_kafka", "count"),
        ("on_kafka", "kafka"),
        ("on_kafka", "postgres"),
        ("embedded", "all"),
        ("embedded", "postgres"),
    ],
    indirect=["installation"],
)
async def test_each_acknowledged_tip_is_counted_once_though_a_process_is_killed(
    installation: Installation, victim: str
) -> None:
    async with installation.tips_coming_in():
        await installation.more_acknowledged()
        await installation.kill_and_await_the_next(victim)
        await installation.more_acknowledged()
    await installation.require_each_counted_once()


async def test_nothing_outlives_a_killed_supervisor_and_the_next_run_goes_on(kafka_installation: Installation) -> None:
    async with kafka_installation.tips_coming_in():
        await kafka_installation.more_acknowledged()
        started = kafka_installation.kill_supervisor()
        assert len(started) > 10
        kafka_installation.start()
        await eventually(lambda: gone(started))
        await kafka_installation.ready()
        await kafka_installation.more_acknowledged()
    await kafka_installation.require_each_counted_once()
