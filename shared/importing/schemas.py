"""What crosses HTTP about imports."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, create_model

from shared.http import Input, LeftOut, Page
from shared.importing.models import Format, Import, State, Strategy
from shared.outbox.rows import values_of
from shared.text import Line

MEDIA_TYPES: dict[str, Format] = {
    "application/x-ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "text/csv": "csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}


class NewImport(Input):
    """How a file is to be taken.

    `create`: each row is a new record. `upsert`: a row whose `reference` is known corrects that record where it
    differs; what the row leaves out stays.
    `dry_run`: decide every row and write none. `atomic`: all rows or none, for files of at most 10,000 rows and 16 MiB,
    which are atomic unless asked otherwise; larger ones are taken row by row.
    """

    of: Annotated[str, Query()]
    strategy: Annotated[Strategy, Query()] = "create"
    dry_run: Annotated[bool, Query()] = False
    atomic: Annotated[bool | None, Query()] = None
    filename: Annotated[Line | None, Query(max_length=200)] = None


class SheetOut(BaseModel):
    """A sheet of an XLSX file and what became of it: `no-columns` names no field, `hidden` ones are never read."""

    name: str
    state: Literal["taken", "hidden", "no-columns", "empty"]


class ImportOut(BaseModel):
    """An import and how far it is.

    `rows_read` = `created` + `updated` + `unchanged` + `rejected`; under `dry_run`, and where an atomic import failed,
    they say what would have been. `left_out`: rows that were taken without something that is none (see `/left-out`);
    `sheets`: of XLSX, once it has been read. `position`: by it, every row is counted (`counted=` of stats).
    """

    id: UUID
    of: str
    format: Format
    strategy: Strategy
    dry_run: bool
    atomic: bool | None
    filename: str | None
    size_bytes: int
    state: State
    rows_read: int
    created: int
    updated: int
    unchanged: int
    rejected: int
    left_out: int
    sheets: list[SheetOut] | None
    problem: dict[str, Any] | None
    position: str | None
    created_at: AwareDatetime
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    version: int

    @classmethod
    def of_row(cls, row: Import) -> "ImportOut":
        """The import of a row, which was valid when it was written."""
        return cls.model_validate(values_of(row) | {"sheets": (row.sheets or {}).get("sheets")})


class ImportPage(BaseModel):
    """A page of imports, in the order in which they were sent."""

    items: list[ImportOut]


class ListImports(Page):
    """Imports of a kind, in a state."""

    of: Annotated[str | None, Query()] = None
    state: Annotated[State | None, Query()] = None


class RowError(BaseModel):
    """One reason: the column (a field's dotted name, `?` for one that is none), a code as the API's problems have it.

    The value only where its form identifies nobody (a short number, a day, a unit, a UUID), never text.
    """

    column: str
    code: str
    message: str
    value: str | None


class RejectedOut(BaseModel):
    """A row that was not taken: its line in the file (of XLSX: its sheet and its row there), and why."""

    line: int
    sheet: str | None = None
    errors: list[RowError]


class RejectedPage(BaseModel):
    """A page of rejected rows, in the order of the file."""

    items: list[RejectedOut]


class LeftOutOut(BaseModel):
    """A row that was taken without something that is none: its line, and what was left out."""

    line: int
    sheet: str | None = None
    left_out: list[LeftOut]


class LeftOutPage(BaseModel):
    """A page of rows of which something was left out, in the order of the file."""

    items: list[LeftOutOut]


class ListRejected(Input):
    """At most `limit` rows behind the number `after`, which a `Link: rel="next"` gives."""

    limit: Annotated[int, Query(ge=1, le=500)] = 50
    after: Annotated[int, Query(ge=0, le=2_147_483_647)] = 0


def asked_of(kinds: Iterable[str]) -> tuple[type[NewImport], type[ListImports]]:
    """What is asked about imports of these kinds: the same, but of no other kind."""
    named: Any = Literal[tuple(kinds)]
    new = create_model(
        "NewImport", __base__=NewImport, __doc__=NewImport.__doc__, of=(named, NewImport.model_fields["of"])
    )
    return new, create_model("ListImports", __base__=ListImports, of=(named | None, ListImports.model_fields["of"]))
