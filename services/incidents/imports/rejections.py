"""Why a row or a file was not taken, or waits, as the report tells it."""

from datetime import date
from typing import Any, ClassVar
from uuid import UUID

from pydantic import ValidationError

from services.incidents.activities.kinds import KINDS
from shared.errors import Problem

Errors = list[dict[str, Any]]


class FileRefused(Problem):
    """What spoils a file as a whole; rows before it may have been taken."""

    status: ClassVar = 422


class NotXlsx(FileRefused):
    name = "not-xlsx"
    vi, en = (
        "Không đọc được tệp XLSX: tệp hỏng, bị cắt cụt hoặc không đúng định dạng.",
        "This cannot be read as XLSX: it is broken, cut short, or something else.",
    )


class TooManyRows(FileRefused):
    name = "too-many-rows"
    vi, en = "Tệp có quá nhiều dòng: hãy chia nhỏ.", "The file has too many rows: split it."


class NotAtomic(FileRefused):
    name = "too-large-for-atomic"
    vi, en = (
        "Chỉ tệp tối đa 10.000 dòng và 16 MiB mới được nhận trọn vẹn hoặc không nhận gì.",
        "Only a file of at most 10,000 rows and 16 MiB can be all or nothing.",
    )


class RowsRejected(FileRefused):
    name = "rows-rejected"
    vi, en = (
        "Có dòng không hợp lệ nên không dòng nào được nhận; xem danh sách dòng bị từ chối.",
        "Some rows are not valid, so none was taken; see the rejected rows.",
    )


class FileChanged(FileRefused):
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


class FileGone(FileRefused):
    name = "file-gone"
    vi, en = (
        "Tệp không còn trong kho; các dòng đã nhận vẫn giữ nguyên, hãy gửi lại phần còn lại với Idempotency-Key mới.",
        "The file is no longer in the store; the rows taken stand, send the rest with a new Idempotency-Key.",
    )


# Whoever reads a report of rejected rows sees nothing of these, nor of a column that is none and may be one of them.
_NEVER_SHOWN = ("informant",)
_UNSHOWN_CODES = ("extra_forbidden", "state_secret")
_VALUE_CHARACTERS = 80
_ERRORS_OF_A_ROW = 20


def errors_of_input(error: ValidationError) -> Errors:
    """What pydantic found in a row, as the report tells it."""
    return [
        row_error(
            ".".join(str(part) for part in found["loc"][found["loc"][:1] > () and found["loc"][0] in KINDS :]),
            found["type"],
            # Pydantic's own words for an unknown kind would repeat it.
            "none of the known kinds" if found["type"] == "union_tag_invalid" else found["msg"],
            found["input"],
        )
        for found in error.errors(include_url=False, include_context=False)[:_ERRORS_OF_A_ROW]
    ]


def errors_of_problem(problem: Problem, row: Any) -> Errors:
    """What a command raised, as the report tells it: with the columns that the problem names."""
    told = problem.members.get("errors")
    if told:
        return [row_error(e["at"], e["code"], e["message"], _value_at(row, e["at"])) for e in told[:_ERRORS_OF_A_ROW]]
    columns = [name for name in problem.members if hasattr(row, name)]
    return [row_error(name, problem.name, problem.vi, getattr(row, name)) for name in columns[:1] or [""]]


def row_error(column: str, code: str, message: str, value: Any = None) -> dict[str, Any]:
    """One reason why a row was not taken. The value is cut, and left out where it may tell who reported a tip."""
    plain = value.isoformat() if isinstance(value, date) else value
    shown = isinstance(plain, str | int | float | UUID) and code not in _UNSHOWN_CODES
    hidden = not shown or column.partition(".")[0] in _NEVER_SHOWN
    return {"column": column, "code": code, "message": message, "value": None if hidden else _cut(str(plain))}


def _cut(value: str) -> str:
    """The value's beginning, with what a database or a reader would stumble over spelt out."""
    # Of a number of a million digits, only those that are shown are looked at.
    shown = value[: _VALUE_CHARACTERS + 1]
    spelt = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in shown)
    return spelt if len(shown) <= _VALUE_CHARACTERS else spelt[:_VALUE_CHARACTERS] + "…"


def _value_at(row: Any, column: str) -> Any:
    for name in column.split("."):
        row = getattr(row, name, None)
    return row
