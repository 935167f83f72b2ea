"""The platform's tables of which no command makes rows: each is written by one mechanism, in SQL of its own.

They are declared for whoever reads a database; `tests/contract/test_tables.py` compares them with what migrations make.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Identity, Index, SmallInteger, text
from sqlmodel import Field

from shared.outbox.rows import PlatformModel, after_create, instant

_NOW = {"server_default": text("now()")}


class OutboxRow(PlatformModel, table=True):
    """An event, for ever, in the order of the commits; no personal data. Its partitions, one a month, are made ahead."""

    __tablename__ = "outbox"
    seq: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    recorded_at: datetime = Field(
        sa_column=Column(
            DateTime(timezone=True),
            primary_key=True,
            server_default=text("timestamptz 'epoch' + currval('outbox_clock') * interval '1 microsecond'"),
        )
    )
    id: UUID
    type: str
    dataversion: int = Field(sa_type=SmallInteger)
    subject: str
    data: str
    traceparent: str | None = None

    __table_args__ = ({"postgresql_partition_by": "RANGE (recorded_at)"},)


after_create(
    OutboxRow,
    """CREATE TRIGGER outbox_in_order BEFORE INSERT ON outbox
    FOR EACH STATEMENT EXECUTE FUNCTION outbox_in_order()""",
    """CREATE TRIGGER outbox_is_for_ever BEFORE UPDATE OR DELETE OR TRUNCATE ON outbox
    FOR EACH STATEMENT EXECUTE FUNCTION outbox_is_for_ever()""",
)


class OutboxGeneration(PlatformModel, table=True):
    """A generation begins when the database was restored to an earlier time."""

    __tablename__ = "outbox_generations"
    generation: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    after_seq: int = Field(sa_type=BigInteger)
    opened_at: datetime = instant(sa_column_kwargs=_NOW)


class GivenAnswer(PlatformModel, table=True):
    """The first answer to an Idempotency-Key; its body is encrypted with a key outside the database."""

    __tablename__ = "answers"
    key: bytes = Field(primary_key=True)
    fingerprint: bytes
    status: int = Field(sa_type=SmallInteger)
    body: bytes
    generation: int | None = None
    seq: int | None = Field(default=None, sa_type=BigInteger)
    answered_at: datetime = instant(sa_column_kwargs=_NOW)

    __table_args__ = (Index("answers_by_age", "answered_at"),)


class SecretCheck(PlatformModel, table=True):
    """A keyed check value of the secret that has sealed what lies here; one at most."""

    __tablename__ = "secret_check"
    one: bool = Field(primary_key=True, sa_column_kwargs={"server_default": text("true")})
    value: bytes

    __table_args__ = (CheckConstraint("one"),)


class Followed(PlatformModel, table=True):
    """How far this service has followed the events of another."""

    __tablename__ = "followed"
    source: str = Field(primary_key=True)
    generation: int
    seq: int = Field(sa_type=BigInteger)
    event_id: str | None = None
    recorded_at: datetime = instant()
    offset: int = Field(sa_type=BigInteger)
