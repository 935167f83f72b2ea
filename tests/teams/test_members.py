"""Members: who may be one, how terms follow one another, and that every day's level is the terms that hold it."""

import asyncio
from datetime import date, timedelta
from typing import Any

import asyncpg
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.conftest import COMMUNE, PROVINCE, Antt
from tests.teams.factories import DECISION, MEMBERS, UNKNOWN, a_member, entered, member, refusal, step, team

ROLES = ("leader", "deputy", "member")


async def test_a_recognised_member_is_counted_by_role_and_none_of_the_person_leaves_the_database(
    antt: Antt, databases: dict[str, str]
) -> None:
    team_id = await team(antt)
    body = a_member(team_id, full_name="Lê Thị Bưởi", role="deputy", gender="female")
    answer = await antt.post(MEMBERS, body, antt.token("commune_officer", COMMUNE))
    assert answer.status_code == 201, answer.text
    entry = answer.json()
    assert (entry["full_name"], entry["gender"], entry["term"]["role"]) == ("Lê Thị Bưởi", "female", "deputy")
    assert (entry["term"]["team_id"], entry["term"]["decision"], answer.headers["etag"]) == (team_id, DECISION, '"1"')
    counters = await antt.counters(answer.headers["antt-position"])
    assert (counters["members"], counters["members_deputy"], counters["members_leader"]) == (1, 1, 0)
    connection = await asyncpg.connect(databases["teams"])
    data = await connection.fetchval("SELECT data FROM outbox WHERE type = 'MemberRecognised'")
    await connection.close()
    assert "Bưởi" not in data
    assert "1990" not in data
    assert entry["id"] in data


async def test_a_promotion_and_a_transfer_end_one_term_the_day_before_another_begins(antt: Antt) -> None:
    first, second = await team(antt), await team(antt)
    path = f"{MEMBERS}/{await member(antt, first)}"
    promoted = await step(antt, f"{path}/change-role", role="leader", from_on="2025-11-06")
    assert (promoted.status_code, promoted.json()["term"]["role"]) == (200, "leader"), promoted.text
    assert promoted.headers["etag"] == '"2"'
    moved = await step(antt, f"{path}/transfer", team_id=second, role="member", from_on="2025-11-09")
    assert (moved.status_code, moved.json()["term"]["team_id"]) == (200, second), moved.text
    gone = await step(antt, f"{path}/release", until_on="2025-11-12", ground="own_request", reason="chuyển nơi ở")
    assert (gone.status_code, gone.json()["released_on"]) == (200, "2025-11-12"), gone.text
    read = await antt.get(path, antt.token("operator", PROVINCE))
    assert read.headers["etag"] == '"4"'
    keys = ("team_id", "role", "from_on", "until_on", "ended_for")
    assert [tuple(term[key] for key in keys) for term in read.json()["terms"]] == [
        (first, "member", "2025-11-02", "2025-11-05", "role_changed"),
        (first, "leader", "2025-11-06", "2025-11-08", "transferred"),
        (second, "member", "2025-11-09", "2025-11-12", "own_request"),
    ]
    position = gone.headers["antt-position"]
    for day, level in (("01", 0), ("02", 1), ("05", 1), ("06", 1), ("08", 1), ("09", 1), ("12", 1), ("13", 0)):
        counters = await antt.counters(position, to=f"2025-11-{day}")
        assert counters["members"] == level, day
        assert counters["members_leader"] == (day in ("06", "08")), day
    for after in ("change-role", "release"):
        values = {"role": "deputy", "from_on": "2025-11-14", "until_on": "2025-11-14", "ground": "health"}
        wanted = ("role", "from_on") if after == "change-role" else ("until_on", "ground")
        answer = await step(antt, f"{path}/{after}", **{key: values[key] for key in wanted})
        assert refusal(answer) == (409, "step-not-allowed")


async def test_a_team_has_one_leader_at_a_time_also_when_two_are_entered_at_once(antt: Antt) -> None:
    operator = antt.token("operator", PROVINCE)
    team_id = await team(antt)
    bodies = [a_member(team_id, role="leader") for _ in range(4)]
    answers = await asyncio.gather(*(antt.post(MEMBERS, body, operator) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert {refusal(answer)[1] for answer in answers if answer.status_code == 409} == {"leader-exists"}
    leader = next(answer.json()["id"] for answer in answers if answer.status_code == 201)
    deputy = await member(antt, team_id, role="deputy")
    assert refusal(await step(antt, f"{MEMBERS}/{deputy}/change-role", role="leader", from_on="2025-11-06")) == (
        409,
        "leader-exists",
    )
    await step(antt, f"{MEMBERS}/{leader}/change-role", role="member", from_on="2025-11-06")
    promoted = await step(antt, f"{MEMBERS}/{deputy}/change-role", role="leader", from_on="2025-11-06")
    assert promoted.status_code == 200, promoted.text


async def test_a_person_is_in_one_team_at_a_time_and_a_namesake_is_another_person(antt: Antt) -> None:
    operator = antt.token("operator", PROVINCE)
    first, second = await team(antt), await team(antt)
    person = {"full_name": "Nguyễn Văn Hòa", "born_on": "1980-02-03"}
    id = await member(antt, first, **person)
    again = a_member(second, **{**person, "full_name": "nguyễn văn hoà"})
    assert refusal(await antt.post(MEMBERS, again, operator)) == (409, "already-in-force")
    assert (await antt.post(MEMBERS, {**again, "namesake": True}, operator)).status_code == 201
    assert (await antt.post(MEMBERS, {**again, "full_name": "Nguyễn Văn Hoa"}, operator)).status_code == 201
    await step(antt, f"{MEMBERS}/{id}/release", until_on="2025-11-05", ground="own_request")
    overlapping = await antt.post(MEMBERS, {**again, "from_on": "2025-11-05"}, operator)
    assert refusal(overlapping) == (409, "already-in-force")
    assert (await antt.post(MEMBERS, {**again, "from_on": "2025-11-06"}, operator)).status_code == 201


async def test_only_who_is_eligible_on_a_day_that_can_be_is_recognised(antt: Antt) -> None:
    operator = antt.token("operator", PROVINCE)
    team_id = await team(antt)
    refusals: list[tuple[dict[str, Any], tuple[int, str]]] = [
        ({"born_on": "2007-11-03"}, (422, "member-not-eligible")),
        ({"born_on": "1954-11-02"}, (422, "member-not-eligible")),
        ({"from_on": "2025-10-31"}, (422, "day-too-early")),
        ({"from_on": "2100-01-01", "born_on": "2050-01-01"}, (422, "day-in-the-future")),
        ({"team_id": UNKNOWN}, (404, "not-found")),
        ({"origin": "army"}, (422, "invalid-input")),
        ({"full_name": ""}, (422, "invalid-input")),
    ]
    for values, problem in refusals:
        assert refusal(await antt.post(MEMBERS, {**a_member(team_id), **values}, operator)) == problem, values
    assert (await antt.get(MEMBERS, operator)).json()["items"] == []
    for values in (
        {"born_on": "2007-11-02"},
        {"born_on": "1954-11-03"},
        {"born_on": "1954-11-02", "over_70_decision": True},
    ):
        await member(antt, team_id, **values)


async def test_the_steps_of_a_member_keep_the_order_of_days(antt: Antt) -> None:
    team_id, other = await team(antt), await team(antt, from_on="2025-11-10")
    path = f"{MEMBERS}/{await member(antt, team_id, from_on='2025-11-05')}"
    early = await step(antt, f"{path}/change-role", role="deputy", from_on="2025-11-05")
    assert refusal(early) == (422, "day-too-early")
    same = await step(antt, f"{path}/change-role", role="member", from_on="2025-11-06")
    assert refusal(same) == (409, "step-not-allowed")
    home = await step(antt, f"{path}/transfer", team_id=team_id, role="deputy", from_on="2025-11-06")
    assert refusal(home) == (409, "step-not-allowed")
    unborn = await step(antt, f"{path}/transfer", team_id=other, role="deputy", from_on="2025-11-09")
    assert refusal(unborn) == (422, "day-too-early")
    before = await step(antt, f"{path}/release", until_on="2025-11-04", ground="health")
    assert refusal(before) == (422, "day-too-early")
    future = await step(antt, f"{path}/release", until_on="2100-01-01", ground="health")
    assert refusal(future) == (422, "day-in-the-future")
    read = await antt.get(path, antt.token("operator", PROVINCE))
    assert (read.json()["version"], len(read.json()["terms"])) == (1, 1)


async def test_what_is_known_of_a_person_is_set_right_by_who_read_it(antt: Antt) -> None:
    officer = antt.token("commune_officer", COMMUNE)
    path = f"{MEMBERS}/{await member(antt, await team(antt))}"
    refused = await antt.http.patch(path, json={"full_name": "Võ Thị Sáu"}, headers=officer)
    assert refusal(refused) == (428, "precondition-required")
    changed = await antt.http.patch(path, json={"full_name": "Võ Thị Sáu"}, headers={**officer, "If-Match": '"1"'})
    assert (changed.status_code, changed.json()["full_name"], changed.json()["version"]) == (200, "Võ Thị Sáu", 2)
    young = await antt.http.patch(path, json={"born_on": "2010-01-01"}, headers={**officer, "If-Match": '"2"'})
    assert refusal(young) == (422, "member-not-eligible")
    stale = await antt.http.patch(path, json={"origin": "ward_guard"}, headers={**officer, "If-Match": '"1"'})
    assert refusal(stale) == (412, "precondition-failed")


async def test_persons_are_shown_to_officers_of_the_area_and_to_the_leader_of_their_team(antt: Antt) -> None:
    mine, other = await team(antt), await team(antt)
    id, foreign = await member(antt, mine), await member(antt, other)
    leader = antt.token("team_leader", COMMUNE, mine)
    elsewhere = antt.token("commune_officer", "2025:25747")
    assert [item["id"] for item in (await antt.get(MEMBERS, leader)).json()["items"]] == [id]
    assert (await antt.get(f"{MEMBERS}/{id}", leader)).status_code == 200
    assert refusal(await antt.get(f"{MEMBERS}/{foreign}", leader)) == (404, "not-found")
    assert refusal(await antt.get(f"{MEMBERS}/{id}", elsewhere)) == (404, "not-found")
    assert refusal(await antt.get(f"{MEMBERS}/{id}")) == (401, "unauthenticated")
    assert (await antt.get(MEMBERS, elsewhere)).json()["items"] == []
    assert refusal(await antt.post(MEMBERS, a_member(mine), leader)) == (403, "forbidden")
    assert refusal(await antt.post(MEMBERS, a_member(mine), elsewhere)) == (404, "not-found")
    release = {"until_on": "2025-11-05", "ground": "health", "decision": DECISION}
    assert refusal(await antt.post(f"{MEMBERS}/{id}/release", release, elsewhere)) == (404, "not-found")


async def test_a_list_tells_who_was_in_a_team_on_a_day(antt: Antt) -> None:
    operator = antt.token("operator", PROVINCE)
    first, second = await team(antt), await team(antt)
    stayed, moved = await member(antt, first), await member(antt, first)
    await step(antt, f"{MEMBERS}/{moved}/transfer", team_id=second, role="leader", from_on="2025-11-06")

    async def listed(**query: str) -> list[tuple[str, str]]:
        items = (await antt.get(MEMBERS, operator, **query)).json()["items"]
        return [(item["id"], item["term"]["role"]) for item in items]

    assert await listed(team_id=first) == [(stayed, "member")]
    assert await listed(team_id=first, on="2025-11-05") == [(stayed, "member"), (moved, "member")]
    assert await listed(team_id=first, on="2025-11-06") == [(stayed, "member")]
    assert await listed(unit=COMMUNE) == [(stayed, "member"), (moved, "leader")]
    assert await listed(unit="2025:25747") == []
    answer = await antt.get(MEMBERS, operator, limit=1)
    assert [
        item["id"] for item in (await antt.http.get(answer.links["next"]["url"], headers=operator)).json()["items"]
    ] == [moved]


async def test_a_term_begun_after_the_reform_belongs_to_the_unit_that_its_team_came_to(antt: Antt) -> None:
    decision = {**DECISION, "signed_on": "2024-06-28"}
    team_id = await team(antt, unit="2024:25942", from_on="2024-07-01", decision=decision)
    body = a_member(team_id, from_on="2024-07-01", decision=decision)
    entry = await entered(antt, MEMBERS, body)
    assert entry["term"]["unit"] == "2024:25942"
    promoted = await step(antt, f"{MEMBERS}/{entry['id']}/change-role", role="deputy", from_on="2025-11-06")
    assert promoted.json()["term"]["unit"] == COMMUNE
    position = promoted.headers["antt-position"]
    for day in ("05", "06"):
        counters = await antt.counters(position, unit=COMMUNE, to=f"2025-11-{day}")
        assert (counters["teams"], counters["members"], counters["members_deputy"]) == (1, 1, day == "06")


_STEP = st.tuples(
    st.sampled_from(("recognise", "change-role", "transfer", "release")),
    st.integers(0, 3),
    st.sampled_from(ROLES),
    st.integers(0, 1),
    st.integers(-1, 3),
)


@settings(
    max_examples=8,
    phases=[Phase.generate],
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(_STEP, min_size=6, max_size=16))
async def test_every_days_level_is_the_number_of_terms_that_hold_it(
    antt: Antt, steps: list[tuple[str, int, str, int, int]]
) -> None:
    operator = antt.token("operator", PROVINCE)
    teams = [await team(antt), await team(antt)]
    members: list[str] = []
    day, position = date(2025, 11, 2), ""
    for verb, whom, role, where, days in steps:
        # A step may be refused, as one that goes back in time is; what it would have done must not be counted.
        day = min(max(day + timedelta(days=days), date(2025, 11, 2)), date(2025, 11, 20))
        if verb == "recognise" or not members:
            answer = await antt.post(MEMBERS, a_member(teams[where], role=role, from_on=f"{day}"), operator)
            members += [answer.json()["id"]] if answer.status_code == 201 else []
        else:
            body: dict[str, Any] = {"decision": DECISION} | (
                {"until_on": f"{day}", "ground": "own_request"}
                if verb == "release"
                else {"from_on": f"{day}", "role": role} | ({"team_id": teams[where]} if verb == "transfer" else {})
            )
            answer = await antt.post(f"{MEMBERS}/{members[whom % len(members)]}/{verb}", body, operator)
        assert answer.status_code in (200, 201, 409, 422), answer.text
        position = answer.headers.get("antt-position", position)
    terms = []
    for item in (await antt.get(MEMBERS, operator, limit=500)).json()["items"]:
        terms += (await antt.get(f"{MEMBERS}/{item['id']}", operator)).json()["terms"]
    for number in range(1, 23):
        today = f"2025-11-{number:02}"
        held = [term["role"] for term in terms if term["from_on"] <= today <= (term["until_on"] or "9")]
        counters = await antt.counters(position or None, unit=COMMUNE, to=today)
        assert counters["members"] == len(held), today
        for role in ROLES:
            assert counters[f"members_{role}"] == held.count(role), (today, role)
