"""The HTTP side of members."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from services.teams.errors import AlreadyInForce, LeaderExists, TeamDissolved
from services.teams.members import commands, reading
from services.teams.members.schemas import (
    ChangeMember,
    ChangeRole,
    ListMembers,
    MemberHistory,
    MemberOut,
    MemberPage,
    RecogniseMember,
    ReleaseMember,
    TransferMember,
)
from shared.auth import Caller
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
from shared.http import CommandRoute, Work, link_next, problems

router = APIRouter(
    prefix="/members",
    tags=["members"],
    route_class=CommandRoute,
    responses=problems(
        Unauthenticated, Forbidden, NotFound, Changed, StepNotAllowed, TeamDissolved, LeaderExists, AlreadyInForce,
        KeyReused, Overloaded,
    ),
)  # fmt: skip
reads = APIRouter(prefix="/members", tags=["members"], responses=problems(Unauthenticated, Forbidden, NotFound))


@router.post("", status_code=201)
async def recognise_member(member: RecogniseMember, caller: Caller, work: Work) -> MemberOut:
    """Recognise (công nhận) a person as member of a team, in a role from a day on (Law 30/2023/QH15, art. 13)."""
    return await commands.recognise_member(work, caller, member)


@router.patch("/{member_id}", responses=problems(PreconditionFailed, PreconditionRequired))
async def change_member(member_id: UUID, changes: ChangeMember, caller: Caller, work: Work) -> MemberOut:
    """Set right what is known of the person; If-Match names the version that was read."""
    return await commands.change_member(work, caller, member_id, changes)


@router.post("/{member_id}/change-role")
async def change_role(member_id: UUID, change: ChangeRole, caller: Caller, work: Work) -> MemberOut:
    """Give the member another role in the same team from a day on."""
    return await commands.change_role(work, caller, member_id, change)


@router.post("/{member_id}/transfer")
async def transfer_member(member_id: UUID, transfer: TransferMember, caller: Caller, work: Work) -> MemberOut:
    """Move the member to another team from a day on."""
    return await commands.transfer_member(work, caller, member_id, transfer)


@router.post("/{member_id}/release")
async def release_member(member_id: UUID, release: ReleaseMember, caller: Caller, work: Work) -> MemberOut:
    """Release (cho thôi) the member at the end of a day, on one of the law's four grounds."""
    return await commands.release_member(work, caller, member_id, release)


@reads.get("")
async def list_members(
    query: Annotated[ListMembers, Query()], caller: Caller, request: Request, response: Response
) -> MemberPage:
    """Members that the caller may see, released ones too, in the order of their entry."""
    page = await reading.list_members(request.app.state.service.database, caller, query)
    link_next(request, response, page.items, query.limit)
    return page


@reads.get("/{member_id}")
async def read_member(member_id: UUID, caller: Caller, request: Request, response: Response) -> MemberHistory:
    """One member with every term; the ETag names the version."""
    member = await reading.read_member(request.app.state.service.database, caller, member_id)
    response.headers["ETag"] = f'"{member.version}"'
    return member
