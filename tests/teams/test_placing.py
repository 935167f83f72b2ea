"""A team whose commune was split is placed anew by a decision: from that day on it is there, with all that it counts."""

from datetime import date, timedelta
from typing import Any

import httpx
from hypothesis import given

from tests.conftest import COMMUNE, PROVINCE, Antt, eventually
from tests.incidents.conftest import ACTIVITIES, a_patrol
from tests.teams.any_order import IN_ANY_ORDER, Registry, steps
from tests.teams.factories import CERTIFICATES, MEMBERS, TEAMS, a_member, entered, member, refusal, team
from tests.teams.factories import training_class as a_class

SPLIT = "2024:25948"  # became COMMUNE and another
OTHER = "2025:25945"
NEW_PROVINCE = "2025:79"
FIRST = date(2025, 6, 20)
DECISION = {"number": "3/QĐ-UBND", "signed_on": "2025-06-19", "signer": "Nguyễn Văn Hòa"}
WRONG = {"reason": "nhập nhầm"}


def on(number: int) -> str:
    """The day so many days behind the first; the new edition holds from the eleventh on."""
    return f"{FIRST + timedelta(days=number)}"


async def a_split_team(antt: Antt, **values: Any) -> str:
    return await team(antt, unit=SPLIT, from_on=on(0), decision=DECISION, **values)


async def posted(antt: Antt, path: str, **body: Any) -> httpx.Response:
    return await antt.post(path, body, antt.token("operator", PROVINCE))


async def place(antt: Antt, team: str, day: int, unit: str = COMMUNE) -> httpx.Response:
    return await posted(antt, f"{TEAMS}/{team}/place", unit=unit, from_on=on(day), decision=DECISION)


async def levels(antt: Antt, position: str | None, unit: str, day: int) -> tuple[int, int]:
    counters = await antt.counters(position, unit=unit, from_=on(day), to=on(day))
    return counters["teams"], counters["members"]


async def test_from_its_day_on_a_team_and_its_members_count_where_they_were_placed(antt: Antt) -> None:
    id = await a_split_team(antt)
    stays = await member(antt, id, from_on=on(1), decision=DECISION, role="leader")
    released = await member(antt, id, from_on=on(2), decision=DECISION)
    later = await member(antt, id, from_on=on(30), decision=DECISION)
    release = {"until_on": on(40), "ground": "health", "decision": DECISION}
    assert (await posted(antt, f"{MEMBERS}/{released}/release", **release)).status_code == 200
    placed = await place(antt, id, 20)
    assert placed.status_code == 200, placed.text
    assert {name: placed.json()[name] for name in ("unit", "left_unit", "placed_on", "from_on")} == {
        "unit": COMMUNE, "left_unit": SPLIT, "placed_on": on(20), "from_on": on(0),
    }  # fmt: skip
    assert placed.json()["placement"] == DECISION
    position = placed.headers["antt-position"]
    assert [await levels(antt, position, SPLIT, day) for day in (5, 10)] == [(1, 2), (1, 2)]
    assert [await levels(antt, position, COMMUNE, day) for day in (19, 20, 30, 41)] == [(0, 0), (1, 2), (1, 3), (1, 2)]
    # The province has had one team all the time.
    assert [await levels(antt, position, NEW_PROVINCE, day) for day in (5, 19, 20, 41)] == [
        (1, 2), (1, 2), (1, 2), (1, 2),
    ]  # fmt: skip
    operator = antt.token("operator", PROVINCE)
    terms = (await antt.get(f"{MEMBERS}/{stays}", operator)).json()["terms"]
    assert [(term["unit"], term["role"], term["from_on"], term["until_on"], term["ended_for"]) for term in terms] == [
        (SPLIT, "leader", on(1), on(19), "team_placed"),
        (COMMUNE, "leader", on(20), None, None),
    ]
    shown = (await antt.get(f"{MEMBERS}/{released}", operator)).json()
    assert (shown["released_on"], shown["term"]["until_on"], shown["term"]["ended_for"]) == (on(40), on(40), "health")
    assert (await antt.get(f"{MEMBERS}/{later}", operator)).json()["term"]["unit"] == COMMUNE
    joins = await entered(antt, MEMBERS, a_member(id, from_on=on(50), decision=DECISION))
    assert joins["term"]["unit"] == COMMUNE
    # Who joined before goes with the team, or is entered before it is placed.
    joined = await antt.post(MEMBERS, a_member(id, from_on=on(3), decision=DECISION), operator)
    assert refusal(joined) == (409, "team-placed")


async def test_a_commune_finds_the_team_that_was_placed_in_it_and_confirms_its_patrols(antt: Antt) -> None:
    id, officer = await a_split_team(antt), antt.token("commune_officer", COMMUNE)
    assert refusal(await antt.get(f"{TEAMS}/{id}", officer)) == (404, "not-found")
    await place(antt, id, 20)
    assert (await antt.get(f"{TEAMS}/{id}", officer)).status_code == 200
    leader = antt.token("team_leader", COMMUNE, id)

    async def patrols() -> str | None:
        answer = await antt.post(ACTIVITIES, a_patrol(unit=COMMUNE), leader)
        return answer.json()["id"] if answer.status_code == 201 else None

    patrol = await eventually(patrols)
    confirmed = await antt.post(f"{ACTIVITIES}/{patrol}/confirm", {}, officer)
    assert confirmed.status_code == 200, confirmed.text


async def test_a_certificate_is_of_the_unit_in_which_its_holder_was_on_its_day(antt: Antt) -> None:
    id = await a_split_team(antt)
    holder = await member(antt, id, from_on=on(1), decision=DECISION)
    given = []
    for day in (5, 25):
        of_class = await a_class(antt, unit=SPLIT, held_on=on(2))
        body = {"training_class_id": of_class, "member_id": holder, "number": f"{day}", "issued_on": on(day)}
        given.append(await entered(antt, CERTIFICATES, body))
    placed = await place(antt, id, 20)
    operator = antt.token("operator", PROVINCE)
    units = [(await antt.get(f"{CERTIFICATES}/{each['id']}", operator)).json()["unit"] for each in given]
    assert units == [SPLIT, COMMUNE]
    counted = await antt.counters(placed.headers["antt-position"], unit=COMMUNE, from_=on(20), to=on(30))
    assert counted["trainees_certified"] == 1


async def test_a_placement_is_refused_where_it_cannot_be(antt: Antt) -> None:
    id = await a_split_team(antt)
    assert refusal(await place(antt, id, 20, "2025:25747")) == (422, "invalid-input")
    assert refusal(await place(antt, id, 5)) == (422, "unit-not-in-force")
    officer = antt.token("commune_officer", OTHER)
    body = {"unit": OTHER, "from_on": on(20), "decision": DECISION}
    assert refusal(await antt.post(f"{TEAMS}/{id}/place", body, officer)) == (404, "not-found")
    assert (await place(antt, id, 20)).status_code == 200
    assert refusal(await place(antt, id, 30, OTHER)) == (409, "step-not-allowed")
    ends = {"until_on": on(19), "decision": DECISION}
    assert refusal(await posted(antt, f"{TEAMS}/{id}/dissolve", **ends)) == (422, "day-too-early")
    for correction in ({"from_on": on(20)}, {"unit": "2025:25747"}, {"unit": SPLIT}):
        assert refusal(await posted(antt, f"{TEAMS}/{id}/correct", **WRONG, **correction))[0] == 422, correction


async def test_where_a_placement_parts_a_term_neither_half_is_moved_or_withdrawn_alone(antt: Antt) -> None:
    id = await a_split_team(antt)
    one = await member(antt, id, from_on=on(1), decision=DECISION)
    await place(antt, id, 20)
    before, after = (await antt.get(f"{MEMBERS}/{one}", antt.token("operator", PROVINCE))).json()["terms"]
    path = f"{MEMBERS}/{one}/terms"
    assert refusal(await posted(antt, f"{path}/{after['id']}/withdraw", **WRONG)) == (409, "team-placed")
    assert refusal(await posted(antt, f"{path}/{after['id']}/correct", **WRONG, from_on=on(25))) == (409, "team-placed")
    assert refusal(await posted(antt, f"{path}/{before['id']}/correct", **WRONG, until_on=None)) == (
        422,
        "invalid-input",
    )
    assert (await posted(antt, f"{path}/{after['id']}/correct", **WRONG, role="deputy")).status_code == 200


async def test_a_placement_that_was_entered_wrongly_is_corrected_or_taken_back_with_its_members(antt: Antt) -> None:
    id = await a_split_team(antt)
    one = await member(antt, id, from_on=on(1), decision=DECISION)
    await member(antt, id, from_on=on(30), decision=DECISION)
    await place(antt, id, 20)
    moved = await posted(antt, f"{TEAMS}/{id}/correct", **WRONG, unit=OTHER)
    position = moved.headers["antt-position"]
    assert [await levels(antt, position, unit, 40) for unit in (COMMUNE, OTHER)] == [(0, 0), (1, 2)]
    back = await posted(antt, f"{TEAMS}/{id}/correct", **WRONG, placed_on=None)
    assert back.status_code == 200, back.text
    assert {name: back.json()[name] for name in ("unit", "left_unit", "placed_on", "placement")} == {
        "unit": SPLIT, "left_unit": None, "placed_on": None, "placement": None,
    }  # fmt: skip
    position = back.headers["antt-position"]
    assert [await levels(antt, position, unit, 40) for unit in (COMMUNE, OTHER, NEW_PROVINCE)] == [
        (0, 0), (0, 0), (1, 2),
    ]  # fmt: skip
    shown = (await antt.get(f"{MEMBERS}/{one}", antt.token("operator", PROVINCE))).json()
    (term,) = [term for term in shown["terms"] if term["withdrawn_at"] is None]
    assert (term["unit"], term["until_on"], term["ended_for"], shown["term"]["id"]) == (SPLIT, None, None, term["id"])
    assert refusal(await posted(antt, f"{TEAMS}/{id}/correct", **WRONG, placed_on=None)) == (422, "invalid-input")
    assert (await place(antt, id, 15, OTHER)).status_code == 200


@IN_ANY_ORDER
@given(
    taken=steps(
        "recognise", "change-role", "release", "certify", "dissolve", "place", "place", "take back the placement",
        "correct the unit", "correct the end", "correct the term", "correct the release", last=24,
    )
)  # fmt: skip
async def test_placed_and_taken_back_in_any_order_counters_and_recount_say_what_the_registry_shows(
    antt: Antt, taken: list[tuple[str, int, int, int]]
) -> None:
    teams = [await a_split_team(antt), await a_split_team(antt)]
    registry = Registry(antt, teams, await a_class(antt, unit=SPLIT, held_on=on(1)), (COMMUNE, OTHER), FIRST)
    for step in [("recognise", 0, 0, 5), ("place", 0, 0, 15), *taken]:
        await registry.take(*step)
    assert registry.done["place"]
    await registry.require_counted(24)
