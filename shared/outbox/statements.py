"""The SQL that tables give: a record by its id, rows by arrays of columns, and one statement for a whole batch."""

from collections.abc import Iterable, Sequence
from functools import cache
from operator import attrgetter
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

APPENDED = ("uuid[]", "text[]", "smallint[]", "text[]", "text[]", "text[]")
APPEND = """
INSERT INTO outbox (id, type, dataversion, subject, data, traceparent) SELECT * FROM unnest({})
RETURNING id, seq, (SELECT max(generation) FROM outbox_generations) AS generation
"""
# The database refuses to tell of anything (SQLSTATE CLOCK) while its clock and this one differ by more than 5 s. It looks
# before the outbox's own clock moves, which is never set back.
_CLOCKS_AGREE = "SELECT 0::bigint, NULL::int WHERE NOT outbox_clocks_agree(${}::timestamptz)"
# Beside an answer, the id of the last event that its request emitted.
_ANSWERED = ("bytea[]", "bytea[]", "smallint[]", "bytea[]", "uuid[]")
_KEEP_ANSWERS = """
INSERT INTO answers (key, fingerprint, status, body, generation, seq)
SELECT key, fingerprint, status, body, generation, seq
FROM unnest({}) AS given (key, fingerprint, status, body, event) LEFT JOIN {} ON appended.id = event
RETURNING 1
"""
_NOTHING_APPENDED = "(VALUES (NULL::uuid, NULL::bigint, NULL::int)) AS appended (id, seq, generation)"


@cache
def _columns(table: Table) -> tuple[list[str], list[str]]:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    columns = [column for column in table.columns if column.computed is None and column.identity is None]
    return [column.name for column in columns], [f"{column.type.compile(dialect)}[]" for column in columns]


@cache
def insert_statement(table: Table, first: int = 1) -> str:
    """One statement that inserts any number of rows, an array for each column; its parameters are numbered from `first`."""
    names, _ = _columns(table)
    return f"INSERT INTO {table.name} ({', '.join(names)}) SELECT * FROM {_unnest(table, first)}"


@cache
def update_statement(table: Table, first: int = 1) -> str:
    """One statement that replaces any number of rows, found by their `id`."""
    names, _ = _columns(table)
    sets = ", ".join(f"{name} = new.{name}" for name in names if name != "id")
    new = f"{_unnest(table, first)} AS new ({', '.join(names)})"
    return f"UPDATE {table.name} old SET {sets} FROM {new} WHERE old.id = new.id"


def width(table: Table) -> int:
    """How many parameters the statements above have."""
    return len(_columns(table)[0])


def _unnest(table: Table, first: int) -> str:
    return f"unnest({numbered(_columns(table)[1], first)})"


def numbered(types: Iterable[str], first: int = 1) -> str:
    """Parameters of these types, numbered from `first`."""
    return ", ".join(f"${number}::{type}" for number, type in enumerate(types, first))


def arrays(table: Table, rows: Sequence[object]) -> list[list[Any]]:
    """The rows turned into one array for each column, as the statements above take them."""
    return [list(map(column, rows)) for column in _readers(table)]


@cache
def _readers(table: Table) -> "list[attrgetter[Any]]":
    return [attrgetter(name) for name in _columns(table)[0]]


@cache
def record_of(table: Table) -> str:
    """The question for a record by its id ($1)."""
    return f"SELECT * FROM {table.name} WHERE id = $1"


@cache
def batch_statement(inserted: tuple[Table, ...], updated: tuple[Table, ...], emits: bool, answers: bool) -> str:
    """One statement for a whole batch: it inserts into these tables, updates those, appends to the outbox, keeps answers.

    PostgreSQL takes the members of UNION ALL one after the other, so that the outbox's lock is taken as late as can be.
    """
    parts: dict[str, str] = {}
    first = 1
    for table in inserted:
        parts[f"inserted_{table.name}"] = f"{insert_statement(table, first)} RETURNING 1"
        first += width(table)
    for table in updated:
        parts[f"updated_{table.name}"] = f"{update_statement(table, first)} RETURNING 1"
        first += width(table)
    members = [f"SELECT count(*) AS seq, NULL::int AS generation FROM {name}" for name in parts]
    if emits:
        parts["appended"] = APPEND.format(numbered(APPENDED, first))
        members = [_CLOCKS_AGREE.format(first + len(APPENDED) + answers * len(_ANSWERED)), *members]
        members.append("SELECT seq, generation FROM appended")
        first += len(APPENDED)
    if answers:
        appended = "appended" if emits else _NOTHING_APPENDED
        parts["answered"] = _KEEP_ANSWERS.format(numbered(_ANSWERED, first), appended)
        members.append("SELECT count(*), NULL FROM answered")
    named = ", ".join(f"{name} AS ({sql})" for name, sql in parts.items())
    return f"WITH {named} {' UNION ALL '.join(members)}"


@cache
def order_of(table: Table) -> tuple[int, str]:
    """A table's place in one order of all, behind those that it refers to; own and platform's tables share that order."""
    return table.metadata.sorted_tables.index(table), table.name
