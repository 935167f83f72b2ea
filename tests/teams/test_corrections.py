"""The registry set right: what was entered wrongly is corrected or withdrawn with a reason, and every figure follows."""

from datetime import date, timedelta
from typing import Any

import httpx
from hypothesis import given

from tests.conftest import COMMUNE, PROVINCE, Antt, eventually
from tests.incidents.conftest import ACTIVITIES, a_patrol
from tests.teams.any_order import IN_ANY_ORDER, Registry, steps
from tests.teams.factories import CERTIFICATES, CLASSES, MEMBERS, TEAMS, UNKNOWN, entered, refusal
from tests.teams.factories import a_member as any_member
from tests.teams.factories import a_team as any_team

ELSEWHERE = "2025:25747"  # another commune of the province
DECISION = {"number": "15/QĐ-UBND", "signed_on": "2025-07-28", "signer": "Nguyễn Văn Hòa"}
FIRST = date(2025, 8, 1)
WRONG = {"reason": "nhập nhầm"}


def on(number: int) -> str:
    """The day so many days behind the first."""
    return f"{FIRST + timedelta(days=number)}"


async def a_team(antt: Antt, **values: Any) -> str:
    id: str = (await entered(antt, TEAMS, any_team(from_on=on(0), decision=DECISION, **values)))["id"]
    return id


async def a_member(antt: Antt, team: str, **values: Any) -> dict[str, Any]:
    return await entered(antt, MEMBERS, any_member(team, **{"from_on": on(1), "decision": DECISION, **values}))


async def a_class(antt: Antt, **values: Any) -> str:
    body = {"unit": COMMUNE, "title": "Tập huấn", "held_on": on(5), **values}
    id: str = (await entered(antt, CLASSES, body))["id"]
    return id


async def a_certificate(antt: Antt, class_id: str, member: str, **values: Any) -> str:
    body = {"training_class_id": class_id, "member_id": member, "number": "1", "issued_on": on(6), **values}
    id: str = (await entered(antt, CERTIFICATES, body))["id"]
    return id


async def done(antt: Antt, path: str, **values: Any) -> httpx.Response:
    """The operator's step, which must succeed."""
    answer = await antt.post(path, {**WRONG, **values}, antt.token("operator", PROVINCE))
    assert answer.status_code == 200, answer.text
    return answer


async def refused(antt: Antt, path: str, **values: Any) -> tuple[int, str]:
    return refusal(await antt.post(path, {**WRONG, **values}, antt.token("operator", PROVINCE)))


async def level(antt: Antt, answer: httpx.Response, day: int, unit: str = COMMUNE) -> dict[str, int]:
    """The counters of one day, once the answer's events are counted."""
    return await antt.counters(answer.headers["antt-position"], unit=unit, from_=on(day), to=on(day))


async def test_a_team_entered_in_the_wrong_commune_moves_with_its_members_and_their_certificates(antt: Antt) -> None:
    team = await a_team(antt)
    member = await a_member(antt, team)
    await a_certificate(antt, await a_class(antt), member["id"])
    moved = await done(antt, f"{TEAMS}/{team}/correct", unit=ELSEWHERE)
    assert (moved.json()["unit"], moved.headers["etag"]) == (ELSEWHERE, '"2"')
    for unit, held in ((COMMUNE, 0), (ELSEWHERE, 1)):
        counters = await level(antt, moved, 6, unit)
        assert [counters[name] for name in ("teams", "members", "trainees_certified")] == [held] * 3, unit
    history = (await antt.get(f"{TEAMS}/{team}/corrections", antt.token("operator", PROVINCE))).json()
    assert [(entry["command"], entry["reason"], entry["changed"]) for entry in history] == [
        ("correct", "nhập nhầm", {"unit": [COMMUNE, ELSEWHERE]})
    ]
    assert history[0]["made_by"] == f"operator:{PROVINCE}"
    officer = antt.token("commune_officer", COMMUNE)
    back = await antt.post(f"{TEAMS}/{team}/correct", {**WRONG, "unit": COMMUNE}, officer)
    assert refusal(back) == (404, "not-found")


async def test_the_days_of_a_team_are_set_right_and_leave_no_term_out(antt: Antt) -> None:
    team = await a_team(antt)
    member = await a_member(antt, team)
    path = f"{TEAMS}/{team}"
    assert await refused(antt, f"{path}/correct", until_on=on(9)) == (422, "invalid-input")
    assert await refused(antt, f"{path}/correct", from_on=on(2)) == (409, "terms-outside-team")
    earlier = await done(antt, f"{path}/correct", from_on=on(-2))
    assert (await level(antt, earlier, -2))["teams"] == 1
    await done(antt, f"{path}/dissolve", until_on=on(20), decision=DECISION)
    assert await refused(antt, f"{path}/correct", until_on=on(0)) == (409, "terms-outside-team")
    shorter = await done(antt, f"{path}/correct", until_on=on(10))
    assert [(await level(antt, shorter, day))["members"] for day in (10, 11)] == [1, 0]
    again = await done(antt, f"{path}/correct", until_on=None)
    assert (again.json()["until_on"], again.json()["dissolution"]) == (None, None)
    assert [(await level(antt, again, 30))[name] for name in ("teams", "members")] == [1, 1]
    shown = (await antt.get(f"{MEMBERS}/{member['id']}", antt.token("operator", PROVINCE))).json()
    assert (shown["released_on"], shown["term"]["until_on"], shown["term"]["ended_for"]) == (None, None, None)


async def test_a_withdrawn_team_counts_nothing_and_takes_no_member_and_no_patrol(antt: Antt) -> None:
    team = await a_team(antt)
    member = await a_member(antt, team)
    assert await refused(antt, f"{TEAMS}/{team}/withdraw") == (409, "terms-outside-team")
    patrol = await entered(antt, ACTIVITIES, a_patrol(team_id=team))
    await done(antt, f"{MEMBERS}/{member['id']}/withdraw")
    gone = await done(antt, f"{TEAMS}/{team}/withdraw")
    assert gone.json()["withdrawn_at"] is not None
    assert [(await level(antt, gone, 1))[name] for name in ("teams", "members")] == [0, 0]
    operator = antt.token("operator", PROVINCE)
    into = await antt.post(MEMBERS, any_member(team, from_on=on(3), decision=DECISION), operator)
    assert refusal(into) == (409, "record-withdrawn")
    assert await refused(antt, f"{TEAMS}/{team}/withdraw") == (409, "record-withdrawn")
    assert await refused(antt, f"{TEAMS}/{team}/dissolve", until_on=on(9), decision=DECISION) == (
        409,
        "record-withdrawn",
    )

    async def codes() -> list[str]:
        answer = await antt.post(ACTIVITIES, a_patrol(team_id=team), operator)
        return [error["code"] for error in answer.json().get("errors", [])]

    async def known() -> bool:
        return await codes() == ["withdrawn-team"]

    await eventually(known)
    shown = await antt.get(f"{ACTIVITIES}/{patrol['id']}", operator)
    assert (shown.status_code, shown.json()["team_id"]) == (200, team)


async def test_a_term_is_set_right_and_the_one_before_ends_where_it_begins(antt: Antt) -> None:
    team = await a_team(antt)
    member = await a_member(antt, team)
    path = f"{MEMBERS}/{member['id']}"
    await antt.post(
        f"{path}/change-role",
        {"role": "leader", "from_on": on(10), "decision": DECISION},
        antt.token("operator", PROVINCE),
    )
    terms = (await antt.get(path, antt.token("operator", PROVINCE))).json()["terms"]
    certificate = await a_certificate(antt, await a_class(antt), member["id"])
    later = f"{path}/terms/{terms[1]['id']}"
    earlier = await done(antt, f"{later}/correct", from_on=on(4))
    assert [(await level(antt, earlier, day))["members_leader"] for day in (3, 4)] == [0, 1]
    assert (await level(antt, earlier, 4))["members"] == 1
    shown = (await antt.get(f"{CERTIFICATES}/{certificate}", antt.token("operator", PROVINCE))).json()
    assert shown["role"] == "leader"
    assert await refused(antt, f"{later}/correct", from_on=on(1)) == (409, "terms-overlap")
    assert await refused(antt, f"{later}/correct", until_on=on(20)) == (422, "invalid-input")
    assert await refused(antt, f"{path}/terms/{UNKNOWN}/correct", role="deputy") == (404, "not-found")
    assert await refused(antt, f"{path}/terms/{terms[0]['id']}/withdraw") == (409, "step-not-allowed")
    taken_back = await done(antt, f"{later}/withdraw")
    assert (taken_back.json()["term"]["role"], taken_back.json()["term"]["until_on"]) == ("member", None)
    counters = await level(antt, taken_back, 12)
    assert (counters["members"], counters["members_leader"], counters["members_member"]) == (1, 0, 1)
    shown = (await antt.get(f"{CERTIFICATES}/{certificate}", antt.token("operator", PROVINCE))).json()
    assert shown["role"] == "member"
    history = (await antt.get(f"{path}/corrections", antt.token("operator", PROVINCE))).json()
    assert [(entry["of"], entry["command"]) for entry in history] == [
        ("term", "correct"), ("term", "correct"), ("term", "withdraw"), ("term", "correct"),
    ]  # fmt: skip


async def test_a_release_is_set_right_or_taken_back(antt: Antt) -> None:
    team = await a_team(antt)
    member = await a_member(antt, team, role="leader")
    path, operator = f"{MEMBERS}/{member['id']}", antt.token("operator", PROVINCE)
    release = {"until_on": on(8), "ground": "health", "decision": DECISION}
    assert (await antt.post(f"{path}/release", release, operator)).status_code == 200
    term = f"{path}/terms/{member['term']['id']}"
    moved = await done(antt, f"{term}/correct", until_on=on(6), ground="own_request")
    assert (moved.json()["released_on"], moved.json()["term"]["ended_for"]) == (on(6), "own_request")
    assert [(await level(antt, moved, day))["members"] for day in (6, 7)] == [1, 0]
    assert await refused(antt, f"{term}/correct", until_on=on(0)) == (409, "terms-overlap")
    other = await a_member(antt, team, role="leader", from_on=on(10))
    assert await refused(antt, f"{term}/correct", until_on=None) == (409, "leader-exists")
    await done(antt, f"{MEMBERS}/{other['id']}/withdraw")
    back = await done(antt, f"{term}/correct", until_on=None)
    assert (back.json()["released_on"], back.json()["term"]["end_decision"]) == (None, None)
    assert (await level(antt, back, 30))["members_leader"] == 1


async def test_a_member_who_never_was_one_is_withdrawn_and_may_be_entered_rightly(antt: Antt) -> None:
    team = await a_team(antt)
    member = await a_member(antt, team, full_name="Lê Văn Bốn", born_on="1980-01-01")
    certificate = await a_certificate(antt, await a_class(antt), member["id"])
    path = f"{MEMBERS}/{member['id']}"
    assert await refused(antt, f"{path}/withdraw") == (409, "certificate-stands")
    await done(antt, f"{CERTIFICATES}/{certificate}/revoke")
    gone = await done(antt, f"{path}/withdraw")
    assert gone.json()["withdrawn_at"] is not None
    assert [(await level(antt, gone, 6))[name] for name in ("members", "trainees_certified")] == [0, 0]
    assert await refused(antt, f"{path}/withdraw") == (409, "record-withdrawn")
    await a_member(antt, team, full_name="Lê Văn Bốn", born_on="1980-01-01")


async def test_classes_and_certificates_are_set_right_and_fit_together(antt: Antt) -> None:
    team = await a_team(antt)
    member = await a_member(antt, team)
    class_id = await a_class(antt)
    certificate = await a_certificate(antt, class_id, member["id"])
    of_class, of_certificate = f"{CLASSES}/{class_id}", f"{CERTIFICATES}/{certificate}"
    assert await refused(antt, f"{of_class}/correct", held_on=on(7)) == (409, "certificate-stands")
    assert await refused(antt, f"{of_class}/withdraw") == (409, "certificate-stands")
    assert await refused(antt, f"{of_certificate}/correct", issued_on=on(4)) == (422, "day-too-early")
    moved = await done(antt, f"{of_certificate}/correct", issued_on=on(8), number="02")
    assert [(await level(antt, moved, day))["trainees_certified"] for day in (6, 8)] == [0, 1]
    held = await done(antt, f"{of_class}/correct", held_on=on(7), unit=ELSEWHERE, title="Tập huấn nghiệp vụ")
    assert (held.json()["title"], held.json()["held_on"]) == ("Tập huấn nghiệp vụ", on(7))
    assert [(await level(antt, held, 7, unit))["training_classes"] for unit in (COMMUNE, ELSEWHERE)] == [0, 1]
    early = {"until_on": on(7), "ground": "health", "decision": DECISION}
    assert await refused(antt, f"{MEMBERS}/{member['id']}/release") == (422, "invalid-input")
    released = await antt.post(f"{MEMBERS}/{member['id']}/release", early, antt.token("operator", PROVINCE))
    assert refusal(released) == (409, "certificate-stands")
    await done(antt, f"{of_certificate}/revoke")
    gone = await done(antt, f"{of_class}/withdraw")
    assert (await level(antt, gone, 7, ELSEWHERE))["training_classes"] == 0
    body = {"training_class_id": class_id, "member_id": member["id"], "number": "3", "issued_on": on(9)}
    late = await antt.post(CERTIFICATES, body, antt.token("operator", PROVINCE))
    assert refusal(late) == (409, "record-withdrawn")
    for path in (of_class, of_certificate):
        assert (await antt.get(f"{path}/corrections", antt.token("operator", PROVINCE))).json(), path
        assert refusal(await antt.get(f"{path}/corrections")) == (401, "unauthenticated")


@IN_ANY_ORDER
@given(
    taken=steps(
        "recognise", "change-role", "transfer", "release", "certify", "dissolve", "correct the unit", "correct the end",
        "correct the term", "correct the release", "withdraw the term", "withdraw", last=20,
    )
)  # fmt: skip
async def test_whatever_is_set_right_in_any_order_counters_and_recount_say_what_the_registry_shows(
    antt: Antt, taken: list[tuple[str, int, int, int]]
) -> None:
    teams = [await a_team(antt), await a_team(antt, unit=ELSEWHERE), await a_team(antt)]
    registry = Registry(antt, teams, await a_class(antt, held_on=on(2)), (COMMUNE, ELSEWHERE), FIRST)
    for step in taken:
        await registry.take(*step)
    assert registry.done["recognise"]
    await registry.require_counted(20)
