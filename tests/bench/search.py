"""search_tips_p99 and suggest_duplicates_p99: each filter of the list, and suggestions, beside a page read by primary key."""

import os
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import date, timedelta
from typing import Annotated, Any
from uuid import UUID

import httpx
from fastapi import FastAPI, Query, Request

from services.incidents.tips.reading import SHOWN, TIPS
from services.incidents.tips.schemas import ListTips, TipPage, TipShown
from shared import units
from shared.access import Caller, Identity
from shared.access.issuer import issue_token
from shared.database import Database
from shared.days import day_of
from shared.http import Page
from shared.listing import Question
from shared.settings import settings
from tests.bench import stage
from tests.bench.stage import Figure, Stage
from tests.bench.tips import CHANNELS, CLASSES, PROVINCE, TOPICS, UNTIL, YEARS, communes, fill_tips, officer_of

STATES = (
    "received",
    "reported",
    "classified",
    "verifying",
    "forwarded",
    "resolved",
    "rejected",
    "notified",
    "withdrawn",
)
PAGE = "/incidents/v1/bench/page"
BY_PRIMARY_KEY = f"SELECT {SHOWN} FROM tips WHERE id > $1 ORDER BY id LIMIT $2"


def baseline() -> FastAPI:
    """The incidents service with one route more: a page of tips read by primary key, shown as the list shows it."""
    from services.incidents.app import create_app

    app = create_app()

    @app.get(PAGE)
    async def page(query: Annotated[Page, Query()], caller: Caller, request: Request) -> TipPage:
        """The tips behind one."""
        rows = await request.app.state.service.database.fetch(BY_PRIMARY_KEY, query.after, query.limit)
        return TipPage(items=[TipShown.model_validate(dict(row)) for row in rows])

    return app


class Asking:
    """Questions as officers ask them: of every filter its common and its rare values alike, for a province and a commune."""

    def __init__(self, tips: list[dict[str, Any]], teams: list[UUID]) -> None:
        self._chance = random.Random(5)
        self._tips, self._teams = tips, teams
        choice = self._chance.choice
        self.filters: dict[str, Callable[[str], dict[str, Any]]] = {
            "no filter": lambda unit: {},
            "after": lambda unit: {"after": choice(tips)["id"]},
            "unit": lambda unit: {"unit": choice(communes("2024")) if unit == PROVINCE else unit},
            "district": lambda unit: {"unit": choice(units.children("2024:74")) if unit == PROVINCE else unit},
            "state": lambda unit: {"state": choice(STATES)},
            "classified_as": lambda unit: {"classified_as": choice(CLASSES)},
            "topic": lambda unit: {"topic": choice((*TOPICS, "khac"))},
            "channel": lambda unit: {"channel": choice(CHANNELS)},
            "officer": lambda unit: {"officer": officer_of(choice(communes("2025")) if unit == PROVINCE else unit, 0)},
            "team_id": lambda unit: {"team_id": choice(teams)},
            "deadline": lambda unit: {"deadline": choice(("due_soon", "overdue"))},
            "from, to": lambda unit: self._period(),
            "text: 1 word": lambda unit: {"text": self._words(1)},
            "text: 2 words": lambda unit: {"text": self._words(2)},
            "text: 4 words": lambda unit: {"text": self._words(4)},
            "text, from, to": lambda unit: {"text": self._words(2), **self._period()},
            "text, state": lambda unit: {"text": self._words(2), "state": choice(STATES)},
            "state, from, to": lambda unit: {"state": choice(STATES), **self._period()},
        }

    def ask(self, name: str) -> tuple[str, dict[str, str]]:
        """The unit of who asks, and what."""
        unit = PROVINCE if self._chance.random() < 0.5 else self._chance.choice(communes("2025"))
        asked = {**self.filters[name](unit), "sort": self._chance.choice(("oldest", "newest"))}
        return unit, {key: str(value) for key, value in asked.items()}

    def either(self, *of: str) -> str:
        """One of them."""
        return self._chance.choice(of)

    def one_tip(self) -> dict[str, Any]:
        """Any tip."""
        return self._chance.choice(self._tips)

    def _period(self) -> dict[str, date]:
        begin = day_of(UNTIL) - timedelta(days=self._chance.randrange(365 * YEARS))
        return {"from": begin, "to": begin + timedelta(days=self._chance.choice((0, 6, 30, 90, 365)))}

    def _words(self, how_many: int) -> str:
        # Of one tip, so that something is found; words that are common are asked for as often as they are written.
        said = self._chance.choice(self._tips)["content"].replace(",", " ").replace(".", " ").split()
        return " ".join(self._chance.sample(said, min(how_many, len(said))))


async def _filled(on: Stage) -> dict[str, str]:
    """The databases with the tips, filled once for both figures."""
    if "tips" not in on.kept:
        environment = await on.databases()
        await fill_tips(environment["ANTT_INCIDENTS_DATABASE_URL"], 20_000 if on.quick else 1_000_000)
        on.kept["tips"] = environment
    found: dict[str, str] = on.kept["tips"]
    return found


async def _asking(database: Database) -> Asking:
    tips = await database.fetch(
        "SELECT id, unit, content FROM tips TABLESAMPLE BERNOULLI (1) REPEATABLE (3) LIMIT 5000"
    )
    teams = await database.fetch("SELECT DISTINCT team_id FROM tips WHERE team_id IS NOT NULL ORDER BY 1")
    return Asking([dict(row) for row in tips], [row["team_id"] for row in teams])


def _p99(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.99)] * 1000


def _officer(unit: str) -> dict[str, str]:
    role = "province_officer" if unit == PROVINCE else "commune_officer"
    return {"Authorization": f"Bearer {issue_token(settings(), role, unit)}"}  # type: ignore[arg-type]


async def search_tips_p99(on: Stage) -> list[Figure]:
    """The slowest hundredth of a page of 50 of a million tips, for each filter; the figure is that of the slowest one."""
    environment = await _filled(on)
    os.environ |= environment
    settings.cache_clear()
    tokens = {unit: _officer(unit) for unit in (PROVINCE, *communes("2025"))}
    async with AsyncExitStack() as servers:
        port = await servers.enter_async_context(stage.app("tests.bench.search:baseline", **environment))
        http = await servers.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60))
        database = Database(environment["ANTT_INCIDENTS_DATABASE_URL"], 1, 60)
        await database.open()
        servers.push_async_callback(database.close)
        asking = await _asking(database)
        statements: dict[str, list[float]] = defaultdict(list)
        runs: dict[str, list[float]] = defaultdict(list)
        for _ in range(on.turns):
            taken: dict[str, list[float]] = defaultdict(list)
            for _ in range(10 if on.quick else 120):
                # Each in turn, so that whatever else the machine does hits all alike.
                for name in ("baseline", *asking.filters):
                    unit, asked = (
                        (PROVINCE, {"after": str(asking.one_tip()["id"])}) if name == "baseline" else asking.ask(name)
                    )
                    started = time.perf_counter()
                    answer = await http.get(
                        PAGE if name == "baseline" else "/incidents/v1/tips", params=asked, headers=tokens[unit]
                    )
                    taken[name].append(time.perf_counter() - started)
                    answer.raise_for_status()
                    statements[name].append(await _statement(database, name, unit, asked))
            for name, seconds in taken.items():
                runs[name].append(_p99(seconds))
    medians = {name: statistics.median(values) for name, values in runs.items()}
    base = medians.pop("baseline")
    worst = max(medians, key=lambda name: medians[name])
    by_statement = {name: _p99(seconds) for name, seconds in statements.items()}
    note = "; ".join(f"{name} {value / base:.1f}" for name, value in sorted(medians.items(), key=lambda item: -item[1]))
    slowest = max(asking.filters, key=lambda name: by_statement[name])
    note += f"; statements alone: {slowest} {by_statement[slowest]:.1f} ms beside {by_statement['baseline']:.1f} ms"
    figure = stage.figure(
        "search_tips_p99", {**runs, "ours": runs[worst]}, "ms", f"the slowest is {worst}; of the baseline: {note}"
    )
    on.kept["page_p99"] = runs["baseline"]
    return [figure]


async def _statement(database: Database, name: str, unit: str, asked: dict[str, str]) -> float:
    """How long the database takes for it alone, from its call to its rows."""
    role = "province_officer" if unit == PROVINCE else "commune_officer"
    query = ListTips.model_validate(asked)
    started = time.perf_counter()
    if name == "baseline":
        await database.fetch(BY_PRIMARY_KEY, query.after, 50)
    else:
        await Question(TIPS.records, Identity(role, "bench", unit), query).page(
            database, query.sort, query.limit, query.after
        )
    return time.perf_counter() - started


async def suggest_duplicates_p99(on: Stage) -> list[Figure]:
    """The slowest hundredth of suggestions for any of a million tips."""
    environment = await _filled(on)
    os.environ |= environment
    settings.cache_clear()
    tokens = {unit: _officer(unit) for unit in (PROVINCE, *communes("2024"), *communes("2025"))}
    found: list[int] = []
    async with AsyncExitStack() as servers:
        port = await servers.enter_async_context(stage.app("tests.bench.search:baseline", **environment))
        http = await servers.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60))
        database = Database(environment["ANTT_INCIDENTS_DATABASE_URL"], 1, 60)
        await database.open()
        servers.push_async_callback(database.close)
        asking = await _asking(database)
        runs: dict[str, list[float]] = {"ours": [], "baseline": []}
        for _ in range(on.turns):
            ours, base = list[float](), list[float]()
            for _ in range(20 if on.quick else 200):
                tip = asking.one_tip()
                caller = tokens[asking.either(PROVINCE, tip["unit"])]
                started = time.perf_counter()
                answer = await http.get(f"/incidents/v1/tips/{tip['id']}/duplicates", headers=caller)
                ours.append(time.perf_counter() - started)
                found.append(len(answer.raise_for_status().json()["items"]))
                started = time.perf_counter()
                (
                    await http.get(PAGE, params={"after": str(asking.one_tip()["id"])}, headers=tokens[PROVINCE])
                ).raise_for_status()
                base.append(time.perf_counter() - started)
            runs["ours"].append(_p99(ours))
            runs["baseline"].append(_p99(base))
    some = sum(map(bool, found)) / len(found)
    return [stage.figure("suggest_duplicates_p99", runs, "ms", f"{some:.0%} of the tips have a suggestion")]
