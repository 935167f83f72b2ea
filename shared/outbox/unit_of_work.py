"""What one request changes: the records that it adds and changes, and the events that it emits, before they are written."""

from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Table
from sqlmodel import SQLModel
from uuid_utils.compat import uuid7

from shared import events, telemetry
from shared.database import Database, Row
from shared.errors import NotFound, PreconditionFailed
from shared.outbox.statements import record_of, table_of


class Position(NamedTuple):
    """A place in one source's outbox. A new generation begins when a database was restored to an earlier time."""

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
        self.added: list[tuple[Table, Row]] = []
        self.changed: list[tuple[Table, Row]] = []
        self.outgoing: list[tuple[UUID, str, int, str, str, str | None]] = []
        self.answer: Answer | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to commit."""
        return not (self.added or self.changed or self.outgoing or self.answer)

    async def load(self, model: type[SQLModel], id: UUID) -> Row:
        """The record as it stands now; NotFound without one, PreconditionFailed if it is not the one of If-Match."""
        row = await self.look_up(model, id)
        if row is None:
            raise NotFound(id=id)
        etag = f'"{row["version"]}"'
        if self._if_match is not None and not {etag, "*"}.intersection(map(str.strip, self._if_match.split(","))):
            raise PreconditionFailed(id=id, etag=etag)
        return row

    async def look_up(self, model: type[SQLModel], id: UUID) -> Row | None:
        """A record beside the one that If-Match is about, None without one; with what this work has changed of it."""
        for table, changed in self.changed:
            if table is table_of(model) and changed["id"] == id:
                return changed
        row = await self.database.fetchrow(record_of(model), id)
        return dict(row) if row is not None else None

    def add(self, model: type[SQLModel], **values: Any) -> Row:
        """A new record; its columns that are not named stay empty."""
        self.added.append((table_of(model), values))
        return values

    def change(self, model: type[SQLModel], row: Row, **values: Any) -> Row:
        """The loaded record with new values. If it has moved on by the commit, the command is decided again.

        What is changed twice within one work moves one version on.
        """
        others = [each for each in self.changed if each[1] is not row]
        changed = {**row, **values, "version": row["version"] + (len(others) == len(self.changed))}
        self.changed = [*others, (table_of(model), changed)]
        return changed

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
        """Tell that something happened to `subject`; a counter will see `before` and `after`, never the rest.

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
