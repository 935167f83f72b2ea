"""What the tests of incidents share: inputs that are right in every field, and a team that incidents knows."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.conftest import COMMUNE, PROVINCE, Antt, eventually

CASES = "/incidents/v1/cases"
ACTIVITIES = "/incidents/v1/activities"

NUL = "a\x00b"
NFD, NFC = "Le\u0302\u0303 ho\u0323\u0302i", "L\u1ec5 h\u1ed9i"


def a_case(**values: Any) -> dict[str, Any]:
    """A case as it is opened."""
    return {"unit": COMMUNE, "kind": "gambling", "found_on": "2025-11-02", **values}


def a_patrol(**values: Any) -> dict[str, Any]:
    """A patrol as it is entered."""
    return {
        "kind": "patrol",
        "unit": COMMUNE,
        "started_at": "2025-11-02T20:00:00+07:00",
        "ended_at": "2025-11-02T23:00:00+07:00",
        **values,
    }


def traffic_control(**values: Any) -> dict[str, Any]:
    """Traffic control as it is entered."""
    return a_patrol(**{"kind": "traffic_control", "turns": 40, **values})


def a_duty(**values: Any) -> dict[str, Any]:
    """A security duty as it is entered."""
    return a_patrol(**{"kind": "security_duty", "target": "Lễ hội", **values})


# Of each kind: what it tells beside place and time, and what that counts.
TOLD: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "patrol": (
        {"form": "joint", "route": "Quốc lộ 13, đường số 5", "found_cases": 2},
        {"patrols": 1, "patrols_joint": 1, "cases_told_by_patrols": 2},
    ),
    "traffic_control": ({"turns": 40}, {"traffic_control_turns": 40}),
    "security_duty": ({"target": "Lễ hội"}, {"security_duties": 1}),
    "outreach": (
        {"form": "mass", "topic": "firecrackers", "sessions": 2, "attendances": 270, "leaflets": 300},
        {"outreach_sessions": 2, "outreach_attendance": 270, "leaflets": 300},
    ),
    "counselling": ({"persons": 3, "about": "juveniles"}, {"persons_counselled": 3}),
    "fire_rescue": ({"form": "fire_fighting", "persons_rescued": 4}, {"fires_fought": 1, "persons_rescued": 4}),
    "administrative_support": ({"turns": 25, "task": "residence_check"}, {"administrative_support_turns": 25}),
    "surrender": (
        {
            "items": [
                {"item": "firecrackers", "quantity": 3, "unit": "piece", "means": "found"},
                {"item": "firecrackers", "quantity": 199, "unit": "piece", "means": "handed_in", "name": "pháo nổ"},
                {"item": "firecrackers", "quantity": 1_400, "unit": "gram", "means": "handed_in"},
                {"item": "weapons", "quantity": 2, "unit": "piece", "means": "handed_in", "name": "súng tự chế"},
                {"item": "weapons", "quantity": 1, "unit": "piece", "means": "found"},
                {"item": "ammunition", "quantity": 15, "unit": "round", "means": "handed_in"},
                {"item": "explosives", "quantity": 700, "unit": "gram", "means": "found"},
                {"item": "explosives", "quantity": 6, "unit": "piece", "means": "found"},
                {"item": "explosives", "quantity": 9, "unit": "metre", "means": "handed_in"},
                {"item": "support_tools", "quantity": 5, "unit": "piece", "means": "handed_in"},
            ]
        },
        {
            "surrenders": 1,
            "firecrackers_recovered": 3,
            "firecrackers_handed_in": 199,
            "firecrackers_collected_grams": 1_400,
            "weapons_collected": 3,
            "ammunition_collected": 15,
            "explosives_collected_grams": 700,
            "detonators_collected": 6,
            "fuse_collected_metres": 9,
            "support_tools_collected": 5,
        },
    ),
    "mobilisation": (
        {
            "order": {"number": "12/LĐ-CAT", "signed_on": "2024-07-01", "signer": "Trần Văn Minh"},
            "sent_to": "2025:00004",
            "place": "Khu vực Hồ Gươm",
        },
        {"mobilisations": 1},
    ),
}


def told(kind: str, **values: Any) -> dict[str, Any]:
    """An activity of any kind as it is entered."""
    return a_patrol(**{"kind": kind, **TOLD[kind][0], **values})


async def opened(antt: Antt, path: str, body: dict[str, Any], caller: dict[str, str] | None = None) -> dict[str, Any]:
    """The record that a POST makes, with the position of its event."""
    answer = await antt.post(path, body, antt.token() if caller is None else caller)
    assert answer.status_code == 201, answer.text
    return {**answer.json(), "position": answer.headers["antt-position"]}


async def a_team(antt: Antt, unit: str = COMMUNE) -> str:
    """A team of the registry."""
    team = {
        "unit": unit,
        "name": "Tổ 1",
        "from_on": "2025-11-01",
        "decision": {"number": "15/QĐ-UBND", "signed_on": "2025-10-28", "signer": "Nguyễn Văn Hòa"},
    }
    answer = await antt.post("/teams/v1/teams", team, antt.token("operator", PROVINCE))
    assert answer.status_code == 201, answer.text
    id: str = answer.json()["id"]
    return id


def kind_of(answer: Any) -> tuple[int, str]:
    """Status and stable name of a problem."""
    return answer.status_code, answer.json()["type"].removeprefix("urn:antt:problem:")


@pytest.fixture
async def address(databases: dict[str, str]) -> AsyncIterator[str]:
    """The services on a port of this machine."""
    from deploy.embedded import create_app

    server = uvicorn.Server(uvicorn.Config(create_app(), port=0, log_config=None))
    running = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await running


@pytest.fixture
async def loop() -> asyncio.AbstractEventLoop:
    """The loop in which the services run, while a state machine steps through it."""
    return asyncio.get_running_loop()


def run_in_any_order(machine: Any, examples: int, steps: int) -> None:
    """Let a state machine take its steps in so many orders, the same ones each time."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
