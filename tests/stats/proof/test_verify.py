"""antt verify: every cell beside the services' own recounts, at whatever positions, while writes go on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from services.stats import counting
from services.stats.proof.verify import RecountRefused, verify
from shared import units
from shared.settings import settings
from tests.conftest import COMMUNE, INCIDENTS, OLD_COMMUNE, PROVINCE, TEAMS, Antt, eventually
from tests.stats.writing import append, connect, report, reporting, sql, tip

DECISION = {"number": "12/QĐ-UBND", "signed_on": "2025-10-01", "signer": "Chủ tịch UBND"}


async def differing(antt: Antt) -> dict[tuple[str, str], tuple[int, int]]:
    """What verify names: (unit, indicator) → (counted, recounted)."""
    verified = await verify(settings(), antt.http)
    assert not verified.right
    return {(d.unit, d.indicator): (d.was, d.now) for d in verified.comparison.differences}


async def a_bit_of_everything(antt: Antt) -> str:
    """Facts of each service, old and new, a correction and a withdrawal; the position of incidents."""
    operator = antt.token("operator", PROVINCE)
    team = {"unit": COMMUNE, "name": "Tổ 1", "from_on": "2025-10-01", "decision": DECISION}
    answer = await antt.post("/teams/v1/teams", team, operator)
    assert answer.status_code == 201, answer.text
    await antt.counters(answer.headers["antt-position"])
    await report(antt, 2, OLD_COMMUNE, received_at="2024-08-01T00:00:00Z")
    patrol = {
        "kind": "patrol",
        "unit": COMMUNE,
        "started_at": "2025-11-02T20:00:00Z",
        "ended_at": "2025-11-02T22:00:00Z",
    }
    assert (await antt.post("/incidents/v1/activities", patrol, operator)).status_code == 201
    for step, body in (
        ("withdraw", {"reason": "nhầm"}),
        ("correct", {"unit": OLD_COMMUNE, "received_at": "2024-08-05T00:00:00Z", "reason": "nhầm"}),
    ):
        tip = (await antt.post("/incidents/v1/tips", {"unit": COMMUNE, "content": "Mất trộm"})).json()
        answer = await antt.post(f"/incidents/v1/tips/{tip['id']}/{step}", body, operator)
        assert answer.status_code == 200, answer.text
    return str(answer.headers["antt-position"])


@pytest.fixture(params=["antt", "antt_on_kafka"])
def on_either_log(request: pytest.FixtureRequest) -> Antt:
    """The three services, on each of the two logs."""
    antt: Antt = request.getfixturevalue(request.param)
    return antt


async def test_every_cell_is_what_the_tables_say_while_writes_go_on(on_either_log: Antt) -> None:
    antt = on_either_log
    await antt.counters(await a_bit_of_everything(antt))
    async with reporting(antt) as reported:
        for _ in range(3):
            reported.tips = 0
            await eventually(lambda: reported.tips > 20)
            verified = await verify(settings(), antt.http)
            assert verified.right, verified
    assert verified.comparison.compared > 100
    assert verified.positions[TEAMS] == ((1, 1), (1, 1))


@asynccontextmanager
async def consumer_stalled() -> AsyncIterator[None]:
    """The consumer waits for its position's row as long as the block runs."""
    connection = await connect()
    async with connection.transaction():
        await connection.execute("SELECT FROM positions FOR UPDATE")
        yield
    await connection.close()


async def test_events_that_the_consumer_has_not_counted_yet_are_no_difference(antt: Antt) -> None:
    await antt.counters(await report(antt))
    async with consumer_stalled():
        await report(antt, 5)
        verified = await verify(settings(), antt.http)
    counted, recounted = verified.positions[INCIDENTS]
    assert (counted.seq, recounted.seq) == (1, 6)
    assert verified.right


async def test_a_recount_older_than_the_counters_is_asked_for_again_until_it_has_caught_up(antt: Antt) -> None:
    await report(antt, 2)
    token = antt.token("operator", PROVINCE)
    old = await antt.get("/incidents/v1/recount", token)
    await antt.counters(await report(antt, 3))
    asked: list[str] = []

    async def replica(request: httpx.Request) -> httpx.Response:
        source = request.url.path.split("/")[1]
        asked.append(source)
        if asked.count("incidents") == 1 and source == "incidents":
            return httpx.Response(200, content=old.content)
        answer = await antt.http.get(request.url.raw_path.decode(), headers=token)
        return httpx.Response(200, content=answer.content)

    async with httpx.AsyncClient(transport=httpx.MockTransport(replica)) as http:
        verified = await verify(settings(), http)
    assert asked.count("incidents") == 2
    assert verified.positions[INCIDENTS] == ((1, 5), (1, 5))
    assert verified.right


async def test_each_wrong_cell_is_named_and_so_is_a_month_that_is_not_the_sum_of_its_days(antt: Antt) -> None:
    await antt.counters(await report(antt, 2))
    (row,) = await sql("stats", "SELECT id FROM counter_sets")
    by_day, by_month = counting.tables(row["id"])
    await sql("stats", f"UPDATE {by_day} SET tips_received = 5 WHERE unit = $1", COMMUNE)
    await sql("stats", f"UPDATE {by_month} SET patrols = 1 WHERE unit = '2025:79'")
    assert await differing(antt) == {(COMMUNE, "tips_received"): (5, 2)}
    months = (await verify(settings(), antt.http)).months
    assert {(d.unit, d.indicator, d.was, d.now) for d in months.differences} == {
        (COMMUNE, "tips_received", 5, 2),
        ("2025:79", "patrols", 0, 1),
    }


async def test_a_table_that_was_changed_without_an_event_is_found(antt: Antt) -> None:
    await antt.counters(await report(antt, 2))
    await sql("incidents", "UPDATE tips SET unit = '2025:25945' WHERE id = (SELECT min(id::text)::uuid FROM tips)")
    found = await differing(antt)
    assert found[COMMUNE, "tips_received"] == (2, 1)
    assert found["2025:25945", "tips_received"] == (0, 1)
    assert ("2025:79", "tips_received") not in found


async def test_an_event_without_its_row_is_found(antt: Antt) -> None:
    await antt.counters(await append("incidents", "TipReceived", tip()))
    assert (await differing(antt))[COMMUNE, "tips_received"] == (1, 0)


async def test_differences_that_dead_letters_explain_are_told_apart(
    antt: Antt, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(units, "spread", lambda id: {}[id])
        await antt.counters(await report(antt))
    verified = await verify(settings(), antt.http)
    assert verified.uncounted == 1
    assert verified.comparison.differing == verified.explained > 0


async def test_a_service_that_refuses_is_no_proof(antt: Antt) -> None:
    await antt.counters(await report(antt))
    with pytest.raises(RecountRefused, match="401"):
        await verify(settings().model_copy(update={"token": "wrong"}), antt.http)
