"""The HTTP side of teams."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from services.teams.corrections import CorrectionOut, Withdraw
from services.teams.errors import CertificateStands, RecordWithdrawn, TeamDissolved, TermsOutlastTeam, TermsOutsideTeam
from services.teams.teams import commands, reading
from services.teams.teams.schemas import (
    ChangeTeam,
    CorrectTeam,
    CreateTeam,
    DissolveTeam,
    ExportTeams,
    ListTeams,
    PlaceTeam,
    SearchTeams,
    TeamOut,
    TeamPage,
)
from shared import listing
from shared.access import Caller
from shared.errors import (
    Changed,
    Forbidden,
    KeyReused,
    NotFound,
    Overloaded,
    PreconditionFailed,
    PreconditionRequired,
    StepNotAllowed,
    Unauthenticated,
)
from shared.http import CommandRoute, Reader, Work, link_next, problems
from shared.listing import Count
from shared.references import ReferenceKnown

router = APIRouter(
    prefix="/teams",
    tags=["teams"],
    route_class=CommandRoute,
    responses=problems(
        Unauthenticated, Forbidden, NotFound, Changed, TeamDissolved, RecordWithdrawn, KeyReused, Overloaded
    ),
)
queries = APIRouter(prefix="/teams", tags=["teams"], responses=problems(Unauthenticated, Forbidden, NotFound))


@router.post("", status_code=201, responses=problems(ReferenceKnown))
async def create_team(team: CreateTeam, caller: Caller, work: Work) -> TeamOut:
    """Enter a team that the commune's chairman has decided on (Law 30/2023/QH15, art. 14)."""
    return await commands.create_team(work, caller, team)


@router.patch("/{team_id}", responses=problems(PreconditionFailed, PreconditionRequired))
async def change_team(team_id: UUID, changes: ChangeTeam, caller: Caller, work: Work) -> TeamOut:
    """Change the team's name or the hamlets it serves; If-Match names the version that was read."""
    return await commands.change_team(work, caller, team_id, changes)


@router.post("/{team_id}/place", responses=problems(StepNotAllowed, CertificateStands))
async def place_team(team_id: UUID, placement: PlaceTeam, caller: Caller, work: Work) -> TeamOut:
    """Place a team whose commune was split in one of those that it became; its members go with it."""
    return await commands.place_team(work, caller, team_id, placement)


@router.post("/{team_id}/dissolve", responses=problems(TermsOutlastTeam))
async def dissolve_team(team_id: UUID, dissolution: DissolveTeam, caller: Caller, work: Work) -> TeamOut:
    """Dissolve the team at the end of a day; the terms of its members end with it."""
    return await commands.dissolve_team(work, caller, team_id, dissolution)


@router.post("/{team_id}/correct", responses=problems(TermsOutsideTeam, CertificateStands))
async def correct_team(team_id: UUID, correction: CorrectTeam, caller: Caller, work: Work) -> TeamOut:
    """Set right where the team is or on which days it existed, with the reason; every figure follows."""
    return await commands.correct_team(work, caller, team_id, correction)


@router.post("/{team_id}/withdraw", responses=problems(TermsOutsideTeam))
async def withdraw_team(team_id: UUID, withdrawal: Withdraw, caller: Caller, work: Work) -> TeamOut:
    """Take a team back that should never have been entered; it counts nothing any longer. Its members' terms first."""
    return await commands.withdraw_team(work, caller, team_id, withdrawal)


@queries.get("")
async def list_teams(
    query: Annotated[ListTeams, Query()], reader: Reader, request: Request, response: Response
) -> TeamPage:
    """Teams that the caller may see, dissolved ones too, in the order of their entry."""
    items = await reading.TEAMS.page(reader, query)
    link_next(request, response, items, query.limit)
    return TeamPage(items=items)


@queries.get("/count")
async def count_teams(query: Annotated[SearchTeams, Query()], reader: Reader) -> Count:
    """How many teams the same list holds on all its pages."""
    return await reading.TEAMS.count(reader, query)


@queries.get("/export", response_class=StreamingResponse, responses=listing.ANSWERS)
async def export_teams(query: Annotated[ExportTeams, Query()], reader: Reader) -> StreamingResponse:
    """The same list as a file, CSV or XLSX with Vietnamese titles or NDJSON."""
    return await reading.TEAMS.export(reader, query)


@queries.get("/{team_id}")
async def read_team(team_id: UUID, reader: Reader, response: Response) -> TeamOut:
    """One team; its ETag names the version."""
    team = await reading.read_team(reader, team_id)
    response.headers["ETag"] = f'"{team.version}"'
    return team


@queries.get("/{team_id}/corrections")
async def team_corrections(team_id: UUID, reader: Reader) -> list[CorrectionOut]:
    """What was corrected of the team or withdrawn: who, when and why, oldest first."""
    return await reading.team_corrections(reader, team_id)
