"""Why a row or a file was not taken, or waits, as the report shows it."""

import re
from collections.abc import Collection, Iterable
from datetime import date
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, ClassVar
from uuid import UUID

from pydantic import ValidationError

from shared.errors import Problem
from shared.references import names_of
from shared.words import in_vietnamese

Errors = list[dict[str, Any]]


class ImportRefused(Problem):
    """What spoils a file as a whole; rows before it may have been taken."""

    status: ClassVar = 422


class NotXlsx(ImportRefused):
    name = "not-xlsx"
    vi, en = (
        "Không đọc được tệp XLSX: tệp hỏng, bị cắt cụt hoặc không đúng định dạng.",
        "This cannot be read as XLSX: it is broken, cut short, or something else.",
    )


class TooManyImportRows(ImportRefused):
    name = "too-many-rows"
    vi, en = "Tệp có quá nhiều dòng: hãy chia nhỏ.", "The file has too many rows: split it."


class NotAtomic(ImportRefused):
    name = "too-large-for-atomic"
    vi, en = (
        "Chỉ tệp tối đa 10.000 dòng và 16 MiB mới được nhận trọn vẹn hoặc không nhận gì.",
        "Only a file of at most 10,000 rows and 16 MiB can be all or nothing.",
    )


class RowsRejected(ImportRefused):
    name = "rows-rejected"
    vi, en = (
        "Có dòng không hợp lệ nên không dòng nào được nhận; xem danh sách dòng bị từ chối.",
        "Some rows are not valid, so none was taken; see the rejected rows.",
    )


class FileChanged(ImportRefused):
    name = "file-changed"
    vi, en = "Tệp trong kho đã bị thay đổi.", "The file was changed in the store."


class NotNow(Problem):
    """Nothing is wrong with the file: the disk for what is remembered of it is full, or the database refuses for now."""

    status, name = 503, "import-waits"
    vi, en = (
        "Máy chủ tạm thời chưa xử lý được tệp; tệp đang chờ và sẽ được xử lý tiếp, không cần gửi lại.",
        "The server cannot take the file for now; it waits and will be taken, it need not be sent again.",
    )


class FileMissing(Problem):
    """The store answers and has no such file: a disk that is not mounted looks so, and a database that was restored."""

    status, name = 503, "file-missing"
    vi, en = (
        "Không thấy tệp trong kho; hệ thống chờ một giờ, vì ổ đĩa có thể chưa được gắn.",
        "The file is not in the store; it is waited for an hour, since a disk may not be mounted.",
    )


class FileGone(ImportRefused):
    name = "file-gone"
    vi, en = (
        "Tệp không còn trong kho; các dòng đã nhận vẫn giữ nguyên, hãy gửi lại phần còn lại với Idempotency-Key mới.",
        "The file is no longer in the store; the rows taken stand, send the rest with a new Idempotency-Key.",
    )


# What a report shows of a file: only what identifies nobody, whichever column it slipped into. A number shorter than any
# telephone, a day or an instant, a unit, and a UUID.
_IDENTIFIES_NOBODY = re.compile(
    r"[+-]?(\d[.,]?){1,6}|(\d{1,2}/\d{1,2}/(19|20)\d\d|(19|20)\d\d-\d\d-\d\d)([T ]\d{1,2}:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?)?"
    r"|20\d\d:\d{2,5}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    re.ASCII,
)
_LONGEST_SHOWN = 40
# A part of a name that the sender gave and that is none of ours.
_UNNAMED = "?"
_ERRORS_OF_A_ROW = 20


@lru_cache(maxsize=256)
def nearest(name: str, fields: tuple[str, ...]) -> str | None:
    """The field that a misspelt name means, or None: the name itself may be a person's, in a file without a heading."""
    found = get_close_matches(name, fields, n=1, cutoff=0.75) if len(name) <= _LONGEST_SHOWN else []
    return found[0] if found else None


def errors_of_input(error: ValidationError, fields: Iterable[str], tags: Collection[str]) -> Errors:
    """What pydantic found in a row whose columns should be these, as the report shows it; `tags` are no columns."""
    errors: Errors = []
    looked = False
    for found in error.errors(include_url=False, include_context=False)[:_ERRORS_OF_A_ROW]:
        at = [str(part) for part in found["loc"]]
        if at and at[0] in tags:
            del at[0]
        column, message, value = ".".join(at), found["msg"], found["input"]
        if found["type"] == "extra_forbidden":
            # Of the first one only: a hostile file has rows without end, and names without end in each.
            meant = None if looked else nearest(".".join("0" if p.isdecimal() else p for p in at), tuple(fields))
            column, value, looked = ".".join([*at[:-1], _UNNAMED]), None, True
            message = f"{message}: is `{meant}` meant?" if meant else message
        elif found["type"] == "union_tag_invalid":
            # Pydantic's own words for an unknown kind would repeat it.
            message = "none of the known kinds"
        errors.append(row_error(column, found["type"], message, value))
    return errors


def errors_of_problem(problem: Problem, row: Any) -> Errors:
    """What a command raised, as the report shows it: with the columns that the problem names."""
    named = problem.members.get("errors")
    if named:
        found = [(_given(row, error["at"]), error) for error in named[:_ERRORS_OF_A_ROW]]
        return [row_error(at, error["code"], error["message"], _value_at(row, at)) for at, error in found]
    columns = [_given(row, name) for name in problem.members if any(hasattr(row, field) for field in names_of(name))]
    return [row_error(name, problem.name, problem.en, _value_at(row, name), problem.vi) for name in columns[:1] or [""]]


def _given(row: Any, field: str) -> str:
    """The one of two fields for the same thing, an id or a reference, that the row gives."""
    return next((name for name in names_of(field) if getattr(row, name, None) is not None), field)


def row_error(column: str, code: str, message: str, value: Any = None, vi: str | None = None) -> dict[str, Any]:
    """One reason why a row was not taken, in both languages. The value is shown where its form identifies nobody.

    Its column says nothing of that: where cells have shifted, a name or a telephone stands under any heading.
    """
    plain = value.isoformat() if isinstance(value, date) else value
    text = str(plain) if isinstance(plain, str | int | float | UUID) else ""
    shown = isinstance(plain, bool) or (len(text) <= _LONGEST_SHOWN and _IDENTIFIES_NOBODY.fullmatch(text))
    said = {"message": message, "vi": vi or in_vietnamese(message)}
    return {"column": column, "code": code, **said, "value": text if shown else None}


def _value_at(row: Any, column: str) -> Any:
    for name in column.split("."):
        row = getattr(row, name, None)
    return row
