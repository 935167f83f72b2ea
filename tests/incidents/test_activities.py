"""Activities: entered by teams and officers, confirmed or returned by the police, corrected."""

from typing import Any

from tests.conftest import COMMUNE, Antt

ACTIVITIES = "/incidents/v1/activities"


def patrol(**values: Any) -> dict[str, Any]:
    return {
        "kind": "patrol",
        "unit": COMMUNE,
        "started_at": "2026-11-02T20:00:00+07:00",
        "ended_at": "2026-11-02T23:00:00+07:00",
        **values,
    }


async def test_what_an_officer_enters_counts_at_once(antt: Antt) -> None:
    officer = antt.token()
    entered = await antt.post(ACTIVITIES, patrol(joint=True), officer)
    assert entered.status_code == 201, entered.text
    assert (entered.json()["state"], entered.json()["joint"]) == ("confirmed", True)
    await antt.post(ACTIVITIES, patrol(kind="traffic_control", turns=40), officer)
    last = await antt.post(ACTIVITIES, patrol(kind="security_duty", target="Lễ hội"), officer)
    assert last.json()["target"] == "Lễ hội"
    counters = await antt.counters(last.headers["antt-position"])
    assert (counters["patrols"], counters["traffic_control_turns"], counters["security_duties"]) == (1, 40, 1)
