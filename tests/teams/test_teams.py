"""Teams: creation, change, dissolution, and who may."""

import asyncio
from typing import Any

from tests.conftest import COMMUNE, OLD_COMMUNE, PROVINCE, Antt
from tests.teams.factories import DECISION, MEMBERS, TEAMS, UNKNOWN, a_member, a_team, member, refusal, step, team


async def test_a_new_team_is_answered_as_it_was_decided_and_counted_from_its_first_day(antt: Antt) -> None:
    officer = antt.token("commune_officer", COMMUNE)
    answer = await antt.post(TEAMS, a_team(hamlets=["Khu phố 1", "Khu phố 2"]), officer)
    assert answer.status_code == 201, answer.text
    entry = answer.json()
    assert (entry["name"], entry["hamlets"], entry["decision"]) == ("Tổ 1", ["Khu phố 1", "Khu phố 2"], DECISION)
    assert answer.headers["etag"] == '"1"'
    position = answer.headers["antt-position"]
    assert (await antt.counters(position))["teams"] == 1
    assert (await antt.counters(position, from_="2025-10-01", to="2025-10-31"))["teams"] == 0
    read = await antt.get(f"{TEAMS}/{entry['id']}", officer)
    assert (read.json(), read.headers["etag"]) == (entry, '"1"')


async def test_a_change_of_name_needs_the_version_that_was_read(antt: Antt) -> None:
    officer = antt.token("commune_officer", COMMUNE)
    path = f"{TEAMS}/{await team(antt, hamlets=['Khu phố 1'])}"
    assert refusal(await antt.http.patch(path, json={"name": "Tổ 2"}, headers=officer)) == (
        428,
        "precondition-required",
    )
    changed = await antt.http.patch(path, json={"name": "Tổ 2"}, headers={**officer, "If-Match": '"1"'})
    assert (changed.status_code, changed.json()["name"], changed.json()["hamlets"]) == (200, "Tổ 2", ["Khu phố 1"])
    assert changed.headers["antt-position"] == "teams:1:2"
    stale = await antt.http.patch(path, json={"hamlets": []}, headers={**officer, "If-Match": '"1"'})
    assert refusal(stale) == (412, "precondition-failed")
    changed = await antt.http.patch(
        path, json={"hamlets": ["Ấp 1", "Ấp 2"]}, headers={**officer, "If-Match": changed.headers["etag"]}
    )
    assert (changed.json()["name"], changed.json()["hamlets"]) == ("Tổ 2", ["Ấp 1", "Ấp 2"])


async def test_a_dissolved_team_ends_with_the_terms_of_its_members_and_takes_no_change(antt: Antt) -> None:
    team_id = await team(antt)
    leader, released = await member(antt, team_id, role="leader"), await member(antt, team_id)
    await step(antt, f"{MEMBERS}/{released}/release", until_on="2025-11-05", ground="health")
    answer = await step(antt, f"{TEAMS}/{team_id}/dissolve", until_on="2025-11-10", reason="sáp nhập khu phố")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["until_on"], answer.json()["dissolution"]["number"]) == ("2025-11-10", DECISION["number"])
    position = answer.headers["antt-position"]
    last_day = await antt.counters(position, to="2025-11-10")
    assert (last_day["teams"], last_day["members"], last_day["members_leader"]) == (1, 1, 1)
    day_after = await antt.counters(position, to="2025-11-11")
    assert (day_after["teams"], day_after["members"], day_after["members_leader"]) == (0, 0, 0)
    operator = antt.token("operator", PROVINCE)
    read = (await antt.get(f"{MEMBERS}/{leader}", operator)).json()
    assert (read["released_on"], read["terms"][0]["ended_for"]) == ("2025-11-10", "team_dissolved")
    read = (await antt.get(f"{MEMBERS}/{released}", operator)).json()
    assert (read["released_on"], read["terms"][0]["ended_for"]) == ("2025-11-05", "health")
    again = await step(antt, f"{TEAMS}/{team_id}/dissolve", until_on="2025-11-11")
    assert refusal(again) == (409, "team-dissolved")


async def test_nobody_enters_a_team_while_it_is_dissolved(antt: Antt) -> None:
    operator = antt.token("operator", PROVINCE)
    for _ in range(5):
        team_id = await team(antt)
        recognition, dissolution = await asyncio.gather(
            antt.post(MEMBERS, a_member(team_id), operator),
            step(antt, f"{TEAMS}/{team_id}/dissolve", until_on="2025-11-10"),
        )
        refused = [refusal(answer) for answer in (recognition, dissolution) if answer.status_code >= 400]
        assert set(refused) <= {(409, "conflict"), (409, "team-dissolved")}
        entries = (await antt.get(MEMBERS, operator, team_id=team_id)).json()["items"]
        dissolved = (await antt.get(f"{TEAMS}/{team_id}", operator)).json()["until_on"]
        assert dissolved is None or all(entry["released_on"] == dissolved for entry in entries)
        assert len(entries) == (recognition.status_code == 201)


async def test_a_team_is_not_dissolved_before_what_its_members_did_in_it(antt: Antt) -> None:
    team_id = await team(antt)
    await member(antt, team_id, from_on="2025-11-08")
    path = f"{TEAMS}/{team_id}/dissolve"
    assert refusal(await step(antt, path, until_on="2025-11-07")) == (409, "terms-outlast-team")
    assert refusal(await step(antt, path, until_on="2025-10-31")) == (422, "day-too-early")
    assert refusal(await step(antt, path, until_on="2100-01-01")) == (422, "day-in-the-future")


async def test_what_cannot_be_a_team_is_refused(antt: Antt) -> None:
    refusals: list[tuple[dict[str, Any], tuple[int, str]]] = [
        ({"unit": "2025:99999"}, (422, "unknown-unit")),
        ({"unit": "2025:00004"}, (422, "unit-not-served")),
        ({"unit": OLD_COMMUNE}, (422, "unit-not-in-force")),
        # The new province is overseen by the old one's operator, but a team belongs to a commune.
        ({"unit": "2025:79"}, (422, "invalid-input")),
        ({"unit": PROVINCE, "from_on": "2024-07-01"}, (422, "invalid-input")),
        ({"from_on": "2100-01-01"}, (422, "day-in-the-future")),
        ({"decision": {**DECISION, "signed_on": "2100-01-01"}}, (422, "day-in-the-future")),
        ({"from_on": "1066-10-14"}, (422, "invalid-input")),
        ({"name": " "}, (422, "invalid-input")),
        ({"name": "Tổ\x00"}, (422, "invalid-input")),
        ({"colour": "xanh"}, (422, "invalid-input")),
    ]
    operator = antt.token("operator", PROVINCE)
    for values, problem in refusals:
        assert refusal(await antt.post(TEAMS, a_team(**values), operator)) == problem, values
    assert (await antt.get(TEAMS, operator)).json()["items"] == []


async def test_the_registry_is_kept_by_officers_of_the_area_and_read_by_the_teams_own_leader(antt: Antt) -> None:
    mine, other = await team(antt), await team(antt)
    leader = antt.token("team_leader", COMMUNE, mine)
    assert refusal(await antt.post(TEAMS, a_team())) == (401, "unauthenticated")
    assert refusal(await antt.post(TEAMS, a_team(), leader)) == (403, "forbidden")
    elsewhere = antt.token("commune_officer", "2025:25747")
    assert refusal(await antt.post(TEAMS, a_team(), elsewhere)) == (403, "foreign-area")
    assert refusal(await antt.get(f"{TEAMS}/{mine}", elsewhere)) == (404, "not-found")
    assert (await antt.get(f"{TEAMS}/{mine}", leader)).status_code == 200
    assert refusal(await antt.get(f"{TEAMS}/{other}", leader)) == (404, "not-found")
    assert [item["id"] for item in (await antt.get(TEAMS, leader)).json()["items"]] == [mine]
    assert (await antt.get(TEAMS, elsewhere)).json()["items"] == []
    assert refusal(await antt.get(f"{TEAMS}/{UNKNOWN}", elsewhere)) == (404, "not-found")
    assert refusal(await antt.get(f"{TEAMS}/{UNKNOWN}")) == (401, "unauthenticated")


async def test_a_list_goes_on_where_its_link_leads(antt: Antt) -> None:
    operator = antt.token("operator", PROVINCE)
    ids = [await team(antt, name=f"Tổ {number}") for number in range(3)]
    ids.append(await team(antt, unit=OLD_COMMUNE, from_on="2024-07-01"))
    answer = await antt.get(TEAMS, operator, limit=2)
    seen = [item["id"] for item in answer.json()["items"]]
    while "next" in answer.links:
        answer = await antt.http.get(answer.links["next"]["url"], headers=operator)
        seen += [item["id"] for item in answer.json()["items"]]
    assert seen == ids
    assert (await antt.get(TEAMS, operator, unit="2025:25747")).json()["items"] == []


async def test_incidents_learns_of_a_new_team_and_takes_its_tips(antt: Antt) -> None:
    team_id = await team(antt)
    leader = antt.token("team_leader", COMMUNE, team_id)
    tip = {"unit": COMMUNE, "content": "Tụ tập đua xe", "team_id": team_id}
    answer = await antt.post("/incidents/v1/tips", tip, leader)
    assert answer.status_code == 201, answer.text
    assert (await antt.counters(answer.headers["antt-position"]))["tips_from_force"] == 1
    unknown = {**tip, "team_id": UNKNOWN}
    answer = await antt.post("/incidents/v1/tips", unknown, antt.token("operator", PROVINCE))
    assert refusal(answer) == (409, "team-not-yet-known")
