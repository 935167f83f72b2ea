"""Figures over REST: ranges, series, breakdowns, freshness, who may read."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.stats.app import create_app
from services.stats.counters.answering import held_back
from services.stats.counters.reading import parts
from shared import days
from shared.access.tokens import LEEWAY_SECONDS
from shared.days import now
from shared.jurisdiction import served
from shared.settings import settings as configured
from shared.units import children
from tests.clock import at
from tests.conftest import COMMUNE, OLD_COMMUNE, PROVINCE, Antt
from tests.stats.writing import append, tip
from tests.teams.factories import DECISION, MEMBERS, a_member, entered, step, team

REPORTED = "/incidents/v1/tips"


async def report(antt: Antt, unit: str, received_at: str) -> str:
    answer = await antt.post(
        REPORTED,
        {"unit": unit, "content": "Mất trộm", "received_at": received_at},
        antt.token("operator", PROVINCE),
    )
    assert answer.status_code == 201, answer.text
    return str(answer.headers["antt-position"])


async def test_a_range_includes_both_its_days_and_a_day_is_that_of_viet_nam(antt: Antt) -> None:
    await report(antt, OLD_COMMUNE, "2024-06-30T17:00:00Z")  # 00:00 on 1 July in Viet Nam
    position = await report(antt, OLD_COMMUNE, "2024-09-30T16:59:59Z")
    july = await antt.counters(position, PROVINCE, from_="2024-07-01", to="2024-07-01")
    quarter = await antt.counters(position, PROVINCE, from_="2024-07-01", to="2024-09-30")
    june = await antt.counters(position, PROVINCE, from_="2024-06-01", to="2024-06-30")
    assert [july["tips_received"], quarter["tips_received"], june["tips_received"]] == [1, 2, 0]


async def test_a_fact_of_an_old_commune_counts_in_what_came_after_and_only_once_in_each_edition(antt: Antt) -> None:
    position = await report(antt, OLD_COMMUNE, "2024-08-01T00:00:00Z")
    period = {"from_": "2024-08-01", "to": "2024-08-31"}
    for unit in (OLD_COMMUNE, "2024:724", PROVINCE, "2025:79"):
        assert (await antt.counters(position, unit, **period))["tips_received"] == 1, unit


async def test_a_figure_can_be_read_as_it_was_known_on_an_earlier_day(antt: Antt) -> None:
    position = await report(antt, OLD_COMMUNE, "2024-08-01T00:00:00Z")
    period = {"from_": "2024-08-01", "to": "2024-09-15"}
    today = days.today()
    assert (await antt.counters(position, known_at=str(today + timedelta(days=1)), **period))["tips_received"] == 1
    assert (await antt.counters(position, known_at=str(today - timedelta(days=2)), **period))["tips_received"] == 0


async def test_months_of_a_series_add_up_to_the_range_and_its_ends_are_clipped(antt: Antt) -> None:
    for day in ("2024-07-15", "2024-08-01", "2024-08-31", "2024-09-10"):
        position = await report(antt, OLD_COMMUNE, f"{day}T05:00:00Z")
    answer = await antt.get(
        "/stats/v1/series",
        antt.token("operator", PROVINCE),
        unit=PROVINCE, from_="2024-07-10", to="2024-09-10", by="month", indicator="tips_received", counted=position,
    )  # fmt: skip
    series = answer.json()["series"]
    assert [(bucket["from"], bucket["to"]) for bucket in series] == [
        ("2024-07-10", "2024-07-31"),
        ("2024-08-01", "2024-08-31"),
        ("2024-09-01", "2024-09-10"),
    ]
    assert [bucket["counters"]["tips_received"] for bucket in series] == [1, 2, 1]


async def test_after_its_edition_a_unit_keeps_its_level_and_its_answers_say_that_they_are_not_exact(
    antt: Antt,
) -> None:
    await report(antt, OLD_COMMUNE, "2025-06-30T05:00:00Z")
    decision = {**DECISION, "signed_on": "2024-06-28"}
    team_id = await team(antt, unit=OLD_COMMUNE, from_on="2024-07-01", decision=decision)
    entry = await entered(antt, MEMBERS, a_member(team_id, from_on="2024-07-01", decision=decision))
    gone = await step(
        antt, f"{MEMBERS}/{entry['id']}/release", until_on="2025-11-12", ground="own_request", reason="chuyển nơi ở"
    )
    assert gone.status_code == 200, gone.text
    officer = antt.token("operator", PROVINCE)
    counted = gone.headers["antt-position"]
    outside = (False, "outside-edition")

    async def asked(of: str, unit: str, from_: str, to: str) -> dict[str, Any]:
        query = {"unit": unit, "from": from_, "to": to, "counted": counted}
        answer = await antt.http.get(f"/stats/v1/{of}", params=query, headers=officer)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def flags(of: dict[str, Any]) -> tuple[bool | None, str | None]:
        return of.get("exact"), of.get("inexact")

    within = await asked("counters", OLD_COMMUNE, "2025-06-01", "2025-06-30")
    assert (flags(within), within["counters"]["tips_received"], within["counters"]["members"]) == ((None, None), 1, 1)
    across = await asked("counters", OLD_COMMUNE, "2025-06-01", "2025-12-31")
    assert (flags(across), across["to"]) == (outside, "2025-12-31")
    assert across["counters"] == within["counters"]
    behind = await asked("counters", OLD_COMMUNE, "2025-12-01", "2025-12-31")
    assert (flags(behind), behind["counters"]["tips_received"], behind["counters"]["members"]) == (outside, 0, 1)
    for from_ in ("2025-06-01", "2025-08-01"):
        series = await asked("series", OLD_COMMUNE, from_, "2025-12-31")
        assert flags(series) == outside
        for bucket in series["series"]:
            assert flags(bucket) == ((None, None) if bucket["to"] <= "2025-06-30" else outside), bucket["to"]
            assert bucket["counters"]["tips_received"] == (bucket["to"] == "2025-06-30")
            assert bucket["counters"]["members"] == 1, bucket["to"]
    breakdown = await asked("breakdown", "2024:724", "2025-06-01", "2025-12-31")
    assert flags(breakdown) == outside
    assert {flags(row) for row in breakdown["rows"]} == {outside}
    assert sum(row["counters"]["members"] for row in breakdown["rows"]) == 1
    today = await asked("counters", COMMUNE, "2025-06-01", "2025-12-31")
    assert (flags(today)[1], today["counters"]["members"]) in ((None, 0), ("split", 0))


async def test_a_commune_of_units_that_were_split_is_inexact_only_before_its_edition_and_in_its_levels(
    antt: Antt,
) -> None:
    of_a_split, officer = "2025:25747", antt.token("operator", PROVINCE)

    async def flags(of: str, **query: str) -> list[Any]:
        answer = await antt.get(f"/stats/v1/{of}", officer, unit=of_a_split, to="2025-08-31", **query)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        return [each.get("inexact") for each in (found, *found.get("series", ()))]

    flow, stock = {"indicator": "tips_received"}, {"indicator": "teams"}
    for of in ("counters", "breakdown"):
        assert await flags(of, from_="2025-06-30", **flow) == ["split"]
        assert await flags(of, from_="2025-07-01", **flow) == [None]
        assert await flags(of, from_="2025-07-01", **stock) == ["split"]
        assert await flags(of, from_="2025-07-01") == ["split"]
    assert await flags("series", from_="2025-06-01", by="month", **flow) == ["split", "split", None, None]
    assert await flags("series", from_="2025-07-01", by="month", **stock) == ["split"] * 3


# Units of both editions and of every level, each with those whose facts are its own: no unit below has a part in them.
OWN = {
    "2024:74": {"2024:74"},
    "2024:724": {"2024:724"},
    "2024:725": {"2024:725"},
    OLD_COMMUNE: {OLD_COMMUNE},
    "2024:25741": {"2024:25741"},  # which was split
    "2025:79": {"2025:79", "2024:74"},
    COMMUNE: {COMMUNE, OLD_COMMUNE},
    "2025:25747": {"2025:25747"},
}
_FACT = st.tuples(st.sampled_from(sorted(OWN)), st.integers(-45, 45), st.booleans())


@settings(
    max_examples=3,
    phases=[Phase.generate],
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(told=st.lists(_FACT, min_size=4, max_size=16))
async def test_the_rows_of_every_breakdown_add_up_to_the_unit_and_its_own_row_is_its_own_facts(
    antt: Antt, told: list[tuple[str, int, bool]]
) -> None:
    officer = antt.token("operator", PROVINCE)
    from_, to, counted = date(2025, 6, 1), date(2025, 7, 31), dict[str, str]()

    async def own_rows() -> dict[str, tuple[int, int]]:
        found = {}
        for unit in OWN:
            query = {"unit": unit, "from_": str(from_), "to": str(to), "counted": ",".join(counted.values())}
            query = {name: value for name, value in query.items() if value}
            breakdown = (await antt.get("/stats/v1/breakdown", officer, **query)).json()["rows"]
            whole = (await antt.get("/stats/v1/counters", officer, **query)).json()["counters"]
            for indicator, figure in whole.items():
                cells = [row["counters"][indicator] for row in breakdown]
                assert (sum(cells), min(cells) >= 0) == (figure, True), (unit, indicator)
            (own,) = [row["counters"] for row in breakdown if row.get("own")]
            found[unit] = (own["tips_received"], own["teams"])
        return found

    before = await own_rows()
    facts = [(unit, date(2025, 7, 1) + timedelta(days), is_team) for unit, days, is_team in told]
    for unit, day, is_team in facts:
        if is_team:
            event = {"after": {"unit": unit, "from_on": str(day)}}
            counted["teams"] = await append("teams", "TeamCreated", event)
        else:
            counted["incidents"] = await append("incidents", "TipReceived", tip(unit, str(day)))
    after = await own_rows()
    for unit, own in OWN.items():
        last = min(to, date(2025, 6, 30)) if unit.startswith("2024:") else to
        tips = sum(of in own and not is_team and from_ <= day <= last for of, day, is_team in facts)
        teams = sum(of in own and is_team and day <= last for of, day, is_team in facts)
        assert after[unit] == (before[unit][0] + tips, before[unit][1] + teams), unit


async def test_who_does_not_oversee_a_province_sees_its_own_row_and_the_other_units_as_one(antt: Antt) -> None:
    for unit in ("2025:79", "2025:79", COMMUNE, "2025:25747"):
        position = await append("incidents", "TipReceived", tip(unit, "2025-08-01"))
    position = await append("incidents", "TipReceived", tip("2024:725", "2025-06-01"))
    query: dict[str, Any] = {"unit": "2025:79", "from_": "2025-06-01", "to": "2025-08-31", "indicator": "tips_received"}
    answer = await antt.get("/stats/v1/breakdown", antt.token("commune_officer", COMMUNE), **query, counted=position)
    rows = [
        (row["unit"], row.get("own") or row.get("others"), row["counters"]["tips_received"])
        for row in answer.json()["rows"]
    ]
    assert rows == [(COMMUNE, None, 1), ("2025:79/unattributed", None, 1), ("2025:79", True, 1), ("2025:79", True, 2)]


async def test_the_rows_of_a_breakdown_with_the_unattributed_add_up_to_the_unit(antt: Antt) -> None:
    await report(antt, OLD_COMMUNE, "2024-08-01T00:00:00Z")
    position = await report(antt, "2024:725", "2024-08-01T00:00:00Z")  # a district: no single successor
    officer = antt.token("operator", PROVINCE)
    period: dict[str, Any] = {"from_": "2024-08-01", "to": "2024-08-31", "counted": position}
    rows = (await antt.get("/stats/v1/breakdown", officer, unit="2025:79", **period)).json()["rows"]
    assert sum(row["counters"]["tips_received"] for row in rows) == 2
    assert [row["counters"]["tips_received"] for row in rows if row["unit"].endswith("unattributed")] == [1]


async def test_a_unit_of_which_only_a_part_is_served_says_so(antt: Antt) -> None:
    position = await report(antt, OLD_COMMUNE, "2024-08-01T00:00:00Z")
    period: dict[str, Any] = {"from_": "2024-08-01", "to": "2024-08-31", "counted": position}
    assert (await antt.get("/stats/v1/counters", unit="2025:79", **period)).json()["partial"] is True
    assert "partial" not in (await antt.get("/stats/v1/counters", unit=PROVINCE, **period)).json()


async def test_a_unit_is_shown_in_the_other_edition_as_what_it_became(antt: Antt) -> None:
    position = await report(antt, OLD_COMMUNE, "2024-08-01T00:00:00Z")
    query: dict[str, Any] = {"unit": PROVINCE, "from_": "2024-08-01", "to": "2024-08-31", "edition": "2025"}
    answer = (await antt.get("/stats/v1/counters", **query, counted=position)).json()
    assert (answer["unit"], answer["partial"], answer["counters"]["tips_received"]) == ("2025:79", True, 1)


async def test_the_etag_is_of_the_figures_alone(antt: Antt) -> None:
    position = await report(antt, OLD_COMMUNE, "2024-08-01T00:00:00Z")
    period: dict[str, Any] = {"unit": PROVINCE, "from_": "2024-08-01", "to": "2024-08-31"}
    first = await antt.get("/stats/v1/counters", **period, counted=position)
    elsewhere = await report(antt, OLD_COMMUNE, "2024-09-01T00:00:00Z")
    etag = {"If-None-Match": first.headers["etag"]}
    assert (await antt.get("/stats/v1/counters", etag, **period, counted=elsewhere)).status_code == 304
    position = await report(antt, OLD_COMMUNE, "2024-08-02T00:00:00Z")
    assert (await antt.get("/stats/v1/counters", etag, **period, counted=position)).status_code == 200


async def test_without_a_token_only_whole_months_of_the_province_are_read(antt: Antt) -> None:
    await antt.counters(await report(antt, OLD_COMMUNE, "2024-08-01T00:00:00Z"))
    month: dict[str, Any] = {"from_": "2024-08-01", "to": "2024-08-31"}
    statuses = [
        (await antt.get("/stats/v1/counters", unit=unit, **period)).status_code
        for unit, period in (
            (PROVINCE, month),
            (PROVINCE, {"from_": "2024-08-01", "to": "2024-08-30"}),
            (OLD_COMMUNE, month),
        )
    ]
    assert statuses == [200, 401, 401]
    foreign = await antt.get("/stats/v1/counters", antt.token("commune_officer", COMMUNE), unit="2024:725", **month)
    assert (foreign.status_code, foreign.json()["type"]) == (403, "urn:antt:problem:foreign-area")


async def test_without_a_token_and_from_elsewhere_only_public_indicators_are_read(antt: Antt) -> None:
    month: dict[str, Any] = {"unit": PROVINCE, "from_": "2024-08-01", "to": "2024-08-31"}
    listed = (await antt.get("/stats/v1/indicators")).json()
    public = {indicator["name"] for indicator in listed if indicator["public"]}
    assert {"tips_received", "teams", "patrols"} < public
    assert not public & {"drugs_seized_milligrams", "persons_fined", "persons_handled", "fines_dong"}
    elsewhere = (None, antt.token("operator", "2024:96"), antt.token("commune_officer", COMMUNE))
    for caller, status in zip(elsewhere, (401, 403, 403), strict=True):
        unasked = (await antt.get("/stats/v1/counters", caller, **month)).json()["counters"]
        assert unasked.keys() == public
        for of in ("counters", "series", "live"):
            for indicator in ("persons_fined", ["tips_received", "drugs_seized_milligrams"]):
                answer = await antt.get(f"/stats/v1/{of}", caller, **month, indicator=indicator)
                assert answer.status_code == status, (of, indicator)
    everything = await antt.get("/stats/v1/counters", antt.token("operator", PROVINCE), **month)
    assert len(everything.json()["counters"]) == len(listed)


small_and_large = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 9), min_size=1)


@given(small_and_large)
def test_what_is_held_back_could_as_well_be_another_units(cells: dict[str, int]) -> None:
    held = held_back(cells, 5, beside=("own",))
    assert {id for id, figure in cells.items() if 0 < figure < 5} <= held
    if not held:
        return
    if "own" in held:
        # Nothing of the sum is told.
        assert held == {*cells, "own"}
        return
    small, large = (pick(held, key=lambda id: cells[id]) for pick in (min, max))
    assert cells[small] < 5 <= cells[large]
    exchanged = {**cells, small: cells[large], large: cells[small]}
    assert held_back(exchanged, 5, beside=("own",)) == held
    assert {id: figure for id, figure in exchanged.items() if id not in held} == {
        id: figure for id, figure in cells.items() if id not in held
    }


async def test_without_a_token_small_figures_of_communes_and_what_would_give_them_away_are_not_told(antt: Antt) -> None:
    many, few, more, most = [child for child in children("2025:79") if child in served()][:4]
    for unit, day, times in (
        (few, "2025-08-01", 3), (many, "2025-08-02", 6), (more, "2025-08-03", 7), (few, "2025-09-01", 5),
        (most, "2025-10-01", 4),
    ):  # fmt: skip
        position = await append("incidents", "TipReceived", tip(unit, day), times=times)
    await antt.counters(position)

    async def told(from_: str, to: str, caller: dict[str, str] | None = None) -> dict[str, tuple[int | None, bool]]:
        query = {"unit": "2025:79", "from_": from_, "to": to, "indicator": ["tips_received", "teams"]}
        answer = await antt.get("/stats/v1/breakdown", caller, **query)
        assert answer.status_code == 200, answer.text
        return {
            "own" if row.get("own") else row["unit"]: (
                row["counters"]["tips_received"], row.get("suppressed") == ["tips_received"],
            )
            for row in answer.json()["rows"]
        }  # fmt: skip

    untold = (None, True)
    august = await told("2025-08-01", "2025-08-31")
    assert [august[unit] for unit in (few, many, more, most, "own")] == [
        untold,
        untold,
        (7, False),
        (0, False),
        (0, False),
    ]
    september = await told("2025-09-01", "2025-09-30")
    assert [september[unit] for unit in (few, many)] == [(5, False), (0, False)]
    # The sum of two months is told only where both are: or it would give August away.
    both = await told("2025-08-01", "2025-09-30")
    assert [both[unit] for unit in (few, many, more)] == [untold, untold, (7, False)]
    # Where nothing else could have been exchanged for it, nothing is told.
    assert set((await told("2025-10-01", "2025-10-31")).values()) == {untold}
    overseen = await told("2025-08-01", "2025-09-30", antt.token("operator", PROVINCE))
    assert [overseen[unit] for unit in (few, many)] == [(8, False), (6, False)]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 200),
        ({"unit": PROVINCE, "to": "2025-06-30", "from_": "2025-06-01"}, 401),
        ({"unit": COMMUNE}, 401),
        ({"known_at": "2025-09-30"}, 401),
        ({"to": "2025-08-30"}, 401),
        ({"indicator": "persons_fined"}, 401),
        ({"to": "2026-08-31"}, 422),
    ],
)
async def test_without_a_token_a_breakdown_is_of_todays_province_in_whole_months_as_known_now(
    antt: Antt, query: dict[str, str], status: int
) -> None:
    asked: dict[str, Any] = {"unit": "2025:79", "from_": "2025-08-01", "to": "2025-08-31", **query}
    assert (await antt.get("/stats/v1/breakdown", **asked)).status_code == status


async def test_a_province_opens_further_indicators_and_no_name_that_is_none(
    antt: Antt, monkeypatch: pytest.MonkeyPatch
) -> None:
    month: dict[str, Any] = {"unit": PROVINCE, "from_": "2024-08-01", "to": "2024-08-31", "indicator": "persons_fined"}
    monkeypatch.setattr(configured(), "public_indicators", "persons_fined, fines_dong")
    assert (await antt.get("/stats/v1/counters", **month)).json()["counters"] == {"persons_fined": 0}
    assert (await antt.get("/stats/v1/counters", **{**month, "indicator": "persons_warned"})).status_code == 401
    monkeypatch.setattr(configured(), "public_indicators", "persons_fned")
    with pytest.raises(ValueError, match="ANTT_PUBLIC_INDICATORS: there is no indicator persons_fned"):
        create_app()


async def test_two_answers_without_a_token_or_from_elsewhere_never_give_what_one_day_did(antt: Antt) -> None:
    month: dict[str, Any] = {"unit": PROVINCE, "from_": "2024-08-01", "to": "2024-08-31"}
    for caller, refused in (
        (None, 401),
        (antt.token("operator", "2024:96"), 403),
        (antt.token("commune_officer", COMMUNE), 403),
        (antt.token("operator", PROVINCE), 200),
    ):
        for of, query, status in (
            ("counters", {}, 200),
            ("counters", {"known_at": "2024-09-30"}, 200),
            ("counters", {"known_at": "2024-09-29"}, refused),
            ("series", {"known_at": "2024-10-01"}, refused),
            ("series", {"by": "month"}, 200),
            ("series", {"by": "day"}, refused),
            ("counters", {"to": "2024-08-30"}, refused),
            ("counters", {"from_": "2024-08-02"}, refused),
            ("series", {"from_": "2024-08-31"}, refused),
        ):
            answer = await antt.get(f"/stats/v1/{of}", caller, **{**month, **query})
            assert answer.status_code == status, (refused, of, query)


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"unit": "2024:99"}, "unknown-unit"),
        ({"unit": "2024:01"}, "unit-not-served"),
        ({"unit": "74"}, "invalid-input"),
        ({"unit": PROVINCE, "to": "2024-07-01"}, "invalid-input"),
        ({"unit": PROVINCE, "indicator": "happiness"}, "invalid-input"),
        ({"unit": "2024:724", "edition": "2025"}, "invalid-input"),
        ({"unit": "2025:79", "edition": "2024"}, "invalid-input"),
        ({"unit": PROVINCE, "counted": "incidents:one"}, "invalid-input"),
        ({"unit": PROVINCE, "colour": "red"}, "invalid-input"),
        ({"unit": PROVINCE, "from": "0001-01-01"}, "invalid-input"),
    ],
)
async def test_a_question_that_cannot_be_answered_gets_one_clear_problem(
    antt: Antt, query: dict[str, str], problem: str
) -> None:
    answer = await antt.http.get("/stats/v1/counters", params={"from": "2024-08-01", "to": "2024-08-31", **query})
    assert (answer.status_code, answer.json()["type"]) == (422, f"urn:antt:problem:{problem}")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_waiting_for_a_position_that_never_comes_is_bounded(antt: Antt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTT_COUNTED_WAIT_SECONDS", "0.1")
    configured.cache_clear()
    await antt.counters(await report(antt, OLD_COMMUNE, "2024-08-01T00:00:00Z"))
    answer = await antt.get(
        "/stats/v1/counters", unit=PROVINCE, from_="2024-08-01", to="2024-08-31", counted="incidents:1:999999"
    )
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    # Deadlines of so old a tip may have been told meanwhile.
    assert 1 <= answer.json()["freshness"]["position"]["incidents"] < 999_999


some_days = st.dates(date(2023, 11, 1), date(2025, 3, 1))


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(
    first=some_days, length=st.integers(0, 400), known_at=st.none() | some_days, happened=some_days, recorded=some_days
)
def test_the_parts_of_a_period_hold_each_cell_exactly_once(
    first: date, length: int, known_at: date | None, happened: date, recorded: date
) -> None:
    last = first + timedelta(days=length)
    holding = 0
    for part in parts(first, last, known_at):
        on, at = (happened.replace(day=1), recorded.replace(day=1)) if part.monthly else (happened, recorded)
        holding += part.first <= on <= part.last and part.recorded_first <= at <= part.recorded_last
    wanted = first <= happened <= last and (known_at is None or recorded <= known_at)
    assert holding == wanted


async def test_a_stream_ends_with_its_token_and_says_so(antt: Antt) -> None:
    caller = antt.token("operator", PROVINCE)
    expires = now() + timedelta(days=30) + timedelta(seconds=float(LEEWAY_SECONDS))
    # An instant before that; the stream's own end is waited for.
    with at(expires - timedelta(seconds=1.5)):
        answer = await antt.get("/stats/v1/live", caller, unit="2025:79", from_="2025-11-01", to="2025-11-30")
    assert answer.status_code == 200
    first, *_, last = answer.text.strip().split("\n\n")
    assert "tips_received" in first
    assert "event: token-expired" in last
    with at(expires + timedelta(seconds=1)):
        late = await antt.get("/stats/v1/live", caller, unit="2025:79", from_="2025-11-01", to="2025-11-30")
    assert late.status_code == 401
