"""References of other systems: a record keeps the one it was sent with, and each comes once from each system."""

from functools import cache

from sqlalchemy import Table

from shared.errors import Problem
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
