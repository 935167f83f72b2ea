"""Tips: intake, receipts, steps."""

from datetime import timedelta
from uuid import uuid4

from shared.days import now
from tests.clock import at
from tests.conftest import COMMUNE, PROVINCE, Antt
from tests.incidents.conftest import kind_of

TIPS = "/incidents/v1/tips"


async def test_a_tip_from_anyone_is_acknowledged_with_a_receipt_and_a_position(antt: Antt) -> None:
    answer = await antt.post("/incidents/v1/tips", {"unit": COMMUNE, "content": "Gây rối trật tự"})
    assert answer.status_code == 201
    body = answer.json()
    assert body["state"] == "received"
    assert len(body["receipt"]) == 16
    assert answer.headers["antt-position"] == "incidents:1:1"
    status = await antt.http.get("/incidents/v1/tips/by-receipt", headers={"Antt-Receipt": body["receipt"]})
    assert status.json()["state"] == "received"


async def test_the_same_idempotency_key_gives_the_first_answer_again(antt: Antt) -> None:
    tip = {"unit": COMMUNE, "content": "Mất trộm xe máy"}
    key = str(uuid4())
    first = await antt.post("/incidents/v1/tips", tip, Idempotency_Key=key)
    again = await antt.post("/incidents/v1/tips", tip, Idempotency_Key=key)
    assert again.status_code == 201
    assert again.content == first.content
    assert again.headers["antt-position"] == first.headers["antt-position"]
    other = await antt.post("/incidents/v1/tips", {**tip, "content": "Khác"}, Idempotency_Key=key)
    assert (other.status_code, other.json()["type"]) == (422, "urn:antt:problem:idempotency-key-reused")


async def test_a_tip_walks_its_workflow_and_each_step_tells_who_and_why(antt: Antt) -> None:
    officer = antt.token("commune_officer", COMMUNE)
    tip = (await antt.post("/incidents/v1/tips", {"unit": COMMUNE, "content": "Đánh bạc"})).json()
    base = f"/incidents/v1/tips/{tip['id']}"
    for step, body in (
        ("report", {}),
        ("classify", {"classified_as": "crime_report"}),
        ("verify", {}),
        ("resolve", {"reason": "đã xử phạt"}),
        ("notify", {}),
    ):
        answer = await antt.post(f"{base}/{step}", body, officer)
        assert answer.status_code == 200, answer.text
    assert answer.json()["state"] == "notified"
    again = await antt.post(f"{base}/verify", {}, officer)
    assert (again.status_code, again.json()["type"]) == (409, "urn:antt:problem:step-not-allowed")
    steps = (await antt.get(f"{base}/steps", officer)).json()
    assert [step["command"] for step in steps] == ["report", "classify", "verify", "resolve", "notify"]
    assert steps[3]["reason"] == "đã xử phạt"
    assert (await antt.counters(answer.headers["antt-position"]))["tips_resolved"] == 1


async def test_an_instant_that_has_no_civil_day_is_refused(antt: Antt) -> None:
    officer = antt.token()
    for instant in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", 1793620800):
        for field in ("received_at", "occurred_at"):
            tip = {"unit": COMMUNE, "content": "Đánh bạc", field: instant}
            answer = await antt.post("/incidents/v1/tips", tip, officer)
            assert (answer.status_code, answer.json()["type"]) == (422, "urn:antt:problem:invalid-input")


async def test_a_tip_is_dated_at_most_two_minutes_ahead(antt: Antt) -> None:
    officer = antt.token()
    tip = (await antt.post(TIPS, {"unit": COMMUNE, "content": "Đánh bạc"})).json()
    with at(now()) as clock:
        for field in ("received_at", "occurred_at"):
            for minutes, status in ((1, 2), (3, 4), (15 * 60, 4)):
                ahead = {field: (clock.instant + timedelta(minutes=minutes)).isoformat()}
                for answer in (
                    await antt.post(TIPS, {"unit": COMMUNE, "content": "Đánh bạc", **ahead}, officer),
                    await antt.post(f"{TIPS}/{tip['id']}/correct", {"reason": "nhầm giờ", **ahead}, officer),
                ):
                    assert answer.status_code // 100 == status, (field, minutes, answer.text)
                    assert status == 2 or kind_of(answer) == (422, "day-in-the-future")


async def test_telling_the_informant_does_not_change_how_a_tip_was_closed(antt: Antt) -> None:
    officer = antt.token("commune_officer", COMMUNE)
    tip = (await antt.post("/incidents/v1/tips", {"unit": COMMUNE, "content": "Tiếng ồn"})).json()
    for step, body in (("report", {}), ("reject", {"reason": "không xác minh được"}), ("notify", {})):
        answer = await antt.post(f"/incidents/v1/tips/{tip['id']}/{step}", body, officer)
        assert answer.status_code == 200, answer.text
    counters = await antt.counters(answer.headers["antt-position"])
    assert (counters["tips_rejected"], counters["tips_resolved"]) == (1, 0)


async def test_a_tip_may_name_a_hamlet_or_a_point_in_place_of_the_commune(antt: Antt) -> None:
    province = antt.token("province_officer", PROVINCE)
    hamlets = {"edition": "2025", "hamlets": [{"code": "25942-03", "name": "Khu phố 3", "unit": COMMUNE}]}
    loaded = await antt.http.put("/incidents/v1/places/hamlets", json=hamlets, headers=province)
    assert loaded.status_code == 200, loaded.text
    square = {
        "type": "Polygon",
        "coordinates": [[[106.7, 10.9], [106.8, 10.9], [106.8, 11.0], [106.7, 11.0], [106.7, 10.9]]],
    }
    boundaries = {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "properties": {"unit": COMMUNE}, "geometry": square}],
    }
    loaded = await antt.http.put("/incidents/v1/places/boundaries", json=boundaries, headers=province)
    assert loaded.status_code == 200, loaded.text
    for where in ({"hamlet": "25942-03"}, {"point": {"longitude": 106.75, "latitude": 10.95}}):
        answer = await antt.post(TIPS, {"content": "Gây rối", **where})
        assert (answer.status_code, answer.json()["unit"]) == (201, COMMUNE), answer.text
    for where, name in (
        ({"hamlet": "25942-04"}, "unknown-hamlet"),
        ({"point": {"longitude": 106.9, "latitude": 10.95}}, "place-unknown"),
        ({}, "invalid-input"),
        ({"point": {"longitude": 181, "latitude": 10.95}}, "invalid-input"),
    ):
        assert kind_of(await antt.post(TIPS, {"content": "Gây rối", **where})) == (422, name)
