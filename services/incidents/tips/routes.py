"""The HTTP side of tips."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response

from services.incidents.steps import StepOut
from services.incidents.tips import commands, reading
from services.incidents.tips.schemas import (
    ClassifyTip,
    CorrectTip,
    ListTips,
    ReportTip,
    TipOut,
    TipPage,
    TipReceived,
    TipStatus,
)
from shared.auth import Caller
from shared.errors import Forbidden, KeyReused, NotFound, Overloaded, StepNotAllowed, Unauthenticated
from shared.http import CommandRoute, Step, Work, link_next, problems

router = APIRouter(
    prefix="/tips",
    tags=["tips"],
    route_class=CommandRoute,
    responses=problems(Unauthenticated, Forbidden, NotFound, StepNotAllowed, KeyReused, Overloaded),
)
reads = APIRouter(prefix="/tips", tags=["tips"], responses=problems(Unauthenticated, Forbidden, NotFound))


@router.post("", status_code=201)
async def report_tip(tip: ReportTip, caller: Caller, work: Work) -> TipReceived:
    """Receive a tip, from anyone; the answer is sent once the tip is durable and certain to be counted."""
    return await commands.report_tip(work, caller, tip)


@router.post("/{tip_id}/report")
async def report(tip_id: UUID, step: Step, caller: Caller, work: Work) -> TipOut:
    """Pass the tip on to the commune police (Law 30/2023/QH15, art. 7: at once)."""
    return await commands.take_step(work, caller, tip_id, "report", step.reason)


@router.post("/{tip_id}/classify")
async def classify(tip_id: UUID, step: ClassifyTip, caller: Caller, work: Work) -> TipOut:
    """Give the tip its official class."""
    return await commands.take_step(work, caller, tip_id, "classify", step.reason, classified_as=step.classified_as)


@router.post("/{tip_id}/verify")
async def verify(tip_id: UUID, step: Step, caller: Caller, work: Work) -> TipOut:
    """Begin to verify what the tip says."""
    return await commands.take_step(work, caller, tip_id, "verify", step.reason)


@router.post("/{tip_id}/forward")
async def forward(tip_id: UUID, step: Step, caller: Caller, work: Work) -> TipOut:
    """Forward the tip to the investigation body."""
    return await commands.take_step(work, caller, tip_id, "forward", step.reason)


@router.post("/{tip_id}/resolve")
async def resolve(tip_id: UUID, step: Step, caller: Caller, work: Work) -> TipOut:
    """Close the tip as resolved."""
    return await commands.take_step(work, caller, tip_id, "resolve", step.reason)


@router.post("/{tip_id}/reject")
async def reject(tip_id: UUID, step: Step, caller: Caller, work: Work) -> TipOut:
    """Close the tip without action, with the reason; an anonymous tip may be unverifiable."""
    return await commands.take_step(work, caller, tip_id, "reject", step.reason)


@router.post("/{tip_id}/notify")
async def notify(tip_id: UUID, step: Step, caller: Caller, work: Work) -> TipOut:
    """Record that the informant was told of the outcome."""
    return await commands.take_step(work, caller, tip_id, "notify", step.reason)


@router.post("/{tip_id}/withdraw")
async def withdraw(tip_id: UUID, step: Step, caller: Caller, work: Work) -> TipOut:
    """Take the tip back, with the reason; it no longer counts."""
    return await commands.take_step(work, caller, tip_id, "withdraw", step.reason)


@router.post("/{tip_id}/correct")
async def correct(tip_id: UUID, correction: CorrectTip, caller: Caller, work: Work) -> TipOut:
    """Set right what was entered wrongly, with the reason."""
    return await commands.correct_tip(work, caller, tip_id, correction)


@router.post("/{tip_id}/reopen")
async def reopen(tip_id: UUID, step: Step, caller: Caller, work: Work) -> TipOut:
    """Take up a closed tip again, with the reason."""
    return await commands.take_step(work, caller, tip_id, "reopen", step.reason)


@reads.get("")
async def list_tips(
    query: Annotated[ListTips, Query()], caller: Caller, request: Request, response: Response
) -> TipPage:
    """Tips that the caller may see, in the order of their arrival."""
    page = await reading.list_tips(request.app.state.service.database, caller, query)
    link_next(request, response, page.items, query.limit)
    return page


@reads.get("/by-receipt")
async def tip_by_receipt(request: Request, antt_receipt: Annotated[str, Header(pattern=r"^\d{16}$")]) -> TipStatus:
    """How a tip stands, for whoever holds its receipt."""
    return await reading.tip_by_receipt(request.app.state.service.database, antt_receipt)


@reads.get("/{tip_id}")
async def read_tip(tip_id: UUID, caller: Caller, request: Request, response: Response) -> TipOut:
    """One tip; its ETag names the version."""
    tip = await reading.read_tip(request.app.state.service.database, caller, tip_id)
    response.headers["ETag"] = f'"{tip.version}"'
    return tip


@reads.get("/{tip_id}/steps")
async def tip_steps(tip_id: UUID, caller: Caller, request: Request) -> list[StepOut]:
    """Every step the tip has taken: who, when, why."""
    return await reading.tip_steps(request.app.state.service.database, caller, tip_id)
