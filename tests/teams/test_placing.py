"""A team whose commune was split is placed anew by a decision: from that day on it is there, with all that it counts."""

from collections import Counter
from datetime import date, timedelta
from typing import Any

import httpx
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.conftest import COMMUNE, PROVINCE, Antt, eventually
from tests.incidents.conftest import ACTIVITIES, a_patrol
from tests.teams.factories import CERTIFICATES, MEMBERS, TEAMS, a_member, entered, member, refusal, team
from tests.teams.factories import training_class as a_class
from tests.teams.test_recount import recounted

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
    assert refusal(await antt.get(f"{TEAMS}/{id}", officer)) == (403, "foreign-area")
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
    assert refusal(await antt.post(f"{TEAMS}/{id}/place", body, officer)) == (403, "foreign-area")
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


_STEP = st.tuples(
    st.sampled_from(
        (
            "recognise",
            "role",
            "release",
            "certify",
            "place",
            "place",
            "back",
            "unit",
            "dissolve",
            "stand",
            "term",
            "end",
        )
    ),
    st.integers(0, 5),
    st.sampled_from(("leader", "deputy", "member")),
    st.integers(0, 1),
    st.integers(0, 24),
)


@settings(
    max_examples=10,
    phases=[Phase.generate],
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(_STEP, min_size=12, max_size=24))
async def test_placed_and_taken_back_in_any_order_counters_and_recount_say_what_the_registry_shows(
    antt: Antt, steps: list[tuple[str, int, str, int, int]]
) -> None:
    operator = antt.token("operator", PROVINCE)
    teams = [await a_split_team(antt), await a_split_team(antt)]
    class_id = await a_class(antt, unit=SPLIT, held_on=on(1))
    members: list[str] = []
    position = ""
    for number, (verb, whom, role, where, day) in enumerate(steps):
        of_team, one = f"{TEAMS}/{teams[where]}", f"{MEMBERS}/{members[whom % len(members)]}" if members else ""
        unit = (COMMUNE, OTHER)[whom % 2]
        body: dict[str, Any] = {"decision": DECISION, "from_on": on(day)}
        changes: dict[str, dict[str, Any]] = {
            "back": {"placed_on": None},
            "unit": {"unit": unit},
            "stand": {"until_on": None},
        }
        change: dict[str, Any]
        if verb == "recognise" or not members:
            path, body = MEMBERS, a_member(teams[where], role=role, **body)
        elif verb == "role":
            path, body = f"{one}/change-role", {**body, "role": role}
        elif verb == "release":
            path, body = f"{one}/release", {"decision": DECISION, "until_on": on(day), "ground": "health"}
        elif verb == "certify":
            body = {"training_class_id": class_id, "number": f"{number}", "issued_on": on(day)}
            path, body = CERTIFICATES, {**body, "member_id": one.rpartition("/")[2]}
        elif verb == "place":
            path, body = f"{of_team}/place", {**body, "unit": unit}
        elif verb == "dissolve":
            path, body = f"{of_team}/dissolve", {"decision": DECISION, "until_on": on(day)}
        elif verb in changes:
            change = changes[verb]
            path, body = f"{of_team}/correct", WRONG | change
        else:
            terms = (await antt.get(one, operator)).json()["terms"]
            change = (
                {"from_on": on(day), "role": role} if verb == "term" else {"until_on": on(day) if whom % 2 else None}
            )
            path, body = f"{one}/terms/{terms[where % len(terms)]['id']}/correct", WRONG | change
        answer = await antt.post(path, body, operator)
        # A step may be refused; what it would have done must not be counted.
        assert answer.status_code in (200, 201, 404, 409, 422), (path, body, answer.text)
        if path == MEMBERS and answer.status_code == 201:
            members.append(answer.json()["id"])
        position = answer.headers.get("antt-position", position)
    expected: Counter[tuple[str, str, str]] = Counter()

    def stands(unit: str, name: str, first: str, last: str | None) -> None:
        expected[unit, first, name] += 1
        if last:
            expected[unit, f"{date.fromisoformat(last) + timedelta(days=1)}", name] -= 1

    for each in (await antt.get(TEAMS, operator, limit=500)).json()["items"]:
        if each["placed_on"]:
            last = f"{date.fromisoformat(each['placed_on']) - timedelta(days=1)}"
            stands(each["left_unit"], "teams", each["from_on"], last)
        stands(each["unit"], "teams", each["placed_on"] or each["from_on"], each["until_on"])
    for item in (await antt.get(MEMBERS, operator, limit=500)).json()["items"]:
        for term in (await antt.get(f"{MEMBERS}/{item['id']}", operator)).json()["terms"]:
            if term["withdrawn_at"] is None:
                for name in ("members", f"members_{term['role']}"):
                    stands(term["unit"], name, term["from_on"], term["until_on"])
    _, cells = await recounted(antt)
    of_levels = {key: n for key, n in cells.items() if key[2].startswith(("members", "teams"))}
    assert of_levels == {key: n for key, n in expected.items() if n}
    for day in range(-1, 26):
        held = [
            sum(n for (_, first, name), n in cells.items() if name == which and first <= on(day))
            for which in ("teams", "members")
        ]
        assert [*await levels(antt, position or None, NEW_PROVINCE, day)] == held, day
