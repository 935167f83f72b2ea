"""The acknowledgement: a paper for the sender, and a code that anyone can check."""

import asyncio
import threading
import unicodedata
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pypdfium2
import pytest

from services.incidents.tips import acknowledgement
from services.incidents.tips.acknowledgement import code_of, tip_id_of
from shared import units
from shared.database import Database
from shared.papers import AT_ONCE
from shared.settings import settings
from tests.conftest import COMMUNE, Antt
from tests.incidents.conftest import kind_of

TIPS = "/incidents/v1/tips"
SECRETS = {
    "content": "Nhóm người lạ tụ tập trước nhà trọ số 5",
    "topic": "gambling",
    "informant": {"full_name": "Trần Thị Bưởi", "phone": "0912 345 678", "address": "12 Lê Lợi"},
}


async def reported(antt: Antt, caller: dict[str, str] | None = None, **values: Any) -> dict[str, Any]:
    """A tip that says more than the paper may."""
    answer = await antt.post(TIPS, {"unit": COMMUNE, **SECRETS, **values}, caller)
    assert answer.status_code == 201, answer.text
    tip: dict[str, Any] = answer.json()
    return tip


async def paper(antt: Antt, receipt: str) -> httpx.Response:
    """The acknowledgement that a receipt gives."""
    return await antt.http.get(f"{TIPS}/by-receipt/acknowledgement", headers={"Antt-Receipt": receipt})


def text_of(content: bytes) -> str:
    """What a person reads on its one page."""
    with pypdfium2.PdfDocument(content) as document:
        (page,) = document
        text = page.get_textpage().get_text_bounded()
    return " ".join(unicodedata.normalize("NFC", text).split())


async def check(antt: Antt, code: str, **headers: str) -> httpx.Response:
    """What anyone learns of a code."""
    return await antt.http.get(f"{TIPS}/acknowledgements/{code}", headers=headers)


async def test_the_paper_has_the_form_of_the_decree_and_says_when_and_where(antt: Antt) -> None:
    tip = await reported(antt, antt.token(), received_at="2026-02-05T23:30:00+00:00")
    answer = await paper(antt, tip["receipt"])
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    text = text_of(answer.content)
    code = code_of(UUID(tip["id"]))
    for line in (
        "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM",
        "Độc lập - Tự do - Hạnh phúc",
        "CÔNG AN THÀNH PHỐ HỒ CHÍ MINH CÔNG AN PHƯỜNG DĨ AN",
        f"Số: {code[:8]}/GXN-CA",
        "Dĩ An, ngày 06 tháng 02 năm 2026",
        "GIẤY XÁC NHẬN TIẾP NHẬN TIN BÁO",
        "Thời điểm tiếp nhận: 06 giờ 30 phút, ngày 06 tháng 02 năm 2026.",
        "Đơn vị tiếp nhận: Công an phường Dĩ An, thành phố Hồ Chí Minh.",
        f"{settings().public_url}/incidents/v1/tips/acknowledgements/ {code}",
    ):
        assert line in text, (line, text)
    # It is the same paper each time.
    assert (await paper(antt, tip["receipt"])).content == answer.content


@pytest.mark.parametrize(
    ("received_at", "named"),
    [("2026-04-29T16:59:00+00:00", "tỉnh Đồng Nai"), ("2026-04-29T17:00:00+00:00", "thành phố Đồng Nai")],
)
def test_the_paper_names_a_province_as_it_was_named_on_its_day(data: Path, received_at: str, named: str) -> None:
    commune = units.children("2025:75")[0]
    text = text_of(acknowledgement.draw(uuid4(), commune, datetime.fromisoformat(received_at)))
    assert f"CÔNG AN {named.upper()} " in text
    assert f", {named}." in text


async def test_the_paper_says_nothing_of_content_sender_or_receipt(antt: Antt) -> None:
    tip = await reported(antt)
    content = (await paper(antt, tip["receipt"])).content
    text = text_of(content)
    for secret in (SECRETS["content"], "gambling", "Bưởi", "0912", "Lê Lợi", tip["receipt"], tip["id"]):
        assert str(secret) not in text
        assert str(secret).encode() not in content


async def test_anyone_can_check_a_code_and_learns_when_and_where_only(antt: Antt) -> None:
    tip = await reported(antt)
    code = code_of(UUID(tip["id"]))
    as_typed = [code, code.lower(), f"{code[:6]}-{code[6:11]}-{code[11:]}", code.replace("0", "o").replace("1", "l")]
    for typed in as_typed:
        assert (await check(antt, typed)).json() == {
            "valid": True,
            "received_at": tip["received_at"],
            "unit": COMMUNE,
            "unit_name": "Phường Dĩ An",
        }
    page = await check(antt, code, Accept="text/html,application/xhtml+xml")
    assert page.headers["content-type"].startswith("text/html")
    assert "Công an phường Dĩ An đã tiếp nhận một tin báo lúc" in page.text


async def test_no_other_code_is_genuine(antt: Antt, monkeypatch: pytest.MonkeyPatch) -> None:
    tip = await reported(antt)
    code = code_of(UUID(tip["id"]))
    looked_up: list[Any] = []

    async def fetchrow(self: Database, sql: str, *arguments: Any) -> Any:
        # Jobs ask for things of their own meanwhile.
        if "FROM tips" in sql:
            looked_up.append(sql)
        return await original(self, sql, *arguments)

    original = Database.fetchrow
    near = {code[:at] + acknowledgement._ALPHABET[(int(at) * 7 + 3) % 32] + code[at + 1 :] for at in range(26)} - {code}
    wrong = [*near, code_of(uuid4()), "", tip["id"], tip["receipt"], "Z" * 26, "0" * 26, "é" * 26, "0" * 5000, "%00"]
    monkeypatch.setattr(Database, "fetchrow", fetchrow)
    for other in filter(None, wrong):
        answer = await check(antt, other)
        assert kind_of(answer) == (404, "not-found"), other
    # Each cost the same single look-up by a key, as the genuine one does.
    assert (await check(antt, code)).status_code == 200
    assert len(looked_up) == len(list(filter(None, wrong))) + 1
    assert len(set(looked_up)) == 1
    page = await check(antt, code_of(uuid4()), Accept="text/html")
    assert (page.status_code, "không đúng" in page.text) == (404, True)


def test_a_code_is_a_permutation_of_ids() -> None:
    ids = [uuid4() for _ in range(500)]
    assert [tip_id_of(code_of(id)) for id in ids] == ids
    # Ids that differ by one bit have codes that have nothing in common.
    one = UUID(int=ids[0].int ^ 1)
    same = sum(a == b for a, b in zip(code_of(ids[0]), code_of(one), strict=True))
    assert same < 10


async def test_a_wrong_receipt_gives_no_paper(antt: Antt) -> None:
    await reported(antt)
    assert kind_of(await paper(antt, "0000000000000000")) == (404, "not-found")
    assert kind_of(await paper(antt, "x")) == (422, "invalid-input")
    for _ in range(10):
        last = await paper(antt, "0000000000000000")
    assert kind_of(last) == (429, "too-many-wrong-receipts")


async def test_more_papers_at_once_than_a_process_draws_are_asked_to_come_again(
    antt: Antt, monkeypatch: pytest.MonkeyPatch
) -> None:
    tip = await reported(antt)
    drawing, go_on = threading.Semaphore(0), threading.Event()

    def slow(*of: Any) -> bytes:
        drawing.release()
        go_on.wait(10)
        return b"%PDF"

    monkeypatch.setattr(acknowledgement, "draw", slow)
    most = AT_ONCE.most
    waiting = [asyncio.create_task(paper(antt, tip["receipt"])) for _ in range(most)]
    await asyncio.to_thread(lambda: [drawing.acquire(timeout=10) for _ in range(most)])
    refused = await paper(antt, tip["receipt"])
    assert (kind_of(refused), refused.headers["retry-after"]) == ((503, "overloaded"), "2")
    # A tip is taken in meanwhile.
    await reported(antt)
    go_on.set()
    assert [(await answer).status_code for answer in waiting] == [200] * most
    assert (await paper(antt, tip["receipt"])).status_code == 200


async def test_what_a_province_words_is_text_and_no_markup(antt: Antt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTT_ACKNOWLEDGEMENT_TITLE", '#panic("x") *PHIẾU* $ \\')
    monkeypatch.setenv("ANTT_ACKNOWLEDGEMENT_NUMBER", "{unit}-{year}/XN")
    settings.cache_clear()
    text = text_of(acknowledgement.draw(uuid4(), COMMUNE, datetime.fromisoformat("2025-11-22T08:00Z")))
    assert '#panic("x") *PHIẾU* $ \\' in text
    assert "Số: 25942-2025/XN" in text
