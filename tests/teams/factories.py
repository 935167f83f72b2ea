"""Entries of the registry as tests need them, each right in every field unless told otherwise."""

from itertools import count
from typing import Any

import httpx

from tests.conftest import COMMUNE, PROVINCE, Antt

TEAMS, MEMBERS = "/teams/v1/teams", "/teams/v1/members"
CLASSES, CERTIFICATES = "/teams/v1/training-classes", "/teams/v1/certificates"
DECISION = {"number": "15/QĐ-UBND", "signed_on": "2025-10-28", "signer": "Nguyễn Văn Hòa"}
UNKNOWN = "01920000-0000-7000-8000-000000000000"
_numbers = count(1)


def a_team(**values: Any) -> dict[str, Any]:
    """The input of a team."""
    return {"unit": COMMUNE, "name": "Tổ 1", "from_on": "2025-11-01", "decision": DECISION, **values}


def a_member(team_id: str, **values: Any) -> dict[str, Any]:
    """The input of a member, another person each time."""
    return {
        "team_id": team_id,
        "full_name": f"Trần Thị Nở {next(_numbers)}",
        "born_on": "1990-05-01",
        "origin": "recruited",
        "role": "member",
        "from_on": "2025-11-02",
        "decision": DECISION,
        **values,
    }


async def entered(antt: Antt, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """What the province's operator has entered, as it was answered."""
    answer = await antt.post(path, body, antt.token("operator", PROVINCE))
    assert answer.status_code == 201, answer.text
    entry: dict[str, Any] = answer.json()
    return entry


async def team(antt: Antt, **values: Any) -> str:
    """The id of a new team."""
    id: str = (await entered(antt, TEAMS, a_team(**values)))["id"]
    return id


async def member(antt: Antt, team_id: str, **values: Any) -> str:
    """The id of a new member of the team."""
    id: str = (await entered(antt, MEMBERS, a_member(team_id, **values)))["id"]
    return id


async def training_class(antt: Antt, **values: Any) -> str:
    """The id of a new training class."""
    body = {"unit": COMMUNE, "title": "Tập huấn nghiệp vụ", "held_on": "2025-11-10", **values}
    id: str = (await entered(antt, CLASSES, body))["id"]
    return id


async def step(antt: Antt, path: str, **values: Any) -> httpx.Response:
    """The operator takes a step that a decision stands behind."""
    return await antt.post(path, {"decision": DECISION, **values}, antt.token("operator", PROVINCE))


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """The status and the name of a problem."""
    return answer.status_code, answer.json()["type"].removeprefix("urn:antt:problem:")
