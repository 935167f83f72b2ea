"""Sources: a province's services, which of them are read, and two provinces that are counted side by side."""

import asyncio
from typing import get_args
from uuid import uuid4

import asyncpg
import pytest

from services.stats import counting
from shared.database import Database
from shared.log import Mark, Source, open_log, source_of, sources_of
from shared.log.kafka import relay_for_ever
from shared.register import SHIPPED, read
from shared.settings import Service, settings
from tests.conftest import COMMUNE, Antt, eventually
from tests.stats.writing import append, connect, report, tip

ELSEWHERE = "2024:00001"


async def counted(stats: asyncpg.Connection, sources: list[Source]) -> dict[str, tuple[int, int]]:
    """The log position up to which each source is counted."""
    serving = await counting.serving_set(stats, sources)
    progress = await counting.progress_of(stats, serving.id, sources)
    return {source.label: progress[source].mark.position for source in sources}


def test_every_source_of_the_nation_has_a_lock_of_its_own() -> None:
    services: tuple[Service, ...] = get_args(Service)
    provinces = [unit.id for unit in read(SHIPPED).units.values() if unit.level == "province"]
    sources = [Source(province, service) for province in provinces for service in services]
    sources += [source_of(settings(), service) for service in services]
    assert len({source.lock_key for source in sources}) == len(sources) > 200


async def test_two_provinces_are_counted_side_by_side_and_neither_moves_the_others_position(
    databases: dict[str, str], broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each database holds the outbox of incidents of one province; their seqs are the same.
    provinces: dict[Service, str] = {"incidents": f"2024:{uuid4().hex}", "teams": f"2024:{uuid4().hex}"}
    nation = settings().model_copy(update={"log": "kafka", "kafka_bootstrap": broker})
    running = []
    for outbox, province in provinces.items():
        there = nation.model_copy(update={"province": province, "incidents_database_url": databases[outbox]})
        running.append(asyncio.create_task(relay_for_ever(there, source_of(there, "incidents"))))
    sources = [Source(province, "incidents") for province in provinces.values()]
    monkeypatch.setattr("services.stats.counting.consuming.sources_of", lambda _: sources)
    await append("incidents", "TipReceived", tip(COMMUNE), times=3)
    await append("teams", "TipReceived", tip(ELSEWHERE), times=3)

    database, stats = Database(databases["stats"], 4, 10), await connect()
    await database.open()
    running.append(asyncio.create_task(counting.run(nation, database)))
    here, there_too = (source.label for source in sources)

    async def stand_at(expected: dict[str, tuple[int, int]]) -> bool:
        assert not running[-1].done(), running[-1]
        return await counted(stats, sources) == expected

    await eventually(lambda: stand_at({here: (1, 3), there_too: (1, 3)}))
    await append("teams", "TipReceived", tip(ELSEWHERE))
    await eventually(lambda: stand_at({here: (1, 3), there_too: (1, 4)}))
    by_day, _ = counting.tables((await counting.serving_set(stats, sources)).id)
    rows = await stats.fetch(f"SELECT unit, sum(tips_received)::int AS n FROM {by_day} GROUP BY 1")
    found = {row["unit"]: row["n"] for row in rows}
    assert (found[COMMUNE], found[ELSEWHERE]) == (3, 4)

    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await stats.close()
    await database.close()


async def test_the_outbox_of_another_province_is_never_taken_for_the_own_one(databases: dict[str, str]) -> None:
    batches = open_log(settings()).follow(Source("2024:01", "incidents"), Mark(), 1)
    with pytest.raises(ValueError, match="2024:01/incidents is out of reach"):
        await anext(batches)


async def test_a_service_that_reports_its_first_event_joins_the_counters_that_serve(
    antt: Antt, monkeypatch: pytest.MonkeyPatch
) -> None:
    await antt.counters(await report(antt, 2))
    first = source_of(settings(), "stats")
    assert first not in sources_of(settings())
    monkeypatch.setattr("shared.log.source.REPORTING", ("teams", "incidents", "stats"))
    stats = await connect()
    assert await counted(stats, list(sources_of(settings()))) == {"teams": (1, 0), "incidents": (1, 2), "stats": (1, 0)}
    await stats.close()
