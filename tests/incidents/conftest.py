"""What the tests of incidents share: inputs that are right in every field, and a team that incidents knows."""

from typing import Any

from tests.conftest import COMMUNE, PROVINCE, Antt

CASES = "/incidents/v1/cases"
ACTIVITIES = "/incidents/v1/activities"

NUL = "a\x00b"
NFD, NFC = "Le\u0302\u0303 ho\u0323\u0302i", "L\u1ec5 h\u1ed9i"


def a_case(**values: Any) -> dict[str, Any]:
    """A case as it is opened."""
    return {"unit": COMMUNE, "kind": "gambling", "found_on": "2026-11-02", **values}


def a_patrol(**values: Any) -> dict[str, Any]:
    """A patrol as it is entered."""
    return {
        "kind": "patrol",
        "unit": COMMUNE,
        "started_at": "2026-11-02T20:00:00+07:00",
        "ended_at": "2026-11-02T23:00:00+07:00",
        **values,
    }


def traffic_control(**values: Any) -> dict[str, Any]:
    """Traffic control as it is entered."""
    return a_patrol(**{"kind": "traffic_control", "turns": 40, **values})


def a_duty(**values: Any) -> dict[str, Any]:
    """A security duty as it is entered."""
    return a_patrol(**{"kind": "security_duty", "target": "Lễ hội", **values})


async def opened(antt: Antt, path: str, body: dict[str, Any], caller: dict[str, str] | None = None) -> dict[str, Any]:
    """The record that a POST makes, with the position of its event."""
    answer = await antt.post(path, body, caller or antt.token())
    assert answer.status_code == 201, answer.text
    return {**answer.json(), "position": answer.headers["antt-position"]}


async def a_team(antt: Antt, unit: str = COMMUNE) -> str:
    """A team of the registry."""
    team = {
        "unit": unit,
        "name": "Tổ 1",
        "from_on": "2026-11-01",
        "decision": {"number": "15/QĐ-UBND", "signed_on": "2026-10-28", "signer": "Nguyễn Văn Hòa"},
    }
    answer = await antt.post("/teams/v1/teams", team, antt.token("operator", PROVINCE))
    assert answer.status_code == 201, answer.text
    id: str = answer.json()["id"]
    return id


def kind_of(answer: Any) -> tuple[int, str]:
    """Status and stable name of a problem."""
    return answer.status_code, answer.json()["type"].removeprefix("urn:antt:problem:")
