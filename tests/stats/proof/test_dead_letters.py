"""Events that cannot be counted: kept with their reason, told in answers, replayed; or the consumer stops."""

from typing import Any

import pytest

from services.stats import counting
from services.stats.proof.dead_letters import list_letters, replay
from shared import events, units
from shared.settings import settings
from tests.conftest import COMMUNE, Antt, eventually
from tests.stats.writing import append, report, sql, tip

NOWHERE = "2025:00000"


async def uncounted(antt: Antt, position: str) -> int:
    answer = await antt.get("/stats/v1/counters", unit="2025:79", from_="2025-11-01", to="2025-11-30", counted=position)
    return int(answer.json()["freshness"]["uncounted"])


async def down(antt: Antt) -> dict[str, str]:
    found: dict[str, str] = (await antt.http.get("/stats/health/status")).json()["down"]
    return found


async def test_what_cannot_be_counted_is_kept_with_its_reason_and_the_rest_flows_on(antt: Antt) -> None:
    told: list[tuple[Any, str]] = [
        (tip(unit=NOWHERE), "KeyError"),
        (tip(state="lost"), "ValidationError"),
        (tip(day="2026-13-01"), "ValidationError"),
        ("{", "DecodeError"),
        ({"before": {**tip()["after"], "unit": NOWHERE}, "after": tip()["after"]}, "KeyError"),
    ]
    await report(antt)
    buried = [await append("incidents", "TipReceived", event) for event, _ in told]
    position = await report(antt)
    assert (await antt.counters(position))["tips_received"] == 2
    assert await uncounted(antt, position) == len(told)
    letters = await list_letters(settings())
    assert [f"{letter.source}:{letter.generation}:{letter.seq}" for letter in letters] == buried
    assert [reason in letter.reason for letter, (_, reason) in zip(letters, told, strict=True)] == [True] * len(told)


async def test_a_number_too_large_for_one_fact_never_runs_over_into_another_indicator(antt: Antt) -> None:
    turns = {"kind": "traffic_control", "unit": COMMUNE, "held_on": "2025-11-02", "state": "confirmed", "turns": 2**63}
    position = await append("incidents", "ActivityConfirmed", {"after": turns})
    counters = await antt.counters(position)
    assert (counters["traffic_control_turns"], counters["security_duties"]) == (0, 0)
    assert await uncounted(antt, position) == 1


async def test_a_replay_counts_what_can_be_measured_now_once_and_keeps_the_rest(
    antt: Antt, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(units, "spread", lambda id: {}[id])
        await append("incidents", "TipReceived", tip(), times=2)
        assert await uncounted(antt, await append("incidents", "TipReceived", tip(unit=NOWHERE))) == 3
    first, second, nowhere = await list_letters(settings())
    one = await replay(settings(), "incidents", first.seq)
    assert (one.counted, one.failed) == (1, [])
    all_others = await replay(settings())
    assert (all_others.counted, [letter.seq for letter in all_others.failed]) == (1, [nowhere.seq])
    assert NOWHERE in all_others.failed[0].reason
    assert second.seq not in [letter.seq for letter in await list_letters(settings())]
    assert (await replay(settings())).counted == 0
    assert (await antt.counters())["tips_received"] == 2
    assert (await antt.counters(unit=COMMUNE))["tips_received"] == 2


async def test_many_failures_in_a_row_stop_the_consumer_however_they_arrive(
    antt: Antt, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = settings().dead_letters_in_a_row
    # One at a time, so that no batch holds more than one of them.
    for _ in range(most - 1):
        await uncounted(antt, await append("incidents", "TipReceived", tip(unit=NOWHERE)))
    tries = 0
    count = counting.count

    def counted(*arguments: Any) -> counting.Counted:
        nonlocal tries
        tries += bool(arguments[0])
        return count(*arguments)

    monkeypatch.setattr("services.stats.counting.consuming.count", counted)
    await append("incidents", "TipReceived", tip(unit=NOWHERE))
    await append("incidents", "TipReceived", tip())
    await eventually(lambda: counting_is_down(antt, "TooManyDeadLetters"))
    # The supervisor has tried again meanwhile: a restart forgets nothing.
    await eventually(lambda: tries > 1)
    assert len(await list_letters(settings())) == most - 1
    assert await down(antt)


@pytest.mark.parametrize(("type", "version"), [("TipTeleported", 1), ("TipReceived", events.DATA_VERSION + 1)])
async def test_an_unknown_event_stops_the_consumer_and_is_no_dead_letter(antt: Antt, type: str, version: int) -> None:
    await antt.counters(await report(antt))
    await append("incidents", type, tip(), version)
    await eventually(lambda: counting_is_down(antt, "UnknownEvent"))
    assert await list_letters(settings()) == []
    assert (await sql("stats", "SELECT seq FROM positions WHERE source = 'incidents'"))[0]["seq"] == 1


async def counting_is_down(antt: Antt, reason: str) -> bool:
    return reason in (await down(antt)).get("counting", "")
