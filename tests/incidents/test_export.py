"""Exports: what a list shows, as a file that no spreadsheet takes for a program."""

import asyncio
import csv
import json
from collections import Counter
from contextlib import suppress
from io import BytesIO, StringIO
from typing import Any

import openpyxl
import pytest

from shared.listing import columns, export
from tests.conftest import COMMUNE, OLD_COMMUNE, PROVINCE, Antt
from tests.exported import exported, rows_of, sheet_of
from tests.incidents.conftest import ACTIVITIES, CASES, a_case, a_duty, a_patrol, kind_of, opened, traffic_control

TIPS = "/incidents/v1/tips"
FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://x","y")', "＝1+1")
# What stands between a text's beginning and a formula within it.
WITHIN = (";", "; ", "\n", "\n\n", "\t", ';"', '\n "', ";;")


async def test_an_export_holds_exactly_what_the_list_holds(antt: Antt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_ROWS", 2)
    province = antt.token("province_officer", PROVINCE)
    for number in range(5):
        await opened(antt, TIPS, {"unit": COMMUNE, "content": f"Mất trộm {number}", "topic": "trom_cap"}, province)
    await opened(antt, TIPS, {"unit": "2025:25945", "content": "Nơi khác"}, province)
    for query in (
        {},
        {"topic": "trom_cap", "sort": "newest"},
        {"text": "trom 3"},
        {"state": "rejected"},
        {"to": "2020-01-01"},
    ):
        for caller in (antt.token(), province):
            listed = (await antt.get(TIPS, caller, **query)).json()["items"]
            lines = (await exported(antt, TIPS, caller, format="ndjson", **query)).splitlines()
            assert [json.loads(line) for line in lines] == listed
            ids = [tip["id"] for tip in listed]
            assert [row["Mã tin"] for row in rows_of(await exported(antt, TIPS, caller, **query))] == ids
            titles, *rows = sheet_of(await exported(antt, TIPS, caller, format="xlsx", **query))
            assert titles[0] == "Mã tin"
            assert [row[0] for row in rows] == ids


async def test_a_file_for_people_speaks_vietnamese(antt: Antt) -> None:
    tip = {"unit": OLD_COMMUNE, "content": "Đánh bạc;\n“xóc đĩa”, quán 3/2", "received_at": "2024-05-01T08:30:00+07:00"}
    await opened(antt, TIPS, {**tip, "channel": "hotline"})
    content = await exported(antt, TIPS)
    assert content.startswith(b"\xef\xbb\xbf")
    (row,) = rows_of(content)
    assert row["Nội dung"] == tip["content"]
    assert (row["Thời điểm tiếp nhận"], row["Kênh tiếp nhận"]) == ("2024-05-01 08:30:00", "đường dây nóng")
    assert (row["Mã đơn vị"], row["Trạng thái"], row["Kết quả"]) == (OLD_COMMUNE, "đã tiếp nhận", "")
    titles, cells = sheet_of(await exported(antt, TIPS, format="xlsx"))
    shown = dict(zip(titles, cells, strict=True))
    assert shown["Nội dung"] == tip["content"]
    assert f"{shown['Thời điểm tiếp nhận']:%d/%m/%Y %H:%M}" == "01/05/2024 08:30"


async def test_no_cell_is_a_formula(antt: Antt) -> None:
    for formula in FORMULAS:
        await opened(antt, TIPS, {"unit": COMMUNE, "content": formula})
    assert [row["Nội dung"] for row in rows_of(await exported(antt, TIPS))] == [f"'{formula}" for formula in FORMULAS]
    book = openpyxl.load_workbook(BytesIO(await exported(antt, TIPS, format="xlsx")))
    cells = [cell for row in book.worksheets[0].iter_rows(min_row=2) for cell in row if cell.value in FORMULAS]
    assert [cell.value for cell in cells] == list(FORMULAS)
    assert {cell.data_type for cell in cells} == {"s"}
    assert [columns.harmless(text) for text in ("\t=1", "\r=1", " =1", "a=1", "5", "a; b-1\n5")] == [
        "'\t'=1", "'\r'=1", "' =1", "a=1", "5", "a; b-1\n5",
    ]  # fmt: skip


async def test_no_cell_is_a_formula_where_semicolons_or_tabs_part_cells(antt: Antt) -> None:
    hidden = [f"Gây rối{before}{sign}1+1" for before in WITHIN for sign in "=+-@＝＋－＠"]
    for text in hidden:
        await opened(antt, TIPS, {"unit": COMMUNE, "content": text})
    content = (await exported(antt, TIPS)).decode("utf-8-sig")
    for delimiter in ";\t":
        for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
            cells = [c for row in csv.reader(StringIO(content, ""), delimiter=delimiter, quoting=quoting) for c in row]
            assert [cell for cell in cells if cell.lstrip(' "')[:1] in set("=+-@＝＋－＠")] == []
    assert [row["Nội dung"].replace("'", "") for row in rows_of(content.encode())] == hidden
    titles, *rows = sheet_of(await exported(antt, TIPS, format="xlsx"))
    assert [row[titles.index("Nội dung")] for row in rows] == hidden


async def test_who_reported_a_tip_is_in_no_file(antt: Antt) -> None:
    informant = {"full_name": "Nguyễn Thị Bí Mật", "phone": "0909123456"}
    await opened(antt, TIPS, {"unit": COMMUNE, "content": "Gây rối", "informant": informant})
    for format in ("csv", "ndjson"):
        content = (await exported(antt, TIPS, format=format)).decode()
        assert "Gây rối" in content
        assert not any(value in content for value in informant.values())
    assert "Bí Mật" not in str(sheet_of(await exported(antt, TIPS, format="xlsx")))


async def test_cases_and_activities_are_counted_and_exported_by_the_same_filters(antt: Antt) -> None:
    tip = await opened(antt, TIPS, {"unit": COMMUNE, "content": "Đánh bạc"})
    await opened(antt, CASES, a_case(links=[{"kind": "tip", "id": tip["id"]}]))
    await opened(antt, CASES, a_case(kind="theft", found_on="2025-10-02"))
    for activity in (a_patrol(), traffic_control(), a_duty(started_at="2025-11-01T20:00:00+07:00")):
        await opened(antt, ACTIVITIES, activity)
    asked: dict[str, list[dict[str, Any]]] = {
        CASES: [{}, {"kind": "theft"}, {"found_through": "tip"}, {"to": "2025-10-31"}, {"state": "resolved"}],
        ACTIVITIES: [{}, {"kind": "traffic_control"}, {"from_": "2025-11-02"}, {"state": "entered"}],
    }
    for path, queries in asked.items():
        found = []
        for query in queries:
            listed = (await antt.get(path, antt.token(), **query)).json()["items"]
            assert (await antt.get(f"{path}/count", antt.token(), **query)).json() == {"count": len(listed)}
            lines = (await exported(antt, path, format="ndjson", **query)).splitlines()
            assert [json.loads(line) for line in lines] == listed
            assert len(rows_of(await exported(antt, path, **query))) == len(listed)
            assert len(sheet_of(await exported(antt, path, format="xlsx", **query))) == len(listed) + 1
            found.append(len(listed))
        assert found == ([2, 1, 1, 1, 0] if path == CASES else [3, 1, 2, 0])


async def test_an_export_is_for_who_may_list_and_its_taking_is_logged_without_the_words(
    antt: Antt, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kind_of(await antt.get(f"{TIPS}/export")) == (401, "unauthenticated")
    assert kind_of(await antt.get(f"{TIPS}/export", antt.token("system"))) == (403, "forbidden")
    assert kind_of(await antt.get(f"{TIPS}/export", antt.token(), format="doc")) == (422, "invalid-input")
    await opened(antt, TIPS, {"unit": COMMUNE, "content": "Ông Hòa đánh bạc"})
    capsys.readouterr()
    await exported(antt, TIPS, text="ông Hòa", unit=COMMUNE)
    logged = capsys.readouterr().out
    (told,) = [entry for entry in map(json.loads, logged.splitlines()) if entry["event"] == "exported"]
    assert (told["by"], told["rows"], told["whole"]) == (f"commune_officer:{COMMUNE}", 1, True)
    assert told["filters"] == {"unit": COMMUNE}
    assert "Hòa" not in logged


@pytest.mark.parametrize("format", ["csv", "ndjson", "xlsx"])
async def test_of_ten_exports_at_once_two_are_made_and_eight_told_to_come_again(antt: Antt, format: str) -> None:
    await opened(antt, TIPS, {"unit": COMMUNE, "content": "Gây rối"})
    asked = [antt.get(f"{TIPS}/export", antt.token(), format=format) for _ in range(10)]
    answers = await asyncio.gather(*asked)
    assert Counter(answer.status_code for answer in answers) == {200: 2, 503: 8}
    assert all(answer.headers["retry-after"] for answer in answers if answer.status_code == 503)
    # Each gives its place back, also one that is refused for another reason.
    assert (await antt.get(f"{TIPS}/export", antt.token("system"))).status_code == 403
    for _ in range(3):
        assert (await antt.get(f"{TIPS}/export", antt.token(), format=format)).status_code == 200


async def test_two_who_read_nothing_stop_no_other_export_for_long(antt: Antt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_STALLED_SECONDS", 0.2)
    await opened(antt, TIPS, {"unit": COMMUNE, "content": "Gây rối"})
    begun = [asyncio.Event(), asyncio.Event()]

    async def stall(begun: asyncio.Event) -> None:
        async def receive() -> Any:
            await asyncio.Event().wait()

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body":
                begun.set()
                await asyncio.Event().wait()

        with suppress(Exception):
            await antt.app(a_get(f"{TIPS}/export", antt.token()), receive, send)

    stalled = [asyncio.create_task(stall(each)) for each in begun]
    await asyncio.gather(*[each.wait() for each in begun])
    assert (await antt.get(f"{TIPS}/export", antt.token())).status_code == 503
    await asyncio.gather(*stalled)
    assert (await antt.get(f"{TIPS}/export", antt.token())).status_code == 200


def a_get(path: str, caller: dict[str, str]) -> dict[str, Any]:
    """A request as a server hands it on."""
    headers = [(name.lower().encode(), value.encode()) for name, value in caller.items()]
    return {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers,
        "scheme": "http", "server": ("antt", 80), "client": ("127.0.0.1", 1), "http_version": "1.1", "root_path": "",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
    }  # fmt: skip


async def test_what_no_sheet_holds_is_refused(antt: Antt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_SHEET_ROWS", 1)
    for _ in range(2):
        await opened(antt, TIPS, {"unit": COMMUNE, "content": "Gây rối"})
    assert kind_of(await antt.get(f"{TIPS}/export", antt.token(), format="xlsx")) == (422, "too-many-rows")
    assert len(rows_of(await exported(antt, TIPS))) == 2


async def test_who_goes_away_in_the_middle_of_a_file_leaves_nothing_behind(
    antt: Antt, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(export, "_ROWS", 1)
    for number in range(3):
        await opened(antt, TIPS, {"unit": COMMUNE, "content": f"Mất trộm {number}"})
    for _ in range(8):
        gone, sent = asyncio.Event(), list[Any]()

        async def receive(gone: asyncio.Event = gone) -> dict[str, str]:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any, gone: asyncio.Event = gone, sent: list[Any] = sent) -> None:
            sent.append(message)
            # The titles have come; from now on nobody reads.
            if message["type"] == "http.response.body":
                gone.set()

        await antt.app(a_get(f"{TIPS}/export", antt.token()), receive, send)
    assert len(rows_of(await exported(antt, TIPS))) == 3
    assert export._AT_ONCE.taken == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"exported"' in line]
    assert len(told) == 9
    assert told[-1]["whole"]
    assert not all(entry["whole"] for entry in told)
