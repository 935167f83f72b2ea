"""Cases: resolved, transferred, withdrawn, reopened, corrected."""

from datetime import timedelta
from typing import Any, get_args

import httpx
import msgspec

from services.stats.counting import measure
from services.stats.indicators import INDICATORS
from shared import events
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
from tests.stats.writing import sql

NOWHERE = "019a0000-0000-7000-8000-000000000000"
ELSEWHERE = "2025:25747"  # another commune of the province
DECISION = {"number": "12/QĐ-XPVPHC", "signed_on": "2025-11-04", "signer": "Trần Thị B"}
SEIZED = [{"kind": "weapons", "quantity": 1, "unit": "piece"}]


async def a_tip(antt: Antt, unit: str = COMMUNE) -> str:
    """The id of a tip."""
    officer = antt.token("province_officer", PROVINCE)
    id: str = (await opened(antt, "/incidents/v1/tips", {"unit": unit, "content": "Đánh bạc"}, officer))["id"]
    return id


async def a_patrol_of(antt: Antt) -> str:
    """The id of a patrol."""
    id: str = (await opened(antt, ACTIVITIES, a_patrol()))["id"]
    return id


async def a_duty_of(antt: Antt) -> dict[str, str]:
    """A link to a security duty."""
    return {"kind": "activity", "id": (await opened(antt, ACTIVITIES, a_duty()))["id"]}


def to_tip(id: str) -> dict[str, str]:
    """A link to a tip."""
    return {"kind": "tip", "id": id}


def seq(position: str) -> int:
    """How far a position is in its outbox; 0 for none."""
    return int(position.rpartition(":")[2] or 0)


async def told_of(case_id: str) -> list[tuple[str, dict[str, Any]]]:
    """The events of a case, oldest first: their types and their data."""
    rows = await sql("incidents", "SELECT type, data::text FROM outbox WHERE subject = $1 ORDER BY seq", case_id)
    return [(row["type"], {"before": None, "links": {}, **msgspec.json.decode(row["data"])}) for row in rows]


async def test_a_case_counts_when_it_is_found_and_again_when_it_is_resolved(antt: Antt) -> None:
    case = await opened(antt, CASES, a_case())
    assert (case["state"], case["found_through"], case["resolved_on"]) == ("open", "other", None)
    resolved = await antt.post(
        f"{CASES}/{case['id']}/resolve", {"resolved_on": "2025-11-05", "reason": "đã xử phạt"}, antt.token()
    )
    assert (resolved.status_code, resolved.json()["state"]) == (200, "resolved")
    counters = await antt.counters(resolved.headers["antt-position"])
    assert (counters["cases_found"], counters["cases_resolved"], counters["cases_resolved_via_tips"]) == (1, 1, 0)


async def test_a_transferred_case_counts_as_such_and_names_the_body_and_the_decision(antt: Antt) -> None:
    officer = antt.token()
    base = f"{CASES}/{(await opened(antt, CASES, a_case()))['id']}"
    transfer = {"transferred_on": "2025-11-06", "transferred_to": "Cơ quan CSĐT Công an tỉnh", "decision": DECISION}
    for missing in transfer:
        body = {name: value for name, value in transfer.items() if name != missing}
        assert kind_of(await antt.post(f"{base}/transfer", body, officer)) == (422, "invalid-input"), missing
    for day, expected in (
        ("2025-11-01", (422, "invalid-input")),
        ((today() + timedelta(days=2)).isoformat(), (422, "day-in-the-future")),
    ):
        assert kind_of(await antt.post(f"{base}/transfer", {**transfer, "transferred_on": day}, officer)) == expected
    late = {**DECISION, "signed_on": (today() + timedelta(days=2)).isoformat()}
    answer = await antt.post(f"{base}/transfer", {**transfer, "decision": late}, officer)
    assert kind_of(answer) == (422, "day-in-the-future")

    transferred = await antt.post(f"{base}/transfer", transfer, officer)
    assert {name: transferred.json()[name] for name in ("state", *transfer)} == {"state": "transferred", **transfer}
    counters = await antt.counters(transferred.headers["antt-position"])
    assert (counters["cases_transferred"], counters["cases_resolved"], counters["cases_found"]) == (1, 0, 1)
    for command in ("resolve", "transfer"):
        body = transfer if command == "transfer" else {"resolved_on": "2025-11-06"}
        assert kind_of(await antt.post(f"{base}/{command}", body, officer)) == (409, "step-not-allowed")
    back = {"reason": "không có dấu hiệu tội phạm", "decision": {**DECISION, "number": "7/TB"}}
    reopened = await antt.post(f"{base}/reopen", back, officer)
    told = reopened.json()
    assert (told["state"], told["transferred_on"], told["transferred_to"]) == ("open", None, None)
    assert told["decision"]["number"] == "7/TB"
    assert (await antt.counters(reopened.headers["antt-position"]))["cases_transferred"] == 0
    steps = (await antt.get(f"{base}/steps", officer)).json()
    assert [(step["command"], step["details"]) for step in steps] == [
        ("transfer", transfer),
        ("reopen", {"decision": back["decision"]}),
    ]


async def test_persons_are_counted_by_measure_on_the_day_they_were_handled(antt: Antt) -> None:
    officer = antt.token()
    base = f"{CASES}/{(await opened(antt, CASES, a_case()))['id']}"
    handled = [
        {"measure": "fine", "persons": 3, "fines_dong": 4_500_000},
        {"measure": "reminder", "persons": 2},
        {"measure": "confiscation"},
    ]
    resolution = {"resolved_on": "2025-11-05", "handled": handled, "decision": DECISION}
    resolved = await antt.post(f"{base}/resolve", resolution, officer)
    assert (resolved.json()["handled_on"], resolved.json()["decision"]) == ("2025-11-05", DECISION)
    names = ("persons_handled", "persons_fined", "persons_reminded", "persons_warned", "fines_dong")

    async def on(day: str, answer: httpx.Response) -> list[int]:
        assert answer.status_code == 200, answer.text
        counters = await antt.counters(answer.headers["antt-position"], from_=day, to=day)
        return [counters[name] for name in names]

    assert await on("2025-11-05", resolved) == [5, 3, 2, 0, 4_500_000]
    reopened = await antt.post(f"{base}/reopen", {"reason": "có tình tiết mới"}, officer)
    assert await on("2025-11-05", reopened) == [5, 3, 2, 0, 4_500_000]
    moved = await antt.post(f"{base}/correct", {"reason": "nhầm ngày", "handled_on": "2025-11-04"}, officer)
    assert await on("2025-11-05", moved) == [0] * 5
    assert await on("2025-11-04", moved) == [5, 3, 2, 0, 4_500_000]
    warned = {"resolved_on": "2025-11-06", "handled": [{"measure": "warning", "persons": 1}], "decision": DECISION}
    again = await antt.post(f"{base}/resolve", warned, officer)
    assert (await on("2025-11-04", again), await on("2025-11-06", again)) == ([0] * 5, [1, 0, 0, 1, 0])
    nobody = await antt.post(f"{base}/correct", {"reason": "nhầm vụ", "handled": []}, officer)
    assert (nobody.json()["handled"], nobody.json()["handled_on"]) == ([], None)
    assert await on("2025-11-06", nobody) == [0] * 5


async def test_a_sanction_needs_its_decision_and_an_amount_needs_a_fine(antt: Antt) -> None:
    officer = antt.token()
    base = f"{CASES}/{(await opened(antt, CASES, a_case()))['id']}"
    bad: list[dict[str, Any]] = [
        {"handled": [{"measure": measure, "persons": 1}]}
        for measure in ("warning", "fine", "confiscation", "commune_education", "compulsory_measure")
    ]
    bad += [
        {"decision": DECISION, "handled": handled}
        for handled in (
            [{"measure": "warning", "fines_dong": 1}],
            [{"measure": "fine", "persons": 1}, {"measure": "fine", "persons": 2}],
            [{"measure": "fine", "fines_dong": 1_000_000_001}],
            [{"measure": "fine", "fines_dong": -1}],
            [{"measure": "fine", "fines_dong": 0.5}],
            [{"measure": "fine", "persons": 100_001}],
            [{"measure": "fine", "persons": "3"}],
            [{"measure": "fine", "persons": True}],
            [{"measure": "jail", "persons": 1}],
            [{"measure": "fine", "name": "Nguyễn Văn A"}],
            [{"persons": 1}],
            {"fine": 1},
        )
    ]
    bad += [{"handled_on": "2025-11-05"}, {"handled": [{"measure": "reminder"}], "handled_on": "2025-11-01"}]
    for values in bad:
        answer = await antt.post(f"{base}/resolve", {"resolved_on": "2025-11-05", **values}, officer)
        assert kind_of(answer) == (422, "invalid-input"), values
    undated = {"reason": "bổ sung", "handled": [{"measure": "reminder", "persons": 1}]}
    assert kind_of(await antt.post(f"{base}/correct", undated, officer)) == (422, "invalid-input")
    dated = await antt.post(f"{base}/correct", {**undated, "handled_on": "2025-11-03"}, officer)
    assert (dated.status_code, dated.json()["state"], dated.json()["handled_on"]) == (200, "open", "2025-11-03")
    reminded = await antt.post(f"{base}/resolve", {"resolved_on": "2025-11-05"}, officer)
    assert (reminded.status_code, reminded.json()["handled_on"]) == (200, "2025-11-03")


async def test_what_was_seized_counts_in_its_own_unit_on_the_day_the_case_was_found(antt: Antt) -> None:
    officer = antt.token()
    seized: list[dict[str, Any]] = [
        {"kind": "firecrackers", "quantity": 25_000, "unit": "gram", "description": "pháo hoa nổ"},
        {"kind": "firecrackers", "quantity": 199, "unit": "piece", "description": None},
        {"kind": "vehicles", "quantity": 1, "unit": "piece", "description": "xe mô tô"},
        {"kind": "vehicles", "quantity": 2, "unit": "piece", "description": "xe đạp điện"},
        {"kind": "money", "quantity": 12_500_000, "unit": "dong", "description": None},
    ]
    case = await opened(antt, CASES, a_case(seized=seized))
    assert case["seized"] == seized
    counters = await antt.counters(case["position"], from_="2025-11-02", to="2025-11-02")
    assert {name: count for name, count in counters.items() if "seized" in name and count} == {
        "firecrackers_seized": 199,
        "firecrackers_seized_grams": 25_000,
        "vehicles_seized": 3,
        "money_seized_dong": 12_500_000,
    }
    drugs = [{"kind": "drugs", "quantity": 200, "unit": "milligram"}]
    base = f"{CASES}/{case['id']}"
    resolved = await antt.post(f"{base}/resolve", {"resolved_on": "2025-11-05", "seized": drugs}, officer)
    counters = await antt.counters(resolved.headers["antt-position"])
    assert {name: count for name, count in counters.items() if "seized" in name and count} == {
        "drugs_seized_milligrams": 200
    }
    for values in (
        {"kind": "money", "quantity": 1, "unit": "piece"},
        {"kind": "weapons", "quantity": 1, "unit": "gram"},
        {"kind": "weapons", "quantity": 0, "unit": "piece"},
        {"kind": "weapons", "quantity": 1.5, "unit": "piece"},
        {"kind": "weapons", "quantity": "1", "unit": "piece"},
        {"kind": "weapons", "quantity": 1_000_000_001, "unit": "piece"},
        {"kind": "gold", "quantity": 1, "unit": "piece"},
        {"kind": "weapons", "quantity": 1, "unit": "piece", "description": NUL},
        {"kind": "weapons", "quantity": 1},
    ):
        assert kind_of(await antt.post(CASES, a_case(seized=[values]), officer)) == (422, "invalid-input"), values
    half = {"kind": "money", "quantity": 600_000_000, "unit": "dong"}
    assert kind_of(await antt.post(CASES, a_case(seized=[half, half]), officer)) == (422, "invalid-input")


async def test_a_withdrawn_case_counts_nowhere_until_it_is_reopened(antt: Antt) -> None:
    officer, tip = antt.token(), await a_tip(antt)
    base = f"{CASES}/{(await opened(antt, CASES, a_case(tip_id=tip, seized=SEIZED)))['id']}"
    handled = [{"measure": "reminder", "persons": 2}]
    await antt.post(f"{base}/resolve", {"resolved_on": "2025-11-05", "handled": handled}, officer)
    assert kind_of(await antt.post(f"{base}/withdraw", {}, officer)) == (422, "invalid-input")
    withdrawn = await antt.post(f"{base}/withdraw", {"reason": "nhập trùng"}, officer)
    assert (withdrawn.json()["state"], withdrawn.json()["resolved_on"]) == ("withdrawn", None)
    counters = await antt.counters(withdrawn.headers["antt-position"])
    assert {name for name, count in counters.items() if count} == {"tips_received"}
    refused: dict[str, dict[str, Any]] = {
        "resolve": {"resolved_on": "2025-11-05"},
        "correct": {"kind": "theft"},
        "link": to_tip(await a_tip(antt)),
        "unlink": to_tip(tip),
        "withdraw": {},
    }
    for command, body in refused.items():
        answer = await antt.post(f"{base}/{command}", {"reason": "nhầm", **body}, officer)
        assert kind_of(answer) == (409, "step-not-allowed"), command
    reopened = await antt.post(f"{base}/reopen", {"reason": "không trùng"}, officer)
    counters = await antt.counters(reopened.headers["antt-position"])
    assert (counters["cases_found_via_tips"], counters["cases_resolved"], counters["persons_handled"]) == (1, 0, 2)
    assert counters["weapons_seized"] == 1


async def test_a_closing_is_corrected_only_as_the_case_was_closed(antt: Antt) -> None:
    officer = antt.token()
    base = f"{CASES}/{(await opened(antt, CASES, a_case()))['id']}"
    corrections = ({"resolved_on": "2025-11-04"}, {"transferred_on": "2025-11-04"}, {"transferred_to": "Tòa án"})
    for values in corrections:
        answer = await antt.post(f"{base}/correct", {"reason": "nhầm", **values}, officer)
        assert kind_of(answer) == (422, "invalid-input"), values
    await antt.post(f"{base}/resolve", {"resolved_on": "2025-11-05"}, officer)
    corrected = await antt.post(
        f"{base}/correct", {"reason": "nhầm", "resolved_on": "2025-11-04", "decision": DECISION}, officer
    )
    assert (corrected.json()["resolved_on"], corrected.json()["decision"]) == ("2025-11-04", DECISION)
    counters = await antt.counters(corrected.headers["antt-position"], from_="2025-11-04", to="2025-11-04")
    assert counters["cases_resolved"] == 1
    for values in corrections[1:]:
        answer = await antt.post(f"{base}/correct", {"reason": "nhầm", **values}, officer)
        assert kind_of(answer) == (422, "invalid-input"), values


async def test_events_of_a_case_tell_numbers_and_never_where_exactly_what_or_who(antt: Antt) -> None:
    officer = antt.token()
    secret = "Quán Bảy Nở"
    where = {"hamlet": "25942_03", "place": secret, "seized": [{**SEIZED[0], "description": secret}]}
    case = await opened(antt, CASES, a_case(**where))
    assert (case["hamlet"], case["place"]) == ("25942_03", secret)
    decision = {"number": secret, "signed_on": "2025-11-03", "signer": secret}
    transfer = {"transferred_on": "2025-11-06", "transferred_to": secret, "decision": decision, "reason": secret}
    assert (await antt.post(f"{CASES}/{case['id']}/transfer", transfer, officer)).status_code == 200
    told = await told_of(case["id"])
    assert [type for type, _ in told] == ["CaseOpened", "CaseTransferred"]
    assert told[-1][1]["after"] == {
        "unit": COMMUNE,
        "kind": "gambling",
        "found_on": "2025-11-02",
        "found_through": "other",
        "transferred_on": "2025-11-06",
        "seized": [{"kind": "weapons", "quantity": 1, "unit": "piece"}],
    }


def test_an_event_older_than_the_links_counts_as_before() -> None:
    for through, count in (("tip", {"tips": 1}), ("patrol", {"patrols": 1}), ("other", {})):
        old = (
            b'{"after": {"unit": "2025:25942", "kind": "theft", "found_on": "2025-11-02", '
            b'"found_through": "%s", "resolved_on": "2025-11-05"}, "links": {}}' % through.encode()
        )
        told = events.decode("CaseResolved", 1, old).after
        assert isinstance(told, events.Case)
        assert measure(told) == measure(msgspec.structs.replace(told, **count))
        names = {i.name for i in INDICATORS if i.of is events.Case and i.where(told) and i.amount(told)}  # type: ignore[union-attr]
        assert names - {"cases_transferred"} == {
            "cases_found",
            "cases_resolved",
            *{"tip": ("cases_found_via_tips", "cases_resolved_via_tips")}.get(through, ()),
            *{"patrol": ("cases_found_by_patrol", "cases_resolved_by_patrol")}.get(through, ()),
        }


async def test_the_measures_and_what_may_be_seized_are_told_with_their_official_names(antt: Antt) -> None:
    measures = (await antt.get(f"{CASES}/measures")).json()
    assert {"measure": "fine", "vietnamese": "phạt tiền", "needs_decision": True} in measures
    assert [row["measure"] for row in measures] == list(get_args(events.incidents.Measure))
    seizable = (await antt.get(f"{CASES}/seizable")).json()
    assert {"kind": "money", "vietnamese": "tiền", "units": ["dong"]} in seizable
    assert [row["kind"] for row in seizable] == list(get_args(events.incidents.SeizedKind))


async def test_a_reopened_case_no_longer_counts_as_resolved_and_says_why(antt: Antt) -> None:
    officer = antt.token()
    base = f"{CASES}/{(await opened(antt, CASES, a_case()))['id']}"
    assert kind_of(await antt.post(f"{base}/reopen", {"reason": "nhầm"}, officer)) == (409, "step-not-allowed")
    await antt.post(f"{base}/resolve", {"resolved_on": "2025-11-05"}, officer)
    assert kind_of(await antt.post(f"{base}/resolve", {"resolved_on": "2025-11-05"}, officer))[0] == 409
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
    correction = {"reason": "nhập nhầm", "unit": ELSEWHERE, "kind": "theft", "found_on": "2025-10-30"}
    corrected = await antt.post(f"{CASES}/{case['id']}/correct", correction, officer)
    assert (corrected.status_code, corrected.json()["unit"], corrected.json()["kind"]) == (200, ELSEWHERE, "theft")
    position = corrected.headers["antt-position"]
    assert (await antt.counters(position, unit=COMMUNE))["cases_found"] == 0
    october = {"from_": "2025-10-01", "to": "2025-10-31"}
    assert (await antt.counters(position, unit=ELSEWHERE, **october))["cases_found"] == 1


async def test_a_case_is_in_a_hamlet_of_its_unit(antt: Antt) -> None:
    officer, operator = antt.token("province_officer", PROVINCE), antt.token("operator", PROVINCE)
    list_of_hamlets = {
        "edition": "2025",
        "hamlets": [
            {"code": "25942_01", "name": "Khu phố 1", "unit": COMMUNE},
            {"code": "25747_01", "name": "Khu phố 2", "unit": ELSEWHERE},
        ],
    }
    loaded = await antt.http.put(
        "/incidents/v1/places/hamlets", json=list_of_hamlets, headers={**operator, "If-Match": "*"}
    )
    assert loaded.status_code == 200, loaded.text
    case = await opened(antt, CASES, a_case(hamlet="25942_01", place="Chợ Bến"), officer)
    assert (case["unit"], case["hamlet"], case["place"]) == (COMMUNE, "25942_01", "Chợ Bến")
    assert kind_of(await antt.post(CASES, a_case(hamlet="25942_09"), officer)) == (422, "unknown-hamlet")
    assert kind_of(await antt.post(CASES, a_case(hamlet="25747_01"), officer)) == (422, "invalid-input")
    correct = f"{CASES}/{case['id']}/correct"
    answer = await antt.post(correct, {"reason": "nhầm", "hamlet": "25747_01"}, officer)
    assert kind_of(answer) == (422, "invalid-input")
    moved = await antt.post(correct, {"reason": "nhầm", "unit": ELSEWHERE, "hamlet": "25747_01"}, officer)
    assert (moved.json()["unit"], moved.json()["hamlet"]) == (ELSEWHERE, "25747_01")
    back = await antt.post(correct, {"reason": "nhầm", "unit": COMMUNE}, officer)
    assert (back.json()["unit"], back.json()["hamlet"]) == (COMMUNE, None)


async def test_a_correction_is_held_to_the_same_rules_as_the_case(antt: Antt) -> None:
    officer = antt.token()
    base = f"{CASES}/{(await opened(antt, CASES, a_case()))['id']}"
    await antt.post(f"{base}/resolve", {"resolved_on": "2025-11-05"}, officer)
    for values, expected in (
        ({"unit": ELSEWHERE}, (403, "foreign-area")),
        ({"unit": OLD_COMMUNE}, (422, "unit-not-in-force")),
        ({"found_on": "2025-11-06"}, (422, "invalid-input")),
        ({"found_on": (today() + timedelta(days=2)).isoformat()}, (422, "day-in-the-future")),
        ({"found_on": "2025-06-30"}, (422, "unit-not-in-force")),
    ):
        assert kind_of(await antt.post(f"{base}/correct", {"reason": "nhầm", **values}, officer)) == expected
    assert kind_of(await antt.post(f"{base}/correct", {"found_on": "2025-11-01"}, officer)) == (422, "invalid-input")
    assert (await antt.get(base, officer)).json()["version"] == 2


async def test_a_case_is_resolved_between_the_day_it_was_found_and_today(antt: Antt) -> None:
    case = await opened(antt, CASES, a_case())
    for resolved_on, expected in (
        ("2025-11-01", (422, "invalid-input")),
        ((today() + timedelta(days=2)).isoformat(), (422, "day-in-the-future")),
        ("2025-11-31", (422, "invalid-input")),
        (None, (422, "invalid-input")),
    ):
        answer = await antt.post(f"{CASES}/{case['id']}/resolve", {"resolved_on": resolved_on}, antt.token())
        assert kind_of(answer) == expected
    same_day = await antt.post(f"{CASES}/{case['id']}/resolve", {"resolved_on": "2025-11-02"}, antt.token())
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
    await antt.post(f"{CASES}/{ids[2]}/resolve", {"resolved_on": "2025-11-05"}, officer)

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
    assert kind_of(await antt.post(f"{base}/resolve", {"resolved_on": "2025-11-05"}, foreign)) == (404, "not-found")
    for path in (base, f"{base}/steps", CASES):
        assert kind_of(await antt.get(path)) == (401, "unauthenticated")
        assert kind_of(await antt.get(path, leader)) == (403, "foreign-area")
    assert kind_of(await antt.get(base, foreign)) == (404, "not-found")
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
        ({"found_on": (today() + timedelta(days=2)).isoformat()}, "day-in-the-future"),
        ({"found_on": "1899-12-31"}, "invalid-input"),
        ({"found_on": 86400}, "invalid-input"),
        ({"found_on": "2025-11-02T00:00:00Z"}, "invalid-input"),
        ({"tip_id": "1"}, "invalid-input"),
        ({"patrol_id": NUL}, "invalid-input"),
        ({"resolved_on": "2025-11-05"}, "invalid-input"),
    ):
        assert kind_of(await antt.post(CASES, a_case(**values), officer)) == (422, expected), values
    surrogate = b'{"unit": "2025:25942", "found_on": "2025-11-02", "kind": "\\ud800"}'
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
