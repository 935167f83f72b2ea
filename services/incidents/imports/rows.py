"""What a row of each kind of import is, and by which commands of single requests it becomes a record or corrects one."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from pydantic import BaseModel, TypeAdapter
from sqlmodel import SQLModel

from services.incidents.activities import commands as activities
from services.incidents.activities.kinds import AnyActivity
from services.incidents.activities.models import Activity
from services.incidents.activities.schemas import CorrectActivity
from services.incidents.cases.commands import correct_case, open_case
from services.incidents.cases.models import Case
from services.incidents.cases.schemas import CorrectCase, OpenCase
from services.incidents.imports.columns import Convert, fields_of
from services.incidents.imports.schemas import Of
from services.incidents.tips.commands import correct_tip, report_tip
from services.incidents.tips.models import Tip
from services.incidents.tips.schemas import CorrectTip, ReportTip
from shared.auth import Identity
from shared.database import Row
from shared.outbox import UnitOfWork

# Corrects a known record where a row differs from it; whether it did.
Correct = Callable[[UnitOfWork, Identity, Row, Any, str], Awaitable[bool]]


class Kind(NamedTuple):
    """One kind of row: its table, its input and columns, the command that makes a record of it, and what corrects one."""

    model: type[SQLModel]
    input: TypeAdapter[Any]
    fields: dict[str, Convert]
    create: Callable[..., Awaitable[Any]]
    correct: Correct


def _kind(model: type[SQLModel], input: Any, create: Callable[..., Awaitable[Any]], correct: Correct) -> Kind:
    return Kind(model, TypeAdapter(input), dict(fields_of(input)), create, correct)


def _where_it_differs(correction: type[BaseModel], command: Callable[..., Awaitable[Any]]) -> Correct:
    """Correct the fields that a correction may change; one that the row leaves out stays."""

    async def correct(work: UnitOfWork, caller: Identity, known: Row, row: BaseModel, reason: str) -> bool:
        told = row.model_dump(include=set(correction.model_fields), exclude_unset=True, exclude_none=True)
        kept = {**(known.get("details") or {}), **known}
        other = {name: getattr(row, name) for name, value in told.items() if value != kept.get(name)}
        if other:
            await command(work, caller, known["id"], correction(reason=reason, **other))
        return bool(other)

    return correct


async def _correct_activity(work: UnitOfWork, caller: Identity, known: Row, row: Any, reason: str) -> bool:
    """An activity is corrected as a whole."""
    if activities.says_the_same(caller, known, row):
        return False
    await activities.correct_activity(work, caller, known["id"], CorrectActivity(reason=reason, activity=row))
    return True


KINDS_OF_ROWS: dict[Of, Kind] = {
    "tips": _kind(Tip, ReportTip, report_tip, _where_it_differs(CorrectTip, correct_tip)),
    "cases": _kind(Case, OpenCase, open_case, _where_it_differs(CorrectCase, correct_case)),
    "activities": _kind(Activity, AnyActivity, activities.enter, _correct_activity),
}
