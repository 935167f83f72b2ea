"""Teams: creation, change, dissolution, and who may."""

from typing import Any

from tests.conftest import COMMUNE, PROVINCE, Antt

DECISION = {"number": "15/QĐ-UBND", "signed_on": "2026-10-28", "signer": "Nguyễn Văn Hòa"}


def a_team(**values: Any) -> dict[str, Any]:
    """The input of a team that is right in every field."""
    return {"unit": COMMUNE, "name": "Tổ 1", "from_on": "2026-11-01", "decision": DECISION, **values}


async def create_team(antt: Antt, **values: Any) -> dict[str, Any]:
    """A team of the registry."""
    answer = await antt.post("/teams/v1/teams", a_team(**values), antt.token("operator", PROVINCE))
    assert answer.status_code == 201, answer.text
    return {**answer.json(), "position": answer.headers["antt-position"]}


async def test_a_new_team_is_answered_as_it_was_decided_and_counted_from_its_first_day(antt: Antt) -> None:
    officer = antt.token("commune_officer", COMMUNE)
    answer = await antt.post("/teams/v1/teams", a_team(hamlets=["Khu phố 1", "Khu phố 2"]), officer)
    assert answer.status_code == 201, answer.text
    team = answer.json()
    assert (team["name"], team["hamlets"], team["decision"]) == ("Tổ 1", ["Khu phố 1", "Khu phố 2"], DECISION)
    assert answer.headers["etag"] == '"1"'
    position = answer.headers["antt-position"]
    assert (await antt.counters(position))["teams"] == 1
    assert (await antt.counters(position, from_="2026-10-01", to="2026-10-31"))["teams"] == 0
    read = await antt.get(f"/teams/v1/teams/{team['id']}", officer)
    assert (read.json(), read.headers["etag"]) == (team, '"1"')
