"""Tables as people save them: the same rows, whatever stands between the cells and before the heading."""

import io

import pytest

from shared.tables import BrokenCsv, rows_of
from tests.incidents.test_field_inputs import case

ROWS = [["code", "name", "unit"], ["KP1", "Khu phố 1", "2025:25942"]]


def rows(content: bytes) -> list[list[str]]:
    return [cells for _, cells in rows_of(io.BytesIO(content))]


def test_a_table_as_excel_with_vietnamese_settings_saves_it_is_read() -> None:
    assert rows(case("hamlets-csv-semicolon")) == ROWS


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("before", ["", "sep=@{}", "{}", "@@{}"])
def test_the_same_rows_are_read_whatever_separates_them(delimiter: str, mark: str, end: str, before: str) -> None:
    lines = [delimiter.join(cells) + end for cells in [*ROWS, ["", "", ""]]]
    content = mark + before.replace("@", delimiter).format(end) + "".join(lines)
    assert rows(content.encode()) == ROWS


def test_what_is_quoted_separates_nothing_and_lines_are_counted_on() -> None:
    content = 'sep=;\n"a,b,c";d\n"1\n2";3\n\n4;5\n'
    assert list(rows_of(io.BytesIO(content.encode()))) == [(2, ["a,b,c", "d"]), (3, ["1\n2", "3"]), (6, ["4", "5"])]
    assert rows(b"") == rows(b"\r\n;;\r\n") == []


def test_a_quote_that_does_not_end_and_a_line_without_end_are_told_by_their_line() -> None:
    for content in (b'a,b\n1,2\n"3,4\n', b"a,b\n1,2\n" + b"3" * 70_000):
        with pytest.raises(BrokenCsv) as broken:
            rows(content)
        assert broken.value.line == 3
    with pytest.raises(UnicodeDecodeError):
        rows("a;b\nẤp;1".encode("utf-16"))
