"""The HTTP side of cases."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from services.incidents.cases import commands, reading
from services.incidents.cases.commands import UnknownPatrol, UnknownTip
from services.incidents.cases.schemas import (
    CaseOut,
    CasePage,
    CorrectCase,
    ListCases,
    OpenCase,
    ReopenCase,
    ResolveCase,
)
from services.incidents.references import ReferenceKnown
from services.incidents.steps import StepOut
from shared.auth import Caller
from shared.errors import (
    Forbidden,
    ForeignArea,
    KeyReused,
    NotFound,
    Overloaded,
    PreconditionFailed,
    StepNotAllowed,
    Unauthenticated,
)
from shared.http import CommandRoute, Work, link_next, problems

router = APIRouter(
    prefix="/cases",
    tags=["cases"],
    route_class=CommandRoute,
    responses=problems(
        Unauthenticated,
        Forbidden,
        ForeignArea,
        NotFound,
        StepNotAllowed,
        PreconditionFailed,
        ReferenceKnown,
        UnknownTip,
        UnknownPatrol,
        KeyReused,
        Overloaded,
    ),
)
reads = APIRouter(
    prefix="/cases", tags=["cases"], responses=problems(Unauthenticated, Forbidden, ForeignArea, NotFound)
)


@router.post("", status_code=201)
async def open_case(case: OpenCase, caller: Caller, work: Work) -> CaseOut:
    """Open a case, found through a tip or a patrol or otherwise."""
    return await commands.open_case(work, caller, case)


@router.post("/{case_id}/resolve")
async def resolve(case_id: UUID, resolution: ResolveCase, caller: Caller, work: Work) -> CaseOut:
    """Close the case on the day it was resolved."""
    return await commands.resolve_case(work, caller, case_id, resolution)


@router.post("/{case_id}/reopen")
async def reopen(case_id: UUID, step: ReopenCase, caller: Caller, work: Work) -> CaseOut:
    """Take a resolved case up again, with the reason; it no longer counts as resolved."""
    return await commands.reopen_case(work, caller, case_id, step.reason)


@router.post("/{case_id}/correct")
async def correct(case_id: UUID, correction: CorrectCase, caller: Caller, work: Work) -> CaseOut:
    """Set right what was entered wrongly, with the reason."""
    return await commands.correct_case(work, caller, case_id, correction)


@reads.get("")
async def list_cases(
    query: Annotated[ListCases, Query()], caller: Caller, request: Request, response: Response
) -> CasePage:
    """Cases that the caller may see, in the order in which they were opened."""
    page = await reading.list_cases(request.app.state.service.database, caller, query)
    link_next(request, response, page.items, query.limit)
    return page


@reads.get("/{case_id}")
async def read_case(case_id: UUID, caller: Caller, request: Request, response: Response) -> CaseOut:
    """One case; its ETag names the version."""
    case = await reading.read_case(request.app.state.service.database, caller, case_id)
    response.headers["ETag"] = f'"{case.version}"'
    return case


@reads.get("/{case_id}/steps")
async def case_steps(case_id: UUID, caller: Caller, request: Request) -> list[StepOut]:
    """Every step the case has taken: who, when, why."""
    return await reading.case_steps(request.app.state.service.database, caller, case_id)
