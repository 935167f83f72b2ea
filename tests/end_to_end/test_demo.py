"""The demonstration: its plan comes to the published figures, and so do the counters when it is sent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime
from itertools import count
from typing import Any, get_args

import pytest

from deploy.cli import demo
from deploy.demo.counted import token_for
from deploy.scenarios.diary import Request
from deploy.scenarios.published import SCENARIOS, Period, Scenario
from deploy.scenarios.replay import Connect, Post, RequestRefused, ScenarioReplay, ServiceAnswer
from shared.settings import Service
from tests.conftest import Antt

BINH_DUONG = SCENARIOS["binh-duong"]
ADDRESSES = dict.fromkeys(get_args(Service), "http://antt")


def small(scenario: Scenario) -> dict[str, int]:
    """Figures of a fiftieth; small ones and changes as they are."""
    return {f.indicator: max(1, f.value // 50) if f.value > 250 else f.value for f in scenario.figures()}


SMALL = small(BINH_DUONG)


@pytest.fixture(params=list(SCENARIOS))
def scenario(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Scenario:
    """Each scenario, in a deployment that serves its province; `antt` is asked for after it."""
    chosen = SCENARIOS[request.param]
    monkeypatch.setenv("ANTT_PROVINCE", chosen.province)
    return chosen


def test_the_published_figures_are_those_of_the_source() -> None:
    values = {name: [figure.value for figure in scenario.figures()] for name, scenario in SCENARIOS.items()}
    assert values == {
        "binh-duong": [1048, 430, 12989, 6784, 2501, 907, 5, 1083],
        "bac-lieu": [619, 83424, 68000, 48327, 766, 512, 1628, 512, 512, 604],
        "buon-ho": [6, -60, 3, 199],
    }


def test_what_is_nearly_so_many_is_below_and_near_it_and_what_is_above_is_above() -> None:
    (leaflets,) = [figure for figure in SCENARIOS["bac-lieu"].figures() if figure.indicator == "leaflets"]
    assert (leaflets.kind, leaflets.wording) == ("nearly", "gần")
    assert [leaflets.agrees(n) for n in (67_000, 67_500, 67_999, 68_000, 68_100)] == [False, True, True, False, False]
    assert [leaflets._replace(kind="at_least").agrees(n) for n in (67_999, 68_000)] == [False, True]


def test_what_the_force_achieved_differs_from_what_citizens_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTT_PROVINCE", BINH_DUONG.province)
    counted = counted_by_hand(BINH_DUONG.requests(), BINH_DUONG.period)
    assert (counted["tips_from_force"], counted["cases_resolved_via_force_tips"]) == (1048, 430)
    assert counted["tips_received"] > 1048
    assert counted["cases_resolved_via_tips"] > 430


def test_the_command_knows_every_scenario() -> None:
    annotated = demo.__annotations__["scenario"]
    assert get_args(get_args(annotated)[0]) == tuple(SCENARIOS)


def test_the_plan_comes_to_the_figures_and_to_others(scenario: Scenario) -> None:
    for figures in ({f.indicator: f.value for f in scenario.figures()}, small(scenario)):
        requests = scenario.requests(figures)
        wanted = [figure._replace(value=figures[figure.indicator]) for figure in scenario.figures()]
        periods = {period for figure in wanted for period in figure.periods}
        counted = {period: counted_by_hand(requests, period) for period in periods}
        assert [figure for figure in wanted if not figure.agrees(figure.counted(counted))] == []


def test_the_same_seed_gives_the_same_plan_and_another_seed_another(scenario: Scenario) -> None:
    figures = small(scenario)
    assert scenario.requests(figures) == scenario.requests(figures)
    assert scenario.requests(figures, seed=2) != scenario.requests(figures)


@pytest.mark.parametrize(("name", "days", "communes"), [("binh-duong", 92, 91), ("bac-lieu", 182, 64)])
def test_the_plan_reaches_every_commune_and_every_day(name: str, days: int, communes: int) -> None:
    scenario = SCENARIOS[name]
    requests = scenario.requests()
    begun = {datetime.fromisoformat(r.body["started_at"]).date() for r in requests if "started_at" in r.body}
    assert sum(scenario.period.first <= day <= scenario.period.last for day in begun) == days
    assert len({r.body["unit"] for r in requests if r.path == "/teams/v1/teams"}) == communes


def test_every_scenario_has_slips_that_are_set_right_and_entries_that_are_confirmed(scenario: Scenario) -> None:
    steps = {request.path.rpartition("/")[2] for request in scenario.requests()}
    assert {"correct", "confirm"} <= steps


async def test_a_small_plan_is_counted_as_planned_and_twice_sent_is_once_counted(
    scenario: Scenario, antt: Antt
) -> None:
    figures = small(scenario)
    for _ in range(2):
        replay = replay_of(scenario.requests(figures))
        await replay.run(connected(antt))
        wanted = [figure._replace(value=figures[figure.indicator]) for figure in scenario.figures()]
        periods = {period for figure in wanted for period in figure.periods}
        counted = {period: await counters_of(antt, replay, scenario, period) for period in periods}
        assert [figure for figure in wanted if not figure.agrees(figure.counted(counted))] == []


async def test_a_plan_sent_over_a_line_that_loses_answers_is_counted_once(antt: Antt) -> None:
    replay = replay_of(BINH_DUONG.requests(SMALL))
    await replay.run(connected(antt, lose_every=50))
    assert replay.retried > 0
    counters = await counters_of(antt, replay, BINH_DUONG, BINH_DUONG.period)
    assert {name: counters[name] for name in SMALL} == SMALL


async def test_a_service_that_asks_to_come_again_is_asked_again(antt: Antt) -> None:
    replay = replay_of(BINH_DUONG.requests(SMALL)[:40])
    await replay.run(connected(antt, busy=5))
    assert (replay.sent, replay.retried) == (40, 5)


async def test_a_request_that_is_refused_ends_the_replay_with_its_reason(antt: Antt) -> None:
    first = BINH_DUONG.requests(SMALL)[0]
    bad = first._replace(body={**first.body, "unit": "2024:00000"})
    with pytest.raises(RequestRefused, match="unknown-unit"):
        await replay_of([bad]).run(connected(antt))


def replay_of(requests: list[Request]) -> ScenarioReplay:
    return ScenarioReplay(requests, "test", ADDRESSES, token_for)


def connected(antt: Antt, lose_every: int = 0, busy: int = 0) -> Connect:
    """What connects clients to the services of the fixture: some answers get lost, and the first requests come too soon."""
    numbers = count(1)

    @asynccontextmanager
    async def connect() -> AsyncIterator[Post]:
        async def post(address: str, path: str, headers: dict[str, str], body: bytes) -> ServiceAnswer:
            number = next(numbers)
            if number <= busy:
                return ServiceAnswer(503, {"retry-after": "0"}, b"")
            answer = await antt.http.post(path, headers=headers, content=body)
            if lose_every and number % lose_every == 0:
                raise ConnectionResetError
            return ServiceAnswer(answer.status_code, answer.headers, answer.content)

        yield post

    return connect


async def counters_of(antt: Antt, replay: ScenarioReplay, scenario: Scenario, period: Period) -> dict[str, int]:
    query = {"unit": scenario.place, "from": period.first, "to": period.last, "counted": replay.counted}
    caller = antt.token("operator", scenario.province)
    counters: dict[str, int] = (await antt.get("/stats/v1/counters", caller, **query)).json()["counters"]
    return counters


def counted_by_hand(requests: list[Request], period: Period) -> dict[str, int]:
    """What a careful clerk counts in the plan: each thing as its last entry leaves it, on the day of that entry."""
    things: dict[str, dict[str, Any]] = {}
    for request in requests:
        named = [value for value in request.body.values() if isinstance(value, str) and value in things]
        links = [request.body[name] for name in request.body if name.endswith("_id")]
        assert sorted(named) == sorted(links), f"{request} names what is not there yet"
        room, _, step = request.path.partition("/{}/")
        if not step:
            assert request.thing not in things
            state = "entered" if request.caller.role == "team_leader" else "confirmed"
            things[request.thing] = {"room": room.split("/")[-1], "state": state, **request.body}
            continue
        thing = things[request.thing]
        body = request.body.get("activity", request.body)
        thing |= {name: value for name, value in body.items() if name != "reason"}
        if thing["room"] == "activities":
            after = "entered" if request.caller.role == "team_leader" else "confirmed"
            thing["state"] = {"return": "returned", "confirm": "confirmed", "correct": after}[step]
        else:
            thing["state"] = step

    def those(room: str, day: str, **equal: Any) -> list[dict[str, Any]]:
        return [
            thing
            for thing in things.values()
            if thing["room"] == room
            and period.first <= date.fromisoformat(thing.get(day, "1900-01-01")[:10]) <= period.last
            and all(thing.get(name) == value for name, value in equal.items())
        ]

    def confirmed(kind: str) -> list[dict[str, Any]]:
        return those("activities", "started_at", kind=kind, state="confirmed")

    def sum_of(kind: str, quantity: str) -> int:
        return sum(activity.get(quantity, 0) for activity in confirmed(kind))

    def firecrackers(means: str) -> int:
        items = [item for activity in confirmed("surrender") for item in activity["items"]]
        return sum(item["quantity"] for item in items if item["means"] == means)

    members = [thing for thing in things.values() if thing["room"] == "members"]
    return {
        "tips_received": sum(tip["state"] != "withdraw" for tip in those("tips", "received_at")),
        "tips_from_force": sum(tip["state"] != "withdraw" and "team_id" in tip for tip in those("tips", "received_at")),
        "cases_resolved_via_tips": sum("tip_id" in case for case in those("cases", "resolved_on", state="resolve")),
        "cases_resolved_via_force_tips": sum(
            "tip_id" in case and "team_id" in things[case["tip_id"]]
            for case in those("cases", "resolved_on", state="resolve")
        ),
        "patrols": len(confirmed("patrol")),
        "cases_found_by_patrol": sum("patrol_id" in case for case in those("cases", "found_on")),
        "traffic_control_turns": sum_of("traffic_control", "turns"),
        "security_duties": len(confirmed("security_duty")),
        "training_classes": len(those("training-classes", "held_on")),
        "trainees_certified": len(those("certificates", "issued_on")),
        "outreach_sessions": sum_of("outreach", "sessions"),
        "outreach_attendance": sum_of("outreach", "attendances"),
        "leaflets": sum_of("outreach", "leaflets"),
        "individual_outreach": sum_of("outreach", "person_turns"),
        "persons_counselled": sum_of("counselling", "persons"),
        "illegal_firecracker_cases": len(those("cases", "found_on", kind="illegal_firecrackers")),
        "firecrackers_recovered": firecrackers("found"),
        "firecrackers_handed_in": firecrackers("handed_in"),
        "teams": sum(thing["room"] == "teams" for thing in things.values()),
        "members": len(members),
        **{f"members_{role}": sum(m["role"] == role for m in members) for role in ("leader", "deputy", "member")},
    }
