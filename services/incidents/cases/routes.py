"""The HTTP side of cases."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from services.incidents.cases import commands, reading
from services.incidents.cases.commands import (
    AlreadyLinked,
    NotLinked,
    UnknownActivity,
    UnknownPatrol,
    UnknownTip,
)
from services.incidents.cases.schemas import (
    MEASURES,
    SEIZABLE,
    CaseOut,
    CasePage,
    CorrectCase,
    ExportCases,
    LinkCase,
    ListCases,
    MeasureOut,
    OpenCase,
    ReopenCase,
    ResolveCase,
    SearchCases,
    SeizableOut,
    TransferCase,
    UnlinkCase,
    WithdrawCase,
)
from shared import listing
from shared.access import Caller
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
from shared.http import CommandRoute, Reader, Work, link_next, problems
from shared.listing import Count
from shared.references import ReferenceKnown
from shared.workflow import StepOut

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
        UnknownActivity,
        AlreadyLinked,
        NotLinked,
        KeyReused,
        Overloaded,
    ),
)
queries = APIRouter(
    prefix="/cases", tags=["cases"], responses=problems(Unauthenticated, Forbidden, ForeignArea, NotFound)
)


@router.post("", status_code=201)
async def open_case(case: OpenCase, caller: Caller, work: Work) -> CaseOut:
    """Open a case, found through any number of tips, patrols and other activities, or through none."""
    return await commands.open_case(work, caller, case)


@router.post("/{case_id}/resolve")
async def resolve(case_id: UUID, resolution: ResolveCase, caller: Caller, work: Work) -> CaseOut:
    """Close the case on the day it was resolved, with the persons handled; sanctions need their decision."""
    return await commands.resolve_case(work, caller, case_id, resolution)


@router.post("/{case_id}/transfer")
async def transfer(case_id: UUID, transfer: TransferCase, caller: Caller, work: Work) -> CaseOut:
    """Give the case to the body that decides on it (Law 15/2012/QH13, art. 62: at once where it may be a crime)."""
    return await commands.transfer_case(work, caller, case_id, transfer)


@router.post("/{case_id}/reopen")
async def reopen(case_id: UUID, reopening: ReopenCase, caller: Caller, work: Work) -> CaseOut:
    """Take a resolved, transferred or withdrawn case up again, with the reason; it no longer counts as closed."""
    return await commands.reopen_case(work, caller, case_id, reopening)


@router.post("/{case_id}/withdraw")
async def withdraw(case_id: UUID, withdrawal: WithdrawCase, caller: Caller, work: Work) -> CaseOut:
    """Take back a case that was entered twice or is none, with the reason; it no longer counts."""
    return await commands.withdraw_case(work, caller, case_id, withdrawal)


@router.post("/{case_id}/correct")
async def correct(case_id: UUID, correction: CorrectCase, caller: Caller, work: Work) -> CaseOut:
    """Set right what was entered wrongly, with the reason."""
    return await commands.correct_case(work, caller, case_id, correction)


@router.post("/{case_id}/link")
async def link(case_id: UUID, link: LinkCase, caller: Caller, work: Work) -> CaseOut:
    """Record that the case was found through this tip, patrol or activity as well; the figures follow."""
    return await commands.link_case(work, caller, case_id, link)


@router.post("/{case_id}/unlink")
async def unlink(case_id: UUID, link: UnlinkCase, caller: Caller, work: Work) -> CaseOut:
    """Take back a link that was none, with the reason; the figures follow."""
    return await commands.unlink_case(work, caller, case_id, link)


@queries.get("")
async def list_cases(
    query: Annotated[ListCases, Query()], reader: Reader, request: Request, response: Response
) -> CasePage:
    """Cases that the caller may see, in the order of the days on which they were found."""
    items = await reading.CASES.page(reader, query)
    link_next(request, response, items, query.limit)
    return CasePage(items=items)


@queries.get("/count")
async def count_cases(query: Annotated[SearchCases, Query()], reader: Reader) -> Count:
    """How many cases the same list holds on all its pages."""
    return await reading.CASES.count(reader, query)


@queries.get("/export", response_class=StreamingResponse, responses=listing.ANSWERS)
async def export_cases(query: Annotated[ExportCases, Query()], reader: Reader) -> StreamingResponse:
    """The same list as a file, CSV or XLSX with Vietnamese titles or NDJSON."""
    return await reading.CASES.export(reader, query)


@queries.get("/measures")
async def measures() -> list[MeasureOut]:
    """The measures that persons of a case may meet, with their official names, and whether each needs a decision."""
    return [MeasureOut(measure=name, **row._asdict()) for name, row in MEASURES.items()]


@queries.get("/seizable")
async def seizable() -> list[SeizableOut]:
    """The kinds of what may be seized, with their official names and the units in which each is counted."""
    return [SeizableOut(kind=name, **row._asdict()) for name, row in SEIZABLE.items()]


@queries.get("/{case_id}")
async def read_case(case_id: UUID, reader: Reader, response: Response) -> CaseOut:
    """One case; its ETag names the version."""
    case = await reading.read_case(reader, case_id)
    response.headers["ETag"] = f'"{case.version}"'
    return case


@queries.get("/{case_id}/steps")
async def case_steps(case_id: UUID, reader: Reader) -> list[StepOut]:
    """Every step the case has taken: who, when, why."""
    return await reading.case_steps(reader, case_id)
