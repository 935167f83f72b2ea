"""The teams that incidents has heard of: what a province adds in teams comes here by events alone."""

import asyncio
from time import monotonic
from typing import Any
from uuid import UUID

import asyncpg
from sqlmodel import Field

from services.incidents.models import IncidentsModel
from shared import events, units
from shared.errors import InvalidInput, Problem
from shared.follower import follow_events
from shared.log import Record
from shared.outbox import UnitOfWork
from shared.settings import settings


class KnownTeam(IncidentsModel, table=True):
    """A team of the registry, as its events tell of it."""

    __tablename__ = "known_teams"
    id: UUID = Field(primary_key=True)
    unit: str


UNIT_OF_TEAM = "SELECT unit FROM known_teams WHERE id = $1"


class TeamNotYetKnown(Problem):
    """The registry may have created it an instant ago, or it does not exist."""

    status, name = 409, "team-not-yet-known"
    vi, en = (
        "Chưa biết tổ này; hãy thử lại sau ít giây.",
        "This team is not known yet; try again in a few seconds.",
    )
    headers = {"Retry-After": "2"}  # noqa: RUF012


async def require(work: UnitOfWork, team_id: UUID, unit: str) -> None:
    """Raise unless the team is known and serves the unit or a unit that it became; wait a little for news of it."""
    patience_ends = monotonic() + settings().team_wait_seconds
    while True:
        known = await work.database.fetchrow(UNIT_OF_TEAM, team_id)
        if known is not None:
            break
        if monotonic() > patience_ends:
            raise TeamNotYetKnown(team_id=team_id)
        await asyncio.sleep(0.05)
    if unit != known["unit"] and unit not in units.area(known["unit"]) and known["unit"] not in units.area(unit):
        raise InvalidInput(
            errors=[{"at": "team_id", "code": "foreign-team", "message": "the team serves another unit"}]
        )


async def follow(service: Any) -> None:
    """Learn of teams from their events; a background task of the service."""
    await follow_events(service, "teams", apply)


async def apply(connection: asyncpg.Connection, records: list[Record]) -> None:
    """Take in what a batch tells of teams."""
    known: dict[UUID, str] = {}
    for record in records:
        change = events.decode(record.type, record.dataversion, record.data)
        if isinstance(change.after, events.Team):
            known[UUID(record.subject)] = change.after.unit
    if known:
        await connection.execute(
            """INSERT INTO known_teams (id, unit) SELECT * FROM unnest($1::uuid[], $2::text[])
            ON CONFLICT (id) DO UPDATE SET unit = excluded.unit""",
            sorted(known),
            [known[id] for id in sorted(known)],
        )
