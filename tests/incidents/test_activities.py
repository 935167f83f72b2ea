"""Activities: entered by teams and officers, confirmed or returned by the police, corrected; only confirmed ones count."""

from datetime import timedelta

import asyncpg

from services.incidents.activities.kinds import KINDS
from shared.days import now
from tests.conftest import COMMUNE, OLD_COMMUNE, PROVINCE, Antt
from tests.incidents.conftest import (
    ACTIVITIES,
    NFC,
    NFD,
    NUL,
    a_duty,
    a_patrol,
    a_team,
    kind_of,
    opened,
    traffic_control,
)

NOWHERE = "019a0000-0000-7000-8000-000000000000"
ELSEWHERE = "2025:25747"  # another commune of the province
BAD = (422, "invalid-input")


async def test_what_an_officer_enters_is_confirmed_and_counts_at_once(antt: Antt) -> None:
    patrol = await opened(antt, ACTIVITIES, a_patrol(joint=True))
    assert (patrol["state"], patrol["joint"], patrol["held_on"]) == ("confirmed", True, "2025-11-02")
    traffic = await opened(antt, ACTIVITIES, traffic_control(turns=2501))
    assert (traffic["turns"], "joint" in traffic) == (2501, False)
    duty = await opened(antt, ACTIVITIES, a_duty(target=NFD))
    assert duty["target"] == NFC
    counters = await antt.counters(duty["position"])
    assert (counters["patrols"], counters["traffic_control_turns"], counters["security_duties"]) == (1, 2501, 1)


async def test_what_a_team_enters_counts_once_the_police_confirm_it(antt: Antt) -> None:
    team_id = await a_team(antt)
    leader, officer = antt.token("team_leader", COMMUNE, team_id), antt.token()
    patrol = await opened(antt, ACTIVITIES, a_patrol(), leader)
    assert (patrol["state"], patrol["team_id"]) == ("entered", team_id)
    assert (await antt.counters(patrol["position"]))["patrols"] == 0
    confirm = f"{ACTIVITIES}/{patrol['id']}/confirm"
    assert kind_of(await antt.post(confirm, {}, leader)) == (403, "forbidden")
    assert kind_of(await antt.post(confirm, {}, antt.token("system", PROVINCE))) == (403, "forbidden")
    assert kind_of(await antt.post(confirm, {}, antt.token(unit=ELSEWHERE))) == (404, "not-found")
    confirmed = await antt.post(confirm, {}, officer)
    assert confirmed.json()["state"] == "confirmed"
    assert (await antt.counters(confirmed.headers["antt-position"]))["patrols"] == 1
    assert kind_of(await antt.post(confirm, {}, officer)) == (409, "step-not-allowed")


async def test_a_returned_activity_does_not_count_until_its_correction_is_confirmed(antt: Antt) -> None:
    leader, officer = antt.token("team_leader", COMMUNE, await a_team(antt)), antt.token()
    entered = await opened(antt, ACTIVITIES, traffic_control(turns=90), leader)
    base = f"{ACTIVITIES}/{entered['id']}"
    assert kind_of(await antt.post(f"{base}/return", {}, officer)) == BAD
    assert kind_of(await antt.post(f"{base}/return", {"reason": "sai số lượt"}, leader)) == (403, "forbidden")
    returned = await antt.post(f"{base}/return", {"reason": "sai số lượt"}, officer)
    assert returned.json()["state"] == "returned"
    assert kind_of(await antt.post(f"{base}/confirm", {}, officer)) == (409, "step-not-allowed")
    correction = {"reason": "đếm lại", "activity": traffic_control(turns=60)}
    corrected = await antt.post(f"{base}/correct", correction, leader)
    assert (corrected.json()["state"], corrected.json()["turns"]) == ("entered", 60)
    assert (await antt.counters(corrected.headers["antt-position"]))["traffic_control_turns"] == 0
    confirmed = await antt.post(f"{base}/confirm", {}, officer)
    assert (await antt.counters(confirmed.headers["antt-position"]))["traffic_control_turns"] == 60
    assert kind_of(await antt.post(f"{base}/correct", correction, leader)) == (409, "step-not-allowed")
    steps = (await antt.get(f"{base}/steps", leader)).json()
    assert [(step["command"], step["state_after"], step["reason"]) for step in steps] == [
        ("return", "returned", "sai số lượt"),
        ("correct", "entered", "đếm lại"),
        ("confirm", "confirmed", None),
    ]


async def test_a_confirmed_activity_that_is_returned_no_longer_counts(antt: Antt) -> None:
    patrol = await opened(antt, ACTIVITIES, a_patrol())
    returned = await antt.post(f"{ACTIVITIES}/{patrol['id']}/return", {"reason": "không có thật"}, antt.token())
    assert (await antt.counters(returned.headers["antt-position"]))["patrols"] == 0


async def test_an_officers_correction_is_confirmed_and_moves_the_count(antt: Antt) -> None:
    officer = antt.token("province_officer", PROVINCE)
    entered = await opened(antt, ACTIVITIES, traffic_control(), officer)
    right = traffic_control(
        unit=ELSEWHERE, turns=7, started_at="2025-10-31T23:59:00+07:00", ended_at="2025-11-01T01:00:00+07:00"
    )
    corrected = await antt.post(
        f"{ACTIVITIES}/{entered['id']}/correct", {"reason": "nhầm xã", "activity": right}, officer
    )
    assert (corrected.status_code, corrected.json()["state"], corrected.json()["held_on"]) == (
        200,
        "confirmed",
        "2025-10-31",
    )
    position = corrected.headers["antt-position"]
    assert (await antt.counters(position, unit=COMMUNE))["traffic_control_turns"] == 0
    october = {"from_": "2025-10-01", "to": "2025-10-31"}
    assert (await antt.counters(position, unit=ELSEWHERE, **october))["traffic_control_turns"] == 7


async def test_a_correction_keeps_the_kind_and_is_held_to_the_same_rules(antt: Antt) -> None:
    officer = antt.token()
    base = f"{ACTIVITIES}/{(await opened(antt, ACTIVITIES, a_patrol()))['id']}"
    for activity, expected in (
        (a_duty(), BAD),
        (a_patrol(turns=3), BAD),
        (a_patrol(unit=ELSEWHERE), (403, "foreign-area")),
        (a_patrol(unit=OLD_COMMUNE), (422, "unit-not-in-force")),
        (a_patrol(ended_at="2025-11-02T19:00:00+07:00"), BAD),
        (None, BAD),
    ):
        answer = await antt.post(f"{base}/correct", {"reason": "nhầm", "activity": activity}, officer)
        assert kind_of(answer) == expected
    assert kind_of(await antt.post(f"{base}/correct", {"activity": a_patrol()}, officer)) == BAD
    assert (await antt.get(base, officer)).json()["version"] == 1
    by_system = await antt.post(
        f"{base}/correct", {"reason": "nhầm", "activity": a_patrol()}, antt.token("system", PROVINCE)
    )
    assert kind_of(by_system) == (403, "forbidden")


async def test_a_patrol_can_be_changed_while_a_case_is_being_opened_on_it(
    antt: Antt, databases: dict[str, str]
) -> None:
    patrol = await opened(antt, ACTIVITIES, a_patrol())
    other_process = await asyncpg.connect(databases["incidents"])
    async with other_process.transaction():
        await other_process.execute(
            """WITH opened AS (
              INSERT INTO cases (id, unit, kind, found_on, details, state, recorded_by, version)
              VALUES (uuidv7(), $1, 'theft', '2025-11-02', '{"handled": [], "seized": []}', 'open', 'another process', 1)
              RETURNING id)
            INSERT INTO case_links (id, case_id, kind, linked_id, by_force, linked_by, linked_at, version)
            SELECT uuidv7(), id, 'patrol', $2, false, 'another process', now(), 1 FROM opened""",
            COMMUNE,
            patrol["id"],
        )
        # Two processes that open cases on each other's patrols would wait for each other for ever.
        answer = await antt.post(f"{ACTIVITIES}/{patrol['id']}/return", {"reason": "nhầm"}, antt.token())
        assert answer.status_code == 200
    await other_process.close()


async def test_an_activity_may_belong_to_a_district_or_a_province(antt: Antt) -> None:
    officer = antt.token("province_officer", PROVINCE)
    in_2024 = {"started_at": "2024-07-02T20:00:00+07:00", "ended_at": "2024-07-02T22:00:00+07:00"}
    for unit in (OLD_COMMUNE, "2024:724", PROVINCE):
        last = await opened(antt, ACTIVITIES, a_patrol(unit=unit, **in_2024), officer)
    july = {"from_": "2024-07-01", "to": "2024-07-31"}
    for unit, patrols in ((OLD_COMMUNE, 1), ("2024:724", 2), (PROVINCE, 3)):
        assert (await antt.counters(last["position"], unit=unit, **july))["patrols"] == patrols


async def test_an_activity_counts_on_the_civil_day_it_began(antt: Antt) -> None:
    before_dawn = a_patrol(started_at="2025-11-02T17:30:00Z", ended_at="2025-11-02T18:30:00Z")
    assert (await opened(antt, ACTIVITIES, before_dawn))["held_on"] == "2025-11-03"


async def test_a_team_leader_enters_for_the_own_team_only(antt: Antt) -> None:
    team_id, other_id = await a_team(antt), await a_team(antt)
    leader = antt.token("team_leader", COMMUNE, team_id)
    assert (await opened(antt, ACTIVITIES, a_patrol(team_id=team_id), leader))["team_id"] == team_id
    foreign = await antt.post(ACTIVITIES, a_patrol(team_id=other_id), leader)
    assert kind_of(foreign) == (403, "foreign-area")
    assert kind_of(await antt.post(ACTIVITIES, a_patrol(unit=ELSEWHERE), leader)) == BAD
    others = await opened(antt, ACTIVITIES, a_patrol(team_id=other_id))
    for path in (f"{ACTIVITIES}/{others['id']}", f"{ACTIVITIES}/{others['id']}/steps"):
        assert kind_of(await antt.get(path, leader)) == (404, "not-found")
    correction = {"reason": "nhầm", "activity": a_patrol()}
    answer = await antt.post(f"{ACTIVITIES}/{others['id']}/correct", correction, leader)
    assert kind_of(answer) == (404, "not-found")
    assert [item["team_id"] for item in (await antt.get(ACTIVITIES, leader)).json()["items"]] == [team_id]


async def test_a_change_meant_for_another_version_is_refused(antt: Antt) -> None:
    officer = antt.token()
    base = f"{ACTIVITIES}/{(await opened(antt, ACTIVITIES, a_patrol()))['id']}"
    read = await antt.get(base, officer)
    assert read.headers["etag"] == '"1"'
    correction = {"reason": "nhầm", "activity": a_patrol(joint=True)}
    first = await antt.post(f"{base}/correct", correction, officer, If_Match=read.headers["etag"])
    assert (first.status_code, first.headers["etag"], first.json()["joint"]) == (200, '"2"', True)
    second = await antt.post(f"{base}/return", {"reason": "nhầm"}, officer, If_Match=read.headers["etag"])
    assert kind_of(second) == (412, "precondition-failed")


async def test_activities_are_listed_by_unit_kind_and_state_page_by_page(antt: Antt) -> None:
    officer = antt.token("province_officer", PROVINCE)
    patrols = [(await opened(antt, ACTIVITIES, a_patrol()))["id"] for _ in range(2)]
    traffic = await opened(antt, ACTIVITIES, traffic_control(unit=ELSEWHERE), officer)
    await antt.post(f"{ACTIVITIES}/{patrols[1]}/return", {"reason": "nhầm"}, officer)

    async def listed(caller: dict[str, str], **query: str) -> list[str]:
        return [item["id"] for item in (await antt.get(ACTIVITIES, caller, **query)).json()["items"]]

    assert await listed(officer, unit=PROVINCE) == [*patrols, traffic["id"]]
    assert await listed(officer, unit=ELSEWHERE) == [traffic["id"]]
    assert await listed(officer, kind="patrol", state="confirmed") == [patrols[0]]
    assert await listed(antt.token()) == patrols
    first = await antt.get(ACTIVITIES, officer, limit=2)
    rest = await antt.http.get(first.links["next"]["url"], headers=officer)
    assert [item["id"] for item in first.json()["items"] + rest.json()["items"]] == [*patrols, traffic["id"]]
    assert rest.json()["items"][0]["turns"] == 40
    assert kind_of(await antt.get(ACTIVITIES, antt.token(), unit=ELSEWHERE)) == (403, "foreign-area")
    assert kind_of(await antt.get(ACTIVITIES)) == (401, "unauthenticated")
    assert kind_of(await antt.get(ACTIVITIES, officer, kind="parade")) == BAD


async def test_bad_input_at_any_field_of_an_activity_is_one_clear_problem_and_changes_nothing(antt: Antt) -> None:
    officer = antt.token("province_officer", PROVINCE)
    soon = (now() + timedelta(hours=1)).isoformat()
    for activity, expected in (
        (a_patrol(kind="parade"), BAD),
        (a_patrol(kind=NUL), BAD),
        (a_patrol(kind=None), BAD),
        ({"unit": COMMUNE}, BAD),
        ([], BAD),
        (a_patrol(unit=NUL), BAD),
        (a_patrol(unit="2025:99999"), (422, "unknown-unit")),
        (a_patrol(unit="2025:00004"), (422, "unit-not-served")),
        (a_patrol(unit=OLD_COMMUNE), (422, "unit-not-in-force")),
        (a_patrol(team_id="1"), BAD),
        (a_patrol(started_at="2025-11-02T20:00:00"), BAD),
        (a_patrol(started_at=1793620800), BAD),
        (a_patrol(started_at="0001-01-01T00:00:00+14:00"), BAD),
        (a_patrol(ended_at="9999-12-31T23:59:59-12:00"), BAD),
        (a_patrol(started_at="9999-12-31T23:59:59-12:00", ended_at="9999-12-31T23:59:59-12:00"), BAD),
        (a_patrol(ended_at="2025-11-02T19:59:59+07:00"), BAD),
        (a_patrol(ended_at="2025-11-09T20:00:01+07:00"), BAD),
        (a_patrol(ended_at=soon, started_at=now().isoformat()), (422, "day-in-the-future")),
        (a_patrol(joint="yes"), BAD),
        (a_patrol(turns=4), BAD),
        (traffic_control(turns=0), BAD),
        (traffic_control(turns=100_001), BAD),
        (traffic_control(turns="40"), BAD),
        (traffic_control(turns=True), BAD),
        (traffic_control(turns=None), BAD),
        (traffic_control(joint=True), BAD),
        (a_duty(target=NUL), BAD),
        (a_duty(target="x" * 501), BAD),
        (a_duty(target=""), BAD),
        (a_duty(place="chợ"), BAD),
    ):
        assert kind_of(await antt.post(ACTIVITIES, activity, officer)) == expected, activity
    surrogate = b'{"kind": "security_duty", "target": "\\ud800"}'
    answer = await antt.http.post(
        ACTIVITIES, content=surrogate, headers={**officer, "Content-Type": "application/json"}
    )
    assert kind_of(answer) == BAD
    assert kind_of(await antt.post(ACTIVITIES, a_patrol())) == (401, "unauthenticated")
    assert kind_of(await antt.post(ACTIVITIES, a_patrol(), antt.token(unit=ELSEWHERE))) == (403, "foreign-area")
    assert kind_of(await antt.post(f"{ACTIVITIES}/{NOWHERE}/confirm", {}, officer)) == (404, "not-found")
    assert kind_of(await antt.get(f"{ACTIVITIES}/{NOWHERE}", officer)) == (404, "not-found")
    assert (await antt.get(ACTIVITIES, officer)).json() == {"items": []}


async def test_an_unknown_kind_is_not_repeated_but_the_known_ones_are_documented(antt: Antt) -> None:
    answer = await antt.post(ACTIVITIES, a_patrol(kind="bí mật"), antt.token())
    assert "bí mật" not in answer.text
    document = (await antt.get("/incidents/v1/openapi.json")).json()
    body = document["paths"][ACTIVITIES]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["discriminator"]["mapping"]) == set(KINDS)
    kinds = (await antt.get(f"{ACTIVITIES}/kinds")).json()
    assert {kind["kind"]: kind["unit_of_count"] for kind in kinds} == {
        "patrol": "cuộc",
        "traffic_control": "lượt",
        "security_duty": "cuộc",
        "outreach": "cuộc",
        "counselling": "đối tượng",
        "fire_rescue": "vụ",
        "administrative_support": "lượt",
        "surrender": "lần",
        "mobilisation": "cuộc",
    }
    assert kinds[3]["quantities"]["leaflets"] == "tài liệu"
