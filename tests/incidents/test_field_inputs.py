"""Inputs that failed in the field: what they say is what is kept and counted, and nothing is guessed or lost in silence."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from pydantic import TypeAdapter, ValidationError

from services.incidents.imports import IMPORTS
from shared.days import Day, Instant
from shared.importing.formats import READERS, Entry
from shared.text import clean
from tests.conftest import COMMUNE, PROVINCE, Antt
from tests.importing import imported
from tests.incidents.conftest import kind_of, opened

CASES = Path(__file__).parents[1] / "cases"
TIPS = "/incidents/v1/tips"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def case(name: str) -> bytes:
    (file,) = (CASES / name).glob("input.*")
    return file.read_bytes()


def read(format: Any, content: bytes) -> tuple[list[Entry], list[dict[str, str]]]:
    sheets: list[dict[str, str]] = []
    return list(READERS[format](io.BytesIO(content), IMPORTS.kinds["tips"], sheets)), sheets


def workbook(write: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, options) as book:
        write(book)
    return file.getvalue()


@pytest.mark.parametrize(
    "number",
    ["20261128", "45598", "0", "-1", "45598.5", "1e9", "2026-1-2", "20261128T101112Z", "2026-W01-1", "2026-332"],
)
def test_a_number_is_no_day_and_no_instant_at_any_door(number: str) -> None:
    for of in (Day, Instant):
        adapter: TypeAdapter[Any] = TypeAdapter(of)
        with pytest.raises(ValidationError):
            adapter.validate_json(json.dumps(number))
        with pytest.raises(ValidationError):
            adapter.validate_strings(number)
        with pytest.raises(ValidationError):
            adapter.validate_python(number)
        with pytest.raises(ValidationError):
            adapter.validate_json(number if number[0] in "-0123456789" and "-" not in number[1:] else "1")


def test_an_instant_is_iso_8601_with_a_blank_for_the_t_and_without_seconds_too() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(Instant)
    same = ("2026-08-15T08:30:00+07:00", "2026-08-15 08:30+07:00", "2026-08-15T01:30Z", "2026-08-15t01:30:00.000z")
    assert len({adapter.validate_python(text) for text in same}) == 1
    for text in ("2026-08-15T08:30:00", "2026-08-15", "2026-02-30T08:30:00Z", "2026-08-15T25:00Z", "15/08/2026 08:30"):
        with pytest.raises(ValidationError):
            adapter.validate_python(text)


async def test_numbers_for_days_are_refused_by_every_service(antt: Antt) -> None:
    answer = await antt.post(TIPS, json.loads(case("json-numeric-instant")))
    assert kind_of(answer) == (422, "invalid-input")
    assert answer.json()["errors"][0]["at"] == "occurred_at"
    entries, _ = read("csv", case("csv-numeric-instants"))
    assert [[error["column"] for error in entry.errors] for entry in entries] == [
        ["received_at"], ["received_at"], ["occurred_at"],
    ]  # fmt: skip
    team = {"unit": COMMUNE, "name": "Tổ 1", "from_on": "20240801", "decision": {}}
    answer = await antt.post("/teams/v1/teams", team, antt.token("operator", PROVINCE))
    assert "from_on" in {error["at"] for error in answer.json()["errors"]}
    answer = await antt.get("/stats/v1/counters", antt.token("operator", PROVINCE), unit=PROVINCE, from_="0", to="0")
    assert kind_of(answer) == (422, "invalid-input")


def test_a_serial_is_a_day_only_in_a_cell_that_excel_shows_as_one() -> None:
    def write(book: Any) -> None:
        sheet, shown = book.add_worksheet(), book.add_format({"num_format": "dd/mm/yyyy hh:mm"})
        sheet.write_row(0, 0, ["unit", "content", "received_at"])
        sheet.write_row(1, 0, ["2024:25942", "serial", 45598])
        sheet.write_row(2, 0, ["2024:25942", "typed"])
        sheet.write_number(2, 2, 45598.5, shown)

    entries, _ = read("xlsx", workbook(write))
    assert [error["column"] for error in entries[0].errors] == ["received_at"]
    assert entries[1].value.received_at.isoformat() == "2024-11-02T12:00:00+07:00"


def test_what_phones_put_between_letters_falls_away_and_pictures_stay_whole() -> None:
    for name in ("text-bidi-isolates", "text-zwj"):
        clean(json.loads(case(name))["content"])
    assert clean(json.loads(case("text-bidi-isolates"))["content"]) == "Theo @Anh Ba, gọi +84 912 000 111"
    whole = ["👮‍♂️ 👨‍👩‍👧", "👨🏽‍🦱", "❤️‍🔥", "🇻🇳", "1️⃣", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"]
    assert [clean(text) for text in whole] == whole
    assert clean("a\x0bb\x0cc\u2028d") == "a\nb\nc\nd"
    assert clean("x\u200dy\u2060z\u00ad") == "xyz"


@pytest.mark.parametrize(
    "text",
    ["M\u200dẬT", "M\ufe0fẬT", "M\u2068ẬT", "\u202aMẬT\u202c", "M\u034fẬT", "ＭẬＴ", "Độ m\u200bật: tối m\u2060ật"],
)
def test_no_invisible_character_hides_a_secrecy_level(text: str) -> None:
    with pytest.raises(ValueError, match="secrecy level"):
        clean(text)


async def test_only_an_override_is_refused_and_the_answer_names_it(antt: Antt) -> None:
    answer = await antt.post(TIPS, {"unit": COMMUNE, "content": "ảnh\u202egpj.exe"})
    assert answer.status_code == 422
    assert "U+202E" in answer.json()["errors"][0]["message"]


async def identity(antt: Antt, tip_id: str) -> dict[str, Any]:
    answer = await antt.post(f"{TIPS}/{tip_id}/informant", {"reason": "xác minh"}, antt.token())
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("0912-000-111", "0912000111"),
        ("(0912) 000 111", "0912000111"),
        ("+84 912 000 111", "0912000111"),
        ("0084912000111", "0912000111"),
        ("84912000111", "0912000111"),
        ("+84 (0) 912.000.111", "0912000111"),
        ("0912\u00a0000\u2013111", "0912000111"),
        ("912000111", "0912000111"),
        ("(0274) 3822 222", "02743822222"),
        ("+44 20 7946 0018", "+442079460018"),
        ("091200011", None),
        ("0912000111 hoặc 0912000112", None),
        ("không có", None),
    ],
)
async def test_a_telephone_is_one_number_however_it_is_written(antt: Antt, written: str, kept: str | None) -> None:
    tip = await opened(
        antt, TIPS, {"unit": COMMUNE, "content": "x", "informant": {"full_name": "A", "phone": written}}, {}
    )
    assert [(each["at"], each["code"]) for each in tip["left_out"]] == (
        [] if kept else [("informant.phone", "not-a-phone")]
    )
    assert (await identity(antt, tip["id"])).get("phone") == kept


@pytest.mark.parametrize(
    ("written", "kept"),
    [("074085000123", "074085000123"), ("074 085 000 123", "074085000123"), ("280123456", "280123456"),
     ("74085000123", None), ("1085000123", None), ("28012345", None)],
)  # fmt: skip
async def test_an_identity_number_has_12_digits_or_9(antt: Antt, written: str, kept: str | None) -> None:
    tip = await opened(
        antt, TIPS, {"unit": COMMUNE, "content": "x", "informant": {"full_name": "A", "identity_number": written}}, {}
    )
    assert bool(tip["left_out"]) == (kept is None)
    assert written not in str(tip["left_out"])
    assert (await identity(antt, tip["id"])).get("identity_number") == kept


async def test_what_excel_robbed_of_its_zero_is_set_right_or_left_out_and_the_import_says_so(antt: Antt) -> None:
    caller = antt.token("system")
    report = await imported(antt, case("xlsx-leading-zero"), caller=caller, of="tips", media_type=XLSX)
    assert (report["created"], report["rejected"], report["left_out"]) == (1, 0, 1), report
    (row,) = (await antt.get(f"/incidents/v1/imports/{report['id']}/left-out", caller)).json()["items"]
    assert (row["line"], row["sheet"]) == (2, "Sheet")
    assert [each["at"] for each in row["left_out"]] == ["informant.identity_number"]
    (tip,) = (await antt.get(TIPS, antt.token("operator", PROVINCE))).json()["items"]
    assert (await identity(antt, tip["id"]))["phone"] == "0912000111"


async def test_a_merged_value_holds_for_all_its_cells(antt: Antt) -> None:
    entries, _ = read("xlsx", case("xlsx-merged-cells"))
    assert [(e.line, e.errors, e.value.channel, f"{e.value.received_at.date()}") for e in entries] == [
        (2, [], "hotline", "2026-08-15"), (3, [], "hotline", "2026-08-15"), (4, [], "hotline", "2026-08-15"),
    ]  # fmt: skip


def test_merged_cells_across_and_down_fill_rows_that_have_something_of_their_own() -> None:
    def write(book: Any) -> None:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["unit", "content", "topic", "reference"])
        sheet.merge_range(1, 0, 4, 0, COMMUNE)
        sheet.merge_range(1, 1, 1, 2, "gambling")
        sheet.write_row(2, 1, ["b", "", "R2"])
        # Row 4 is blank but for the merged unit: nobody sees a record there.
        sheet.write_row(4, 1, ["d", "", "R4"])

    entries, _ = read("xlsx", workbook(write))
    assert [(e.line, e.errors) for e in entries] == [(2, []), (3, []), (5, [])]
    assert (entries[0].value.content, entries[0].value.topic, entries[1].value.unit) == (
        "gambling",
        "gambling",
        COMMUNE,
    )


async def test_visible_sheets_are_taken_hidden_ones_left_out_and_each_is_named(antt: Antt) -> None:
    caller = antt.token("system", "2025:79")
    report = await imported(antt, case("xlsx-hidden-first-sheet-2"), caller=caller, of="tips", media_type=XLSX)
    assert (report["created"], report["sheets"]) == (
        1, [{"name": "DanhMuc", "state": "hidden"}, {"name": "DuLieu", "state": "taken"}],
    )  # fmt: skip
    report = await imported(antt, case("xlsx-second-sheet-ignored"), caller=caller, of="tips", media_type=XLSX)
    assert (report["created"], report["rejected"]) == (2, 0)
    references = {tip["reference"] for tip in (await antt.get(TIPS, antt.token("operator", PROVINCE))).json()["items"]}
    assert references == {"HID-visible", "TWO-1", "TWO-2"}


async def test_a_rejected_row_names_its_sheet_and_sheets_do_not_collide(antt: Antt) -> None:
    def write(book: Any) -> None:
        for name in ("Phường A", "Phường B"):
            sheet = book.add_worksheet(name)
            sheet.write_row(0, 0, ["unit", "content"])
            sheet.write_row(1, 0, ["2025:00000", name])
            sheet.write_row(2, 0, [COMMUNE, name])
        book.add_worksheet("Bìa").write(0, 0, "Danh sách tin báo")

    caller = antt.token("system")
    content = workbook(write)
    report = await imported(antt, content, caller=caller, of="tips", media_type=XLSX, atomic="false")
    assert (report["created"], report["rejected"]) == (2, 2), report
    assert [sheet["state"] for sheet in report["sheets"]] == ["taken", "taken", "no-columns"]
    rows = (await antt.get(f"/incidents/v1/imports/{report['id']}/rejected", caller)).json()["items"]
    assert [(row["sheet"], row["line"]) for row in rows] == [("Phường A", 2), ("Phường B", 2)]
    page = await antt.get(f"/incidents/v1/imports/{report['id']}/rejected", caller, limit=1)
    (second,) = (await antt.http.get(page.links["next"]["url"], headers=caller)).json()["items"]
    assert second["sheet"] == "Phường B"


async def test_rows_that_a_filter_hides_spoil_the_file_and_a_misspelt_column_does_too(antt: Antt) -> None:
    def filtered(book: Any) -> None:
        sheet = book.add_worksheet("Lọc")
        sheet.write_row(0, 0, ["unit", "content"])
        for row in (1, 2):
            sheet.write_row(row, 0, [COMMUNE, f"{row}"])
        sheet.autofilter(0, 0, 2, 1)
        sheet.set_row(1, options={"hidden": True})

    def misspelt(book: Any) -> None:
        book.add_worksheet("Tốt").write_row(0, 0, ["unit", "content"])
        book.add_worksheet("Sai").write_row(0, 0, ["unit", "contents"])

    caller = antt.token("system")
    for write, code, sheet in ((filtered, "rows-hidden", "Lọc"), (misspelt, "unknown-column", "Sai")):
        report = await imported(antt, workbook(write), caller=caller, of="tips", media_type=XLSX)
        assert (report["state"], report["problem"]["code"], report["problem"]["sheet"]) == ("failed", code, sheet)
        assert report["created"] == 0


async def test_line_ends_of_windows_are_line_ends(antt: Antt) -> None:
    entries, _ = read("xlsx", case("xlsx-x000D"))
    assert entries[0].value.content == "Mất xe máy lúc 2 giờ\nBiển số 61A-123"
    assert entries[0].value.informant.full_name == "Nguyễn Văn A"


def test_what_the_format_escapes_is_what_was_typed() -> None:
    def write(book: Any) -> None:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["unit", "content"])
        sheet.write_row(1, 0, [COMMUNE, "mã _x0041_ và \x0b dấu"])

    content = workbook(write)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert b"_x005F_x0041_" in archive.read("xl/sharedStrings.xml")
    entries, _ = read("xlsx", content)
    assert entries[0].value.content == "mã _x0041_ và \n dấu"


def test_a_small_workbook_that_unpacks_to_a_large_one_takes_little_memory() -> None:
    import resource

    import psutil

    def bomb(part: str, opening: bytes, piece: bytes, closing: bytes) -> bytes:
        plain = workbook(lambda book: book.add_worksheet().write_row(0, 0, ["unit", "content"]))
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(plain)) as given, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in given.namelist():
                is_it = name == part
                archive.writestr(
                    name, opening + piece * (8_000_000 // len(piece)) + closing if is_it else given.read(name)
                )
        return out.getvalue()

    main = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    bombs = [
        bomb("xl/styles.xml", b"<styleSheet %b><cellXfs>" % main, b'<xf numFmtId="0"/>', b"</cellXfs></styleSheet>"),
        bomb("xl/workbook.xml", b"<workbook %b><sheets>" % main, b'<sheet name="a"/>', b"</sheets></workbook>"),
        bomb("xl/styles.xml", b"<styleSheet %b>" % main, b"<a>", b""),
        bomb("_rels/.rels", b"<Relationships>", b'<Relationship Id="a" Type="b" Target="c"/>', b"</Relationships>"),
    ]
    for content in bombs:
        before = psutil.Process().memory_info().rss
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(Exception):  # noqa: B017, PT011 (whatever it is called: what counts is the memory)
            read("xlsx", content)
        grown = max(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak, 0) * 1024
        assert max(grown, psutil.Process().memory_info().rss - before) < 60 << 20
