"""read_counters and read_counters_history: a quarter of a province beside a constant, and with ten years behind it."""

import os
from contextlib import AsyncExitStack
from datetime import date
from typing import Any

import httpx
import msgspec
from fastapi import FastAPI, Response

from services.stats import counting
from services.stats.indicators import INDICATORS
from shared import units
from shared.database import Database
from tests.bench import load, stage
from tests.bench.stage import Figure, Stage

CONNECTIONS = 32
# The province of more than 100 communes whose last quarter of the ten years is read.
PROVINCE = "2024:82"
FIRST, LAST = date(2014, 10, 1), date(2024, 9, 30)
QUARTER = f"/stats/v1/counters?unit={PROVINCE}&from=2024-07-01&to={LAST}"


async def fill(on: Stage, since: date) -> dict[str, str]:
    """Databases whose counters hold a row a day for each of 100 communes since that day, and for their province.

    Every sum is consistent: the province's rows are those of its communes, the months those of their days.
    """
    served = [units.get(id) for id in sorted(units.served(PROVINCE))]
    communes = [unit.id for unit in served if unit and unit.level == "commune" and unit.edition == "2024"][:100]
    environment = await on.databases()
    database = Database(environment["ANTT_STATS_DATABASE_URL"], 1, 600)
    await database.open()
    async with database.connection() as connection:
        by_days, by_months = counting.tables((await counting.serving_set(connection, ())).id)
        names = [indicator.name for indicator in INDICATORS]
        columns, sums = ", ".join(names), ", ".join(f"sum({name})" for name in names)
        chances = ", ".join(["floor(random() * 5)::bigint"] * len(names))
        await connection.execute("SELECT setseed(0.5)")
        await connection.execute(
            f"""INSERT INTO {by_days} (unit, happened_on, recorded_on, {columns}) SELECT unit, day, day, {chances}
            FROM unnest($1::text[]) unit, generate_series($2::date, $3::date, interval '1 day') day""",
            communes, since, LAST,
        )  # fmt: skip
        await connection.execute(
            f"""INSERT INTO {by_days} (unit, happened_on, recorded_on, {columns})
            SELECT $1, happened_on, recorded_on, {sums} FROM {by_days} GROUP BY happened_on, recorded_on""",
            PROVINCE,
        )
        await connection.execute(
            f"""INSERT INTO {by_months} (unit, happened_on, recorded_on, {columns})
            SELECT unit, date_trunc('month', happened_on), date_trunc('month', recorded_on), {sums}
            FROM {by_days} GROUP BY 1, 2, 3"""
        )
        for table in (by_days, by_months):
            await connection.execute(f"VACUUM ANALYZE {table}")
    await database.close()
    # Every indicator is read, as one who oversees the province reads it.
    return environment | {"ANTT_PROVINCE": PROVINCE, "ANTT_PUBLIC_INDICATORS": ",".join(i.name for i in INDICATORS)}


def constant() -> FastAPI:
    """The baseline: a GET that returns the bytes of one answer; and the same as an ordinary route returns it, a dict."""
    app = FastAPI()
    content = os.environ["BENCH_CONSTANT"].encode()
    parsed = msgspec.json.decode(content)

    @app.get("/bytes")
    async def constant_bytes() -> Response:
        """The same bytes each time."""
        return Response(content, media_type="application/json")

    @app.get("/dict")
    async def constant_dict() -> dict[str, Any]:
        """The same dict each time, which FastAPI turns into JSON."""
        return parsed  # type: ignore[no-any-return]

    return app


def _get(port: int, path: str, seconds: float) -> stage.Measure:
    async def measure() -> float:
        return (await load.run(load.Load(port, [load.request("GET", path)], CONNECTIONS, seconds))).per_second

    return measure


async def read_counters(on: Stage) -> list[Figure]:
    """How many reads of a quarter of a province a second one worker answers."""
    async with AsyncExitStack() as servers:
        environment = await fill(on, date(2024, 7, 1))
        ours, _ = await servers.enter_async_context(stage.service("stats", **environment))
        async with httpx.AsyncClient() as client:
            answer = (await client.get(f"http://127.0.0.1:{ours}{QUARTER}")).raise_for_status().text
        baseline = await servers.enter_async_context(stage.app("tests.bench.reading:constant", BENCH_CONSTANT=answer))
        runs = await on.take_turns(
            {
                "ours": _get(ours, QUARTER, on.seconds),
                "baseline": _get(baseline, "/bytes", on.seconds),
                "constant_dict": _get(baseline, "/dict", on.seconds),
            }
        )
    found = stage.figure("read_counters", runs)
    found.note = f"a constant dict {sorted(runs['constant_dict'])[on.turns // 2]:,.0f}/s"
    on.kept["reads_per_second"] = found.per_second
    return [found]


async def read_counters_history(on: Stage) -> list[Figure]:
    """Whether ten years behind a quarter make it slower: the slowest hundredth, at half the rate of read_counters."""
    if "reads_per_second" not in on.kept:
        await read_counters(on)
    rate = on.kept["reads_per_second"] / 2

    def at_rate(port: int) -> stage.Measure:
        async def measure() -> float:
            requests = [load.request("GET", QUARTER)]
            return (await load.run(load.Load(port, requests, CONNECTIONS, on.seconds, rate=rate))).p99_ms

        return measure

    async with AsyncExitStack() as servers:
        ten_years, _ = await servers.enter_async_context(stage.service("stats", **await fill(on, FIRST)))
        one_month, _ = await servers.enter_async_context(stage.service("stats", **await fill(on, date(2024, 9, 1))))
        runs = await on.take_turns({"ours": at_rate(ten_years), "baseline": at_rate(one_month)})
    return [stage.figure("read_counters_history", runs, "ms", f"at {rate:,.0f}/s")]
