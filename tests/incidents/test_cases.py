"""Cases: found through a tip, a patrol or otherwise; resolved, reopened, corrected."""

from typing import Any

from tests.conftest import COMMUNE, Antt

CASES = "/incidents/v1/cases"


def case(**values: Any) -> dict[str, Any]:
    return {"unit": COMMUNE, "kind": "gambling", "found_on": "2026-11-02", **values}


async def test_a_case_counts_when_it_is_found_and_again_when_it_is_resolved(antt: Antt) -> None:
    officer = antt.token()
    opened = await antt.post(CASES, case(), officer)
    assert opened.status_code == 201, opened.text
    assert opened.json()["found_through"] == "other"
    resolved = await antt.post(
        f"{CASES}/{opened.json()['id']}/resolve", {"resolved_on": "2026-11-05", "reason": "đã xử phạt"}, officer
    )
    assert (resolved.status_code, resolved.json()["state"]) == (200, "resolved"), resolved.text
    counters = await antt.counters(resolved.headers["antt-position"])
    assert (counters["cases_found"], counters["cases_resolved"], counters["cases_found_via_tips"]) == (1, 1, 0)
