"""What is known while the plan is on its way: how much was sent, what is counted, and how late."""

import asyncio
import time
from contextlib import suppress

import httpx
import msgspec
import tenacity
from rich.console import Console

from deploy.scenarios.published import Period, Scenario
from deploy.scenarios.replay import ScenarioReplay
from shared.access.issuer import issue_token
from shared.access.permissions import TokenRole
from shared.settings import Service, settings

SECONDS_TO_COUNT = 60
SECONDS_BETWEEN_PROBES = 0.25


class Demo:
    """What is known while the plan is on its way: how much was sent, what is counted, and how late."""

    def __init__(
        self, console: Console, scenario: Scenario, name: str, addresses: dict[Service, str], client: httpx.AsyncClient
    ) -> None:
        self.console = console
        self.scenario = scenario
        self.client = client
        self.stats = f"{addresses['stats']}/stats/v1"
        self.figures = scenario.figures()
        self.periods = sorted({scenario.period, *(period for figure in self.figures for period in figure.periods)})
        self.replay = ScenarioReplay(scenario.requests(), f"{name}-{scenario.seed}", addresses, token_for)
        # The counters of each period that a figure comes from.
        self.counters: dict[Period, dict[str, int]] = {}
        self.lags: list[float] = []
        self.began = time.perf_counter()
        self.parts_shown = 0


async def follow_streams(demo: Demo) -> None:
    """Keep the unit's counters as the live streams send them; come back to one that breaks off."""

    async def follow(period: Period) -> None:
        params = query(demo.scenario, period)
        while True:
            with suppress(httpx.TransportError):
                async with demo.client.stream("GET", f"{demo.stats}/live", params=params, timeout=None) as answer:
                    async for line in answer.aiter_lines():
                        if line.startswith("data:"):
                            demo.counters[period] = msgspec.json.decode(line.removeprefix("data:"))["counters"]
            await asyncio.sleep(0.5)

    async with asyncio.TaskGroup() as streams:
        for period in demo.periods:
            streams.create_task(follow(period))


async def probe(demo: Demo) -> None:
    """Time again and again how long after the answer to a write a reader finds it counted."""
    while True:
        await asyncio.sleep(SECONDS_BETWEEN_PROBES)
        answered_at = demo.replay.answered_at
        if demo.replay.counted:
            with suppress(httpx.HTTPError):
                await _read_counters(demo, demo.scenario.period)
                demo.lags.append(time.perf_counter() - answered_at)


async def read_counted(demo: Demo) -> dict[Period, dict[str, int]]:
    """The counters of every period that a figure comes from, read when all that was written before is counted."""
    return {period: await _read_counters(demo, period) for period in demo.periods}


async def _read_counters(demo: Demo, period: Period) -> dict[str, int]:
    async for attempt in tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(httpx.HTTPError),
        stop=tenacity.stop_after_delay(SECONDS_TO_COUNT),
        wait=tenacity.wait_fixed(0.1),
        reraise=True,
    ):
        with attempt:
            params = {**query(demo.scenario, period), "counted": demo.replay.counted}
            answer = (await demo.client.get(f"{demo.stats}/counters", params=params)).raise_for_status()
    counters: dict[str, int] = answer.json()["counters"]
    return counters


def query(scenario: Scenario, period: Period) -> dict[str, str]:
    return {"unit": scenario.place, "from": period.first.isoformat(), "to": period.last.isoformat()}


def token_for(role: TokenRole, unit: str, team: str) -> str:
    # The only other system of a scenario passes on what teams report by telephone.
    return issue_token(settings(), role, unit, team, scopes=("report",) if role == "system" else ())
