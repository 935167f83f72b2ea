"""Files of rows on their way to be imported, and what comes of them."""

import io
import json
from collections.abc import Callable
from typing import Any, cast

import httpx
import openpyxl

from tests.conftest import Antt, eventually

NDJSON = "application/x-ndjson"
CSV = "text/csv"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def lines(*rows: Any) -> bytes:
    """Rows as NDJSON; a text stands as it is."""
    return "\n".join(row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows).encode()


def a_csv(*rows: Any, delimiter: str = ",") -> bytes:
    """Rows as CSV."""
    return "\r\n".join(delimiter.join(row) for row in rows).encode()


def an_xlsx(*rows: Any, change: Callable[[Any], None] = lambda _: None) -> bytes:
    """Rows as a workbook, which may be changed before it is saved."""
    book, kept = openpyxl.Workbook(), io.BytesIO()
    sheet = cast(Any, book.active)
    for row in rows:
        sheet.append(row)
    change(book)
    book.save(kept)
    return kept.getvalue()


async def sent(
    antt: Antt,
    body: bytes,
    of: str = "activities",
    service: str = "incidents",
    media_type: str = NDJSON,
    caller: dict[str, str] | None = None,
    key: str = "",
    **query: Any,
) -> httpx.Response:
    """A file on its way to be imported."""
    headers = {
        "Content-Type": media_type,
        **(antt.token() if caller is None else caller),
        **({"Idempotency-Key": key} if key else {}),
    }
    return await antt.http.post(f"/{service}/v1/imports", content=body, headers=headers, params={"of": of, **query})


async def ended(antt: Antt, path: str, caller: dict[str, str] | None = None) -> dict[str, Any]:
    """The import, once its job has ended."""

    async def found() -> dict[str, Any] | None:
        answer = await antt.get(path, caller or antt.token())
        assert answer.status_code == 200, answer.text
        row: dict[str, Any] = answer.json()
        return row if row["state"] not in ("queued", "running") else None

    result: dict[str, Any] = await eventually(found)
    return result


async def imported(antt: Antt, body: bytes, **options: Any) -> dict[str, Any]:
    """What came of a file."""
    answer = await sent(antt, body, **options)
    assert answer.status_code == 202, answer.text
    return await ended(antt, answer.headers["location"], options.get("caller"))


async def rejections(
    antt: Antt, row: dict[str, Any], service: str = "incidents", caller: dict[str, str] | None = None
) -> list[tuple[int, list[tuple[str, str, str | None]]]]:
    """Line, and of each error column, code and value."""
    answer = await antt.get(f"/{service}/v1/imports/{row['id']}/rejected", caller or antt.token())
    assert answer.status_code == 200, answer.text
    return [
        (found["line"], [(error["column"], error["code"], error["value"]) for error in found["errors"]])
        for found in answer.json()["items"]
    ]


def counts(row: dict[str, Any]) -> tuple[str, int, int, int, int]:
    """State and counts of an import."""
    return row["state"], row["created"], row["updated"], row["unchanged"], row["rejected"]
