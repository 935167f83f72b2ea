"""One tip from an anonymous report to the notified informant; each figure that it moves is seen in stats over REST."""

from typing import Any

from tests.conftest import COMMUNE, Antt
from tests.incidents.conftest import opened

TIPS, CASES = "/incidents/v1/tips", "/incidents/v1/cases"


async def walk(antt: Antt) -> None:
    """Take one tip through all that may become of it, as sender, commune police and province would."""
    police = antt.token("commune_officer", COMMUNE)

    async def takes(step: str, body: dict[str, Any] | None = None, at: str = TIPS) -> str:
        answer = await antt.post(f"{at}/{step}", body or {}, police)
        assert answer.status_code in (200, 201), answer.text
        return str(answer.headers["antt-position"])

    async def figures(position: str, *names: str) -> dict[str, int]:
        counters = await antt.counters(position, COMMUNE, from_="2025-01-01", to="2030-12-31")
        return {name: counters[name] for name in names}

    tip = await opened(antt, TIPS, {"unit": COMMUNE, "content": "Nghi tổ chức đánh bạc ở nhà trọ"}, {})
    at = f"{TIPS}/{tip['id']}"
    receipt = {"Antt-Receipt": tip["receipt"]}
    assert await figures(tip["position"], "tips_received", "tips_from_citizens") == {
        "tips_received": 1,
        "tips_from_citizens": 1,
    }
    await takes(f"{tip['id']}/report")
    await takes(f"{tip['id']}/classify", {"classified_as": "crime_report"})
    await takes(f"{tip['id']}/assign", {"officer": "officer-7"})

    # The police ask; the sender, who has nothing but the receipt, answers.
    await takes(f"{tip['id']}/ask", {"question": "Thường vào giờ nào?"})
    status = (await antt.http.get(f"{TIPS}/by-receipt", headers=receipt)).json()
    (question,) = status["messages"]
    answer = await antt.http.post(
        f"{TIPS}/by-receipt/messages",
        json={"content": "Sau 22 giờ", "answers": question["id"]},
        headers=receipt,
    )
    assert answer.status_code == 201, answer.text

    await takes(f"{tip['id']}/verify")
    await takes(f"{tip['id']}/forward", {"agency": "Cơ quan Cảnh sát điều tra Công an tỉnh"})
    await takes(f"{tip['id']}/acknowledge", {"number": "05/BN-CSĐT", "received_on": status["received_at"][:10]})

    case = await opened(
        antt, CASES, {"unit": COMMUNE, "kind": "gambling", "found_on": "2025-11-02", "tip_id": tip["id"]}
    )
    found = await figures(case["position"], "cases_found", "cases_found_via_tips", "cases_resolved_via_tips")
    assert found == {"cases_found": 1, "cases_found_via_tips": 1, "cases_resolved_via_tips": 0}
    position = await takes(f"{case['id']}/resolve", {"resolved_on": "2025-11-10"}, CASES)
    assert await figures(position, "cases_resolved", "cases_resolved_via_tips") == {
        "cases_resolved": 1,
        "cases_resolved_via_tips": 1,
    }

    assert (await figures(position, "tips_resolved"))["tips_resolved"] == 0
    await takes(f"{tip['id']}/resolve", {"reason": "đã xử phạt"})
    position = await takes(f"{tip['id']}/notify")
    assert await figures(position, "tips_resolved", "tips_decided_in_time", "tips_decision_overdue") == {
        "tips_resolved": 1,
        "tips_decided_in_time": 1,
        "tips_decision_overdue": 0,
    }
    status = (await antt.http.get(f"{TIPS}/by-receipt", headers=receipt)).json()
    assert status["state"] == "notified"
    assert [message["kind"] for message in status["messages"]] == ["question", "answer"]
    steps = (await antt.get(f"{at}/steps", police)).json()
    assert [step["command"] for step in steps] == [
        "report", "classify", "assign", "ask", "verify", "forward", "acknowledge", "resolve", "notify",
    ]  # fmt: skip
    assert all(step["taken_by"] and step["taken_at"] for step in steps)


async def test_one_tip_is_followed_to_its_end_on_the_embedded_log(antt: Antt) -> None:
    await walk(antt)


async def test_one_tip_is_followed_to_its_end_over_a_real_broker(antt_on_kafka: Antt) -> None:
    await walk(antt_on_kafka)
