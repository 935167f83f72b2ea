"""Floods from one address, all at once, on a whole installation: who is not part of it hardly notices, and nothing is lost."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest

from deploy.run import pids
from shared.access.issuer import issue_token
from tests.conftest import COMMUNE, PROVINCE
from tests.faults.conftest import Installation, installed

FLOOD, NEIGHBOUR = "127.0.0.3", "127.0.0.2"
SECONDS = 12
# An answer under the flood, on a machine that others share; without limits it would be minutes, or none.
PATIENCE = 10
MOST_MEGABYTES_MORE = 250
PROMISED = {429, 503}


@pytest.fixture(params=["embedded", "kafka"])
def flooded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    """An installation that counts its strangers, though all are of this machine."""
    with installed(tmp_path, request.param, ANTT_ANONYMOUS_PER_MINUTE="300") as installation:
        yield installation


class Flood:
    """What one address sends at once, and what it was answered."""

    def __init__(self, on: Installation) -> None:
        self.on, self.host = on, ("127.0.0.1", on.ports["incidents"])
        self.answers: Counter[int] = Counter()
        self.ends = asyncio.get_running_loop().time() + SECONDS

    @property
    def goes_on(self) -> bool:
        return asyncio.get_running_loop().time() < self.ends

    def heard(self, answer: httpx.Response) -> None:
        """Only what was promised, and always with the time to come again."""
        self.answers[answer.status_code] += 1
        assert answer.status_code < 500 or answer.status_code in PROMISED, answer.text
        assert answer.status_code not in PROMISED or "retry-after" in answer.headers

    async def tips(self) -> None:
        async with client(self.on, FLOOD) as http:
            while self.goes_on:
                with suppress(httpx.TransportError):
                    answer = await http.post("/v1/tips", json=TIP, headers={"Idempotency-Key": str(uuid4())})
                    self.heard(answer)
                    if answer.status_code == 201:
                        acknowledged(self.on, answer)

    async def questions(self) -> None:
        """Bad tokens, guesses, things that are not there, figures."""
        stats = f"{self.on.url('stats')}/v1/counters?unit=2025:79&from=2025-11-01&to=2025-11-30"
        async with client(self.on, FLOOD) as http:
            while self.goes_on:
                for path, headers in (
                    ("/v1/tips", {"Authorization": f"Bearer {'x' * 500}"}),
                    ("/v1/tips/by-receipt", {"Antt-Receipt": "0" * 16}),
                    ("/nowhere", {}),
                    (stats, {}),
                ):
                    with suppress(httpx.TransportError):
                        self.heard(await http.get(path, headers=headers))

    async def big_bodies(self) -> None:
        async with client(self.on, FLOOD) as http:
            while self.goes_on:
                for path in ("/v1/tips", "/v1/imports", "/v1/tips/by-receipt/attachments"):
                    # Whoever goes on sending after the refusal may find the connection closed.
                    with suppress(httpx.TransportError):
                        headers = {"Content-Type": "application/json", "Antt-Receipt": "0" * 16}
                        self.heard(await http.post(path, content=blanks(5), headers=headers))

    async def half_requests(self) -> None:
        """A hundred that announce a body which never comes."""
        await self._begin(100, b"POST /incidents/v1/tips HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n{")

    async def half_headers(self) -> None:
        await self._begin(100, b"GET /incidents/v1/tips HTTP/1.1\r\nHost: x\r\nX-Half: ")

    async def unending_headers(self) -> None:
        while self.goes_on:
            with suppress(OSError):
                _, writer = await asyncio.open_connection(*self.host, local_addr=(FLOOD, 0))
                writer.write(b"GET /incidents/v1/tips HTTP/1.1\r\nHost: x\r\n")
                try:
                    while self.goes_on:
                        writer.write(b"X-More: " + b"x" * 8_000 + b"\r\n")
                        await writer.drain()
                finally:
                    writer.transport.abort()

    async def _begin(self, number: int, begun: bytes) -> None:
        writers = []
        with suppress(OSError):
            for _ in range(number):
                _, writer = await asyncio.open_connection(*self.host, local_addr=(FLOOD, 0))
                writers.append(writer)
                writer.write(begun)
        await asyncio.sleep(max(0, self.ends - asyncio.get_running_loop().time()))
        for writer in writers:
            writer.transport.abort()


TIP = {"unit": COMMUNE, "content": "Mất xe máy"}
SENT: dict[str, int] = {
    "tips": 16, "questions": 4, "big_bodies": 2, "half_requests": 1, "half_headers": 1, "unending_headers": 4,
}  # fmt: skip


def client(on: Installation, address: str) -> httpx.AsyncClient:
    """A client of incidents at an address of this machine."""
    # A connection that was idle for long may be closed while it is asked again, which no answer of the service is.
    limits = httpx.Limits(max_keepalive_connections=0)
    transport = httpx.AsyncHTTPTransport(local_address=address, limits=limits)
    base = f"http://127.0.0.1:{on.ports['incidents']}/incidents"
    return httpx.AsyncClient(base_url=base, transport=transport, timeout=60)


async def blanks(megabytes: int) -> Any:
    for _ in range(megabytes):
        yield b" " * 1_000_000


def acknowledged(on: Installation, answer: httpx.Response) -> None:
    on.acknowledged.add(answer.json()["id"])
    on.position = max(on.position, int(answer.headers["antt-position"].split(":")[2]))


def megabytes(on: Installation) -> float:
    """What the services hold in memory together."""
    running = pids(on.data)
    named = [running[name] for name in ("all", "teams", "incidents", "stats") if name in running]
    return sum(psutil.Process(pid).memory_info().rss for pid in named) / 1_000_000


async def repeated(flood: Flood, ask: Callable[[], Awaitable[httpx.Response]]) -> list[float]:
    """Ask again and again until the flood is over; how long each right answer took."""
    took = []
    while flood.goes_on:
        began = time.monotonic()
        answer = await ask()
        if answer.status_code != 503:
            assert answer.status_code in (200, 201), answer.text
            took.append(time.monotonic() - began)
        await asyncio.sleep(0.2)
    return took


@pytest.mark.slow
async def test_under_a_flood_from_one_address_officers_and_neighbours_are_served_and_no_tip_is_lost(
    flooded: Installation,
) -> None:
    await flooded.ready()
    officer = {"Authorization": f"Bearer {issue_token(flooded.settings, 'commune_officer', COMMUNE)}"}
    operator = {"Authorization": f"Bearer {issue_token(flooded.settings, 'operator', PROVINCE)}"}
    figures = f"{flooded.url('stats')}/v1/counters"
    async with client(flooded, FLOOD) as known, client(flooded, NEIGHBOUR) as neighbour:

        async def report() -> httpx.Response:
            answer = await neighbour.post("/v1/tips", json=TIP, headers={"Idempotency-Key": str(uuid4())})
            if answer.status_code == 201:
                acknowledged(flooded, answer)
            return answer

        async def measured() -> list[float]:
            held = []
            while flood.goes_on:
                held.append(megabytes(flooded))
                await asyncio.sleep(0.5)
            return held

        for _ in range(20):
            assert (await report()).status_code == 201
        before, running = megabytes(flooded), pids(flooded.data)
        flood = Flood(flooded)
        period = {"unit": "2025:79", "from": "2025-11-01", "to": "2025-11-30"}
        lists, counters, tips, held, *_ = await asyncio.gather(
            # The officer sits behind the very address from which the flood comes.
            repeated(flood, lambda: known.get("/v1/tips", headers=officer)),
            repeated(flood, lambda: known.get(figures, params=period, headers=operator)),
            repeated(flood, report),
            measured(),
            *(getattr(flood, what)() for what, number in SENT.items() for _ in range(number)),
        )
    for took in (lists, counters, tips):
        assert took
        assert max(took) < PATIENCE, took
    assert max(held) - before < MOST_MEGABYTES_MORE, (before, held)
    assert pids(flooded.data) == running
    # It got what an address gets in this time, and was refused the rest.
    assert flood.answers[429] > flood.answers[201] > 0, flood.answers
    assert flood.answers[201] <= 300 + 300 * (SECONDS + PATIENCE) / 60, flood.answers
    await flooded.require_each_counted_once()
