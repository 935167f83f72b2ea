"""The recount: this service's figures once more from its own tables, from one snapshot."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from services.incidents.recount import RECOUNT
from services.stats.indicators import INDICATORS
from shared import events
from tests.conftest import COMMUNE, PROVINCE, Antt
from tests.incidents.conftest import ACTIVITIES, CASES, a_case, a_patrol, kind_of, opened, traffic_control

Cells = Counter[tuple[str, str, str]]


async def counted(antt: Antt, position: str | None, units: Iterable[str], days: Iterable[str]) -> Cells:
    """The counters of each of these units on each of these days, once the position is counted."""
    found: Cells = Counter()
    for unit in sorted(units):
        for day in sorted(days):
            counters = await antt.counters(position, unit=unit, from_=day, to=day)
            found.update({(unit, day, name): count for name, count in counters.items()})
    return found


async def recounted(antt: Antt) -> tuple[dict[str, int], Cells]:
    """The recount's position, and its cells by unit, day and indicator."""
    answer = await antt.get("/incidents/v1/recount", antt.token("operator", PROVINCE))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    position, *cells = msgspec.json.Decoder().decode_lines(answer.content)
    return position, Counter({(cell["unit"], cell["on"], cell["indicator"]): cell["count"] for cell in cells})


async def test_an_empty_service_recounts_nothing_at_the_beginning(antt: Antt) -> None:
    assert await recounted(antt) == ({"generation": 1, "seq": 0, "event_id": None}, Counter())


async def test_the_recount_tells_each_cell_that_is_not_zero_with_the_position_of_its_snapshot(antt: Antt) -> None:
    patrol = await opened(antt, ACTIVITIES, a_patrol())
    await opened(antt, ACTIVITIES, traffic_control(turns=60, started_at="2025-11-01T17:00:00Z"))
    await opened(antt, CASES, a_case(patrol_id=patrol["id"]))
    last = await opened(antt, CASES, a_case())
    position, cells = await recounted(antt)
    assert last["position"] == f"incidents:1:{position['seq']}"
    on = "2025-11-02"
    assert cells == {
        (COMMUNE, on, "patrols"): 1,
        (COMMUNE, on, "traffic_control_turns"): 60,
        (COMMUNE, on, "cases_found"): 2,
        (COMMUNE, on, "cases_found_by_patrol"): 1,
    }


async def test_only_operators_and_systems_may_ask_for_the_recount(antt: Antt) -> None:
    assert kind_of(await antt.get("/incidents/v1/recount")) == (401, "unauthenticated")
    assert kind_of(await antt.get("/incidents/v1/recount", antt.token("province_officer", PROVINCE)))[0] == 403
    assert (await antt.get("/incidents/v1/recount", antt.token("system", PROVINCE))).status_code == 200


def test_every_indicator_of_tips_cases_and_activities_is_recounted() -> None:
    mine = {i.name for i in INDICATORS if i.of in (events.Tip, events.Deadline, events.Case, events.Activity)}
    assert set(RECOUNT) == mine
