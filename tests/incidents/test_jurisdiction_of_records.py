"""Whatever is accepted has somebody who can act on it: it is in their lists, deadlines, exports, changes and webhooks."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.settings import settings
from tests.conftest import Antt, called, eventually, lifespan
from tests.incidents.conftest import ACTIVITIES, CASES, a_case, a_patrol, kind_of, opened
from tests.receiver import receiving
from tests.teams.factories import TEAMS, a_team

TIPS = "/incidents/v1/tips"
OLD, NEW = "2024:96", "2025:96"
# A commune of the old province that became part of two.
SPLIT, SUCCESSORS = "2024:32017", ("2025:32025", "2025:32041")


@pytest.fixture
async def old_province(databases: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Antt]:
    """The services of a province of the edition before, which became a part of a new one."""
    from deploy.embedded import create_app

    monkeypatch.setenv("ANTT_PROVINCE", OLD)
    settings.cache_clear()
    app = create_app()
    async with lifespan(app), called(app) as antt:
        yield antt
    settings.cache_clear()


async def read(antt: Antt, path: str, caller: dict[str, str], **query: Any) -> str:
    answer = await antt.get(path, caller, **query)
    assert answer.status_code == 200, answer.text
    return answer.text


@pytest.mark.parametrize("overseer", [OLD, NEW])
async def test_a_tip_of_the_new_province_is_in_every_list_of_the_old_ones_officers(
    old_province: Antt, overseer: str
) -> None:
    antt = old_province
    officer, operator = antt.token("province_officer", overseer), antt.token("operator", overseer)
    system = antt.token("system", overseer)
    async with receiving() as receiver:
        webhook = await antt.post("/incidents/v1/webhooks", {"url": receiver.url}, operator)
        assert webhook.status_code == 201, webhook.text
        tip = (await opened(antt, TIPS, {"unit": NEW, "content": "Gây rối trật tự"}, officer))["id"]
        for path in (TIPS, f"{TIPS}/export", "/incidents/v1/deadlines"):
            assert tip in await read(antt, path, officer), path
            assert tip in await read(antt, path, officer, unit=NEW), path
        for caller in (operator, system):
            assert tip in await read(antt, "/incidents/v1/changes", caller)
        await eventually(lambda: tip in receiver.subjects)
    reported = await antt.post(f"{TIPS}/{tip}/report", {}, officer)
    assert reported.status_code == 200, reported.text


async def test_a_team_of_a_split_commune_patrols_where_it_went_and_a_successors_officer_confirms_it(
    old_province: Antt,
) -> None:
    antt = old_province
    founded = a_team(unit=SPLIT, from_on="2024-08-01")
    team = (await opened(antt, TEAMS, founded, antt.token("operator", OLD)))["id"]
    leader = antt.token("team_leader", SPLIT, team)
    for unit, elsewhere in (SUCCESSORS, SUCCESSORS[::-1]):
        patrol = (await opened(antt, ACTIVITIES, a_patrol(unit=unit), leader))["id"]
        confirm = f"{ACTIVITIES}/{patrol}/confirm"
        assert kind_of(await antt.post(confirm, {}, antt.token(unit=elsewhere))) == (404, "not-found")
        confirmed = await antt.post(confirm, {}, antt.token(unit=unit))
        assert confirmed.status_code == 200, confirmed.text
        assert confirmed.json()["state"] == "confirmed"
    # What neither of them inherits is the province's, and its officer confirms it.
    patrol = (await opened(antt, ACTIVITIES, a_patrol(unit=NEW), leader))["id"]
    confirmed = await antt.post(f"{ACTIVITIES}/{patrol}/confirm", {}, antt.token("province_officer", OLD))
    assert confirmed.status_code == 200, confirmed.text
    assert kind_of(await antt.post(ACTIVITIES, a_patrol(unit="2025:32044"), leader)) == (422, "invalid-input")


async def test_a_split_gives_a_communes_officer_no_strangers_records(old_province: Antt) -> None:
    antt = old_province
    of_all = antt.token("province_officer", OLD)
    case = (await opened(antt, CASES, a_case(unit=SPLIT, found_on="2024-11-02"), of_all))["id"]
    assert case in await read(antt, CASES, antt.token(unit=SPLIT))
    for unit in SUCCESSORS:
        assert case not in await read(antt, CASES, antt.token(unit=unit))
        assert kind_of(await antt.get(f"{CASES}/{case}", antt.token(unit=unit))) == (404, "not-found")
