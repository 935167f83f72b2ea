"""Exports as who takes them reads them."""

import csv
from io import BytesIO, StringIO
from typing import Any

import openpyxl

from tests.conftest import Antt


async def exported(antt: Antt, path: str, caller: dict[str, str] | None = None, **query: Any) -> bytes:
    """The file of an export."""
    answer = await antt.get(f"{path}/export", caller or antt.token(), **query)
    assert answer.status_code == 200, answer.text
    assert "attachment; filename=" in answer.headers["content-disposition"]
    return answer.content


def rows_of(content: bytes) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    return list(csv.DictReader(StringIO(content.decode("utf-8-sig"))))


def sheet_of(content: bytes) -> list[list[Any]]:
    """The rows of an XLSX file."""
    return [[cell.value for cell in row] for row in openpyxl.load_workbook(BytesIO(content)).worksheets[0].iter_rows()]
