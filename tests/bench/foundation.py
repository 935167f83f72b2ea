"""The durable POST of a tip as the foundation had it, the baseline of report_tip_full: its columns, its checks, no more."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from alembic import command
from fastapi import APIRouter, FastAPI
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import Connection, DateTime
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import registry
from sqlmodel import Field as Column
from sqlmodel import SQLModel
from uuid_utils.compat import uuid7

from migrations.parts.outbox import CLOCKS, SECRET_CHECK
from migrations.run import configuration
from services.incidents.tips.receipts import receipt_hash, receipt_of
from shared import application, events
from shared.access import Caller
from shared.days import Instant, day_of, now
from shared.http import CommandRoute, Input, Work
from shared.text import Text, UnitId, Word
from shared.validity import require_unit

VERSION = "incidents_0001"
Timestamp: Any = DateTime(timezone=True)


class FoundationModel(SQLModel, registry=registry()):
    """Tables of another time have a registry of their own."""


class FoundationTip(FoundationModel, table=True):
    """The table of tips in its first version."""

    __tablename__ = "tips"
    id: UUID = Column(primary_key=True)
    unit: str
    content: str
    topic: str | None = None
    channel: str
    supplied_by: str
    team_id: UUID | None = None
    state: str
    classified_as: str | None = None
    occurred_at: datetime | None = Column(default=None, sa_type=Timestamp)
    received_at: datetime = Column(sa_type=Timestamp)
    received_on: date
    outcome: str | None = None
    closed_on: date | None = None
    receipt_hash: bytes
    recorded_by: str
    version: int = 1


class FoundationReport(Input):
    """A tip as it came in first."""

    unit: UnitId
    content: Text
    topic: Word | None = None
    channel: str | None = None
    team_id: UUID | None = None
    occurred_at: Instant | None = None
    received_at: Instant | None = None


class FoundationReceived(BaseModel):
    """The acknowledgement."""

    id: UUID
    receipt: Annotated[str, Field(pattern=r"^\d{16}$")]
    unit: str
    state: events.incidents.TipState
    received_at: AwareDatetime


router = APIRouter(route_class=CommandRoute)


@router.post("/tips", status_code=201)
async def report_tip(tip: FoundationReport, caller: Caller, work: Work) -> FoundationReceived:
    """Receive a tip as the foundation did."""
    received_at = now()
    received_on = day_of(received_at)
    require_unit(tip.unit, received_on)
    caller.require("report_tip", tip.unit)
    id = uuid7()
    receipt = receipt_of(id)
    work.add(
        FoundationTip,
        id=id,
        unit=tip.unit,
        content=tip.content,
        topic=tip.topic,
        channel="web",
        supplied_by="citizen",
        team_id=None,
        state="received",
        occurred_at=tip.occurred_at,
        received_at=received_at,
        received_on=received_on,
        receipt_hash=receipt_hash(receipt),
        recorded_by=caller.subject,
        version=1,
    )
    fact = events.Tip(unit=tip.unit, received_on=received_on, state="received", supplied_by="citizen")
    work.emit("TipReceived", id, None, fact)
    return FoundationReceived.model_construct(
        id=id, receipt=receipt, unit=tip.unit, state="received", received_at=received_at
    )


def create_app() -> FastAPI:
    """The foundation's intake alone."""
    return application.create_app("incidents", "foundation", [router], {"writer": lambda service: service.writer.run()})


async def migrate(url: str) -> None:
    """Make the tables of the foundation in an empty database."""

    def upgrade(connection: Connection) -> None:
        config = configuration("incidents")
        config.attributes["connection"] = connection
        command.upgrade(config, VERSION)
        # What today's writer and today's service ask of any database.
        connection.exec_driver_sql(CLOCKS)
        connection.exec_driver_sql(SECRET_CHECK)
        connection.commit()

    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"))
    async with engine.connect() as connection:
        await connection.run_sync(upgrade)
    await engine.dispose()
