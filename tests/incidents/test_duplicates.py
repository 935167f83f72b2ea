"""Tips that may tell of the same are suggested, with a score and why."""

from typing import Any

from services.incidents.tips.duplicates import neighbours_on_record
from shared import units
from tests.conftest import COMMUNE, PROVINCE, Antt
from tests.incidents.conftest import kind_of, opened

TIPS = "/incidents/v1/tips"
NIGHT = "Khoảng 22 giờ tối qua nhóm thanh niên tụ tập nẹt pô, gây mất trật tự trước cổng chợ"
AGAIN = "22 giờ tối qua có nhóm thanh niên tụ tập net po gây mất trật tự ở cổng chợ"
OTHER = "Mất một xe máy Wave màu xanh để trong sân nhà trọ"


async def a_tip(antt: Antt, content: str = NIGHT, at: str = "2025-11-10T08:00:00+07:00", **values: Any) -> str:
    """The id of a tip that an officer of the province entered."""
    tip = {"unit": COMMUNE, "content": content, "received_at": at, **values}
    id: str = (await opened(antt, TIPS, tip, antt.token("province_officer", PROVINCE)))["id"]
    return id


async def suggested(antt: Antt, tip: str, caller: dict[str, str] | None = None, **query: Any) -> list[dict[str, Any]]:
    """What is suggested beside a tip."""
    answer = await antt.get(f"{TIPS}/{tip}/duplicates", caller or antt.token(), **query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_the_same_told_twice_is_suggested_with_a_score_and_why(antt: Antt) -> None:
    tip = await a_tip(antt)
    twin = await a_tip(antt, at="2025-11-10T10:00:00+07:00")
    again = await a_tip(antt, AGAIN, "2025-11-11T09:00:00+07:00")
    await a_tip(antt, OTHER)
    await a_tip(antt, at="2025-10-20T08:00:00+07:00")
    first, second = await suggested(antt, tip)
    assert (first["id"], first["content"]) == (twin, NIGHT)
    assert first["why"] == {"text": 1.0, "time": 0.988, "place": 1.0}
    assert first["score"] == 0.998
    assert second["id"] == again
    assert 0.5 < second["why"]["text"] < 1
    assert {item["id"] for item in await suggested(antt, tip, days=30)} > {twin, again}
    # The step that merges is a person's, and what was merged or withdrawn is not suggested again.
    answer = await antt.post(f"{TIPS}/{twin}/report", {}, antt.token())
    answer = await antt.post(f"{TIPS}/{twin}/merge", {"into": tip, "reason": "trùng"}, antt.token())
    assert answer.status_code == 200, answer.text
    assert [item["id"] for item in await suggested(antt, tip)] == [again]


async def test_neighbours_are_near_and_only_what_the_caller_may_read_is_shown(antt: Antt) -> None:
    neighbour = min(neighbours_on_record(COMMUNE) & units.area(PROVINCE))
    elsewhere = min(
        unit
        for unit in units.area(PROVINCE)
        if unit[:4] == "2025" and len(unit) == 10 and unit not in neighbours_on_record(COMMUNE) | {COMMUNE}
    )
    tip = await a_tip(antt)
    near = await a_tip(antt, unit=neighbour)
    await a_tip(antt, unit=elsewhere)
    (found,) = await suggested(antt, tip, antt.token("province_officer", PROVINCE))
    assert (found["id"], found["content"], found["why"]["place"]) == (near, NIGHT, 0.5)
    (found,) = await suggested(antt, tip)
    assert (found["id"], found["unit"], found["content"]) == (near, neighbour, None)
    assert kind_of(await antt.get(f"{TIPS}/{tip}/duplicates", antt.token(unit=elsewhere))) == (404, "not-found")
    leader = antt.token("team_leader", COMMUNE, "0199a3c0-0000-7000-8000-000000000000")
    assert kind_of(await antt.get(f"{TIPS}/{tip}/duplicates", leader)) == (403, "forbidden")


async def test_a_draft_is_checked_before_it_is_entered_and_nothing_is_kept_of_it(antt: Antt) -> None:
    tip = await a_tip(antt)
    draft = {"unit": COMMUNE, "content": AGAIN, "received_at": "2025-11-10T12:00:00+07:00"}
    answer = await antt.post(f"{TIPS}/duplicates/check", draft, antt.token(), Idempotency_Key="k")
    assert answer.status_code == 200, answer.text
    (found,) = answer.json()["items"]
    assert (found["id"], found["content"]) == (tip, NIGHT)
    assert "antt-position" not in answer.headers
    assert (await antt.get(f"{TIPS}/count", antt.token())).json() == {"count": 1}
    other = {**draft, "content": OTHER}
    answer = await antt.post(f"{TIPS}/duplicates/check", other, antt.token(), Idempotency_Key="k")
    assert (answer.status_code, answer.json()) == (200, {"items": []})
    # A system that sends tips learns that there is one, not what it says.
    (found,) = (await antt.post(f"{TIPS}/duplicates/check", draft, antt.token("system"))).json()["items"]
    assert (found["id"], found["content"]) == (tip, None)
    assert kind_of(await antt.post(f"{TIPS}/duplicates/check", draft)) == (401, "unauthenticated")
    assert kind_of(await antt.post(f"{TIPS}/duplicates/check", {**draft, "unit": "2025:99999"}, antt.token())) == (
        422,
        "unknown-unit",
    )


def test_without_boundaries_the_communes_of_a_district_are_neighbours() -> None:
    district = units.ancestors("2024:25942")[0]
    assert neighbours_on_record("2024:25942") == set(units.children(district)) - {"2024:25942"}
    assert all(unit.startswith("2025:") for unit in neighbours_on_record(COMMUNE))
    assert COMMUNE not in neighbours_on_record(COMMUNE)
    assert neighbours_on_record(district) == neighbours_on_record("2025:79") == frozenset()
