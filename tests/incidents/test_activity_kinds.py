"""Each kind of activity: what it takes and refuses, what it counts, and that a correction counts anew."""

from datetime import date, datetime, timedelta
from typing import Any, get_args

import pytest

from services.incidents.activities import commands
from services.incidents.activities.kinds import ITEM_UNITS, KINDS
from services.incidents.activities.workflow import confirm_by
from services.stats.indicators import INDICATORS
from shared import events
from shared.days import today
from tests.conftest import COMMUNE, OLD_COMMUNE, PROVINCE, Antt
from tests.incidents.conftest import ACTIVITIES, TOLD, a_patrol, a_team, kind_of, opened, told
from tests.incidents.test_recount import recounted

BAD = (422, "invalid-input")
SOMEBODY, SOMEBODY_ELSE = "019a0000-0000-7000-8000-000000000001", "019a0000-0000-7000-8000-000000000002"
AN_ITEM = {"item": "weapons", "quantity": 1, "unit": "piece", "means": "found"}
SMALLER: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "patrol": ({"form": "alone", "found_cases": 0}, {"patrols_joint": 0, "cases_told_by_patrols": 0}),
    "traffic_control": ({"turns": 4}, {"traffic_control_turns": 4}),
    "security_duty": ({"target": None}, {}),
    "outreach": (
        {"form": "individual", "sessions": 0, "attendances": 0, "leaflets": 7, "person_turns": 12},
        {"outreach_sessions": 0, "outreach_attendance": 0, "leaflets": 7, "individual_outreach": 12},
    ),
    "counselling": ({"persons": 1}, {"persons_counselled": 1}),
    "fire_rescue": ({"form": "rescue", "persons_rescued": 1}, {"fires_fought": 0, "rescues": 1, "persons_rescued": 1}),
    "administrative_support": ({"turns": 1}, {"administrative_support_turns": 1}),
    "surrender": (
        {"items": [AN_ITEM]},
        dict.fromkeys(TOLD["surrender"][1], 0) | {"surrenders": 1, "weapons_collected": 1},
    ),
    "mobilisation": ({"sent_to": "2025:25747"}, {}),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_kind_counts_all_that_it_tells_and_nothing_else_and_its_correction_anew(antt: Antt, kind: str) -> None:
    officer = antt.token()
    entered = await opened(antt, ACTIVITIES, told(kind, members=5), officer)
    entered_counts = {**TOLD[kind][1], "member_turns": 5}
    assert await counted(antt, entered["position"]) == entered_counts
    own, counts = SMALLER[kind]
    correction = {"reason": "đếm lại", "activity": told(kind, members=0, **own)}
    corrected = await antt.post(f"{ACTIVITIES}/{entered['id']}/correct", correction, officer)
    assert corrected.status_code == 200, corrected.text
    still = {name: count for name, count in {**TOLD[kind][1], **counts}.items() if count}
    assert await counted(antt, corrected.headers["antt-position"]) == still
    shown = (await antt.get(f"{ACTIVITIES}/{entered['id']}", officer)).json()
    assert {name: shown[name] for name in own} == {
        name: [{**AN_ITEM, **item} for item in value] if name == "items" else value for name, value in own.items()
    }
    returned = await antt.post(f"{ACTIVITIES}/{entered['id']}/return", {"reason": "không có thật"}, officer)
    assert await counted(antt, returned.headers["antt-position"]) == {}


async def counted(antt: Antt, position: str) -> dict[str, int]:
    """What is counted in November 2025, by the counters and by the recount."""
    counters = {name: count for name, count in (await antt.counters(position)).items() if count}
    _, cells = await recounted(antt)
    assert {indicator: count for (_, _, indicator), count in cells.items()} == counters
    return counters


def test_every_kind_has_a_name_an_example_and_indicators_in_the_units_that_its_row_names() -> None:
    assert set(KINDS) == set(get_args(events.incidents.ActivityKind)) == set(TOLD)
    unit_of = {i.name: i.unit for i in INDICATORS}
    for name, kind in KINDS.items():
        units = {unit_of[indicator] for indicator in {**TOLD[name][1], **SMALLER[name][1]}}
        assert units == {kind.unit_of_count, *kind.quantities.values()}, name
    assert set(ITEM_UNITS) == set(get_args(events.incidents.ItemKind))
    assert {unit for of in ITEM_UNITS.values() for unit in of} == set(get_args(events.incidents.ItemUnit))


async def test_a_patrol_tells_its_form_either_way_but_not_both_ways(antt: Antt) -> None:
    for told_so, form in (
        ({}, "alone"),
        ({"joint": False}, "alone"),
        ({"joint": True}, "joint"),
        ({"form": "joint"}, "joint"),
        ({"form": "alone", "joint": False}, "alone"),
    ):
        patrol = await opened(antt, ACTIVITIES, a_patrol(**told_so))
        assert (patrol["form"], patrol["joint"]) == (form, form == "joint")
    assert kind_of(await antt.post(ACTIVITIES, a_patrol(form="alone", joint=True), antt.token())) == BAD


async def test_bad_input_at_any_field_of_a_kind_is_one_clear_problem_and_changes_nothing(antt: Antt) -> None:
    officer = antt.token("province_officer", PROVINCE)
    order = TOLD["mobilisation"][0]["order"]
    # Two minutes before midnight the next day is no longer refused: clocks differ.
    too_late = (today() + timedelta(days=2)).isoformat()
    for activity, expected in (
        *((told("outreach", **wrong), BAD) for wrong in (
            {"form": "door_to_door"}, {"form": None}, {"form": "individual"}, {"sessions": 0}, {"sessions": -1},
            {"sessions": 1_001}, {"sessions": 1.5}, {"sessions": "2"}, {"attendances": 1_000_001},
            {"attendances": True}, {"leaflets": -5}, {"leaflets": 1e3}, {"person_turns": 4}, {"topic": "Pháo nổ"},
            {"form": "individual", "sessions": 0, "attendances": 0}, {"persons": 3},
            {"form": "individual", "sessions": 0, "attendances": 9, "person_turns": 9},
        )),
        *((told("counselling", persons=wrong), BAD) for wrong in (0, -1, 1_000_001, "3", None, 2.5)),
        (told("counselling", about="Nguyễn Văn A"), BAD),
        *((told("fire_rescue", **wrong), BAD) for wrong in (
            {"form": "arson"}, {"form": None}, {"persons_rescued": -1}, {"persons_rescued": 10_001},
        )),
        *((told("administrative_support", turns=wrong), BAD) for wrong in (0, 100_001, "4", None)),
        *((told("surrender", items=wrong), BAD) for wrong in (
            None, [], [AN_ITEM] * 51, [{**AN_ITEM, "quantity": 0}], [{**AN_ITEM, "quantity": 1_000_001}],
            [{**AN_ITEM, "quantity": 1.5}], [{**AN_ITEM, "unit": "gram"}], [{**AN_ITEM, "unit": "khẩu"}],
            [{**AN_ITEM, "item": "drugs"}], [{**AN_ITEM, "means": "bought"}], [{"item": "weapons"}],
            [AN_ITEM, {**AN_ITEM, "item": "ammunition"}], [{**AN_ITEM, "owner": "ông Ba"}], AN_ITEM,
        )),
        *((told("mobilisation", **wrong), expected) for wrong, expected in (
            ({"order": None}, BAD),
            ({"order": {**order, "number": ""}}, BAD),
            ({"order": {"number": "12/LĐ-CAT"}}, BAD),
            ({"order": {**order, "signed_on": "01/07/2024"}}, BAD),
            ({"order": {**order, "signed_on": too_late}}, (422, "day-in-the-future")),
            ({"sent_to": None}, BAD),
            ({"sent_to": "2025:99999"}, (422, "unknown-unit")),
            ({"sent_to": "2024:00001"}, (422, "unit-not-in-force")),
            ({"sent_to": COMMUNE}, BAD),
            ({"sent_to": OLD_COMMUNE}, (422, "unit-not-in-force")),
            ({"ended_at": "2025-09-04T20:00:00+07:00", "started_at": "2025-11-02T20:00:00+07:00"}, BAD),
        )),
        *((a_patrol(**wrong), BAD) for wrong in (
            {"form": "mass"}, {"found_cases": -1}, {"found_cases": 1_001}, {"members": -1}, {"members": 10_001},
            {"members": "5"}, {"members": 1, "member_ids": [SOMEBODY, SOMEBODY_ELSE]},
            {"member_ids": [SOMEBODY, SOMEBODY]}, {"member_ids": ["Nguyễn Văn A"]}, {"hamlets": ["ấp 1"] * 51},
            {"hamlets": [""]}, {"hamlets": "ấp 1"}, {"leaflets": 4}, {"route": "MẬT"},
        )),
    ):  # fmt: skip
        answer = await antt.post(ACTIVITIES, activity, officer)
        assert kind_of(answer) == expected, (activity, answer.text)
    assert (await antt.get(ACTIVITIES, officer)).json() == {"items": []}


@pytest.mark.parametrize("digits", [60_000, 1_000_000])
async def test_a_number_of_very_many_digits_is_refused_at_once(antt: Antt, digits: int) -> None:
    body = b'{"kind": "counselling", "unit": "%s", "started_at": "2025-11-02T20:00:00+07:00", ' % COMMUNE.encode()
    body += b'"ended_at": "2025-11-02T21:00:00+07:00", "persons": %s}' % (b"9" * digits)
    headers = {**antt.token(), "Content-Type": "application/json"}
    answer = await antt.http.post(ACTIVITIES, content=body, headers=headers)
    assert answer.status_code == (413 if digits > 65_536 else 422)
    assert len(answer.content) < 1_000


async def test_a_mobilisation_may_last_as_long_as_its_order_says(antt: Antt) -> None:
    month = {"started_at": "2025-10-01T07:00:00+07:00", "ended_at": "2025-10-31T17:00:00+07:00"}
    assert (await opened(antt, ACTIVITIES, told("mobilisation", **month)))["held_on"] == "2025-10-01"
    assert kind_of(await antt.post(ACTIVITIES, told("security_duty", **month), antt.token())) == BAD


async def test_members_may_be_named_by_their_ids_which_count_where_no_number_is_told(antt: Antt) -> None:
    both = [SOMEBODY, SOMEBODY_ELSE]
    by_ids = await opened(antt, ACTIVITIES, a_patrol(member_ids=both, hamlets=["Ấp 1"]))
    assert (by_ids["members"], by_ids["member_ids"], by_ids["hamlets"]) == (2, both, ["Ấp 1"])
    more = await opened(antt, ACTIVITIES, a_patrol(member_ids=both, members=4))
    assert (await antt.counters(more["position"]))["member_turns"] == 6
    listed = (await antt.get(ACTIVITIES, antt.token())).json()["items"]
    assert [item["member_ids"] for item in listed] == [both, both]


def test_three_working_days_after_an_entry_it_is_no_longer_confirmed_in_time() -> None:
    for entered, last_day in (
        ("2025-11-03T23:59:59", "2025-11-06"),
        ("2025-11-07T00:00:00", "2025-11-12"),
        ("2026-02-13T08:00:00", "2026-02-25"),  # Tết
    ):
        assert confirm_by(datetime.fromisoformat(f"{entered}+07:00")) == date.fromisoformat(last_day)


async def test_the_share_confirmed_in_time_is_of_what_teams_entered_on_the_day_they_did(
    antt: Antt, monkeypatch: pytest.MonkeyPatch
) -> None:
    team_id = await a_team(antt)
    leader, officer = antt.token("team_leader", COMMUNE, team_id), antt.token()
    now = today().isoformat()

    async def entries(position: str) -> list[int]:
        counters = await antt.counters(position, from_=now, to=now)
        return [counters[f"team_entries{which}"] for which in ("", "_confirmed", "_confirmed_in_time")]

    in_time = await opened(antt, ACTIVITIES, a_patrol(), leader)
    assert date.fromisoformat(in_time["confirm_by"]) >= today() + timedelta(days=3)
    assert await entries(in_time["position"]) == [1, 0, 0]
    # A day that is over stands for the days that nobody waits for here.
    monkeypatch.setattr(commands, "confirm_by", lambda _: today() - timedelta(days=1))
    late = await opened(antt, ACTIVITIES, a_patrol(), leader)
    for activity in (in_time, late):
        confirmed = await antt.post(f"{ACTIVITIES}/{activity['id']}/confirm", {}, officer)
        assert confirmed.json()["confirmed_at"] is not None
    await opened(antt, ACTIVITIES, a_patrol(), officer)
    assert await entries(confirmed.headers["antt-position"]) == [2, 2, 1]
    returned = await antt.post(f"{ACTIVITIES}/{in_time['id']}/return", {"reason": "xem lại"}, officer)
    assert returned.json()["confirmed_at"] is None
    assert await entries(returned.headers["antt-position"]) == [2, 1, 0]
    correction = {"reason": "đã xem lại", "activity": a_patrol()}
    by_police = await antt.post(f"{ACTIVITIES}/{in_time['id']}/correct", correction, officer)
    assert await entries(by_police.headers["antt-position"]) == [2, 2, 1]
    _, cells = await recounted(antt)
    assert {name: n for (_, on, name), n in cells.items() if on == now} == {
        "team_entries": 2, "team_entries_confirmed": 2, "team_entries_confirmed_in_time": 1,
    }  # fmt: skip
