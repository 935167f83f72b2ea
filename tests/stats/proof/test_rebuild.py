"""antt rebuild: the same figures again from the log, while writes go on; new indicators; what a killed one leaves."""

import asyncio
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.cli import app
from deploy.local import NotStarted
from services.stats import counting
from services.stats.indicators import INDICATORS
from services.stats.proof import rebuild as rebuilding
from services.stats.proof.rebuild import RebuildRunning, rebuild, remove_old_sets
from shared.log import sources_of
from shared.settings import settings
from tests.conftest import COMMUNE, INCIDENTS, OLD_COMMUNE, Antt, eventually
from tests.stats.writing import append, connect, report, reporting, sql, tip

SETS = "SELECT id FROM counter_sets WHERE serving"
COUNTER_TABLES = "SELECT relname FROM pg_class WHERE relname LIKE 'counters_%' AND relkind = 'r' ORDER BY 1"


@pytest.fixture(params=["antt", "antt_on_kafka"])
def on_either_log(request: pytest.FixtureRequest) -> Antt:
    """The three services, on each of the two logs."""
    antt: Antt = request.getfixturevalue(request.param)
    return antt


async def serving() -> int:
    return int((await sql("stats", SETS))[0]["id"])


async def test_a_rebuild_finds_the_same_figures_and_swaps_its_set_in(antt: Antt) -> None:
    await report(antt, 3)
    await report(antt, 2, OLD_COMMUNE, received_at="2024-08-01T00:00:00Z")
    position = await report(antt)
    before = await antt.counters(position)
    old = await serving()
    rebuilt = await rebuild(settings())
    # Beside the six tips, what a job has said of deadlines by then: those of 2024 have passed.
    told = await sql("incidents", "SELECT count(*) FROM outbox WHERE type = 'DeadlineMissed'")
    assert 6 <= rebuilt.events <= 6 + told[0]["count"]
    assert rebuilt.comparison.differing == 0
    assert rebuilt.comparison.compared > 0
    assert await serving() == rebuilt.set_id != old
    assert await antt.counters(position) == before
    await remove_old_sets(settings())
    tables = [row["relname"] for row in await sql("stats", COUNTER_TABLES)]
    assert tables == [f"counters_day_{rebuilt.set_id}", f"counters_month_{rebuilt.set_id}"]


async def test_writes_go_on_and_each_is_counted_once_across_the_swap(on_either_log: Antt) -> None:
    antt = on_either_log
    await antt.counters(await report(antt, 20))
    async with reporting(antt) as reported:
        await eventually(lambda: reported.tips > 20)
        rebuilt = await rebuild(settings())
        at_swap = reported.tips
        await eventually(lambda: reported.tips > at_swap + 50)
    assert rebuilt.comparison.differing == 0
    assert (await antt.counters(reported.position))["tips_received"] == reported.tips + 20
    # Twice, since the second one counts what the consumer has counted in the first one's set.
    again = await rebuild(settings())
    assert (again.events, again.comparison.differing) == (reported.tips + 20, 0)


async def test_the_consumer_waits_for_the_swap_so_that_no_figure_goes_back(
    antt: Antt, monkeypatch: pytest.MonkeyPatch
) -> None:
    await antt.counters(await report(antt))
    waiting = """SELECT FROM pg_stat_activity WHERE datname = current_database()
        AND wait_event_type = 'Lock' AND query LIKE 'WITH moved%'"""
    swap = rebuilding._swap

    async def swap_while_a_tip_comes_in(*arguments: Any) -> None:
        await report(antt)
        await eventually(lambda: sql("stats", waiting), seconds=10)
        await swap(*arguments)

    monkeypatch.setattr(rebuilding, "_swap", swap_while_a_tip_comes_in)
    rebuilt = await rebuild(settings())
    assert rebuilt.positions[INCIDENTS].seq == 1
    assert (await antt.counters("incidents:1:2"))["tips_received"] == 2


async def test_a_cell_that_is_wrong_is_named_and_set_right(antt: Antt) -> None:
    await antt.counters(await report(antt, 2))
    table, _ = counting.tables(await serving())
    await sql("stats", f"UPDATE {table} SET tips_received = 7 WHERE unit = $1", COMMUNE)
    comparison = (await rebuild(settings())).comparison
    assert comparison.differing == 1
    (cell,) = comparison.differences
    assert (cell.unit, cell.indicator, cell.was, cell.now) == (COMMUNE, "tips_received", 7, 2)
    assert (await antt.counters(unit=COMMUNE))["tips_received"] == 2


@pytest.fixture
async def begun_before_tips_from_citizens(databases: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A serving set that was begun before that indicator was thought of."""
    connection = await connect()
    with monkeypatch.context() as earlier:
        known = tuple(i for i in INDICATORS if i.name != "tips_from_citizens")
        earlier.setattr("services.stats.counting.sets.INDICATORS", known)
        await counting.make_set(connection, sources_of(settings()), serving=True)
    await connection.close()


@pytest.mark.usefixtures("begun_before_tips_from_citizens")
async def test_a_new_indicator_is_absent_until_a_rebuild_brings_its_history(antt: Antt) -> None:
    before = await antt.counters(await report(antt, 3))
    assert before["tips_received"] == 3
    assert "tips_from_citizens" not in before
    rebuilt = await rebuild(settings())
    assert rebuilt.new_indicators == ["tips_from_citizens"]
    assert rebuilt.comparison.differing == 0
    after = await antt.counters(await report(antt))
    assert (after["tips_received"], after["tips_from_citizens"]) == (4, 4)


async def test_older_code_forgets_a_column_that_it_does_not_go_on_counting(antt: Antt) -> None:
    await antt.counters(await report(antt))
    await sql("stats", """UPDATE counter_sets SET indicators = indicators || '{"tips_of_tomorrow": 1}'""")
    connection = await connect()
    counters = await counting.serving_set(connection, [INCIDENTS])
    assert (await connection.fetchval("SELECT indicators FROM counter_sets")).keys() == counters.lanes.keys()
    await connection.close()


async def test_what_a_killed_rebuild_left_is_removed_by_the_next_and_two_never_run_at_once(
    antt: Antt, monkeypatch: pytest.MonkeyPatch
) -> None:
    await antt.counters(await report(antt))
    with monkeypatch.context() as stalled:
        stalled.setattr("services.stats.proof.rebuild.compare", lambda *_: asyncio.Event().wait())
        killed = asyncio.create_task(rebuild(settings()))
        (left,) = await eventually(lambda: sql("stats", "SELECT id FROM counter_sets WHERE NOT serving"))
        with pytest.raises(RebuildRunning):
            await rebuild(settings())
        killed.cancel()
        await asyncio.gather(killed, return_exceptions=True)
    rebuilt = await rebuild(settings())
    assert rebuilt.set_id > left["id"]
    assert f"counters_day_{left['id']}" not in [row["relname"] for row in await sql("stats", COUNTER_TABLES)]


async def test_events_that_cannot_be_counted_are_kept_with_the_new_set(antt: Antt) -> None:
    await report(antt)
    position = await append("incidents", "TipReceived", tip(unit="2025:00000"))
    await antt.counters(position)
    rebuilt = await rebuild(settings())
    assert (rebuilt.uncounted, rebuilt.comparison.differing) == (1, 0)
    assert [row["set_id"] for row in await sql("stats", "SELECT set_id FROM dead_letters ORDER BY 1")][
        -1
    ] == rebuilt.set_id


def test_the_command_tells_what_differs_in_both_languages(databases: dict[str, str]) -> None:
    asyncio.run(append("incidents", "TipReceived", tip()))
    asyncio.run(count_all(1))
    command = CliRunner().invoke(app, ["rebuild"])
    assert command.exit_code == 0, command.output
    assert "Đã đếm lại 1 sự kiện · 1 events counted anew" in command.output
    letters = CliRunner().invoke(app, ["dead-letters", "list"])
    assert "0 sự kiện chưa đếm được" in letters.output
    with pytest.raises(NotStarted, match="Nothing was restored"):
        CliRunner().invoke(app, ["recover", "--service", "incidents"], catch_exceptions=False)


async def count_all(seq: int) -> None:
    """Count up to this event of incidents, as `antt count` does, and end."""
    counting_on = asyncio.create_task(counting.count_for_ever(settings()))
    await eventually(lambda: sql("stats", "SELECT FROM positions WHERE source = 'incidents' AND seq = $1", seq))
    counting_on.cancel()
    await asyncio.gather(counting_on, return_exceptions=True)
