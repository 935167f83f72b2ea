"""Rows that mypy can see.

A table is declared once, as a SQLModel. To mypy that class is a dataclass, whose instances are the rows that commands
load, add and change: a misspelt or missing column is its error. At run time the class gives the table, and a row is a
msgspec struct made from it, for an instance of SQLModel takes a hundred times as long to make
(`python -m tests.bench rows`).
"""

import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast, dataclass_transform

import asyncpg
import msgspec
from sqlalchemy import DDL, DateTime, Table, event
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import registry
from sqlmodel import AutoString, Field, SQLModel

Columns = ParamSpec("Columns")
RowT = TypeVar("RowT")


def instant(**options: Any) -> Any:
    """A column for an instant, kept with its time zone."""
    return Field(sa_type=DateTime(timezone=True), **options)


def word(**options: Any) -> Any:
    """A column for one word of a few (a Literal)."""
    return Field(sa_type=AutoString, **options)


if TYPE_CHECKING:

    @dataclass_transform(eq_default=False, kw_only_default=True, field_specifiers=(Field, instant, word))
    class Declared:
        """What the base of a service's tables derives from, with a `registry` of its own."""

        def __init_subclass__(cls, *, table: bool = False, registry: Any = None) -> None: ...
else:
    Declared = SQLModel


class PlatformModel(Declared, registry=registry()):
    """What a table derives from that every service has which uses its room of the platform (migrations/parts)."""


@compiles(AutoString, "postgresql")
def _text(*_: Any, **__: Any) -> str:
    # SQLModel would take varchar, whose arrays PostgreSQL must convert.
    return "TEXT"


def table_of(model: Callable[..., Any]) -> Table:
    """The SQLAlchemy table of a declared one."""
    table: Table = model.__table__  # type: ignore[attr-defined]
    return table


def after_create(model: Callable[..., Any], *statements: str) -> None:
    """Declare what SQLAlchemy has no words for: a table's triggers and storage parameters, in SQL.

    The functions that triggers call stand in the migrations.
    """
    for statement in statements:
        event.listen(table_of(model), "after_create", DDL(statement))  # type: ignore[no-untyped-call]


# The structs that were made, by their models, and the tables of those.
_STRUCTS: dict[Callable[..., object], type[msgspec.Struct]] = {}
_TABLES: dict[type[msgspec.Struct], Table] = {}


def _struct_of(model: Callable[..., object]) -> type[msgspec.Struct]:
    struct = _STRUCTS.get(model)
    if struct is None:
        table = table_of(model)
        declared = cast(type[SQLModel], model).model_fields
        fields: list[Any] = []
        for column in table.columns:
            # What the database computes is not given to it.
            if column.computed is not None:
                continue
            field = declared[column.name]
            fields.append((column.name, Any) if field.is_required() else (column.name, Any, field.get_default()))
        struct = _STRUCTS[model] = msgspec.defstruct(model.__name__, fields, kw_only=True)
        _TABLES[struct] = table
    return struct


def new_row(model: Callable[Columns, RowT], /, *args: Columns.args, **values: Columns.kwargs) -> RowT:
    """A row of these values; TypeError for a column that is missing or that the table does not have."""
    return cast(RowT, _struct_of(model)(*args, **values))


def row_of(model: type[RowT], record: asyncpg.Record) -> RowT:
    """A whole row of a table as the database gave it; what a query gives beside its columns is left out."""
    struct = _struct_of(model)
    return cast(RowT, struct(**{name: record[name] for name in struct.__struct_fields__}))


def changed(row: RowT, values: Mapping[str, Any] | None = None) -> RowT:
    """A copy to assign to; `values` are those whose names an input gives. AttributeError for one that is no column."""
    draft = copy.copy(row)
    for name, value in (values or {}).items():
        setattr(draft, name, value)
    return draft


def values_of(row: object) -> dict[str, Any]:
    """All columns of a row by their names."""
    return msgspec.structs.asdict(cast(msgspec.Struct, row))


def table_of_row(row: object) -> Table:
    """The table that a row belongs to."""
    return _TABLES[type(cast(msgspec.Struct, row))]
