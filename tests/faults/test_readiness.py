"""What hangs or is gone is named by the status, and forgotten when it is back; ready is who can take what is sent."""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import httpx

from deploy.local import postgres
from deploy.run import is_ready, pids
from shared.settings import Service
from tests.conftest import COMMUNE, eventually
from tests.faults.conftest import PATIENCE, Installation


@contextmanager
def hanging(processes: Iterable[int]) -> Iterator[None]:
    """Processes that are there and do nothing."""
    stopped = list(processes)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


async def named_as_down(installation: Installation, service: Service, what: str) -> None:
    """Wait until a service says that this is down."""

    async def named() -> bool:
        return what in await installation.down(service)

    await eventually(named, seconds=PATIENCE)


async def test_a_database_that_hangs_is_down(kafka_installation: Installation) -> None:
    with hanging(postgres.servers_in((kafka_installation.data / "postgres").resolve())):
        for service in kafka_installation.ports:
            await named_as_down(kafka_installation, service, "database")
            assert not is_ready(service, kafka_installation.ports[service])
    await kafka_installation.ready()


async def test_a_database_that_is_gone_is_down(kafka_installation: Installation) -> None:
    kafka_installation.stop("postgres")
    try:
        for service in kafka_installation.ports:
            await named_as_down(kafka_installation, service, "database")
    finally:
        kafka_installation.start_again("postgres")
    await kafka_installation.ready()


async def test_a_broker_that_hangs_is_a_log_that_is_down_for_those_who_read_it(
    kafka_installation: Installation,
) -> None:
    with hanging([pids(kafka_installation.data)["kafka"]]):
        await named_as_down(kafka_installation, "stats", "log")
        await named_as_down(kafka_installation, "incidents", "log")
        assert await kafka_installation.down("teams") == {}
        # The intake goes on, and so do its readers: whoever sends requests elsewhere for that would stop it.
        for service, port in kafka_installation.ports.items():
            assert is_ready(service, port)
        async with httpx.AsyncClient() as http:
            tip = {"unit": COMMUNE, "content": "Gây rối"}
            answer = await http.post(f"{kafka_installation.url('incidents')}/v1/tips", json=tip)
        assert answer.status_code == 201
    await kafka_installation.ready()
