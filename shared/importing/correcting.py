"""What a row says of a known record: its fields that differ are corrected, by the command that corrects in single requests."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol, TypeVar
from uuid import UUID

from pydantic import BaseModel

from shared.access import Identity
from shared.errors import InvalidInput
from shared.importing.kinds import Correct, Row
from shared.outbox import UnitOfWork
from shared.outbox.rows import values_of


class CorrectableRecord(Protocol):
    """A record that has an id."""

    @property
    def id(self) -> UUID:
        """Its id."""


RecordT = TypeVar("RecordT", bound=CorrectableRecord)
RowT = TypeVar("RowT", bound=Row)
CorrectionT = TypeVar("CorrectionT", bound=BaseModel)
Values = dict[str, object]


def differing(row: Row, kept: Mapping[str, object], fields: Iterable[str]) -> Values:
    """What a row gives of these fields and is kept otherwise; a field that the row leaves out stays as it is."""
    given = row.model_dump(include=set(fields), exclude_unset=True, exclude_none=True)
    return {name: getattr(row, name) for name, value in given.items() if value != kept.get(name)}


def where_it_differs(
    correction: type[CorrectionT],
    command: Callable[[UnitOfWork, Identity, UUID, CorrectionT], Awaitable[object]],
    kept: Callable[[RecordT], Mapping[str, object]] = values_of,
    settle: Callable[[RecordT, RowT, Values], Values] | None = None,
) -> Correct[RecordT, RowT]:
    """Corrects the fields that a correction may change. `settle`: the fields that differ, where some depend on others."""

    async def correct(work: UnitOfWork, caller: Identity, known: RecordT, row: RowT, reason: str) -> bool:
        other = differing(row, kept(known), correction.model_fields)
        if settle is not None:
            other = settle(known, row, other)
        if other:
            await command(work, caller, known.id, correction.model_validate({"reason": reason, **other}))
        return bool(other)

    return correct


def require_correctable(differs: Mapping[str, bool]) -> None:
    """Raise `not-correctable` for each field that says something else than what is kept and that no correction changes."""
    why = {"code": "not-correctable", "message": "this differs from what is kept and cannot be corrected"}
    if any(differs.values()):
        raise InvalidInput(errors=[{"at": name, **why} for name, does in differs.items() if does])
