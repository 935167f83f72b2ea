"""Files as people and machines make them, and as attackers do: what becomes of each row, and what spoils a file."""

import io
import json
import struct
import tracemalloc
import zipfile
from datetime import date, datetime
from typing import Any

import msgspec
import pytest
import xlsxwriter

from services.incidents.imports import IMPORTS
from shared.errors import Problem
from shared.importing.columns import Columns
from shared.importing.formats import LONGEST_ROW, READERS, Entry, UnreadableCsv
from shared.importing.models import Format
from shared.importing.rejections import ImportRefused, NotXlsx, row_error
from shared.importing.xlsx import XlsxRefused
from tests.conftest import COMMUNE
from tests.importing import a_csv, an_xlsx
from tests.incidents.conftest import NFC, NFD, a_patrol

TIMES = ("2025-11-02T20:00:00+07:00", "2025-11-02T23:00:00+07:00")
HEADING = ("kind", "unit", "started_at", "ended_at")
PATROL = ("patrol", COMMUNE, *TIMES)
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def read(format: Format, content: bytes, of: str = "activities") -> list[Entry]:
    """The rows of a file."""
    return list(READERS[format](io.BytesIO(content), IMPORTS.kinds[of], []))


def found(entries: list[Entry]) -> list[Any]:
    """Of each row its line, and `None` or the columns and codes of what is wrong with it."""
    return [(entry.line, [(e["column"], e["code"]) for e in entry.errors] or None) for entry in entries]


def with_shared_texts(*rows: Any) -> bytes:
    """Rows as a workbook that keeps its texts apart, as most programs do."""
    kept = io.BytesIO()
    with xlsxwriter.Workbook(kept) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    return kept.getvalue()


def with_part(content: bytes, name: str, part: bytes) -> bytes:
    """A workbook with a part put in, or in the place of its own."""
    kept = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as new:
        for each in old.namelist():
            if each != name:
                new.writestr(each, old.read(each))
        new.writestr(name, part)
    return kept.getvalue()


def a_sheet(rows: bytes) -> bytes:
    """A workbook whose sheet holds these bytes."""
    sheet = b'<?xml version="1.0"?><worksheet xmlns="%s"><sheetData>%s</sheetData></worksheet>' % (MAIN.encode(), rows)
    return with_part(an_xlsx(HEADING), "xl/worksheets/sheet1.xml", sheet)


def refused(format: Format, content: bytes) -> Problem:
    """What spoils a file."""
    with pytest.raises(ImportRefused) as raised:
        read(format, content)
    return raised.value


def test_the_same_activity_is_read_from_each_format() -> None:
    row = a_patrol(team_id="0199a3c0-0000-7000-8000-000000000000", members=3, hamlets=["Ấp 1", "Ấp 2"], joint=True)
    heading = [*row]
    cells = [";".join(v) if isinstance(v, list) else "có" if v is True else str(v) for v in row.values()]
    expected = read("ndjson", json.dumps(row).encode())[0].value
    assert expected.members == 3
    for delimiter in ",\t":
        assert read("csv", a_csv(heading, [f'"{cell}"' for cell in cells], delimiter=delimiter))[0].value == expected
    assert read("xlsx", an_xlsx(heading, cells))[0].value == expected
    assert read("xlsx", with_shared_texts(heading, cells))[0].value == expected


@pytest.mark.parametrize(
    ("written", "turns"),
    [("2501", 2501), ("2.501", 2501), (" 12.345 ", 12345), ("2.50", None), ("2,501", None), ("2.501,0", None)],
)
def test_numbers_are_read_as_people_write_them_here(written: str, turns: int | None) -> None:
    content = a_csv((*HEADING, "turns"), ("traffic_control", *PATROL[1:], written), delimiter=";")
    entry = read("csv", content)[0]
    assert (entry.value.turns if entry.value else None) == turns
    assert [error["value"] for error in entry.errors] == ([] if turns else [written.strip()])


def test_a_decimal_cell_of_a_workbook_is_no_thousand() -> None:
    entries = read("xlsx", an_xlsx((*HEADING, "turns"), ("traffic_control", *PATROL[1:], 2.501), PATROL[:0]))
    assert found(entries) == [(2, [("turns", "int_type")])]
    entries = read("xlsx", an_xlsx((*HEADING, "turns"), ("traffic_control", *PATROL[1:], 2501.0)))
    assert entries[0].value.turns == 2501


@pytest.mark.parametrize("written", ["02/11/2025", "2/11/2025", "2025-11-02", date(2025, 11, 2)])
def test_days_are_read_as_people_write_them_here(written: Any) -> None:
    heading, row = ("unit", "kind", "found_on"), (COMMUNE, "gambling", written)
    assert read("xlsx", an_xlsx(heading, row), "cases")[0].value.found_on == date(2025, 11, 2)
    if isinstance(written, str):
        assert read("csv", a_csv(heading, row), "cases")[0].value.found_on == date(2025, 11, 2)


@pytest.mark.parametrize(
    "written",
    ["02/11/2025 20:00", "2025-11-02T20:00:00", "2025-11-02T13:00:00Z", datetime(2025, 11, 2, 20)],  # noqa: DTZ001 (a spreadsheet knows no offsets)
)
def test_a_time_without_an_offset_is_one_of_viet_nam(written: Any) -> None:
    entry = read("xlsx", an_xlsx(HEADING, ("patrol", COMMUNE, written, TIMES[1])))[0]
    assert entry.value.started_at == datetime.fromisoformat(TIMES[0])


def test_dots_reach_what_is_inside_another() -> None:
    heading = (*HEADING, "items.0.item", "items.0.quantity", "items.0.unit", "items.0.means", "items.1.quantity")
    row = ("surrender", *PATROL[1:], "weapons", "2.000", "piece", "handed_in", "")
    entry = read("csv", a_csv(heading, row))[0]
    assert [(item.item, item.quantity) for item in entry.value.items] == [("weapons", 2000)]
    tip = read("csv", a_csv(("unit", "content", "informant.full_name"), (COMMUNE, "Gây rối", "Lê Hội")), "tips")[0]
    assert tip.value.informant.full_name == "Lê Hội"


def test_an_informant_is_in_no_report_wherever_the_name_stands() -> None:
    name = "Nguyễn Thị Bí Mật"
    rows = [
        {"unit": COMMUNE, "content": "a", "informant": {"full_name": name, "phone": name}},
        {"unit": COMMUNE, "content": "a", "informant": name},
        {"unit": COMMUNE, "content": "a", "informer_name": name},
        {"unit": COMMUNE, "content": "a", "informant": {"name": name}},
    ]
    entries = read("ndjson", "\n".join(json.dumps(row) for row in rows).encode(), "tips")
    assert [entry.line for entry in entries if entry.errors] == [2, 3, 4]
    assert name not in str([entry.errors for entry in entries])


PERSONS = ("Nguyễn Thị Bí Mật", "nguyen", "0912 345 678", "+84912345678", "3.822.345", "045098001234", "lan@example.vn")


@pytest.mark.parametrize("format", ["csv", "xlsx", "ndjson"])
def test_a_name_or_a_telephone_is_in_no_report_whichever_column_it_slipped_into(format: Format) -> None:
    heading = ("unit", "hamlet", "topic", "channel", "team_id", "occurred_at", "point.longitude", "received_at")
    rows = [[cell] * 8 for cell in PERSONS]
    if format == "ndjson":
        content = "\n".join(
            json.dumps({"content": "x", **dict(zip(heading, row, strict=True))}) for row in rows
        ).encode()
    elif format == "csv":
        content = a_csv(("content", *heading), *(["x", *row] for row in rows))
    else:
        content = an_xlsx(("content", *heading), *(["x", *row] for row in rows))
    entries = read(format, content, "tips")
    assert [bool(entry.errors) for entry in entries] == [True] * len(PERSONS)
    told = json.dumps([entry.errors for entry in entries], ensure_ascii=False).lower()
    assert [cell for cell in PERSONS if cell.lower() in told or cell.replace(".", "") in told] == []


def test_what_tells_of_nobody_is_shown_where_it_is_wrong() -> None:
    heading = ("unit", "started_at", "turns", "team_id")
    row = ("2025:99", "2025-11-02 25:00", "-2.501", "0199a3c0-0000-7000-8000-000000000000")
    for cell, column in zip(row, heading, strict=True):
        assert row_error(column, "wrong", "", cell)["value"] == cell
    assert row_error("joint", "wrong", "", True)["value"] == "True"


@pytest.mark.parametrize("format", ["csv", "xlsx"])
def test_a_file_without_a_heading_is_refused_without_repeating_its_first_person(format: Format) -> None:
    person = ("Nguyễn Thị Bí Mật", "0912345678", COMMUNE)
    for row in (person, ("unit", *person), ("unit", "content", *person)):
        problem = refused(format, a_csv(row) if format == "csv" else an_xlsx(row))
        assert problem.name == "unknown-column"
        assert set(problem.members) <= {"number", "sheet"}
        assert not any(cell.lower() in str(problem.members).lower() for cell in person)


def test_a_misspelt_field_is_told_by_the_field_that_is_meant() -> None:
    assert refused("csv", a_csv((*HEADING[:3], "endet_at"), PATROL)).members == {"number": 4, "near": "ended_at"}
    (entry,) = read("ndjson", json.dumps({"unit": COMMUNE, "content": "x", "recieved_at": TIMES[0]}).encode(), "tips")
    assert [(error["column"], "`received_at`" in error["message"]) for error in entry.errors] == [("?", True)]


def test_the_names_of_a_json_row_that_are_no_fields_are_not_repeated() -> None:
    # What a program makes of a table without a heading: its first row's cells as names.
    row = {"unit": COMMUNE, "content": "x", "Trần Thị Kín": "Lê Hội", "0912345678": "", "informant": {"Lê Kín": "x"}}
    (entry,) = read("ndjson", json.dumps(row).encode(), "tips")
    assert sorted(error["column"] for error in entry.errors) == ["?", "?", "informant.?", "informant.full_name"]
    assert not any(text in json.dumps(entry.errors, ensure_ascii=False) for text in ("Kín", "Hội", "0912345678"))


def test_texts_are_nfc_and_without_tricks() -> None:
    def tip(content: str) -> dict[str, str]:
        return {"unit": COMMUNE, "content": content}

    texts = [NFD, "Lễ\u200b hội", "Lễ\u202e hội", "a\x00b", "\ud800"]
    entries = read("ndjson", "\n".join(json.dumps(tip(text)) for text in texts).encode(), "tips")
    assert [entry.value and entry.value.content for entry in entries] == [NFC, NFC, None, None, None]
    assert all(error["value"] is None or error["value"].isprintable() for e in entries for error in e.errors)
    # In a heading as well: such a name is no field, and is not repeated as it stands.
    assert refused("csv", a_csv(("kin\u202ed",), ("patrol",))).name == "unknown-column"
    assert read("csv", a_csv(("\u200bkind", *HEADING[1:]), PATROL))[0].value.kind == "patrol"


@pytest.mark.parametrize("format", ["ndjson", "csv", "xlsx"])
def test_a_number_of_a_million_digits_is_one_bad_row(format: Format) -> None:
    digits, heading = "9" * 1_000_000, (*HEADING, "turns")
    short = "9" * 30_000
    if format == "ndjson":
        lines = [json.dumps(a_patrol(kind="traffic_control", turns=0))[:-2] + each + "}" for each in (digits, short)]
        entries = read(format, "\n".join(lines).encode())
        assert [entry.errors[0]["code"] for entry in entries] == ["line-too-long", "json_invalid"]
    elif format == "csv":
        assert refused(format, a_csv(heading, ("traffic_control", *PATROL[1:], digits))).name == "unreadable-csv"
        entries = read(format, a_csv(heading, ("traffic_control", *PATROL[1:], short)))
        assert entries[0].errors[0]["value"] is None
    else:
        cells = b"".join(b'<c r="%c1" t="str"><v>%s</v></c>' % (65 + i, h.encode()) for i, h in enumerate(heading))
        for number, code in ((digits, "xlsx-refused"), (short, None)):
            row = b"".join(b'<c t="str"><v>%s</v></c>' % cell.encode() for cell in ("traffic_control", *PATROL[1:]))
            sheet = a_sheet(b"<row>%s</row><row>%s<c><v>%s</v></c></row>" % (cells, row, number.encode()))
            if code:
                assert refused(format, sheet).name == code
            else:
                assert found(read(format, sheet)) == [(2, [("turns", "int_type")])]


def test_a_huge_line_is_one_bad_row() -> None:
    good = json.dumps(a_patrol()).encode()
    entries = read("ndjson", good + b"\n" + b"x" * 3_000_000 + b"\n" + good)
    assert found(entries) == [(1, None), (2, [("", "line-too-long")]), (3, None)]


def test_a_file_that_ends_in_the_middle_keeps_what_was_whole() -> None:
    line = json.dumps(a_patrol()).encode()
    assert found(read("ndjson", line + b"\n" + line[:-9])) == [(1, None), (2, [("", "json_invalid")])]
    content = a_csv(HEADING, PATROL, PATROL)
    assert found(read("csv", content[:-16])) == [(2, None), (3, [("ended_at", "datetime_parsing")])]
    assert refused("csv", a_csv(HEADING, PATROL, ('"patrol', *PATROL[1:]))).members == {"line": 3}
    assert refused("xlsx", an_xlsx(HEADING, PATROL)[:-30]).name == "not-xlsx"


def test_a_heading_names_each_field_once() -> None:
    assert refused("csv", a_csv((*HEADING, "unit"), (*PATROL, "x"))).members == {"column": "unit"}
    assert refused("xlsx", an_xlsx((*HEADING, "colour"), (*PATROL, "red"))).members == {
        "number": 5,
        "sheet": "Sheet",
    }
    assert refused("csv", b"").name == "unknown-column"
    assert found(read("csv", a_csv(HEADING, (*PATROL, "more"), (*PATROL, ""), PATROL[:3]))) == [
        (2, [("", "too-many-columns")]),
        (3, None),
        (4, [("ended_at", "missing")]),
    ]


def test_a_quoted_cell_may_hold_line_ends_and_lines_are_counted_on() -> None:
    content = a_csv(("unit", "content"), (COMMUNE, '"hai\r\ndòng"'), ("?", "x"))
    entries = read("csv", content, "tips")
    assert [(entry.line, bool(entry.errors)) for entry in entries] == [(2, False), (4, True)]
    assert entries[0].value.content == "hai\r\ndòng"
    with pytest.raises(UnreadableCsv):
        read("csv", a_csv(HEADING, PATROL, ('"', "\n" * 200_000)))


def test_formulas_are_not_calculated() -> None:
    entries = read("xlsx", an_xlsx(HEADING, ("=A1", *PATROL[1:]), PATROL, ("#REF!", *PATROL[1:])))
    assert found(entries) == [(2, [("kind", "formula")]), (3, None), (4, [("kind", "error-value")])]


@pytest.mark.parametrize(
    "part",
    ["xl/vbaProject.bin", "xl/externalLinks/externalLink1.xml", "xl/embeddings/oleObject1.bin", "xl/activeX/a.xml"],
)
def test_macros_and_links_to_other_files_spoil_a_workbook(part: str) -> None:
    problem = refused("xlsx", with_part(an_xlsx(HEADING, PATROL), part, b"x"))
    assert (type(problem), problem.members) == (XlsxRefused, {"part": part})


ENTITIES = b"""<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>"""


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/_rels/workbook.xml.rels"])
def test_no_entity_is_ever_expanded(part: str) -> None:
    content = an_xlsx(HEADING, PATROL)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        xml = archive.read(part)
    _, declaration, rest = xml.rpartition(b"?>") if xml.startswith(b"<?xml") else (b"", b"", xml)
    problem = refused("xlsx", with_part(content, part, (declaration and ENTITIES + rest) or ENTITIES + xml))
    assert isinstance(problem, XlsxRefused | NotXlsx)


def bomb(kind: str) -> bytes:
    """A small file that would be large."""
    if kind == "sheet":
        return a_sheet(b"<row>" + b"<c/>" * 20_000_000)
    if kind == "cell":
        return a_sheet(b'<row><c t="str"><v>' + b"x" * 50_000_000)
    if kind == "attribute":
        return a_sheet(b'<row x="' + b">" * 50_000_000)
    if kind == "comment":
        return a_sheet(b"<!-- " + b"< " * 25_000_000)
    if kind == "wide":
        heading = b"".join(b'<c t="str"><v>%s</v></c>' % name.encode() for name in HEADING)
        return a_sheet(b"<row>%s</row>" % heading + b'<row><c r="XFD1"><v>1</v></c></row>' * 100_000)
    if kind == "nested":
        return a_sheet(b"<row>" + b"<a>" * 3_000_000)
    if kind == "small part":
        return with_part(an_xlsx(HEADING), "xl/styles.xml", b"<x>" + b" " * 50_000_000)
    if kind == "texts":
        strings = b'<sst xmlns="%s">' % MAIN.encode() + b"<si><t>x</t></si>" * 10_000_000
        return with_part(with_shared_texts(HEADING), "xl/sharedStrings.xml", strings)
    assert kind == "directory"
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as archive:
        for number in range(12_000):
            archive.writestr(f"{number:040}", b"")
    return kept.getvalue()


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("sheet", marks=pytest.mark.slow),
        *("cell", "attribute", "comment", "wide", "nested", "small part", "texts", "directory"),
    ],
)
def test_a_bomb_is_refused_in_little_memory(kind: str) -> None:
    content = bomb(kind)
    assert len(content) < 4_000_000
    tracemalloc.start()
    problem = refused("xlsx", content)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(problem, XlsxRefused | NotXlsx)
    assert most < 60_000_000


def test_empty_cells_far_to_the_right_are_as_if_they_were_not_there() -> None:
    def colour(book: Any) -> None:
        for row in range(1, 5_000):
            book.active.cell(row, 16_384).style = "Good"

    content = an_xlsx(HEADING, PATROL, (*PATROL, "more"), change=colour)
    tracemalloc.start()
    entries = read("xlsx", content)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found(entries) == [(2, None), (3, [("", "too-many-columns")])]
    assert most < 60_000_000


@pytest.mark.parametrize(
    "rows",
    [
        b'<row r="5"/><row r="4"/>',
        b'<row r="99999999999"/>',
        b'<row r="1"><c r="B1"/><c r="A1"/></row>',
        b'<row r="1"><c r="XFE1"/></row>',
        b'<row r="1"><c r="A1"><v>1</v><c r="B1"><v>2</v></c></c></row>',
        b'<row r="1"><c r="A1" t="s"><v>99</v></c></row>',
        b'<row r="1"><c r="A1" s="x"/></row>',
        b'<row r="one"/>',
        b'<row r="1"><c r="?"/></row>',
        b"<row></c></row>",
    ],
)
def test_a_sheet_that_contradicts_itself_is_none(rows: bytes) -> None:
    assert isinstance(refused("xlsx", a_sheet(rows)), NotXlsx)


def test_a_directory_that_lies_is_seen() -> None:
    content = bytearray(an_xlsx(HEADING, PATROL))
    content[-10:-6] = struct.pack("<I", 2**31 - 1)
    assert isinstance(refused("xlsx", bytes(content)), NotXlsx | XlsxRefused)
    assert isinstance(refused("xlsx", b"PK\x03\x04" + b"\x00" * 100), NotXlsx)


def test_a_row_of_columns_is_the_json_of_a_request() -> None:
    columns = Columns(["items.1.item", "items.0.item", "Order.Number", "hamlets"], IMPORTS.kinds["activities"].fields)
    row = msgspec.json.decode(columns.json_of(["b", "a", 15, "Ấp 1; Ấp 2"]))
    assert row == {"items": [{"item": "a"}, {"item": "b"}], "order": {"number": "15"}, "hamlets": ["Ấp 1", "Ấp 2"]}
    assert LONGEST_ROW == 65_536


@pytest.mark.parametrize("written", ["45598", "20241103", "0"])
def test_a_number_in_a_column_of_days_or_instants_is_a_rejected_row(written: str) -> None:
    tips = a_csv(("unit", "content", "received_at"), (COMMUNE, "x", written))
    assert found(read("csv", tips, "tips")) == [(2, [("received_at", "datetime_parsing")])]
    cases = ("unit", "kind", "found_on"), (COMMUNE, "gambling", written)
    assert found(read("csv", a_csv(*cases), "cases")) == [(2, [("found_on", "date_parsing")])]
    assert found(read("xlsx", an_xlsx(*cases), "cases")) == [(2, [("found_on", "date_parsing")])]
    number = ("unit", "kind", "found_on"), (COMMUNE, "gambling", int(written))
    assert found(read("xlsx", an_xlsx(*number), "cases")) == [(2, [("found_on", "date_type")])]
