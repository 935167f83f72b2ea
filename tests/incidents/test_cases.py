"""Cases: found through a tip, a patrol or otherwise; resolved, reopened, corrected."""

from datetime import timedelta

from shared.days import today
from tests.conftest import COMMUNE, OLD_COMMUNE, PROVINCE, Antt
from tests.incidents.conftest import (
    ACTIVITIES,
    CASES,
    NFC,
    NFD,
    NUL,
    a_case,
    a_duty,
    a_patrol,
    a_team,
    kind_of,
    opened,
)

NOWHERE = "019a0000-0000-7000-8000-000000000000"
ELSEWHERE = "2025:25747"  # another commune of the province


async def test_a_case_counts_when_it_is_found_and_again_when_it_is_resolved(antt: Antt) -> None:
    case = await opened(antt, CASES, a_case())
    assert (case["state"], case["found_through"], case["resolved_on"]) == ("open", "other", None)
    resolved = await antt.post(
        f"{CASES}/{case['id']}/resolve", {"resolved_on": "2026-11-05", "reason": "đã xử phạt"}, antt.token()
    )
    assert (resolved.status_code, resolved.json()["state"]) == (200, "resolved")
    counters = await antt.counters(resolved.headers["antt-position"])
    assert (counters["cases_found"], counters["cases_resolved"], counters["cases_resolved_via_tips"]) == (1, 1, 0)


async def test_a_case_is_found_through_what_it_is_linked_to(antt: Antt) -> None:
    tip = await opened(antt, "/incidents/v1/tips", {"unit": COMMUNE, "content": "Đánh bạc"})
    patrol = await opened(antt, ACTIVITIES, a_patrol())
    via_tip = await opened(antt, CASES, a_case(tip_id=tip["id"]))
    via_patrol = await opened(antt, CASES, a_case(patrol_id=patrol["id"]))
    assert (via_tip["found_through"], via_patrol["found_through"]) == ("tip", "patrol")
    resolved = await antt.post(f"{CASES}/{via_tip['id']}/resolve", {"resolved_on": "2026-11-05"}, antt.token())
    counters = await antt.counters(resolved.headers["antt-position"])
    assert (counters["cases_found_via_tips"], counters["cases_found_by_patrol"]) == (1, 1)
    assert counters["cases_resolved_via_tips"] == 1


async def test_a_link_must_lead_to_a_tip_or_to_a_patrol_and_not_to_both(antt: Antt) -> None:
    tip = await opened(antt, "/incidents/v1/tips", {"unit": COMMUNE, "content": "Đánh bạc"})
    patrol = await opened(antt, ACTIVITIES, a_patrol())
    duty = await opened(antt, ACTIVITIES, a_duty())
    both = await antt.post(CASES, a_case(tip_id=tip["id"], patrol_id=patrol["id"]), antt.token())
    assert (kind_of(both), both.json()["errors"][0]["code"]) == ((422, "invalid-input"), "not-both")
    for links, problem in (
        ({"tip_id": NOWHERE}, "unknown-tip"),
        ({"patrol_id": NOWHERE}, "unknown-patrol"),
        ({"patrol_id": duty["id"]}, "unknown-patrol"),
        ({"tip_id": patrol["id"]}, "unknown-tip"),
    ):
        assert kind_of(await antt.post(CASES, a_case(**links), antt.token())) == (422, problem)


async def test_a_reopened_case_no_longer_counts_as_resolved_and_says_why(antt: Antt) -> None:
    officer = antt.token()
    base = f"{CASES}/{(await opened(antt, CASES, a_case()))['id']}"
    assert kind_of(await antt.post(f"{base}/reopen", {"reason": "nhầm"}, officer)) == (409, "step-not-allowed")
    await antt.post(f"{base}/resolve", {"resolved_on": "2026-11-05"}, officer)
    assert kind_of(await antt.post(f"{base}/resolve", {"resolved_on": "2026-11-05"}, officer))[0] == 409
    assert kind_of(await antt.post(f"{base}/reopen", {}, officer)) == (422, "invalid-input")
    reopened = await antt.post(f"{base}/reopen", {"reason": "có tình tiết mới"}, officer)
    assert (reopened.json()["state"], reopened.json()["resolved_on"]) == ("open", None)
    counters = await antt.counters(reopened.headers["antt-position"])
    assert (counters["cases_found"], counters["cases_resolved"]) == (1, 0)
    steps = (await antt.get(f"{base}/steps", officer)).json()
    assert [(step["command"], step["state_before"], step["state_after"], step["reason"]) for step in steps] == [
        ("resolve", "open", "resolved", None),
        ("reopen", "resolved", "open", "có tình tiết mới"),
    ]
    assert steps[0]["taken_by"] == f"commune_officer:{COMMUNE}"


async def test_a_corrected_case_moves_to_its_right_unit_and_day(antt: Antt) -> None:
    officer = antt.token("province_officer", PROVINCE)
    case = await opened(antt, CASES, a_case())
    correction = {"reason": "nhập nhầm", "unit": ELSEWHERE, "kind": "theft", "found_on": "2026-10-30"}
    corrected = await antt.post(f"{CASES}/{case['id']}/correct", correction, officer)
    assert (corrected.status_code, corrected.json()["unit"], corrected.json()["kind"]) == (200, ELSEWHERE, "theft")
    position = corrected.headers["antt-position"]
    assert (await antt.counters(position, unit=COMMUNE))["cases_found"] == 0
    october = {"from_": "2026-10-01", "to": "2026-10-31"}
    assert (await antt.counters(position, unit=ELSEWHERE, **october))["cases_found"] == 1


async def test_a_correction_is_held_to_the_same_rules_as_the_case(antt: Antt) -> None:
    officer = antt.token()
    base = f"{CASES}/{(await opened(antt, CASES, a_case()))['id']}"
    await antt.post(f"{base}/resolve", {"resolved_on": "2026-11-05"}, officer)
    for values, expected in (
        ({"unit": ELSEWHERE}, (403, "foreign-area")),
        ({"unit": OLD_COMMUNE}, (422, "unit-not-in-force")),
        ({"found_on": "2026-11-06"}, (422, "invalid-input")),
        ({"found_on": (today() + timedelta(days=1)).isoformat()}, (422, "day-in-the-future")),
        ({"found_on": "2025-06-30"}, (422, "unit-not-in-force")),
    ):
        assert kind_of(await antt.post(f"{base}/correct", {"reason": "nhầm", **values}, officer)) == expected
    assert kind_of(await antt.post(f"{base}/correct", {"found_on": "2026-11-01"}, officer)) == (422, "invalid-input")
    assert (await antt.get(base, officer)).json()["version"] == 2


async def test_a_case_is_resolved_between_the_day_it_was_found_and_today(antt: Antt) -> None:
    case = await opened(antt, CASES, a_case())
    for resolved_on, expected in (
        ("2026-11-01", (422, "invalid-input")),
        ((today() + timedelta(days=1)).isoformat(), (422, "day-in-the-future")),
        ("2026-11-31", (422, "invalid-input")),
        (None, (422, "invalid-input")),
    ):
        answer = await antt.post(f"{CASES}/{case['id']}/resolve", {"resolved_on": resolved_on}, antt.token())
        assert kind_of(answer) == expected
    same_day = await antt.post(f"{CASES}/{case['id']}/resolve", {"resolved_on": "2026-11-02"}, antt.token())
    assert same_day.status_code == 200


async def test_a_change_meant_for_another_version_is_refused(antt: Antt) -> None:
    officer = antt.token()
    base = f"{CASES}/{(await opened(antt, CASES, a_case()))['id']}"
    read = await antt.get(base, officer)
    assert read.headers["etag"] == '"1"'
    correction = {"reason": "nhầm", "kind": "theft"}
    first = await antt.post(f"{base}/correct", correction, officer, If_Match=read.headers["etag"])
    assert (first.status_code, first.headers["etag"]) == (200, '"2"')
    second = await antt.post(f"{base}/correct", correction, officer, If_Match=read.headers["etag"])
    assert (kind_of(second), second.json()["etag"]) == ((412, "precondition-failed"), '"2"')


async def test_cases_are_listed_by_unit_state_and_kind_page_by_page(antt: Antt) -> None:
    officer = antt.token("province_officer", PROVINCE)
    ids = [(await opened(antt, CASES, a_case()))["id"] for _ in range(3)]
    theft = await opened(antt, CASES, a_case(kind="theft", unit=ELSEWHERE), officer)
    await antt.post(f"{CASES}/{ids[2]}/resolve", {"resolved_on": "2026-11-05"}, officer)

    async def listed(caller: dict[str, str], **query: str) -> list[str]:
        return [case["id"] for case in (await antt.get(CASES, caller, **query)).json()["items"]]

    assert await listed(officer) == [*ids, theft["id"]]
    assert await listed(officer, unit=PROVINCE) == [*ids, theft["id"]]
    assert await listed(officer, unit=ELSEWHERE) == [theft["id"]]
    assert await listed(officer, kind="theft") == [theft["id"]]
    assert await listed(officer, state="resolved") == [ids[2]]
    assert await listed(antt.token()) == ids
    first = await antt.get(CASES, officer, limit=2)
    rest = await antt.http.get(first.links["next"]["url"], headers=officer)
    assert [case["id"] for case in first.json()["items"] + rest.json()["items"]] == [*ids, theft["id"]]
    assert kind_of(await antt.get(CASES, antt.token(), unit=ELSEWHERE)) == (403, "foreign-area")
    assert kind_of(await antt.get(CASES, officer, unit="2025:99999")) == (422, "unknown-unit")


async def test_only_the_police_and_systems_handle_cases_of_their_area(antt: Antt) -> None:
    leader = antt.token("team_leader", COMMUNE, await a_team(antt))
    case = await opened(antt, CASES, a_case(), antt.token("system", PROVINCE))
    base = f"{CASES}/{case['id']}"
    assert kind_of(await antt.post(CASES, a_case())) == (401, "unauthenticated")
    assert kind_of(await antt.post(CASES, a_case(), leader)) == (403, "forbidden")
    assert kind_of(await antt.post(CASES, a_case(), antt.token(unit=ELSEWHERE))) == (403, "foreign-area")
    foreign = antt.token(unit=ELSEWHERE)
    assert kind_of(await antt.post(f"{base}/resolve", {"resolved_on": "2026-11-05"}, foreign)) == (403, "foreign-area")
    for path in (base, f"{base}/steps", CASES):
        assert kind_of(await antt.get(path)) == (401, "unauthenticated")
        assert kind_of(await antt.get(path, leader)) == (403, "foreign-area")
    assert kind_of(await antt.get(base, foreign)) == (403, "foreign-area")
    assert kind_of(await antt.get(f"{CASES}/{NOWHERE}", antt.token())) == (404, "not-found")
    assert kind_of(await antt.post(f"{CASES}/{NOWHERE}/reopen", {"reason": "nhầm"}, antt.token())) == (404, "not-found")


async def test_bad_input_at_any_field_of_a_case_is_one_clear_problem_and_changes_nothing(antt: Antt) -> None:
    officer = antt.token("province_officer", PROVINCE)
    for values, expected in (
        ({"unit": None}, "invalid-input"),
        ({"unit": NUL}, "invalid-input"),
        ({"unit": "2025:99999"}, "unknown-unit"),
        ({"unit": "2025:00004"}, "unit-not-served"),
        ({"unit": OLD_COMMUNE}, "unit-not-in-force"),
        ({"found_on": "2025-06-30"}, "unit-not-in-force"),
        ({"kind": NUL}, "invalid-input"),
        ({"kind": NFD}, "invalid-input"),
        ({"kind": "x" * 61}, "invalid-input"),
        ({"kind": ""}, "invalid-input"),
        ({"kind": 7}, "invalid-input"),
        ({"found_on": (today() + timedelta(days=1)).isoformat()}, "day-in-the-future"),
        ({"found_on": "1899-12-31"}, "invalid-input"),
        ({"found_on": 86400}, "invalid-input"),
        ({"found_on": "2026-11-02T00:00:00Z"}, "invalid-input"),
        ({"tip_id": "1"}, "invalid-input"),
        ({"patrol_id": NUL}, "invalid-input"),
        ({"resolved_on": "2026-11-05"}, "invalid-input"),
    ):
        assert kind_of(await antt.post(CASES, a_case(**values), officer)) == (422, expected), values
    surrogate = b'{"unit": "2025:25942", "found_on": "2026-11-02", "kind": "\\ud800"}'
    answer = await antt.http.post(CASES, content=surrogate, headers={**officer, "Content-Type": "application/json"})
    assert kind_of(answer) == (422, "invalid-input")
    assert (await antt.get(CASES, officer)).json() == {"items": []}


async def test_a_reason_is_a_line_of_words(antt: Antt) -> None:
    case = await opened(antt, CASES, a_case())
    correct = f"{CASES}/{case['id']}/correct"
    for reason in (NUL, "x" * 501, "", "  ", 7, None):
        answer = await antt.post(correct, {"reason": reason, "kind": "theft"}, antt.token())
        assert kind_of(answer) == (422, "invalid-input")
    assert (await antt.post(correct, {"reason": NFD, "kind": "theft"}, antt.token())).status_code == 200
    steps = (await antt.get(f"{CASES}/{case['id']}/steps", antt.token())).json()
    assert [step["reason"] for step in steps] == [NFC]
