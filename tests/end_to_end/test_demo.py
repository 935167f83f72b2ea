"""The demonstration: its plan comes to the published figures, and so do the counters when it is sent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any, get_args

import pytest

from deploy.scenarios.binh_duong import FIRST, LAST, PROVINCE, Request, plan, published
from deploy.scenarios.replay import Answer, Connect, Post, Refused, Replay
from shared.auth import issue_token
from shared.settings import Service, settings
from tests.conftest import Antt

FIGURES = {figure.indicator: figure.value for figure in published()}
SMALL = {name: max(1, value // 50) for name, value in FIGURES.items()}
ADDRESSES = dict.fromkeys(get_args(Service), "http://antt")


def test_the_published_figures_are_the_eight_of_the_source() -> None:
    assert list(FIGURES.values()) == [1048, 430, 12989, 6784, 2501, 907, 5, 1083]


@pytest.mark.parametrize("figures", [FIGURES, SMALL])
def test_the_plan_comes_to_the_figures(figures: dict[str, int]) -> None:
    assert counted_by_hand(plan(figures)) == figures


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    assert plan(SMALL) == plan(SMALL)
    assert plan(SMALL, seed=2) != plan(SMALL)
    assert counted_by_hand(plan(SMALL, seed=2)) == SMALL


def test_the_plan_reaches_every_commune_and_every_day_of_the_quarter() -> None:
    requests = plan(FIGURES)
    days = {datetime.fromisoformat(r.body["started_at"]).date() for r in requests if "started_at" in r.body}
    assert days == {FIRST + timedelta(days=number) for number in range(92)}
    assert len({r.body["unit"] for r in requests if r.path == "/teams/v1/teams"}) == 91


async def test_a_small_plan_is_counted_as_planned_and_twice_sent_is_once_counted(antt: Antt) -> None:
    for _ in range(2):
        replay = replay_of(plan(SMALL))
        await replay.run(connected(antt))
        assert await figures_of(antt, replay) == SMALL


async def test_a_plan_sent_over_a_line_that_loses_answers_is_counted_once(antt: Antt) -> None:
    replay = replay_of(plan(SMALL))
    await replay.run(connected(antt, lose_every=50))
    assert replay.retried > 0
    assert await figures_of(antt, replay) == SMALL


async def test_a_service_that_asks_to_come_again_is_asked_again(antt: Antt) -> None:
    replay = replay_of(plan(SMALL)[:40])
    await replay.run(connected(antt, busy=5))
    assert (replay.sent, replay.retried) == (40, 5)


async def test_a_request_that_is_refused_ends_the_replay_with_its_reason(antt: Antt) -> None:
    first = plan(SMALL)[0]
    bad = first._replace(body={**first.body, "unit": "2024:00000"})
    with pytest.raises(Refused, match="unknown-unit"):
        await replay_of([bad]).run(connected(antt))


def replay_of(requests: list[Request]) -> Replay:
    return Replay(requests, "test", ADDRESSES, lambda role, unit, team: issue_token(settings(), role, unit, team))


def connected(antt: Antt, lose_every: int = 0, busy: int = 0) -> Connect:
    """What connects clients to the services of the fixture: some answers get lost, and the first requests come too soon."""
    numbers = count(1)

    @asynccontextmanager
    async def connect() -> AsyncIterator[Post]:
        async def post(address: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
            number = next(numbers)
            if number <= busy:
                return Answer(503, {"retry-after": "0"}, b"")
            answer = await antt.http.post(path, headers=headers, content=body)
            if lose_every and number % lose_every == 0:
                raise ConnectionResetError
            return Answer(answer.status_code, answer.headers, answer.content)

        yield post

    return connect


async def figures_of(antt: Antt, replay: Replay) -> dict[str, int]:
    counters = await antt.counters(replay.counted, PROVINCE, from_=FIRST.isoformat(), to=LAST.isoformat())
    return {name: counters[name] for name in FIGURES}


def counted_by_hand(requests: list[Request]) -> dict[str, int]:
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
            and FIRST <= date.fromisoformat(thing.get(day, "1900-01-01")[:10]) <= LAST
            and all(thing.get(name) == value for name, value in equal.items())
        ]

    patrols, traffic, duties = (
        those("activities", "started_at", kind=kind, state="confirmed")
        for kind in ("patrol", "traffic_control", "security_duty")
    )
    tips = [tip for tip in those("tips", "received_at") if tip["state"] != "withdraw"]
    resolved = [case for case in those("cases", "resolved_on", state="resolve") if "tip_id" in case]
    found = [case for case in those("cases", "found_on") if "patrol_id" in case]
    return {
        "tips_received": len(tips),
        "cases_resolved_via_tips": len(resolved),
        "patrols": len(patrols),
        "cases_found_by_patrol": len(found),
        "traffic_control_turns": sum(activity["turns"] for activity in traffic),
        "security_duties": len(duties),
        "training_classes": len(those("training-classes", "held_on")),
        "trainees_certified": len(those("certificates", "issued_on")),
    }
