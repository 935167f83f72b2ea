"""Tips that go to others: assigned, forwarded and answered, merged and split again."""

import asyncio
from typing import Any

import pytest

from shared import units
from tests.conftest import COMMUNE, PROVINCE, Antt
from tests.incidents.conftest import kind_of, opened

TIPS = "/incidents/v1/tips"
OTHER, THIRD, *_ = (
    unit
    for unit in sorted(units.served(PROVINCE))
    if unit.startswith("2025:") and unit != COMMUNE and units.get(unit).level == "commune"  # type: ignore[union-attr]
    and not units.is_partial(unit, PROVINCE)
)  # fmt: skip


async def a_tip(antt: Antt, *steps: str, **values: Any) -> dict[str, Any]:
    """A tip that has taken these steps."""
    tip = await opened(antt, TIPS, {"unit": COMMUNE, "content": "Đánh bạc trong nhà trọ", **values})
    for step in steps:
        body = {"classified_as": "crime_report"} if step == "classify" else {}
        answer = await antt.post(f"{TIPS}/{tip['id']}/{step}", body, antt.token())
        assert answer.status_code == 200, answer.text
    return tip


async def test_a_tip_forwarded_to_a_commune_is_handled_there_and_counted_where_it_was_received(antt: Antt) -> None:
    here, there = antt.token(), antt.token("commune_officer", OTHER)
    tip = await a_tip(antt, "report", "classify")
    at = f"{TIPS}/{tip['id']}"
    answer = await antt.post(f"{at}/forward", {"unit": OTHER, "reason": "xảy ra ở phường bên"}, here)
    assert (answer.json()["state"], answer.json()["forwarded_to"]) == ("forwarded", OTHER)
    # Only who it was forwarded to takes it over.
    assert kind_of(await antt.post(f"{at}/take-over", {}, here)) == (403, "foreign-area")
    answer = await antt.post(f"{at}/take-over", {}, there)
    assert (answer.json()["state"], answer.json()["handled_by"]) == ("reported", OTHER)
    assert kind_of(await antt.post(f"{at}/classify", {"classified_as": "civil"}, here)) == (403, "foreign-area")
    answer = await antt.post(f"{at}/classify", {"classified_as": "civil"}, there)
    assert answer.status_code == 200
    position = answer.headers["antt-position"]
    assert (await antt.counters(position, COMMUNE))["tips_received"] == 1
    assert (await antt.counters(position, OTHER))["tips_received"] == 0


async def test_who_took_a_tip_over_corrects_it_and_moves_it_only_into_their_own_area(antt: Antt) -> None:
    here, there = antt.token(), antt.token("commune_officer", OTHER)
    tip = await a_tip(antt, "report", "classify")
    at = f"{TIPS}/{tip['id']}"
    await antt.post(f"{at}/forward", {"unit": OTHER}, here)
    assert (await antt.post(f"{at}/take-over", {}, there)).status_code == 200
    correction = {"reason": "nhầm chủ đề", "topic": "gambling"}
    assert kind_of(await antt.post(f"{at}/correct", correction, here)) == (403, "foreign-area")
    answer = await antt.post(f"{at}/correct", {**correction, "unit": COMMUNE}, there)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["topic"], answer.json()["unit"], answer.json()["handled_by"]) == ("gambling", COMMUNE, OTHER)
    assert kind_of(await antt.post(f"{at}/correct", {**correction, "unit": THIRD}, there)) == (403, "foreign-area")
    answer = await antt.post(f"{at}/correct", {**correction, "unit": OTHER}, there)
    assert (answer.json()["unit"], answer.json()["handled_by"]) == (OTHER, OTHER)
    position = answer.headers["antt-position"]
    assert (await antt.counters(position, COMMUNE))["tips_received"] == 0
    assert (await antt.counters(position, OTHER))["tips_received"] == 1


async def test_a_commune_sends_back_what_is_not_its_own(antt: Antt) -> None:
    tip = await a_tip(antt, "report", "classify")
    at = f"{TIPS}/{tip['id']}"
    await antt.post(f"{at}/forward", {"unit": OTHER}, antt.token())
    there = antt.token("commune_officer", OTHER)
    assert kind_of(await antt.post(f"{at}/send-back", {}, there)) == (422, "invalid-input")
    answer = await antt.post(f"{at}/send-back", {"reason": "không thuộc địa bàn"}, there)
    assert answer.json()["state"] == "verifying"
    assert (answer.json()["forwarded_to"], answer.json()["handled_by"]) == (None, COMMUNE)


async def test_nobody_is_notified_while_a_commune_is_asked_to_take_the_tip_over(antt: Antt) -> None:
    here, there = antt.token(), antt.token("commune_officer", OTHER)
    tip = await a_tip(antt, "report", "classify")
    at = f"{TIPS}/{tip['id']}"
    await antt.post(f"{at}/forward", {"unit": OTHER}, here)
    refused = await antt.post(f"{at}/notify", {}, here)
    assert (kind_of(refused), refused.json()["errors"][0]["code"]) == ((422, "invalid-input"), "forwarded-to-commune")
    assert (await antt.post(f"{at}/take-over", {}, there)).json()["state"] == "reported"
    # Once it is decided, it does not matter who was asked before.
    await antt.post(f"{at}/classify", {"classified_as": "civil"}, there)
    await antt.post(f"{at}/forward", {"unit": COMMUNE}, there)
    await antt.post(f"{at}/resolve", {}, there)
    assert (await antt.post(f"{at}/notify", {}, there)).json()["state"] == "notified"


async def test_an_agency_acknowledges_what_was_forwarded_to_it(antt: Antt) -> None:
    tip = await a_tip(antt, "report", "classify")
    at, officer = f"{TIPS}/{tip['id']}", antt.token()
    assert (await antt.post(f"{at}/forward", {}, officer)).json()["forwarded_to"] == "Cơ quan Cảnh sát điều tra"
    assert kind_of(await antt.post(f"{at}/take-over", {}, officer)) == (422, "invalid-input")
    receipt = {"number": "12/BN-CSĐT", "received_on": "2025-11-20"}
    late = {**receipt, "received_on": "2999-01-01"}
    assert kind_of(await antt.post(f"{at}/acknowledge", late, officer)) == (422, "day-in-the-future")
    answer = await antt.post(f"{at}/acknowledge", receipt, officer)
    assert answer.json()["state"] == "forwarded"
    steps = (await antt.get(f"{at}/steps", officer)).json()
    assert steps[-1]["details"] == receipt
    assert steps[-2]["details"] == {"forwarded_to": "Cơ quan Cảnh sát điều tra"}


async def test_a_forwarding_names_one_receiver_that_is_served_here(antt: Antt) -> None:
    tip = await a_tip(antt, "report", "classify")
    at, officer = f"{TIPS}/{tip['id']}/forward", antt.token()
    assert kind_of(await antt.post(at, {"unit": OTHER, "agency": "Viện kiểm sát"}, officer)) == (422, "invalid-input")
    assert kind_of(await antt.post(at, {"unit": "2025:00004"}, officer)) == (422, "unit-not-served")
    assert kind_of(await antt.post(at, {"unit": "2025:99999"}, officer)) == (422, "unknown-unit")


async def test_an_officer_is_named_for_a_tip_and_taken_off_again(antt: Antt) -> None:
    tip = await a_tip(antt)
    at = f"{TIPS}/{tip['id']}/assign"
    assert (await antt.post(at, {"officer": "officer-7"}, antt.token())).json()["officer"] == "officer-7"
    assert (await antt.post(at, {"officer": None}, antt.token())).json()["officer"] is None
    assert kind_of(await antt.post(at, {}, antt.token())) == (422, "invalid-input")


async def test_a_duplicate_counts_once_and_again_when_it_is_split(antt: Antt) -> None:
    officer = antt.token()
    one, two = await a_tip(antt), await a_tip(antt)
    merged = await antt.post(f"{TIPS}/{two['id']}/merge", {"into": one["id"]}, officer)
    assert (merged.json()["state"], merged.json()["merged_into"]) == ("merged", one["id"])
    assert (await antt.counters(merged.headers["antt-position"]))["tips_received"] == 1
    # Nothing is merged into what is merged itself.
    three = await a_tip(antt)
    for into in (two["id"], three["id"], "01a29a1c-0000-7000-8000-000000000000"):
        answer = await antt.post(f"{TIPS}/{three['id']}/merge", {"into": into}, officer)
        assert kind_of(answer) == (422, "invalid-input")
    split = await antt.post(f"{TIPS}/{two['id']}/split", {"reason": "hai vụ khác nhau"}, officer)
    assert (split.json()["state"], split.json()["merged_into"]) == ("reported", None)
    assert (await antt.counters(split.headers["antt-position"]))["tips_received"] == 3


async def test_a_tip_is_not_withdrawn_while_another_is_merged_into_it(antt: Antt) -> None:
    officer, reason = antt.token(), {"reason": "nhầm"}
    one, two = await a_tip(antt), await a_tip(antt)
    at = f"{TIPS}/{one['id']}/withdraw"
    assert (await antt.post(f"{TIPS}/{two['id']}/merge", {"into": one["id"]}, officer)).status_code == 200
    refused = await antt.post(at, reason, officer)
    assert (kind_of(refused), refused.json()["tips"]) == ((409, "has-duplicates"), [two["id"]])
    assert (await antt.post(f"{TIPS}/{two['id']}/split", reason, officer)).status_code == 200
    withdrawn = await antt.post(at, reason, officer)
    assert withdrawn.json()["state"] == "withdrawn"
    assert (await antt.counters(withdrawn.headers["antt-position"]))["tips_received"] == 1


async def test_a_tip_is_not_withdrawn_at_the_moment_at_which_another_is_merged_into_it(antt: Antt) -> None:
    officer = antt.token()
    for _ in range(5):
        one, two = await a_tip(antt), await a_tip(antt)
        merged, withdrawn = await asyncio.gather(
            antt.post(f"{TIPS}/{two['id']}/merge", {"into": one["id"]}, officer),
            antt.post(f"{TIPS}/{one['id']}/withdraw", {"reason": "nhầm"}, officer),
        )
        assert (merged.status_code, withdrawn.status_code) in ((200, 409), (422, 200))


async def test_two_tips_never_become_duplicates_of_each_other(antt: Antt) -> None:
    officer = antt.token()
    one, two = await a_tip(antt), await a_tip(antt)
    answers = await asyncio.gather(
        antt.post(f"{TIPS}/{one['id']}/merge", {"into": two["id"]}, officer),
        antt.post(f"{TIPS}/{two['id']}/merge", {"into": one["id"]}, officer),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 422]


@pytest.mark.parametrize("step", ["assign", "ask", "forward", "merge", "resolve"])
async def test_a_team_can_only_report(antt: Antt, step: str) -> None:
    tip = await a_tip(antt)
    leader = antt.token("team_leader", COMMUNE, "01a29a1c-0000-7000-8000-000000000000")
    bodies: dict[str, Any] = {"assign": {"officer": "x"}, "ask": {"question": "Ở đâu?"}, "merge": {"into": tip["id"]}}
    answer = await antt.post(f"{TIPS}/{tip['id']}/{step}", bodies.get(step, {}), leader)
    assert kind_of(answer) == (403, "forbidden")
