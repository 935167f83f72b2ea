"""Deadlines of tips: begun at intake, met by steps, missed by the passing of time, prolonged by decision."""

import csv
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.incidents.deadlines import commands, rules
from shared.days import VIETNAM, now, today
from shared.working_days import days_later, last_day, months_later
from tests.conftest import COMMUNE, OLD_COMMUNE, PROVINCE, Antt, eventually
from tests.incidents.conftest import kind_of
from tests.incidents.test_recount import recounted

TIPS, DEADLINES = "/incidents/v1/tips", "/incidents/v1/deadlines"
ELSEWHERE = "2025:25747"  # another commune of the province
CRIME = {"classified_as": "crime_report"}
DECISION = {"number": "12/QĐ-VKS", "signed_on": "2025-11-03", "signer": "Trần Văn Bình"}


@pytest.fixture(autouse=True)
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job looks more often than it need, so that no test waits for it."""
    monkeypatch.setattr(commands, "_LOOK_SECONDS", 0.03)


async def a_tip(antt: Antt, received_at: datetime | str | None = None, unit: str = COMMUNE) -> str:
    """A tip that an officer enters, received now or at an instant."""
    dated = {"received_at": received_at.isoformat() if isinstance(received_at, datetime) else received_at}
    body = {"unit": unit, "content": "Trộm xe máy", **(dated if received_at else {})}
    answer = await antt.post(TIPS, body, antt.token("province_officer", PROVINCE))
    assert answer.status_code == 201, answer.text
    id: str = answer.json()["id"]
    return id


async def step(antt: Antt, tip: str, command: str, **body: Any) -> str:
    """Take the tip a step on; the position of its last event."""
    answer = await antt.post(f"{TIPS}/{tip}/{command}", body, antt.token("province_officer", PROVINCE))
    assert answer.status_code == 200, answer.text
    position: str = answer.headers["antt-position"]
    return position


async def classified(antt: Antt, received_at: datetime | str | None = None, **body: Any) -> str:
    """A tip that was reported and classified, as a crime unless told."""
    tip = await a_tip(antt, received_at)
    await step(antt, tip, "report")
    await step(antt, tip, "classify", **(body or CRIME))
    return tip


async def deadlines(antt: Antt, tip: str) -> dict[str, dict[str, Any]]:
    """The tip's deadlines by name, of each the newest."""
    answer = await antt.get(f"{TIPS}/{tip}/deadlines", antt.token("province_officer", PROVINCE))
    assert answer.status_code == 200, answer.text
    return {d["name"]: d for d in sorted(answer.json(), key=lambda d: d["round"])}


async def states(antt: Antt, tip: str) -> dict[str, str]:
    """How the tip's deadlines stand."""
    return {name: deadline["state"] for name, deadline in (await deadlines(antt, tip)).items()}


async def missed(antt: Antt, tip: str, name: str) -> dict[str, Any]:
    """The deadline, once the job has said that it is missed."""

    async def it_is() -> dict[str, Any] | None:
        deadline = (await deadlines(antt, tip))[name]
        return deadline if deadline["state"] == "missed" else None

    deadline: dict[str, Any] = await eventually(it_is)
    return deadline


async def told(databases: dict[str, str]) -> list[tuple[str, str]]:
    """Type and subject of each event of a deadline, in the order of the outbox."""
    connection = await asyncpg.connect(databases["incidents"])
    try:
        rows = await connection.fetch("SELECT type, subject FROM outbox WHERE type LIKE 'Deadline%' ORDER BY seq")
        return [(row["type"], row["subject"]) for row in rows]
    finally:
        await connection.close()


async def counted_on(antt: Antt, position: str | None, day: str, unit: str = COMMUNE) -> dict[str, int]:
    """The counters of deadlines of one day that are not zero."""
    counters = await antt.counters(position, unit=unit, from_=day, to=day)
    return {
        name: n
        for name, n in counters.items()
        if n and ("deadlines" in name or "_in_time" in name or "_overdue" in name)
    }


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_a_new_tip_must_be_classified_within_a_day_and_counts_as_in_time_on_the_day_it_was_due(
    antt: Antt,
) -> None:
    before = now()
    tip = await a_tip(antt)
    (due,) = (await deadlines(antt, tip)).values()
    assert (due["name"], due["state"], due["to_do"], due["handled_by"]) == ("classification", "running", True, COMMUNE)
    assert before + timedelta(hours=24) <= instant(due["due_at"]) <= now() + timedelta(hours=24)
    await step(antt, tip, "report")
    position = await step(antt, tip, "classify", **CRIME)
    due = (await deadlines(antt, tip))["classification"]
    assert (due["state"], due["met_by"], due["to_do"]) == ("met", "classify", False)
    assert await counted_on(antt, position, due["due_on"]) == {"deadlines_met": 1}


async def test_a_crime_is_reported_in_hours_its_file_goes_in_days_and_it_is_decided_in_twenty(antt: Antt) -> None:
    tip = await classified(antt)
    received_at = instant((await deadlines(antt, tip))["classification"]["starts_at"])
    due = {name: instant(d["due_at"]) for name, d in (await deadlines(antt, tip)).items()}
    assert due["report_to_investigators"] == received_at + timedelta(hours=12)
    assert due["file_transfer"] == days_later(received_at, 7)
    assert due["decision"] == days_later(received_at, 20)
    await step(antt, tip, "forward")
    assert (await states(antt, tip))["report_to_investigators"] == "met"
    await step(antt, tip, "acknowledge", number="7/BN", received_on=today().isoformat())
    assert (await states(antt, tip))["file_transfer"] == "met"
    position = await step(antt, tip, "resolve")
    assert set((await states(antt, tip)).values()) == {"met"}
    on = (await deadlines(antt, tip))["decision"]["due_on"]
    assert (await counted_on(antt, position, on))["tips_decided_in_time"] == 1


async def test_a_tip_forwarded_to_a_commune_is_not_yet_reported_and_its_new_handler_has_it_to_do(antt: Antt) -> None:
    tip = await classified(antt)
    await step(antt, tip, "forward", unit=ELSEWHERE)
    assert (await states(antt, tip))["report_to_investigators"] == "running"
    await step(antt, tip, "take-over")
    due = (await deadlines(antt, tip))["report_to_investigators"]
    assert (due["unit"], due["handled_by"], due["state"]) == (ELSEWHERE, ELSEWHERE, "running")


async def test_the_file_of_a_forwarded_tip_stays_due_after_its_informant_was_notified(antt: Antt) -> None:
    tip = await classified(antt)
    await step(antt, tip, "forward")
    await step(antt, tip, "notify")
    assert await states(antt, tip) == {
        "classification": "met",
        "report_to_investigators": "met",
        "file_transfer": "running",
        "decision": "void",
    }
    assert (await deadlines(antt, tip))["file_transfer"]["to_do"]
    receipt = {"number": "7/BN", "received_on": today().isoformat()}
    await step(antt, tip, "acknowledge", **receipt)
    assert (await states(antt, tip))["file_transfer"] == "met"
    shown = await antt.get(f"{TIPS}/{tip}", antt.token())
    assert (shown.json()["state"], shown.json()["due"]) == ("notified", [])
    # It passes like any other.
    late = await classified(antt, now() - timedelta(days=40))
    await step(antt, late, "forward")
    await step(antt, late, "notify")
    assert (await missed(antt, late, "file_transfer"))["to_do"]
    # What was decided here is over: no agency acknowledges it any more.
    await step(antt, late, "reopen", reason="tình tiết mới")
    await step(antt, late, "resolve")
    await step(antt, late, "notify")
    refused = await antt.post(f"{TIPS}/{late}/acknowledge", receipt, antt.token())
    assert (kind_of(refused), refused.json()["state"]) == ((409, "step-not-allowed"), "notified")
    assert not (await deadlines(antt, late))["file_transfer"]["to_do"]


async def test_a_deadline_that_passes_is_told_once_and_counts_on_the_day_it_was_due(
    antt: Antt, databases: dict[str, str]
) -> None:
    tip = await a_tip(antt, "2025-11-03T08:00:00+07:00")
    due = await missed(antt, tip, "classification")
    assert (due["due_on"], due["to_do"], due["met_at"]) == ("2025-11-04", True, None)
    assert await told(databases) == [("DeadlineMissed", due["id"])]
    await step(antt, tip, "report")
    assert await counted_on(antt, "incidents:1:3", "2025-11-04") == {"deadlines_missed": 1}
    position = await step(antt, tip, "classify", classified_as="feedback")
    assert (await states(antt, tip))["classification"] == "late"
    assert await counted_on(antt, position, "2025-11-04") == {"deadlines_missed": 1, "deadlines_met_late": 1}
    # A week later, in its class, another deadline passes.
    events = [event for event in await told(databases) if event[1] == due["id"]]
    assert events == [("DeadlineMissed", due["id"]), ("DeadlineMet", due["id"])]


async def test_before_27_february_2025_a_crime_had_to_be_reported_within_24_hours_after_it_within_12(
    antt: Antt,
) -> None:
    for received_at, unit, hours in (
        ("2025-02-26T23:59:59+07:00", OLD_COMMUNE, 24),
        ("2025-02-27T00:00:00+07:00", OLD_COMMUNE, 12),
        ("2025-11-03T09:00:00+07:00", COMMUNE, 12),
    ):
        tip = await a_tip(antt, received_at, unit)
        await step(antt, tip, "report")
        await step(antt, tip, "classify", **CRIME)
        due = (await deadlines(antt, tip))["report_to_investigators"]
        assert instant(due["due_at"]) == instant(received_at) + timedelta(hours=hours), received_at


@pytest.fixture
def own_deadlines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The national deadlines, in a file that a province may change."""
    file = tmp_path / "deadlines.toml"
    file.write_text(national(), "utf-8")
    monkeypatch.setenv("ANTT_DEADLINES", str(file))
    rules.forget()
    yield file
    rules.forget()


def national() -> str:
    """What the national file says."""
    return rules.NATIONAL.read_text("utf-8")


def set_deadlines(file: Path, text: str) -> None:
    """Let the province's file say this from now on."""
    file.write_text(text, "utf-8")
    rules.forget()


async def test_in_a_difficult_area_there_is_twice_the_time(own_deadlines: Path, antt: Antt) -> None:
    areas = f'\n[[difficult]]\nunits = ["{COMMUNE}", "2024:74"]\nfrom = 2025-01-01\n'
    set_deadlines(own_deadlines, national() + areas)
    for received_at, unit, hours, difficult in (
        ("2025-11-03T09:00:00+07:00", COMMUNE, 24, True),
        ("2025-11-03T09:00:00+07:00", ELSEWHERE, 12, False),
        ("2025-02-26T09:00:00+07:00", OLD_COMMUNE, 48, True),  # a unit stands for all below it
        ("2024-12-31T09:00:00+07:00", OLD_COMMUNE, 24, False),
    ):
        tip = await a_tip(antt, received_at, unit)
        await step(antt, tip, "report")
        await step(antt, tip, "classify", **CRIME)
        due = (await deadlines(antt, tip))["report_to_investigators"]
        assert instant(due["due_at"]) == instant(received_at) + timedelta(hours=hours), (received_at, unit)
        assert due["difficult"] == difficult


async def test_a_correction_of_the_reception_moves_what_is_due_and_takes_back_what_was_wrongly_missed(
    antt: Antt, databases: dict[str, str]
) -> None:
    tip = await a_tip(antt, "2025-11-03T08:00:00+07:00")
    due = await missed(antt, tip, "classification")
    right = now() - timedelta(hours=1)
    position = await step(antt, tip, "correct", reason="nhầm ngày", received_at=right.isoformat())
    due = (await deadlines(antt, tip))["classification"]
    assert (due["state"], instant(due["due_at"])) == ("running", right + timedelta(hours=24))
    assert await counted_on(antt, position, "2025-11-04") == {}
    assert [type for type, _ in await told(databases)] == ["DeadlineMissed", "DeadlineChanged"]
    # The other way round it is missed after all, and told again, since it had been taken back.
    await step(antt, tip, "correct", reason="nhầm giờ", received_at=(right - timedelta(days=5)).isoformat())
    await missed(antt, tip, "classification")
    await step(antt, tip, "report")
    # What was met stays met or becomes late by its own instant.
    await step(antt, tip, "classify", classified_as="civil")
    assert (await states(antt, tip))["classification"] == "late"
    await step(antt, tip, "correct", reason="nhầm", received_at=right.isoformat())
    assert (await states(antt, tip))["classification"] == "met"


async def test_another_class_has_other_deadlines(antt: Antt) -> None:
    tip = await classified(antt)
    before = await deadlines(antt, tip)
    await step(antt, tip, "classify", classified_as="complaint_denunciation")
    assert await states(antt, tip) == {
        "classification": "met",
        "report_to_investigators": "void",
        "file_transfer": "void",
        "decision": "running",
    }
    assert (await deadlines(antt, tip))["decision"]["due_at"] != before["decision"]["due_at"]
    await step(antt, tip, "classify", **CRIME)
    after = await deadlines(antt, tip)
    assert {name: (d["state"], d["due_at"]) for name, d in after.items()} == {
        name: (d["state"], d["due_at"]) for name, d in before.items()
    }


async def test_nothing_of_a_withdrawn_or_merged_tip_counts_and_what_closing_leaves_is_given_up(antt: Antt) -> None:
    other = await a_tip(antt)
    for command, body in (("withdraw", {"reason": "nhầm"}), ("merge", {"into": other})):
        tip = await classified(antt, "2025-11-03T08:00:00+07:00")
        await missed(antt, tip, "report_to_investigators")
        position = await step(antt, tip, command, **body)
        assert set((await states(antt, tip)).values()) == {"void"}
        assert await counted_on(antt, position, "2025-11-03") == {}
        assert await counted_on(antt, position, "2025-11-04") == {}
    await step(antt, tip, "split", reason="vụ khác")
    assert (await states(antt, tip))["classification"] == "late"
    assert (await states(antt, tip))["report_to_investigators"] == "missed"
    closed = await classified(antt, now() - timedelta(hours=13))
    await missed(antt, closed, "report_to_investigators")
    await step(antt, closed, "reject", reason="không có căn cứ")
    assert await states(antt, closed) == {
        "classification": "met",
        "report_to_investigators": "missed",
        "file_transfer": "void",
        "decision": "met",
    }
    assert not any(d["to_do"] for d in (await deadlines(antt, closed)).values())


async def test_a_reopened_tip_begins_anew_with_what_its_closing_had_ended(antt: Antt) -> None:
    tip = await classified(antt, now() - timedelta(days=3))
    await missed(antt, tip, "report_to_investigators")
    await step(antt, tip, "resolve")
    reopened_at = now()
    position = await step(antt, tip, "reopen", reason="tình tiết mới")
    all_of_them = (await antt.get(f"{TIPS}/{tip}/deadlines", antt.token())).json()
    assert sorted((d["name"], d["round"], d["state"]) for d in all_of_them) == [
        ("classification", 1, "late"),
        ("decision", 1, "met"),
        ("decision", 2, "running"),
        ("file_transfer", 1, "void"),
        ("file_transfer", 2, "running"),
        ("report_to_investigators", 1, "missed"),
    ]
    due = await deadlines(antt, tip)
    assert due["decision"]["due_at"][:10] == days_later(reopened_at, 20).isoformat()[:10]
    assert due["report_to_investigators"]["to_do"]
    first = min((d for d in all_of_them if d["name"] == "decision"), key=lambda d: d["round"])
    assert (await counted_on(antt, position, first["due_on"]))["tips_decided_in_time"] == 1
    # A correction of the reception moves what began with it, not what began with the reopening.
    await step(antt, tip, "correct", reason="nhầm", received_at=(now() - timedelta(days=9)).isoformat())
    assert (await deadlines(antt, tip))["decision"]["due_at"] == due["decision"]["due_at"]


async def test_a_withdrawn_tip_that_is_reopened_has_its_deadlines_as_they_stood(
    antt: Antt, databases: dict[str, str]
) -> None:
    async def all_of(tip: str) -> dict[tuple[str, int], dict[str, Any]]:
        rows = (await antt.get(f"{TIPS}/{tip}/deadlines", antt.token())).json()
        return {(d["name"], d["round"]): {k: v for k, v in d.items() if k != "version"} for d in rows}

    old = await classified(antt, "2025-10-13T08:00:00+07:00")
    for name in ("report_to_investigators", "file_transfer", "decision"):
        await missed(antt, old, name)
    # Another was decided once, and begins its second round.
    decided = await classified(antt, now() - timedelta(days=3))
    await missed(antt, decided, "report_to_investigators")
    await step(antt, decided, "resolve")
    await step(antt, decided, "reopen", reason="tình tiết mới")
    for tip in (old, decided):
        before, told_before = await all_of(tip), len(await told(databases))
        on = before["report_to_investigators", 1]["due_on"]
        position = await step(antt, tip, "withdraw", reason="nhầm")
        assert await counted_on(antt, position, on) == {}
        position = await step(antt, tip, "reopen", reason="rút nhầm")
        assert await all_of(tip) == before
        assert (await counted_on(antt, position, on))["tips_reported_to_investigators_overdue"] == 1
        events = await told(databases)
        ids = {d["id"] for d in before.values() if d["state"] in ("missed", "late")}
        assert {id for type, id in events[told_before:] if type == "DeadlineMissed"} == ids
        await step(antt, tip, "ask", question="Ở đâu?")
        assert await told(databases) == events


async def test_the_decision_on_a_complex_crime_has_two_months_and_one_extension_of_two_more(antt: Antt) -> None:
    officer = antt.token()
    received_at = now() - timedelta(days=2)
    tip = await classified(antt, received_at)
    base = f"{TIPS}/{tip}/deadlines/decision"
    extension = {"reason": "chờ giám định", "decision": DECISION | {"signed_on": today().isoformat()}}
    refused = await antt.post(f"{base}/extend", extension, officer)
    assert (kind_of(refused), refused.json()["because"]) == ((409, "deadline-not-prolongable"), "only-complex")
    marked = await antt.post(f"{base}/complex", {"reason": "nhiều địa điểm"}, officer)
    assert marked.status_code == 200, marked.text
    assert instant(marked.json()["due_at"]) == months_later(received_at, 2)
    again = await antt.post(f"{base}/complex", {"reason": "nhiều địa điểm"}, officer)
    assert (kind_of(again), again.json()["because"]) == ((409, "deadline-not-prolongable"), "once-only")
    extended = await antt.post(f"{base}/extend", extension, officer, If_Match=marked.headers["etag"])
    assert extended.status_code == 200, extended.text
    ends_on = date.fromisoformat(marked.json()["due_on"])
    most = months_later(datetime(ends_on.year, ends_on.month, ends_on.day, 5, tzinfo=UTC), 2)
    assert instant(extended.json()["due_at"]) == most
    assert (extended.json()["extended"], extended.json()["state"]) == (True, "running")
    once_more = await antt.post(f"{base}/extend", extension, officer)
    assert (kind_of(once_more), once_more.json()["because"]) == ((409, "deadline-not-prolongable"), "once-only")
    steps = (await antt.get(f"{base}/steps", officer)).json()
    assert [(s["command"], s["reason"]) for s in steps] == [("complex", "nhiều địa điểm"), ("extend", "chờ giám định")]
    assert steps[1]["details"]["decision"]["number"] == "12/QĐ-VKS"
    assert steps[1]["details"]["requested_on"] == today().isoformat()
    # An extension stays when the reception is corrected.
    await step(antt, tip, "correct", reason="nhầm", received_at=(received_at - timedelta(days=1)).isoformat())
    assert instant((await deadlines(antt, tip))["decision"]["due_at"]) == most


async def test_an_extension_is_requested_five_days_before_the_end_at_the_latest(antt: Antt) -> None:
    officer = antt.token()
    tip = await classified(antt, now() - timedelta(days=40))
    base = f"{TIPS}/{tip}/deadlines/decision"
    await missed(antt, tip, "decision")
    # It is too late to mark it complex: that had to be done before the end.
    assert kind_of(await antt.post(f"{base}/complex", {"reason": "phức tạp"}, officer)) == (409, "step-not-allowed")
    tip = await classified(antt, classified_as="complaint_denunciation", received_at=now() - timedelta(days=25))
    base = f"{TIPS}/{tip}/deadlines/decision"
    assert kind_of(await antt.post(f"{base}/extend", {"reason": "x"}, officer)) == (422, "invalid-input")


async def test_the_rule_of_an_extension_holds_to_the_day(own_deadlines: Path, antt: Antt) -> None:
    set_deadlines(
        own_deadlines,
        """
        [[deadline]]
        name = "decision"
        vi = "Giải quyết"
        en = "Decision"
        met_by = ["resolve"]
        [[deadline.rule]]
        days = 20
        extension = { months = 2, asked_days_before = 5 }
        """,
    )
    officer = antt.token()
    # Its twenty days have just passed, whatever day it is.
    received_at = datetime.combine(today() - timedelta(days=45), time(8), VIETNAM)
    ends_at = days_later(received_at, 20)
    ends_on, most = last_day(ends_at), last_day(months_later(ends_at - timedelta(microseconds=1), 2))
    tip = await a_tip(antt, received_at)
    due = await missed(antt, tip, "decision")
    assert due["due_on"] == ends_on.isoformat()
    extend = f"{TIPS}/{tip}/deadlines/decision/extend"

    def extension(until: date | None = None, **values: Any) -> dict[str, Any]:
        last = {"until": until.isoformat()} if until else {}
        requested_on = (ends_on - timedelta(days=5)).isoformat()
        return {"reason": "chờ giám định", "requested_on": requested_on, "decision": DECISION, **last, **values}

    for values, at, code in (
        (extension(requested_on=(ends_on - timedelta(days=4)).isoformat()), "requested_on", "too-late"),
        (
            extension(requested_on=(received_at.date() - timedelta(days=1)).isoformat()),
            "requested_on",
            "before-beginning",
        ),
        (extension(until=ends_on), "until", "not-later"),
        (extension(until=most + timedelta(days=1)), "until", "too-far"),
    ):
        refused = await antt.post(extend, values, officer)
        assert (refused.status_code, refused.json()["errors"][0]["at"], refused.json()["errors"][0]["code"]) == (
            422,
            at,
            code,
        )
    # Two minutes before midnight the next day is no longer refused: clocks differ.
    too_late = (today() + timedelta(days=2)).isoformat()
    in_the_future: list[dict[str, Any]] = [{"requested_on": too_late}, {"decision": DECISION | {"signed_on": too_late}}]
    for future in in_the_future:
        assert kind_of(await antt.post(extend, extension(**future), officer)) == (422, "day-in-the-future")
    # Requested in time and decided in time, but entered after the end: it was not missed after all.
    await eventually(lambda: counted_on(antt, None, ends_on.isoformat()))
    answer = await antt.post(extend, extension(until=most), officer)
    assert answer.status_code == 200, answer.text
    extended = answer.json()
    assert (extended["state"], extended["due_on"], extended["extended"]) == ("running", most.isoformat(), True)
    assert await counted_on(antt, answer.headers["antt-position"], ends_on.isoformat()) == {}


async def test_an_officer_records_that_it_was_done_by_telephone_in_time(antt: Antt, databases: dict[str, str]) -> None:
    officer = antt.token()
    tip = await classified(antt, "2025-11-03T08:00:00+07:00")
    due = await missed(antt, tip, "report_to_investigators")
    meet = f"{TIPS}/{tip}/deadlines/report_to_investigators/meet"
    too_early = await antt.post(meet, {"reason": "điện thoại", "met_at": "2025-11-03T07:59:00+07:00"}, officer)
    assert (too_early.status_code, too_early.json()["errors"][0]["code"]) == (422, "before-beginning")
    answer = await antt.post(meet, {"reason": "điện thoại trực ban", "met_at": "2025-11-03T20:00:00+07:00"}, officer)
    assert (answer.json()["state"], answer.json()["met_by"]) == ("met", "meet")
    counted = await counted_on(antt, answer.headers["antt-position"], "2025-11-03")
    assert counted == {"deadlines_met": 1, "tips_reported_to_investigators_in_time": 1}
    assert [type for type, subject in await told(databases) if subject == due["id"]] == [
        "DeadlineMissed",
        "DeadlineMet",
    ]
    assert kind_of(await antt.post(meet, {"reason": "lần nữa"}, officer)) == (409, "step-not-allowed")


async def test_only_who_handles_the_tip_decides_about_its_deadlines(antt: Antt) -> None:
    tip = await classified(antt)
    base = f"{TIPS}/{tip}/deadlines"
    reason = {"reason": "phức tạp"}
    assert kind_of(await antt.post(f"{base}/decision/complex", reason)) == (401, "unauthenticated")
    assert kind_of(await antt.post(f"{base}/decision/complex", reason, antt.token("system", PROVINCE)))[0] == 403
    elsewhere = antt.token(unit=ELSEWHERE)
    assert kind_of(await antt.post(f"{base}/decision/complex", reason, elsewhere)) == (404, "not-found")
    assert kind_of(await antt.post(f"{base}/nothing/complex", reason, antt.token())) == (404, "not-found")
    assert kind_of(await antt.get(f"{base}/nothing/steps", antt.token())) == (404, "not-found")
    assert kind_of(await antt.get(base, elsewhere)) == (404, "not-found")
    assert kind_of(await antt.get(DEADLINES)) == (401, "unauthenticated")
    assert kind_of(await antt.get(DEADLINES, elsewhere, unit=COMMUNE)) == (403, "foreign-area")
    stale = await antt.post(f"{base}/decision/complex", reason, antt.token(), If_Match='"7"')
    assert kind_of(stale) == (412, "precondition-failed")


async def test_the_work_list_tells_what_is_due_soon_and_overdue_in_the_callers_reach_page_by_page(antt: Antt) -> None:
    province = antt.token("province_officer", PROVINCE)
    late = [await a_tip(antt, f"2025-11-0{day}T08:00:00+07:00") for day in (5, 3, 4)]
    soon = await a_tip(antt, now() - timedelta(hours=20))
    foreign = await a_tip(antt, now() - timedelta(hours=21), ELSEWHERE)
    crime = await classified(antt)
    await step(antt, crime, "assign", officer="officer:7")

    async def listed(caller: dict[str, str], **query: Any) -> list[tuple[str, str]]:
        answer = await antt.get(DEADLINES, caller, **query)
        assert answer.status_code == 200, answer.text
        return [(d["tip_id"], d["name"]) for d in answer.json()["items"]]

    overdue = [(late[1], "classification"), (late[2], "classification"), (late[0], "classification")]
    of_crime = [(crime, "report_to_investigators"), (crime, "file_transfer"), (crime, "decision")]
    assert await listed(province, state="overdue") == overdue
    assert await listed(antt.token(), unit=COMMUNE, state="overdue") == overdue
    due_soon = [(foreign, "classification"), (soon, "classification"), of_crime[0]]
    assert await listed(province, state="due_soon", within_hours=24) == due_soon
    assert await listed(antt.token(), state="due_soon", within_hours=24) == due_soon[1:]
    assert await listed(province, state="due_soon", within_hours=3) == due_soon[:1]
    assert await listed(province, officer="officer:7") == of_crime
    assert await listed(province, name="decision") == of_crime[2:]
    everything = await listed(province)
    assert everything == overdue + due_soon + of_crime[1:]
    paged: list[tuple[str, str]] = []
    page = await antt.get(DEADLINES, province, limit=3)
    while True:
        paged += [(d["tip_id"], d["name"]) for d in page.json()["items"]]
        if "next" not in page.links:
            break
        page = await antt.http.get(page.links["next"]["url"], headers=province)
    assert paged == everything
    (first, *_) = (await antt.get(DEADLINES, province, state="overdue")).json()["items"]
    assert (first["overdue"], first["tip_state"], first["due_on"]) == (True, "received", "2025-11-04")
    assert first["title"] == {"vi": "Tiếp nhận, phân loại", "en": "Receiving and classifying"}
    for wrong in (
        {"state": "late"},
        {"after": "x"},
        {"unit": "x"},
        {"within_hours": 0},
        {"after": "2026-13-01T00:00:00Z_" + soon},
    ):
        assert kind_of(await antt.get(DEADLINES, province, **wrong)) == (422, "invalid-input"), wrong


async def test_a_tip_its_list_and_its_export_show_what_is_still_due_the_first_to_end_first(antt: Antt) -> None:
    late, crime = await a_tip(antt, "2025-11-03T08:00:00+07:00"), await classified(antt)
    officer = antt.token()
    shown = {tip: (await antt.get(f"/incidents/v1/tips/{tip}", officer)).json()["due"] for tip in (late, crime)}
    assert [(due["name"], due["overdue"]) for due in shown[late]] == [("classification", True)]
    assert instant(shown[late][0]["due_at"]) == instant("2025-11-04T08:00:00+07:00")
    assert [(due["name"], due["overdue"]) for due in shown[crime]] == [
        ("report_to_investigators", False), ("file_transfer", False), ("decision", False),
    ]  # fmt: skip
    listed = (await antt.get("/incidents/v1/tips", officer)).json()["items"]
    assert {tip["id"]: tip["due"] for tip in listed} == shown
    rows = list(
        csv.DictReader((await antt.get("/incidents/v1/tips/export", officer)).text.lstrip("\ufeff").splitlines())
    )
    assert [(row["Thời hạn gần nhất"][:10], row["Quá thời hạn"]) for row in rows if row["Mã tin"] == late] == [
        ("2025-11-04", "có")
    ]
    await step(antt, crime, "withdraw", reason="người báo tin rút")
    assert (await antt.get(f"/incidents/v1/tips/{crime}", officer)).json()["due"] == []


async def test_what_is_done_leaves_the_work_list(antt: Antt) -> None:
    tip = await a_tip(antt, "2025-11-03T08:00:00+07:00")
    await missed(antt, tip, "classification")
    await step(antt, tip, "report")
    await step(antt, tip, "reject", reason="tin giả")
    assert (await antt.get(DEADLINES, antt.token())).json() == {"items": []}


async def test_the_recount_and_the_counters_agree_on_every_kind(antt: Antt) -> None:
    in_time, never_done, done_late = [await classified(antt, "2025-11-03T08:00:00+07:00") for _ in range(3)]
    await antt.post(
        f"{TIPS}/{in_time}/deadlines/report_to_investigators/meet",
        {"reason": "điện thoại", "met_at": "2025-11-03T09:00:00+07:00"},
        antt.token(),
    )
    await step(antt, done_late, "forward")
    await missed(antt, never_done, "report_to_investigators")
    await missed(antt, never_done, "file_transfer")
    await missed(antt, done_late, "file_transfer")
    await missed(antt, in_time, "file_transfer")
    position, cells = await recounted(antt)
    for day in ("2025-11-03", "2025-11-04", "2025-11-10"):
        counted = await counted_on(antt, f"incidents:1:{position['seq']}", day)
        assert {i: n for (_, on, i), n in cells.items() if on == day and i in counted} == counted
    assert cells[COMMUNE, "2025-11-03", "deadlines_missed"] == 2
    assert cells[COMMUNE, "2025-11-03", "deadlines_met_late"] == 1
    assert cells[COMMUNE, "2025-11-03", "tips_reported_to_investigators_in_time"] == 1
    assert cells[COMMUNE, "2025-11-10", "deadlines_missed"] == 3
