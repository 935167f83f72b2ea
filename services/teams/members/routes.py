"""The HTTP side of members."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from services.teams.corrections import CorrectionOut, Withdraw
from services.teams.errors import (
    AlreadyInForce,
    CertificateStands,
    LeaderExists,
    RecordWithdrawn,
    TeamDissolved,
    TermsOutsideTeam,
    TermsOverlap,
)
from services.teams.members import commands, reading
from services.teams.members.schemas import (
    ChangeMember,
    ChangeRole,
    CorrectTerm,
    ExportMembers,
    ListMembers,
    MemberHistory,
    MemberOut,
    MemberPage,
    RecogniseMember,
    ReleaseMember,
    SearchMembers,
    TransferMember,
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
    prefix="/members",
    tags=["members"],
    route_class=CommandRoute,
    responses=problems(
        Unauthenticated, Forbidden, NotFound, Changed, StepNotAllowed, TeamDissolved, LeaderExists, AlreadyInForce,
        RecordWithdrawn, CertificateStands, KeyReused, Overloaded,
    ),
)  # fmt: skip
queries = APIRouter(prefix="/members", tags=["members"], responses=problems(Unauthenticated, Forbidden, NotFound))


@router.post("", status_code=201, responses=problems(ReferenceKnown))
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


@router.post("/{member_id}/withdraw")
async def withdraw_member(member_id: UUID, withdrawal: Withdraw, caller: Caller, work: Work) -> MemberOut:
    """Take a member back who was entered wrongly and never was one; no term of theirs counts any longer."""
    return await commands.withdraw_member(work, caller, member_id, withdrawal)


@router.post("/{member_id}/terms/{term_id}/correct", responses=problems(TermsOutsideTeam, TermsOverlap))
async def correct_member_term(
    member_id: UUID, term_id: UUID, correction: CorrectTerm, caller: Caller, work: Work
) -> MemberOut:
    """Set right the role, the days or the decision of a term, with the reason; every figure follows."""
    return await commands.correct_member_term(work, caller, member_id, term_id, correction)


@router.post("/{member_id}/terms/{term_id}/withdraw", responses=problems(TermsOutsideTeam))
async def withdraw_member_term(
    member_id: UUID, term_id: UUID, withdrawal: Withdraw, caller: Caller, work: Work
) -> MemberOut:
    """Take the latest promotion or transfer back, which never was; the term before goes on."""
    return await commands.withdraw_member_term(work, caller, member_id, term_id, withdrawal)


@queries.get("")
async def list_members(
    query: Annotated[ListMembers, Query()], reader: Reader, request: Request, response: Response
) -> MemberPage:
    """Members that the caller may see, released ones too, in the order of their entry."""
    items = await reading.MEMBERS.page(reader, query)
    link_next(request, response, items, query.limit)
    return MemberPage(items=items)


@queries.get("/count")
async def count_members(query: Annotated[SearchMembers, Query()], reader: Reader) -> Count:
    """How many members the same list holds on all its pages."""
    return await reading.MEMBERS.count(reader, query)


@queries.get("/export", response_class=StreamingResponse, responses=listing.ANSWERS)
async def export_members(query: Annotated[ExportMembers, Query()], reader: Reader) -> StreamingResponse:
    """The same list as a file, CSV or XLSX with Vietnamese titles or NDJSON."""
    return await reading.MEMBERS.export(reader, query)


@queries.get("/{member_id}")
async def read_member(member_id: UUID, reader: Reader, response: Response) -> MemberHistory:
    """One member with every term; the ETag names the version."""
    member = await reading.read_member(reader, member_id)
    response.headers["ETag"] = f'"{member.version}"'
    return member


@queries.get("/{member_id}/corrections")
async def member_corrections(member_id: UUID, reader: Reader) -> list[CorrectionOut]:
    """What was corrected of the member's terms or withdrawn: who, when and why, oldest first."""
    return await reading.member_corrections(reader, member_id)
