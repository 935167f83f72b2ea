"""The tables of imports: each file that was sent, how far it is, and what of it was rejected."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import BigInteger, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from shared.outbox import instant, word
from shared.outbox.rows import PlatformModel

Format = Literal["ndjson", "csv", "xlsx"]
Strategy = Literal["create", "upsert"]
State = Literal["queued", "running", "done", "failed", "cancelled"]


class Import(PlatformModel, table=True):
    """A file of rows that is worked off by a job. Its counts move in the transactions of its rows."""

    __tablename__ = "imports"
    id: UUID = Field(primary_key=True)
    of: str
    format: Format = word()
    strategy: Strategy = word()
    dry_run: bool
    # All rows or none; empty until the file's size has decided it.
    atomic: bool | None = None
    filename: str | None = None
    size_bytes: int = Field(sa_type=BigInteger)
    # Keyed, so that a repeated upload is known by it and nobody learns from it what a file held. Empty: any.
    content: bytes
    # As whom each row is decided.
    role: str
    subject: str
    unit: str
    team: str
    state: State = word()
    rows_read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    # Rows that were taken without something that is none: a telephone number, an identity number.
    left_out: int = 0
    # Of XLSX: each sheet, and what became of it. An object, since the writer takes a list for an array of rows.
    sheets: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    # Why the file as a whole failed, or what it waits for.
    problem: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    position: str | None = None
    created_at: datetime = instant()
    started_at: datetime | None = instant(default=None)
    ended_at: datetime | None = instant(default=None)
    # Hash of the caller and the Idempotency-Key.
    key: bytes | None = Field(default=None, unique=True)
    version: int = 1

    __table_args__ = (
        Index("imports_open", "id", postgresql_where="state IN ('queued', 'running')"),
        Index("imports_by_subject", "subject", "id"),
    )


class ImportRejection(PlatformModel, table=True):
    """A row that was not taken, or not all of it; `why` holds every reason under `errors` or `left_out`."""

    __tablename__ = "import_rejections"
    import_id: UUID = Field(primary_key=True, foreign_key="imports.id")
    # Where it comes in the file, a further sheet behind those before; `why` names the sheet and its row.
    line: int = Field(primary_key=True)
    why: dict[str, Any] = Field(sa_type=JSONB)
