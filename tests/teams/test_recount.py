"""The recount: this service's figures once more from its own tables, from one snapshot."""

from collections import Counter

import msgspec

from services.stats.indicators import INDICATORS
from services.teams.recount import RECOUNT
from shared import events
from tests.conftest import COMMUNE, PROVINCE, Antt
from tests.teams.factories import (
    CERTIFICATES,
    MEMBERS,
    TEAMS,
    entered,
    member,
    refusal,
    step,
    team,
    training_class,
)

PATH = "/teams/v1/recount"
Cells = Counter[tuple[str, str, str]]


async def recounted(antt: Antt) -> tuple[dict[str, int], Cells]:
    """The recount's position, and its cells by unit, day and indicator."""
    answer = await antt.get(PATH, antt.token("operator", PROVINCE))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    position, *cells = msgspec.json.Decoder().decode_lines(answer.content)
    return position, Counter({(cell["unit"], cell["on"], cell["indicator"]): cell["count"] for cell in cells})


async def test_an_empty_registry_recounts_nothing_at_the_beginning(antt: Antt) -> None:
    assert await recounted(antt) == ({"generation": 1, "seq": 0, "event_id": None}, Counter())


async def test_a_level_is_recounted_as_one_more_on_its_first_day_and_one_less_after_its_last(antt: Antt) -> None:
    team_id = await team(antt)
    leader, deputy = await member(antt, team_id, role="leader"), await member(antt, team_id, role="deputy")
    class_id = await training_class(antt)
    for number, member_id in enumerate((leader, deputy)):
        body = {"training_class_id": class_id, "member_id": member_id, "number": f"{number}", "issued_on": "2025-11-10"}
        certificate = await entered(antt, CERTIFICATES, body)
    await antt.post(
        f"{CERTIFICATES}/{certificate['id']}/revoke", {"reason": "cấp nhầm"}, antt.token("operator", PROVINCE)
    )
    await step(antt, f"{MEMBERS}/{leader}/change-role", role="member", from_on="2025-11-12")
    last = await step(antt, f"{TEAMS}/{team_id}/dissolve", until_on="2025-11-15")
    position, cells = await recounted(antt)
    assert last.headers["antt-position"] == f"teams:1:{position['seq']}"
    assert cells == {
        (COMMUNE, "2025-11-01", "teams"): 1,
        (COMMUNE, "2025-11-16", "teams"): -1,
        (COMMUNE, "2025-11-02", "members"): 2,
        (COMMUNE, "2025-11-16", "members"): -2,
        (COMMUNE, "2025-11-02", "members_leader"): 1,
        (COMMUNE, "2025-11-12", "members_leader"): -1,
        (COMMUNE, "2025-11-12", "members_member"): 1,
        (COMMUNE, "2025-11-16", "members_member"): -1,
        (COMMUNE, "2025-11-02", "members_deputy"): 1,
        (COMMUNE, "2025-11-16", "members_deputy"): -1,
        (COMMUNE, "2025-11-10", "training_classes"): 1,
        (COMMUNE, "2025-11-10", "trainees_certified"): 1,
    }


async def test_only_operators_and_systems_may_ask_for_the_recount(antt: Antt) -> None:
    assert refusal(await antt.get(PATH)) == (401, "unauthenticated")
    assert refusal(await antt.get(PATH, antt.token("province_officer", PROVINCE))) == (403, "forbidden")
    assert (await antt.get(PATH, antt.token("system", PROVINCE))).status_code == 200


def test_every_indicator_of_the_registry_is_recounted() -> None:
    mine = {
        indicator.name
        for indicator in INDICATORS
        if indicator.of in (events.Team, events.MemberTerm, events.TrainingClass, events.Certificate)
    }
    assert set(RECOUNT) == mine
