"""The teams that incidents has heard of: what a province adds in teams comes here by events alone.

The log position is stored in the transaction of what was learnt, so of two processes one is refused and begins anew. While
nothing is heard, teams that are known go on.
"""

import asyncio
from time import monotonic
from uuid import UUID

import asyncpg
from sqlmodel import Field

from services.incidents.models import IncidentsModel
from shared import events
from shared.errors import InvalidInput, Problem
from shared.jurisdiction import lineage
from shared.log import Record, follow_events, source_of
from shared.outbox import UnitOfWork
from shared.service import Service
from shared.settings import settings


class KnownTeam(IncidentsModel, table=True):
    """A team of the registry, as its events tell of it."""

    __tablename__ = "known_teams"
    id: UUID = Field(primary_key=True)
    unit: str
    # It should never have been entered; what names it since before stays as it was.
    withdrawn: bool = False


UNIT_OF_TEAM = "SELECT unit, withdrawn FROM known_teams WHERE id = $1"


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
    if known["withdrawn"]:
        raise InvalidInput(errors=[{"at": "team_id", "code": "withdrawn-team", "message": "the team was withdrawn"}])
    if unit not in lineage(known["unit"]):
        raise InvalidInput(
            errors=[{"at": "team_id", "code": "foreign-team", "message": "the team serves another unit"}]
        )


async def follow(service: Service) -> None:
    """Learn of teams from their events; a background task of the service."""
    await follow_events(service, source_of(service.settings, "teams"), apply)


async def apply(connection: asyncpg.Connection, records: list[Record]) -> None:
    """Take in what a batch says of teams."""
    known: dict[UUID, tuple[str, bool]] = {}
    for record in records:
        change = events.decode(record.type, record.dataversion, record.data)
        team = change.after or change.before
        if isinstance(team, events.Team):
            known[UUID(record.subject)] = (team.unit, change.after is None)
    if known:
        ids = sorted(known)
        await connection.execute(
            """INSERT INTO known_teams (id, unit, withdrawn) SELECT * FROM unnest($1::uuid[], $2::text[], $3::boolean[])
            ON CONFLICT (id) DO UPDATE SET unit = excluded.unit, withdrawn = excluded.withdrawn""",
            ids,
            [known[id][0] for id in ids],
            [known[id][1] for id in ids],
        )
