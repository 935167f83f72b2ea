"""What one request changes: the records that it adds and changes, and the events that it emits, before they are written."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast
from uuid import UUID

from uuid_utils.compat import uuid7

from shared import events, telemetry
from shared.database import Database
from shared.errors import NotFound, PreconditionFailed
from shared.outbox.rows import Columns, RowT, changed, new_row, row_of, table_of, table_of_row
from shared.outbox.statements import record_of


class Position(NamedTuple):
    """A position in one source's outbox. A new generation begins when a database was restored to an earlier time."""

    generation: int
    seq: int


START = Position(1, 0)


class Answer(NamedTuple):
    """The first answer to an Idempotency-Key, its body encrypted with a key that the database does not have."""

    key: bytes
    fingerprint: bytes
    status: int
    body: bytes


class UnitOfWork:
    """What one request changes, gathered while its command decides. Whoever made it commits it (writer.py)."""

    def __init__(self, database: Database, if_match: str | None = None) -> None:
        # For what a command must know before it decides.
        self.database = database
        self._if_match = if_match
        # Rows (rows.py) of whatever tables.
        self.added: list[Any] = []
        self.changed: list[Any] = []
        self.outgoing: list[tuple[UUID, str, int, str, str, str | None]] = []
        self.answer: Answer | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to commit."""
        return not (self.added or self.changed or self.outgoing or self.answer)

    async def load(self, model: type[RowT], id: UUID) -> RowT:
        """The record as it stands now; NotFound without one, PreconditionFailed if it is not the one of If-Match.

        For a part of a record that the caller was let in to; a record itself is loaded by `shared/workflow.load_seen`.
        """
        row = await self.look_up(model, id)
        if row is None:
            raise NotFound(id=id)
        self.require_matched(row)
        return row

    def require_matched(self, row: object) -> None:
        """Raise PreconditionFailed for a record that If-Match is about and whose version it does not name."""
        etag = f'"{_version(row)}"'
        if self._if_match is not None and not {etag, "*"}.intersection(map(str.strip, self._if_match.split(","))):
            raise PreconditionFailed(id=cast(Any, row).id, etag=etag)

    async def look_up(self, model: type[RowT], id: UUID) -> RowT | None:
        """A record beside the one that If-Match is about, None without one; with what this work has changed of it."""
        table = table_of(model)
        for changed_one in self.changed:
            if table_of_row(changed_one) is table and changed_one.id == id:
                return cast(RowT, changed_one)
        record = await self.database.fetchrow(record_of(table), id)
        return row_of(model, record) if record is not None else None

    def add(self, model: Callable[Columns, RowT], /, *args: Columns.args, **values: Columns.kwargs) -> RowT:
        """A new record; its columns that have a default need not be named."""
        return self.put(new_row(model, *args, **values))

    def put(self, row: RowT) -> RowT:
        """Add a row that was made already (rows.new_row)."""
        self.added.append(row)
        return row

    def added_of(self, model: type[RowT]) -> list[RowT]:
        """The new records of a table, so far."""
        return [row for row in self.added if table_of_row(row) is table_of(model)]

    def change(self, row: RowT, values: Mapping[str, Any] | None = None) -> RowT:
        """A draft of the loaded record, to assign new values to; `values` are those whose names an input gives.

        If the record has moved on by the commit, the command is decided again. What is changed twice within one work
        moves one version on.
        """
        return self.replace(row, changed(row, values))

    def replace(self, row: RowT, draft: RowT) -> RowT:
        """Put a draft that was made already (rows.changed) in the place of the loaded record."""
        others = [each for each in self.changed if each is not row]
        cast(Any, draft).version = _version(row) + (len(others) == len(self.changed))
        self.changed = [*others, draft]
        return draft

    def emit(
        self,
        type: str,
        subject: UUID,
        before: events.Fact | None,
        after: events.Fact | None,
        concerns: tuple[str, ...] = (),
        /,
        **links: UUID | None,
    ) -> None:
        """Record that something happened to `subject`; a counter will see `before` and `after`, never the rest.

        `concerns`: units beside those of the facts whose systems must hear of it.
        """
        named = {name: str(link) for name, link in links.items() if link is not None}
        data = events.encode(events.Change(before, after, named, concerns))
        self.outgoing.append((uuid7(), type, events.DATA_VERSION, str(subject), data, telemetry.traceparent()))

    def merge(self, other: "UnitOfWork") -> None:
        """Take over all that another one adds, changes and emits: both commit together."""
        self.added += other.added
        self.changed += other.changed
        self.outgoing += other.outgoing


def _version(row: Any) -> int:
    version: int = row.version
    return version
