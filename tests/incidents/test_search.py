"""Lists, counts and exports: one question, asked in three ways."""

import re
import unicodedata
from itertools import product
from typing import Any

import asyncpg
import pytest

from services.incidents.tips import reading
from shared import units
from tests.conftest import COMMUNE, OLD_COMMUNE, PROVINCE, Antt
from tests.incidents.conftest import kind_of

TIPS = "/incidents/v1/tips"
NEIGHBOUR = "2025:25945"


async def a_tip(antt: Antt, **values: Any) -> str:
    """The id of a tip that an officer of the province entered."""
    tip = {"unit": COMMUNE, "content": "Mất trộm xe máy", **values}
    answer = await antt.post(TIPS, tip, antt.token("province_officer", PROVINCE))
    assert answer.status_code == 201, answer.text
    id: str = answer.json()["id"]
    return id


async def ids(antt: Antt, caller: dict[str, str] | None = None, **query: Any) -> list[str]:
    """The tips of a list, which its count must agree with."""
    caller = caller or antt.token("province_officer", PROVINCE)
    answer = await antt.get(TIPS, caller, **query)
    assert answer.status_code == 200, answer.text
    found = [tip["id"] for tip in answer.json()["items"]]
    counted = await antt.get(f"{TIPS}/count", caller, **{k: v for k, v in query.items() if k != "sort"})
    assert counted.json() == {"count": len(found)}
    return found


async def test_each_filter_finds_what_it_names_and_nothing_else(antt: Antt) -> None:
    officer = antt.token("province_officer", PROVINCE)
    by_web = await a_tip(antt, topic="trom_cap", channel="web")
    by_phone = await a_tip(antt, topic="ma_tuy", channel="hotline", received_at="2025-12-31T23:59:59+07:00")
    old = await a_tip(antt, unit=OLD_COMMUNE, channel="app", received_at="2024-05-01T00:00:00+07:00")
    for step, body in (("report", {}), ("classify", {"classified_as": "civil"}), ("assign", {"officer": "Tâm"})):
        assert (await antt.post(f"{TIPS}/{old}/{step}", body, officer)).status_code == 200
    assert await ids(antt) == [old, by_phone, by_web]
    assert await ids(antt, sort="newest") == [by_web, by_phone, old]
    assert await ids(antt, topic="ma_tuy") == [by_phone]
    assert await ids(antt, channel="web") == [by_web]
    assert await ids(antt, state="classified") == await ids(antt, classified_as="civil") == [old]
    assert await ids(antt, officer="Tâm") == [old]
    assert await ids(antt, from_="2025-12-31", to="2025-12-31") == [by_phone]
    assert await ids(antt, to="2025-12-30") == [old]
    assert await ids(antt, unit=OLD_COMMUNE, state="received") == [by_phone, by_web]
    assert await ids(antt, unit="2024:74", topic="trom_cap", channel="hotline") == []


async def test_pages_give_every_tip_once_in_either_order(antt: Antt) -> None:
    officer = antt.token("province_officer", PROVINCE)
    # Equal instants, so that the id decides; units of two editions, so that several are merged.
    days = ("2016-05-01", "2024-05-01", "2025-06-30", "2025-07-01", "2025-07-01", "2026-02-01")
    made = [
        await a_tip(antt, unit=OLD_COMMUNE if day < "2025-07" else COMMUNE, received_at=f"{day}T08:00:00+07:00")
        for day in days
    ]
    questions = product((("oldest", made), ("newest", made[::-1])), (officer, antt.token()), ("", "&text=trom"))
    for (sort, expected), caller, words in questions:
        seen, address = [], f"{TIPS}?limit=2&sort={sort}{words}"
        while address:
            answer = await antt.http.get(address, headers=caller)
            seen += [tip["id"] for tip in answer.json()["items"]]
            address = answer.links["next"]["url"] if "next" in answer.links else ""
        assert seen == expected


async def test_a_tip_is_seen_where_it_was_received_and_where_it_is_handled_or_awaited(antt: Antt) -> None:
    ours, theirs = antt.token(), antt.token("commune_officer", NEIGHBOUR)
    tip = await a_tip(antt)
    for step, body in (("report", {}), ("classify", {"classified_as": "crime_report"})):
        await antt.post(f"{TIPS}/{tip}/{step}", body, ours)
    assert await ids(antt, theirs) == []
    assert kind_of(await antt.get(f"{TIPS}/{tip}", theirs)) == (404, "not-found")
    assert (await antt.post(f"{TIPS}/{tip}/forward", {"unit": NEIGHBOUR}, ours)).status_code == 200
    assert await ids(antt, ours) == await ids(antt, theirs) == [tip]
    assert (await antt.post(f"{TIPS}/{tip}/take-over", {}, theirs)).status_code == 200
    for caller in (ours, theirs):
        assert await ids(antt, caller) == [tip]
        assert (await antt.get(f"{TIPS}/{tip}", caller)).status_code == 200
    assert await ids(antt, unit=NEIGHBOUR) == await ids(antt, unit=COMMUNE) == await ids(antt) == [tip]


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ({"unit": "2024:99999"}, (422, "unknown-unit")),
        ({"unit": "2024:79"}, (403, "foreign-area")),
        ({"state": "lost"}, (422, "invalid-input")),
        ({"sort": "random"}, (422, "invalid-input")),
        ({"from_": "1.1.2024"}, (422, "invalid-input")),
        ({"limit": 501}, (422, "invalid-input")),
        ({"after": "0199a3c0-0000-7000-8000-000000000000"}, (422, "invalid-input")),
        ({"colour": "red"}, (422, "invalid-input")),
    ],
)
async def test_a_question_that_cannot_be_is_refused(antt: Antt, query: dict[str, Any], answer: tuple[int, str]) -> None:
    assert kind_of(await antt.get(TIPS, antt.token(), **query)) == answer


async def test_a_list_is_for_who_may_read_it(antt: Antt) -> None:
    for path in (TIPS, f"{TIPS}/count"):
        assert kind_of(await antt.get(path)) == (401, "unauthenticated")
        assert kind_of(await antt.get(path, antt.token("system"))) == (403, "forbidden")


@pytest.mark.parametrize(
    "text", ["hoà bình", "HÒA BÌNH", "hoa binh", "bình  hoà", "hòa, bình!", "đường 3/2", "duong 61C1", "tro", "quynh"]
)
async def test_words_are_found_without_diacritics_wherever_the_tone_stands(antt: Antt, text: str) -> None:
    content = "Chị Quỳnh ở nhà\u00a0trọ “Hoà Bình”, đường 3/2, mất xe 61C1-123.45…tối qua"
    tip = await a_tip(antt, content=content)
    await a_tip(antt, content="Tiếng ồn ở chợ Bình Dương")
    for caller in (antt.token(), antt.token("province_officer", PROVINCE)):
        assert await ids(antt, caller, text=text) == [tip]


async def test_every_word_must_occur_and_other_filters_hold_beside_them(antt: Antt) -> None:
    tip = await a_tip(antt, content="Đánh bạc ở quán nước", topic="co_bac")
    old = await a_tip(antt, unit=OLD_COMMUNE, content="Đánh bạc", received_at="2019-02-03T08:00:00+07:00")
    for caller in (antt.token(), antt.token("province_officer", PROVINCE)):
        assert await ids(antt, caller, text="danh bac") == [old, tip]
        assert await ids(antt, caller, text="danh bac", sort="newest") == [tip, old]
        assert await ids(antt, caller, text="danh bac quan") == [tip]
        assert await ids(antt, caller, text="danh bac", topic="co_bac") == [tip]
        assert await ids(antt, caller, text="danh bac", to="2019-12-31") == [old]
        assert await ids(antt, caller, text="danh bac trom") == []


async def test_a_text_without_a_word_is_refused(antt: Antt) -> None:
    assert kind_of(await antt.get(TIPS, antt.token(), text="!!! …")) == (422, "invalid-input")
    # Neither operators of a query nor facets of the index can be written into a text.
    await a_tip(antt, content="Mất trộm")
    for text in ("'@2025:25942'", "!khac", "trom | khac", "<b>x</b>", "&amp;x", "tro:*", "\\"):
        answer = await antt.get(TIPS, antt.token(), text=text)
        assert answer.status_code == 422 or answer.json()["items"] == [], text


async def test_a_corrected_text_is_found_by_its_new_words_only(antt: Antt) -> None:
    tip = await a_tip(antt, content="Mất trộm xe")
    answer = await antt.post(f"{TIPS}/{tip}/correct", {"reason": "nhầm", "content": "Cháy rừng"}, antt.token())
    assert answer.status_code == 200, answer.text
    assert await ids(antt, text="trom") == []
    assert await ids(antt, text="rung") == [tip]


async def test_the_database_folds_vietnamese_as_the_register_of_units_does(databases: dict[str, str]) -> None:
    letters = [
        unicodedata.normalize("NFC", case(letter) + mark + tone)
        for letter in "aeiouyăâêôơưđbcdghklmnpqrstvx"
        for mark in ("", "\u0302", "\u0306", "\u031b")
        for tone in ("", "\u0300", "\u0309", "\u0303", "\u0301", "\u0323")
        for case in (str.lower, str.upper)
    ]
    names = [unit.name for unit in units.search(limit=100_000) if re.fullmatch(r"[\w ]+", unit.name)]
    texts = [*(text for text in letters if len(text) == 1), *names]
    connection = await asyncpg.connect(databases["incidents"])
    folded = await connection.fetchval("SELECT array_agg(folded(text)) FROM unnest($1::text[]) text", texts)
    await connection.close()
    assert len(texts) > 10_000
    assert [pair for pair in zip(texts, folded, map(units.fold, texts), strict=True) if pair[1] != pair[2]] == []


async def test_tips_are_found_by_what_is_due(antt: Antt) -> None:
    late = await a_tip(antt, received_at="2025-10-01T08:00:00+07:00")
    fresh = await a_tip(antt, content="Mất trộm gà")
    for caller in (antt.token(), antt.token("province_officer", PROVINCE)):
        listed = (await antt.get("/incidents/v1/deadlines", caller, state="overdue")).json()["items"]
        assert {deadline["tip_id"] for deadline in listed} == {late}
        assert await ids(antt, caller, deadline="overdue") == [late]
        assert await ids(antt, caller, deadline="overdue", text="ga") == []
        soon = (await antt.get("/incidents/v1/deadlines", caller, state="due_soon")).json()["items"]
        assert await ids(antt, caller, deadline="due_soon") == ([fresh] if soon else [])
    assert soon


async def test_words_are_found_by_the_expression_that_is_indexed(databases: dict[str, str]) -> None:
    connection = await asyncpg.connect(databases["incidents"])
    await connection.execute("SET enable_seqscan = off")
    words = reading.TIPS.records.words
    assert words is not None
    found = f"SELECT id FROM tips WHERE {words.indexed} @@ plainto_tsquery('vietnamese', 'gây rối')"
    plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {found}"))
    await connection.close()
    assert "tips_by_words" in plan
