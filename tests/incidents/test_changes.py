"""Changes since: what another system reads of incidents, in order, of its own area, and after a restoration."""

import asyncio
import time
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from shared.subscriptions import changes as reading
from shared.subscriptions.cursors import cursor_of, mark_of
from tests.conftest import COMMUNE, PROVINCE, Antt
from tests.incidents.conftest import ACTIVITIES, CASES, a_case, a_patrol, kind_of, opened

CHANGES = "/incidents/v1/changes"
TIPS = "/incidents/v1/tips"
OTHER_COMMUNE = "2025:25945"


async def changes(antt: Antt, caller: dict[str, str] | None = None, **query: Any) -> dict[str, Any]:
    """A page of changes, for an operator unless told."""
    answer = await antt.get(CHANGES, caller or antt.token("operator", PROVINCE), **query)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def a_tip(antt: Antt, unit: str = COMMUNE) -> dict[str, Any]:
    return await opened(antt, TIPS, {"unit": unit, "content": "Gây rối trật tự"}, antt.token("operator", PROVINCE))


async def step(antt: Antt, path: str, **body: Any) -> None:
    answer = await antt.post(path, body, antt.token())
    assert answer.status_code == 200, answer.text


async def test_events_of_every_kind_come_in_the_order_of_their_commits(antt: Antt) -> None:
    tip = await a_tip(antt)
    case = await opened(antt, CASES, a_case(tip_id=tip["id"]))
    patrol = await opened(antt, ACTIVITIES, a_patrol())
    await step(antt, f"{TIPS}/{tip['id']}/report")
    page = await changes(antt)
    assert [(e["type"], e["subject"]) for e in page["items"]] == [
        ("TipReceived", tip["id"]),
        ("CaseOpened", case["id"]),
        ("ActivityEntered", patrol["id"]),
        ("TipReported", tip["id"]),
    ]
    assert page["more"] is False
    opened_case, reported = page["items"][1], page["items"][3]
    assert opened_case["specversion"] == "1.0"
    assert opened_case["source"] == f"/antt/{PROVINCE}/incidents"
    assert opened_case["position"] == case["position"]
    assert opened_case["data"]["links"]["tip_id"] == tip["id"]
    assert "before" not in opened_case["data"]
    assert [reported["data"][side]["state"] for side in ("before", "after")] == ["received", "reported"]
    assert len({event["id"] for event in page["items"]}) == 4


async def test_whoever_goes_on_with_next_reads_every_event_once(antt: Antt) -> None:
    tips = [(await a_tip(antt))["id"] for _ in range(7)]
    read, cursor, more = list[str](), "start", True
    while more:
        page = await changes(antt, after=cursor, limit=3)
        read += [event["subject"] for event in page["items"]]
        cursor, more = page["next"], page["more"]
    assert read == tips
    assert (await changes(antt, after=cursor))["items"] == []
    later = await a_tip(antt)
    assert [event["subject"] for event in (await changes(antt, after=cursor))["items"]] == [later["id"]]


async def test_now_begins_behind_the_last_event(antt: Antt) -> None:
    assert (await changes(antt, after="now"))["next"] == "start"
    await a_tip(antt)
    page = await changes(antt, after="now")
    assert page["items"] == []
    later = await a_tip(antt)
    assert [event["subject"] for event in (await changes(antt, after=page["next"]))["items"]] == [later["id"]]


async def test_a_tombstone_tells_that_a_record_no_longer_stands(antt: Antt) -> None:
    tip, patrol = await a_tip(antt), await opened(antt, ACTIVITIES, a_patrol())
    await step(antt, f"{TIPS}/{tip['id']}/withdraw", reason="Nhập nhầm")
    await step(antt, f"{ACTIVITIES}/{patrol['id']}/return", reason="Sai ngày")
    await step(antt, f"{TIPS}/{tip['id']}/reopen", reason="Đúng là có")
    events = (await changes(antt))["items"]
    assert [(e["type"], e["tombstone"]) for e in events] == [
        ("TipReceived", False),
        ("ActivityEntered", False),
        ("TipWithdrawn", True),
        ("ActivityReturned", True),
        ("TipReopened", False),
    ]


async def test_only_events_of_the_types_asked_for_come_and_next_moves_over_the_others(antt: Antt) -> None:
    await a_tip(antt)
    case = await opened(antt, CASES, a_case())
    await a_tip(antt)
    page = await changes(antt, types=["CaseOpened", "CaseResolved"])
    assert [event["subject"] for event in page["items"]] == [case["id"]]
    assert page["next"] == (await changes(antt))["next"]


async def test_a_caller_sees_what_concerns_its_area_and_what_moved_into_or_out_of_it(antt: Antt) -> None:
    mine, others = await a_tip(antt), await a_tip(antt, OTHER_COMMUNE)
    moved = await antt.post(
        f"{TIPS}/{others['id']}/correct",
        {"unit": COMMUNE, "reason": "Nhầm xã"},
        antt.token("operator", PROVINCE),
    )
    assert moved.status_code == 200, moved.text
    officer = await changes(antt, antt.token("commune_officer", COMMUNE))
    other = await changes(antt, antt.token("system", OTHER_COMMUNE))
    assert [(e["type"], e["subject"]) for e in officer["items"]] == [
        ("TipReceived", mine["id"]),
        ("TipCorrected", others["id"]),
    ]
    assert [(e["type"], e["subject"]) for e in other["items"]] == [
        ("TipReceived", others["id"]),
        ("TipCorrected", others["id"]),
    ]


async def test_who_handles_a_tip_or_is_asked_to_sees_its_events(antt: Antt) -> None:
    here, there = antt.token(), antt.token("commune_officer", OTHER_COMMUNE)
    at = f"{TIPS}/{(await a_tip(antt))['id']}"
    for step, body, caller in (
        ("report", {}, here),
        ("forward", {"unit": OTHER_COMMUNE}, here),
        ("send-back", {"reason": "không thuộc địa bàn"}, there),
        ("forward", {"unit": OTHER_COMMUNE}, here),
        ("take-over", {}, there),
        ("classify", {"classified_as": "feedback"}, there),
        ("forward", {"agency": "Điện lực"}, there),
    ):
        answer = await antt.post(f"{at}/{step}", body, caller)
        assert answer.status_code == 200, answer.text
    told = [event["type"] for event in (await changes(antt, antt.token("system", OTHER_COMMUNE)))["items"]]
    assert [type for type in told if type.startswith("Tip")] == [
        "TipForwarded", "TipSentBack", "TipForwarded", "TipTakenOver", "TipClassified", "TipForwarded",
    ]  # fmt: skip


async def test_who_is_concerned_by_nothing_still_gets_on(antt: Antt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_MOST_LOOKED_AT", 2)
    for _ in range(5):
        await a_tip(antt)
    last = await a_tip(antt, OTHER_COMMUNE)
    caller, cursor, read, more = antt.token("system", OTHER_COMMUNE), "start", list[str](), True
    while more:
        page = await changes(antt, caller, after=cursor, limit=1)
        assert page["next"] != cursor
        read += [event["subject"] for event in page["items"]]
        cursor, more = page["next"], page["more"] and not read
    assert read == [last["id"]]


async def test_a_reader_who_waits_is_answered_when_an_event_of_its_own_comes(antt: Antt) -> None:
    cursor = (await changes(antt, after="now"))["next"]
    waiting = asyncio.create_task(changes(antt, after=cursor, wait=30, types=["CaseOpened"]))
    await a_tip(antt)
    began = time.monotonic()
    case = await opened(antt, CASES, a_case())
    page = await waiting
    assert [event["subject"] for event in page["items"]] == [case["id"]]
    assert time.monotonic() - began < 5


async def test_a_reader_who_waits_in_vain_gets_an_empty_page(antt: Antt) -> None:
    began = time.monotonic()
    page = await changes(antt, wait=1)
    assert (page["items"], page["more"]) == ([], False)
    assert time.monotonic() - began >= 1


async def test_a_cursor_of_a_lost_generation_is_gone_and_tells_where_to_begin(
    antt: Antt, databases: dict[str, str]
) -> None:
    tips = [(await a_tip(antt))["id"] for _ in range(4)]
    cursor = (await changes(antt))["next"]
    connection = await asyncpg.connect(databases["incidents"])
    await connection.execute("INSERT INTO outbox_generations (generation, after_seq) VALUES (2, 2)")
    await connection.close()
    answer = await antt.get(CHANGES, antt.token("operator", PROVINCE), after=cursor)
    assert kind_of(answer) == (410, "changes-lost")
    page = await changes(antt, after=answer.json()["begin_after"])
    assert [event["subject"] for event in page["items"]] == tips[2:]
    assert {event["position"].split(":")[1] for event in page["items"]} == {"2"}


async def test_a_cursor_whose_event_is_no_longer_there_is_gone_before_any_recovery(antt: Antt) -> None:
    tips = [(await a_tip(antt))["id"] for _ in range(3)]
    lost = mark_of((await changes(antt))["next"])._replace(event_id=str(uuid4()))
    answer = await antt.get(CHANGES, antt.token("operator", PROVINCE), after=cursor_of(lost))
    assert kind_of(answer) == (410, "changes-lost")
    page = await changes(antt, after=answer.json()["begin_after"])
    assert [event["subject"] for event in page["items"]] == tips[2:]


async def test_what_was_never_a_cursor_is_refused(antt: Antt) -> None:
    for cursor in ("", "x", "AAAA", "_" * 48, "A" * 48, "A" * 64, "ở"):
        answer = await antt.get(CHANGES, antt.token("operator", PROVINCE), after=cursor)
        assert kind_of(answer) == (422, "invalid-input"), cursor


async def test_teams_and_strangers_read_no_changes(antt: Antt) -> None:
    leader = antt.token("team_leader", COMMUNE, str(uuid4()))
    assert kind_of(await antt.get(CHANGES)) == (401, "unauthenticated")
    assert kind_of(await antt.get(CHANGES, leader)) == (403, "forbidden")
    officer = antt.token()
    assert kind_of(await antt.get(CHANGES, officer, types="MemberReleased")) == (422, "invalid-input")
