"""References of other systems: a record keeps the one it was sent with, and each comes once from each system.

Where an input names a record by `team_id`, say, it may name it by `team_reference` instead: the one that the same system
sent it with.
"""

from functools import cache
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import PydanticCustomError
from sqlalchemy import Table

from shared.errors import InvalidInput, Problem
from shared.outbox import UnitOfWork
from shared.outbox.rows import table_of


class ReferenceKnown(Problem):
    """The system has sent this reference before; `id` is the record that it became."""

    status, name = 409, "reference-known"
    vi, en = "Số tham chiếu này đã được gửi trước đó.", "This reference was sent before."


@cache
def record_of(table: Table) -> str:
    """The question which record of a system ($1) has a reference ($2)."""
    return f"SELECT id FROM {table.name} WHERE source_system = $1 AND reference = $2"


async def require_new(work: UnitOfWork, model: type[object], system: str, reference: str | None) -> None:
    """Raise when the system has sent this reference before. Of two at once the database refuses one."""
    if reference is None:
        return
    known = await work.database.fetchrow(record_of(table_of(model)), system, reference)
    if known is not None:
        raise ReferenceKnown(reference=reference, id=known["id"])


def require_one_name(row: BaseModel, record: str) -> None:
    """Raise unless an input names a record in one of the two ways."""
    if (getattr(row, f"{record}_id") is None) == (getattr(row, f"{record}_reference") is None):
        names = {"id": f"{record}_id", "reference": f"{record}_reference"}
        raise PydanticCustomError("one-of", "{id} or {reference}: give one of them", names)


def names_of(column: str) -> tuple[str, ...]:
    """The fields by either of which an input may name what `column` is."""
    return (column, f"{column.removesuffix('_id')}_reference") if column.endswith("_id") else (column,)


async def named(work: UnitOfWork, model: type[object], system: str, row: BaseModel, record: str) -> UUID:
    """The id of the record that an input of `system` names. Raises `unknown-reference` for one that it has not sent."""
    id: UUID | None = getattr(row, f"{record}_id")
    if id is not None:
        return id
    at = f"{record}_reference"
    known = await work.database.fetchrow(record_of(table_of(model)), system, getattr(row, at))
    if known is None:
        message = "nothing that the same sender has sent has this reference"
        raise InvalidInput(errors=[{"at": at, "code": "unknown-reference", "message": message}])
    found: UUID = known["id"]
    return found
