"""A third edition in the services: what they take, list, count, show and export where it holds."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from services.incidents import app as incidents
from services.incidents.tips.duplicates import neighbours_on_record
from services.stats import app as stats
from services.stats.proof.rebuild import rebuild
from services.stats.proof.verify import verify
from services.teams import app as teams
from shared import units
from shared.settings import settings
from tests import third_edition as third
from tests.conftest import COMMUNE, OLD_COMMUNE, PROVINCE, Antt
from tests.stats.writing import report
from tests.teams.factories import DECISION, MEMBERS, TEAMS, a_member, entered, refusal, step, team

CITY, MERGED, SPLIT, SPLIT_OFF = "2026:79", *(f"2026:{code}" for code in (third.MERGED, third.SPLIT, third.SPLIT_OFF))
IN_IT = "2026-07-02T05:00:00Z"
YEARS = {"from_": "2024-01-01", "to": "2026-07-31", "indicator": "tips_received"}
ACCEPTED = "Input should be '2024', '2025' or '2026'"


async def figures(antt: Antt, of: str, unit: str, **query: str) -> dict[str, Any]:
    """What the province's operator is answered."""
    answer = await antt.get(f"/stats/v1/{of}", antt.token("operator", PROVINCE), unit=unit, **{**YEARS, **query})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_fact_of_the_first_edition_is_in_the_figures_of_the_third(
    third_edition: Callable[[], object], antt: Antt
) -> None:
    third_edition()
    await report(antt, 1, OLD_COMMUNE, received_at="2024-08-01T00:00:00Z")
    await report(antt, 2, "2024:25885", received_at="2024-08-01T00:00:00Z")  # of what was split in the third
    await report(antt, 4, COMMUNE, received_at="2025-11-01T00:00:00Z")
    counted = await report(antt, 8, MERGED, received_at=IN_IT)
    for unit, tips, flags in (
        (CITY, 15, {"partial": True}),
        (MERGED, 13, {"exact": False, "inexact": "split"}),  # before the second edition
        (SPLIT, 0, {"exact": False, "inexact": "split"}),
        ("2025:79", 7, {"exact": False, "inexact": "outside-edition", "partial": True}),
        (COMMUNE, 5, {"exact": False, "inexact": "outside-edition"}),
        (PROVINCE, 3, {"exact": False, "inexact": "outside-edition"}),
    ):
        answer = await figures(antt, "counters", unit, counted=counted)
        found = {name: answer[name] for name in ("exact", "inexact", "partial") if name in answer}
        assert (answer["counters"]["tips_received"], found) == (tips, flags), unit
    rows = {row["unit"]: row for row in (await figures(antt, "breakdown", CITY))["rows"] if not row.get("own")}
    shown = {unit: row["counters"]["tips_received"] for unit, row in rows.items()}
    assert {unit: count for unit, count in shown.items() if count} == {MERGED: 13, f"{CITY}/unattributed": 2}
    assert {SPLIT, SPLIT_OFF} <= set(shown)
    # The same question in another edition: of the one unit that stands for it there.
    assert (await figures(antt, "counters", PROVINCE, edition="2026"))["unit"] == CITY
    series = await figures(antt, "series", OLD_COMMUNE, edition="2026", by="year")
    assert (series["unit"], [row["counters"]["tips_received"] for row in series["series"]]) == (MERGED, [1, 4, 8])
    for unit, edition in ((CITY, "2025"), ("2024:25885", "2026")):
        query = {**YEARS, "unit": unit, "edition": edition}
        refused = await antt.get("/stats/v1/counters", antt.token("operator", PROVINCE), **query)
        assert refused.json()["errors"][0]["code"] == "no-single-counterpart"
    assert (await verify(settings(), antt.http)).right


async def test_an_installation_that_gains_an_edition_counts_anew(
    third_edition: Callable[[], object], antt: Antt
) -> None:
    counted = await report(antt, 3, OLD_COMMUNE, received_at="2024-08-01T00:00:00Z")
    assert (await figures(antt, "counters", "2025:79", counted=counted))["counters"]["tips_received"] == 3
    third_edition()
    verified = await verify(settings(), antt.http)
    assert {difference.unit for difference in verified.comparison.differences} == {MERGED, CITY}
    await rebuild(settings())
    assert (await verify(settings(), antt.http)).right
    for unit in (OLD_COMMUNE, PROVINCE, COMMUNE, "2025:79", MERGED, CITY):
        assert (await figures(antt, "counters", unit))["counters"]["tips_received"] == 3, unit


async def test_what_happens_in_an_edition_is_of_its_units(third_edition: Callable[[], object], antt: Antt) -> None:
    third_edition()
    operator = antt.token("operator", PROVINCE)
    for unit, at in ((COMMUNE, IN_IT), (MERGED, "2026-06-30T05:00:00Z")):
        tip = {"unit": unit, "content": "Mất trộm", "received_at": at}
        assert refusal(await antt.post("/incidents/v1/tips", tip, operator)) == (422, "unit-not-in-force")
    await report(antt, 1, OLD_COMMUNE, received_at="2024-08-01T00:00:00Z")
    await report(antt, 1, MERGED, received_at=IN_IT)
    # A list, its count and its file show what a caller of either unit acts on.
    for caller in (antt.token(unit=MERGED), antt.token(unit=OLD_COMMUNE)):
        listed = (await antt.get("/incidents/v1/tips", caller)).json()["items"]
        assert {tip["unit"] for tip in listed} == {OLD_COMMUNE, MERGED}
        file = await antt.get("/incidents/v1/tips/export", caller, format="ndjson", unit=MERGED)
        lines = [json.loads(line) for line in file.text.splitlines()]
        assert {line["unit"] for line in lines} == {OLD_COMMUNE, MERGED}
        count = await antt.get("/incidents/v1/tips/count", caller, unit=MERGED)
        assert count.json()["count"] == 2
    # A team of the second edition takes somebody in while the third holds.
    team_id = await team(antt, unit=COMMUNE)
    term = await entered(antt, MEMBERS, a_member(team_id, from_on="2026-07-02"))
    counted = (await step(antt, f"{MEMBERS}/{term['id']}/change-role", role="leader", from_on="2026-07-03")).headers
    members = await figures(antt, "counters", MERGED, indicator="members", counted=counted["antt-position"])
    assert members["counters"]["members"] == 1


async def test_a_team_is_placed_where_its_commune_went_over_two_steps(
    third_edition: Callable[[], object], antt: Antt
) -> None:
    third_edition()
    decision = {**DECISION, "signed_on": "2024-06-28"}
    team_id = await team(antt, unit="2024:25885", from_on="2024-07-01", decision=decision)
    elsewhere = await step(antt, f"{TEAMS}/{team_id}/place", unit=MERGED, from_on="2026-07-05")
    assert elsewhere.json()["errors"][0]["code"] == "no-successor"
    placed = await step(antt, f"{TEAMS}/{team_id}/place", unit=SPLIT_OFF, from_on="2026-07-05")
    assert placed.status_code == 200, placed.text
    counted = placed.headers["antt-position"]
    for unit, to, teams_there in (
        (SPLIT_OFF, "2026-07-31", 1),
        (SPLIT, "2026-07-31", 0),
        (f"2025:{third.SPLIT}", "2026-06-30", 1),
        (CITY, "2026-07-31", 1),
    ):
        answer = await figures(antt, "counters", unit, indicator="teams", to=to, counted=counted)
        assert answer["counters"]["teams"] == teams_there, unit


def test_neighbours_that_no_boundary_shows_are_those_of_the_same_districts_before(
    third_edition: Callable[[], object],
) -> None:
    third_edition()
    near = neighbours_on_record(f"2025:{third.SPLIT}")
    assert near
    assert neighbours_on_record(SPLIT_OFF) == {SPLIT}.union(*map(units.successors, near))


async def test_units_and_places_are_listed_by_every_edition_and_a_name_that_is_none_is_refused_with_those_that_are(
    third_edition: Callable[[], object], antt: Antt
) -> None:
    third_edition()
    listed = (await antt.get("/teams/v1/units", edition="2026", name="phường tách ra")).json()["items"]
    assert [unit["id"] for unit in listed] == [SPLIT_OFF]
    unit = (await antt.get(f"/teams/v1/units/{SPLIT_OFF}")).json()
    assert ([before["id"] for before in unit["predecessors"]], unit["served"]) == ([f"2025:{third.SPLIT}"], True)
    operator = antt.token("operator", PROVINCE)
    hamlets = {"edition": "2026", "hamlets": [{"code": "A1", "name": "Ấp Mới", "unit": SPLIT_OFF}]}
    answer = await antt.http.put("/incidents/v1/places/hamlets", json=hamlets, headers=operator)
    assert answer.status_code == 200, answer.text
    for asked in ({"edition": "2026"}, {"unit": SPLIT_OFF}, dict[str, Any]()):
        found = (await antt.get("/incidents/v1/places/hamlets", **asked)).json()["items"]
        assert [hamlet["unit"] for hamlet in found] == [SPLIT_OFF], asked
    assert (await antt.get("/incidents/v1/places/hamlets", edition="2025")).json()["items"] == []
    needed: dict[str, dict[str, Any]] = {"/stats/v1/counters": {"unit": CITY, **YEARS}}
    for path in (
        "/teams/v1/units",
        "/stats/v1/counters",
        "/incidents/v1/places/hamlets",
        "/incidents/v1/places/boundaries",
    ):
        query = needed.get(path, {}) | {"edition": "2027"}
        answer = await antt.get(path, {**operator, "Accept-Language": "en"}, **query)
        assert refusal(answer) == (422, "invalid-input"), path
        assert [wrong["message"] for wrong in answer.json()["errors"]] == [ACCEPTED], path
    answer = await antt.http.put("/incidents/v1/places/hamlets", json=hamlets | {"edition": "2027"}, headers=operator)
    assert refusal(answer) == (422, "invalid-input")


@pytest.mark.parametrize("service", [teams, incidents, stats])
def test_the_documents_name_the_editions_that_there_are(third_edition: Callable[[], object], service: Any) -> None:
    def named() -> set[tuple[str, ...]]:
        found = set()

        def walk(part: Any) -> None:
            if isinstance(part, dict):
                if "2024" in part.get("enum", ()):
                    found.add(tuple(part["enum"]))
                # A body that is read by hand is described when the module is imported.
                part = [each for name, each in part.items() if name != "requestBody"]
            for each in part if isinstance(part, list) else ():
                walk(each)

        walk(service.create_app().openapi())
        return found

    assert named() == {("2024", "2025")}
    third_edition()
    assert named() == {("2024", "2025", "2026")}
