"""What a case was found through: links to tips, patrols and other activities, made and taken back at any time."""

import asyncio
from uuid import UUID

import httpx

from services.incidents.cases.reading import cases_of_tip
from shared.access import Identity
from shared.database import Database
from shared.settings import settings
from tests.conftest import COMMUNE, PROVINCE, Antt
from tests.incidents.conftest import (
    ACTIVITIES,
    CASES,
    a_case,
    a_patrol,
    a_team,
    kind_of,
    opened,
)
from tests.incidents.test_cases import a_duty_of, a_patrol_of, a_tip, seq, to_tip, told_of
from tests.stats.writing import sql

NOWHERE = "019a0000-0000-7000-8000-000000000000"
ELSEWHERE = "2025:25747"  # another commune of the province
DECISION = {"number": "12/QĐ-XPVPHC", "signed_on": "2025-11-04", "signer": "Trần Thị B"}
SEIZED = [{"kind": "weapons", "quantity": 1, "unit": "piece"}]


async def test_a_case_is_found_through_what_it_is_linked_to(antt: Antt) -> None:
    tip = await opened(antt, "/incidents/v1/tips", {"unit": COMMUNE, "content": "Đánh bạc"})
    patrol = await opened(antt, ACTIVITIES, a_patrol())
    via_tip = await opened(antt, CASES, a_case(tip_id=tip["id"]))
    via_patrol = await opened(antt, CASES, a_case(patrol_id=patrol["id"]))
    assert (via_tip["found_through"], via_patrol["found_through"]) == ("tip", "patrol")
    resolved = await antt.post(f"{CASES}/{via_tip['id']}/resolve", {"resolved_on": "2025-11-05"}, antt.token())
    counters = await antt.counters(resolved.headers["antt-position"])
    assert (counters["cases_found_via_tips"], counters["cases_found_by_patrol"]) == (1, 1)
    assert counters["cases_resolved_via_tips"] == 1


async def test_a_case_may_be_found_through_any_number_of_tips_patrols_and_other_activities(antt: Antt) -> None:
    tips, patrol, duty = [await a_tip(antt) for _ in range(2)], await a_patrol_of(antt), await a_duty_of(antt)
    case = await opened(antt, CASES, a_case(tip_id=tips[0], patrol_id=patrol, links=[to_tip(tips[1]), duty]))
    links = [to_tip(tips[0]), {"kind": "patrol", "id": patrol}, to_tip(tips[1]), duty]
    assert (case["links"], case["found_through"]) == (links, "tip")
    assert (await antt.get(f"{CASES}/{case['id']}", antt.token())).json()["links"] == links
    assert [item["links"] for item in (await antt.get(CASES, antt.token())).json()["items"]] == [links]
    counters = await antt.counters(case["position"])
    found = {name: counters[name] for name in counters if name.startswith("cases_found")}
    assert found == {
        "cases_found": 1,
        "cases_found_via_tips": 1,
        "cases_found_by_patrol": 1,
        "cases_found_by_other_activities": 1,
    }
    told = await told_of(case["id"])
    assert [(type, sorted(change["links"].items())) for type, change in told] == [
        ("CaseOpened", [("tip_id", tips[0])]),
        ("CaseLinked", [("patrol_id", patrol)]),
        ("CaseLinked", [("tip_id", tips[1])]),
        ("CaseLinked", [("activity_id", duty["id"])]),
    ]
    assert [change["before"] for _, change in told[1:]] == [change["after"] for _, change in told[:-1]]


async def test_figures_follow_a_link_that_is_added_or_taken_back_after_the_case_was_closed(antt: Antt) -> None:
    officer, tip, patrol = antt.token(), await a_tip(antt), await a_patrol_of(antt)
    base = f"{CASES}/{(await opened(antt, CASES, a_case()))['id']}"
    await antt.post(f"{base}/resolve", {"resolved_on": "2025-11-05"}, officer)

    async def figures(answer: httpx.Response) -> tuple[int, ...]:
        assert answer.status_code == 200, answer.text
        counters = await antt.counters(answer.headers["antt-position"])
        names = "found_via_tips", "resolved_via_tips", "found_by_patrol", "resolved_by_patrol", "resolved"
        return tuple(counters[f"cases_{name}"] for name in names)

    linked = await antt.post(f"{base}/link", to_tip(tip), officer)
    assert (linked.json()["found_through"], linked.json()["links"]) == ("tip", [to_tip(tip)])
    assert await figures(linked) == (1, 1, 0, 0, 1)
    to_patrol = {"kind": "patrol", "id": patrol}
    assert await figures(await antt.post(f"{base}/link", to_patrol, officer)) == (1, 1, 1, 1, 1)
    unlinked = await antt.post(f"{base}/unlink", {**to_tip(tip), "reason": "nhầm tin"}, officer)
    assert (unlinked.json()["found_through"], unlinked.json()["links"]) == ("patrol", [to_patrol])
    assert await figures(unlinked) == (0, 0, 1, 1, 1)
    assert await figures(await antt.post(f"{base}/link", {**to_tip(tip), "reason": "đúng"}, officer)) == (1, 1, 1, 1, 1)
    steps = (await antt.get(f"{base}/steps", officer)).json()
    assert [(step["command"], step["details"], step["reason"]) for step in steps[1:]] == [
        ("link", to_tip(tip), None),
        ("link", to_patrol, None),
        ("unlink", to_tip(tip), "nhầm tin"),
        ("link", to_tip(tip), "đúng"),
    ]
    rows = await sql("incidents", "SELECT removed_by FROM case_links WHERE linked_id = $1 ORDER BY id", UUID(tip))
    assert [row["removed_by"] for row in rows] == [f"commune_officer:{COMMUNE}", None]


async def test_a_link_must_lead_to_a_record_of_its_kind_once(antt: Antt) -> None:
    officer, tip, patrol, duty = antt.token(), await a_tip(antt), await a_patrol_of(antt), await a_duty_of(antt)
    other = to_tip(await a_tip(antt))
    base = f"{CASES}/{(await opened(antt, CASES, a_case(tip_id=tip)))['id']}"
    for kind, id, problem in (
        ("tip", NOWHERE, (422, "unknown-tip")),
        ("tip", patrol, (422, "unknown-tip")),
        ("patrol", NOWHERE, (422, "unknown-patrol")),
        ("patrol", duty["id"], (422, "unknown-patrol")),
        ("activity", patrol, (422, "unknown-activity")),
        ("activity", tip, (422, "unknown-activity")),
        ("tip", tip, (409, "already-linked")),
        ("case", tip, (422, "invalid-input")),
        ("tip", "1", (422, "invalid-input")),
        ("tip", None, (422, "invalid-input")),
    ):
        link = {"kind": kind, "id": id}
        assert kind_of(await antt.post(f"{base}/link", link, officer)) == problem, link
        if problem[0] == 422:
            assert kind_of(await antt.post(CASES, a_case(links=[other, link]), officer)) == problem, link
    for taken in (to_tip(NOWHERE), {"kind": "patrol", "id": tip}, duty):
        assert kind_of(await antt.post(f"{base}/unlink", {**taken, "reason": "nhầm"}, officer)) == (409, "not-linked")
    assert kind_of(await antt.post(f"{base}/unlink", to_tip(tip), officer)) == (422, "invalid-input")
    twice = await antt.post(CASES, a_case(tip_id=tip, links=[to_tip(tip)]), officer)
    assert (kind_of(twice), twice.json()["errors"][0]["code"]) == ((422, "invalid-input"), "repeated")
    many = await antt.post(CASES, a_case(links=[to_tip(NOWHERE)] * 101), officer)
    assert kind_of(many) == (422, "invalid-input")
    read = (await antt.get(base, officer)).json()
    assert (read["version"], read["links"]) == (1, [to_tip(tip)])


async def test_links_that_are_made_at_the_same_time_are_all_there_and_counted_once(antt: Antt) -> None:
    officer, tips = antt.token(), [await a_tip(antt) for _ in range(3)]
    base = f"{CASES}/{(await opened(antt, CASES, a_case()))['id']}"
    answers = await asyncio.gather(
        *(antt.post(f"{base}/link", to_tip(tip), officer) for tip in (*tips, tips[0])),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 409]
    assert {kind_of(answer)[1] for answer in answers if answer.status_code == 409} == {"already-linked"}
    read = (await antt.get(base, officer)).json()
    assert (read["version"], sorted(link["id"] for link in read["links"])) == (4, sorted(tips))
    told = await told_of(read["id"])
    assert [change["after"].get("tips", 0) for _, change in told] == [0, 1, 2, 3]
    assert [change["before"] for _, change in told[1:]] == [change["after"] for _, change in told[:-1]]
    answers = await asyncio.gather(
        *(antt.post(f"{base}/unlink", {**to_tip(tip), "reason": "nhầm"}, officer) for tip in (*tips, tips[0]))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 409]
    counters = await antt.counters(max((a.headers.get("antt-position", "") for a in answers), key=seq))
    assert (counters["cases_found"], counters["cases_found_via_tips"]) == (1, 0)


async def test_a_case_stays_found_through_a_tip_that_is_withdrawn(antt: Antt) -> None:
    officer, tip = antt.token(), await a_tip(antt)
    linked_before = await opened(antt, CASES, a_case(tip_id=tip))
    await antt.post(f"/incidents/v1/tips/{tip}/withdraw", {"reason": "người báo rút lại"}, officer)
    linked_after = await opened(antt, CASES, a_case(tip_id=tip))
    counters = await antt.counters(linked_after["position"])
    assert (counters["tips_received"], counters["cases_found_via_tips"]) == (0, 2)
    read = (await antt.get(f"{CASES}/{linked_before['id']}", officer)).json()
    assert read["links"] == linked_after["links"] == [to_tip(tip)]


async def test_a_link_may_lead_to_a_neighbouring_commune_and_shows_nothing_of_the_record(antt: Antt) -> None:
    tip = await a_tip(antt, ELSEWHERE)
    case = await opened(antt, CASES, a_case(tip_id=tip))
    assert case["links"] == [to_tip(tip)]
    assert kind_of(await antt.get(f"/incidents/v1/tips/{tip}", antt.token())) == (404, "not-found")
    foreign = antt.token(unit=ELSEWHERE)
    for command in ("link", "unlink"):
        answer = await antt.post(f"{CASES}/{case['id']}/{command}", {**to_tip(tip), "reason": "nhầm"}, foreign)
        assert kind_of(answer) == (404, "not-found")


async def test_a_tip_tells_of_the_cases_it_led_to_that_the_caller_may_see(antt: Antt) -> None:
    tip, other = await a_tip(antt), await a_tip(antt)
    case = await opened(antt, CASES, a_case(tip_id=tip))
    second = await opened(antt, CASES, a_case(links=[to_tip(other), to_tip(tip)]))
    unlinked = await opened(antt, CASES, a_case(tip_id=tip))
    await antt.post(f"{CASES}/{unlinked['id']}/unlink", {**to_tip(tip), "reason": "nhầm"}, antt.token())
    withdrawn = await opened(antt, CASES, a_case(tip_id=tip))
    await antt.post(f"{CASES}/{withdrawn['id']}/withdraw", {"reason": "trùng"}, antt.token())
    database = Database(settings().database_url("incidents"), 1, 10)
    await database.open()

    async def seen(role: str, unit: str, team: str = "") -> list[str]:
        cases = await cases_of_tip(database, Identity(role, role, unit, team), UUID(tip))
        return [str(case.id) for case in cases]

    assert (
        await seen("province_officer", PROVINCE) == await seen("commune_officer", COMMUNE) == [case["id"], second["id"]]
    )
    assert await seen("commune_officer", ELSEWHERE) == await seen("team_leader", COMMUNE, NOWHERE) == []
    await database.close()


async def test_the_cases_of_a_tip_a_patrol_or_an_activity_are_a_list(antt: Antt) -> None:
    officer, tip, patrol, duty = antt.token(), await a_tip(antt), await a_patrol_of(antt), await a_duty_of(antt)
    first = await opened(antt, CASES, a_case(tip_id=tip, links=[duty]))
    second = await opened(antt, CASES, a_case(tip_id=tip, patrol_id=patrol))
    unlinked = await opened(antt, CASES, a_case(tip_id=tip))
    await antt.post(f"{CASES}/{unlinked['id']}/unlink", {**to_tip(tip), "reason": "nhầm"}, officer)

    async def listed(**query: str) -> list[str]:
        return [case["id"] for case in (await antt.get(CASES, officer, **query)).json()["items"]]

    assert await listed(tip_id=tip) == [first["id"], second["id"]]
    assert await listed(patrol_id=patrol) == await listed(tip_id=tip, patrol_id=patrol) == [second["id"]]
    assert await listed(activity_id=duty["id"]) == [first["id"]]
    assert await listed(tip_id=patrol) == await listed(activity_id=patrol) == []
    assert kind_of(await antt.get(CASES, officer, tip_id="1")) == (422, "invalid-input")


async def test_a_case_resolved_through_a_tip_of_the_force_counts_apart_from_one_of_a_citizen(antt: Antt) -> None:
    team_id = await a_team(antt)
    of_citizen = await opened(antt, "/incidents/v1/tips", {"unit": COMMUNE, "content": "Đánh bạc"}, {})
    by_force = {"unit": COMMUNE, "content": "Đánh bạc", "team_id": team_id}
    of_force = await opened(antt, "/incidents/v1/tips", by_force, antt.token())
    case = await opened(antt, CASES, a_case(tip_id=of_citizen["id"]))
    resolved = await antt.post(f"{CASES}/{case['id']}/resolve", {"resolved_on": case["found_on"]}, antt.token())
    counters = await antt.counters(resolved.headers["antt-position"])
    assert (counters["cases_resolved_via_tips"], counters["cases_resolved_via_force_tips"]) == (1, 0)
    link = {"kind": "tip", "id": of_force["id"], "reason": "cùng vụ việc"}
    linked = await antt.post(f"{CASES}/{case['id']}/link", link, antt.token())
    counters = await antt.counters(linked.headers["antt-position"])
    assert (counters["cases_resolved_via_tips"], counters["cases_resolved_via_force_tips"]) == (1, 1)
    assert {"kind": "tip", "id": of_force["id"]} in linked.json()["links"]
