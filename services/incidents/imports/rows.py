"""What a row of each kind of import is, and by which command it becomes a record."""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from sqlmodel import SQLModel

from services.incidents.activities.commands import enter_activity
from services.incidents.activities.kinds import KINDS, AnyActivity
from services.incidents.activities.models import Activity
from services.incidents.cases.commands import open_case
from services.incidents.cases.models import Case
from services.incidents.cases.schemas import OpenCase
from services.incidents.imports.schemas import Of
from services.incidents.tips.commands import report_tip
from services.incidents.tips.models import Tip
from services.incidents.tips.schemas import ReportTip
from shared.errors import Problem

Errors = list[dict[str, Any]]


class Kind(NamedTuple):
    """One kind of row: its input model, its table, and the command of a single request that takes it."""

    model: type[SQLModel]
    input: TypeAdapter[Any]
    create: Callable[..., Awaitable[Any]]


KINDS_OF_ROWS: dict[Of, Kind] = {
    "tips": Kind(Tip, TypeAdapter(ReportTip), report_tip),
    "cases": Kind(Case, TypeAdapter(OpenCase), open_case),
    "activities": Kind(Activity, TypeAdapter(AnyActivity), enter_activity),
}

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


def reference_of(row: Any) -> str | None:
    """The sending system's reference of a row."""
    return getattr(row, "reference", None)
