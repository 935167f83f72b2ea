"""Training classes and certificates: counted where and when they were held and given, by the role held that day."""

from typing import Any

from tests.conftest import COMMUNE, PROVINCE, Antt
from tests.teams.factories import (
    CERTIFICATES,
    CLASSES,
    MEMBERS,
    UNKNOWN,
    entered,
    member,
    refusal,
    step,
    team,
    training_class,
)


def a_certificate(class_id: str, member_id: str, **values: Any) -> dict[str, Any]:
    """The input of a certificate."""
    return {
        "training_class_id": class_id,
        "member_id": member_id,
        "number": "01/GCN",
        "issued_on": "2025-11-12",
        **values,
    }


async def test_a_class_counts_on_its_last_day_and_a_certificate_on_its_day_of_issue(antt: Antt) -> None:
    operator = antt.token("operator", PROVINCE)
    team_id = await team(antt)
    member_id = await member(antt, team_id)
    await step(antt, f"{MEMBERS}/{member_id}/change-role", role="deputy", from_on="2025-11-12")
    class_id = await training_class(antt, started_on="2025-11-08")
    answer = await antt.post(CERTIFICATES, a_certificate(class_id, member_id), operator)
    assert answer.status_code == 201, answer.text
    entry = answer.json()
    assert (entry["unit"], entry["team_id"], entry["role"]) == (COMMUNE, team_id, "deputy")
    position = answer.headers["antt-position"]
    for day, figures in (("10", (1, 0)), ("12", (0, 1))):
        counters = await antt.counters(position, from_=f"2025-11-{day}", to=f"2025-11-{day}")
        assert (counters["training_classes"], counters["trainees_certified"]) == figures
    read = await antt.get(f"{CERTIFICATES}/{entry['id']}", operator)
    assert (read.json(), read.headers["etag"]) == (entry, '"1"')


async def test_a_revoked_certificate_no_longer_counts_and_makes_room_for_another(antt: Antt) -> None:
    operator = antt.token("operator", PROVINCE)
    class_id, member_id = await training_class(antt), await member(antt, await team(antt))
    body = a_certificate(class_id, member_id)
    first = (await entered(antt, CERTIFICATES, body))["id"]
    assert refusal(await antt.post(CERTIFICATES, body, operator)) == (409, "conflict")
    revoked = await antt.post(f"{CERTIFICATES}/{first}/revoke", {"reason": "cấp nhầm người"}, operator)
    assert (revoked.status_code, revoked.json()["revocation_reason"]) == (200, "cấp nhầm người"), revoked.text
    assert (await antt.counters(revoked.headers["antt-position"]))["trainees_certified"] == 0
    again = await antt.post(f"{CERTIFICATES}/{first}/revoke", {"reason": "lần hai"}, operator)
    assert refusal(again) == (409, "step-not-allowed")
    answer = await antt.post(CERTIFICATES, body, operator)
    assert answer.status_code == 201, answer.text
    assert (await antt.counters(answer.headers["antt-position"]))["trainees_certified"] == 1


async def test_a_certificate_is_for_who_was_a_member_on_a_day_after_the_class(antt: Antt) -> None:
    operator = antt.token("operator", PROVINCE)
    class_id, member_id = await training_class(antt), await member(antt, await team(antt))
    await step(antt, f"{MEMBERS}/{member_id}/release", until_on="2025-11-14", ground="own_request")
    refusals: list[tuple[dict[str, Any], tuple[int, str]]] = [
        ({"issued_on": "2025-11-15"}, (409, "not-a-member-then")),
        ({"issued_on": "2025-11-09"}, (422, "day-too-early")),
        ({"issued_on": "2100-01-01"}, (422, "day-in-the-future")),
        ({"member_id": UNKNOWN}, (404, "not-found")),
        ({"training_class_id": UNKNOWN}, (404, "not-found")),
        ({"number": ""}, (422, "invalid-input")),
    ]
    for values, problem in refusals:
        body = {**a_certificate(class_id, member_id), **values}
        assert refusal(await antt.post(CERTIFICATES, body, operator)) == problem, values
    assert (await antt.get(CERTIFICATES, operator)).json()["items"] == []
    await entered(antt, CERTIFICATES, a_certificate(class_id, member_id, issued_on="2025-11-14"))


async def test_a_class_of_a_district_or_province_is_held_under_the_edition_of_its_day(antt: Antt) -> None:
    operator = antt.token("operator", PROVINCE)
    body = {"title": "Tập huấn", "held_on": "2024-09-20"}
    for unit in (PROVINCE, "2024:718"):
        answer = await antt.post(CLASSES, {**body, "unit": unit}, operator)
        assert answer.status_code == 201, answer.text
    counters = await antt.counters(answer.headers["antt-position"], unit=PROVINCE, from_="2024-07-01", to="2024-09-30")
    assert counters["training_classes"] == 2
    late = {**body, "unit": PROVINCE, "held_on": "2025-11-01"}
    assert refusal(await antt.post(CLASSES, late, operator)) == (422, "unit-not-in-force")
    reversed_days = {**body, "unit": PROVINCE, "started_on": "2024-09-21"}
    assert refusal(await antt.post(CLASSES, reversed_days, operator)) == (422, "day-too-early")
    officer = antt.token("commune_officer", COMMUNE)
    assert refusal(await antt.post(CLASSES, {**body, "unit": PROVINCE}, officer)) == (403, "foreign-area")


async def test_lists_of_training_are_narrowed_to_the_reach_of_who_asks(antt: Antt) -> None:
    operator = antt.token("operator", PROVINCE)
    mine, other = await team(antt), await team(antt)
    own, foreign = await member(antt, mine), await member(antt, other)
    attended, missed = await training_class(antt), await training_class(antt)
    certificate = (await entered(antt, CERTIFICATES, a_certificate(attended, own)))["id"]
    second = (await entered(antt, CERTIFICATES, a_certificate(missed, foreign)))["id"]
    leader = antt.token("team_leader", COMMUNE, mine)
    elsewhere = antt.token("commune_officer", "2025:25747")

    async def listed(path: str, caller: dict[str, str], **query: str) -> list[str]:
        return [item["id"] for item in (await antt.get(path, caller, **query)).json()["items"]]

    assert await listed(CLASSES, operator) == [attended, missed]
    assert await listed(CLASSES, leader) == [attended]
    assert await listed(CLASSES, elsewhere) == []
    assert await listed(CERTIFICATES, operator) == [certificate, second]
    assert await listed(CERTIFICATES, operator, member_id=foreign) == [second]
    assert await listed(CERTIFICATES, operator, training_class_id=attended) == [certificate]
    assert await listed(CERTIFICATES, operator, unit=COMMUNE) == [certificate, second]
    assert await listed(CERTIFICATES, leader) == [certificate]
    assert await listed(CERTIFICATES, elsewhere) == []
    assert refusal(await antt.get(f"{CERTIFICATES}/{second}", leader)) == (404, "not-found")
    assert refusal(await antt.get(CERTIFICATES)) == (401, "unauthenticated")
    assert refusal(await antt.get(CLASSES)) == (401, "unauthenticated")
