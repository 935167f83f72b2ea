"""The HTTP side of tips."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from services.incidents.tips import commands, duplicates, reading
from services.incidents.tips.receipts import TooManyWrongReceipts
from services.incidents.tips.schemas import (
    AcknowledgeForwarding,
    AskDuplicates,
    AskInformant,
    AssignTip,
    CheckDuplicates,
    ClassifyTip,
    CorrectTip,
    ExportTips,
    ForwardTip,
    HasDuplicates,
    InformantOut,
    ListTips,
    LookAtInformant,
    LookOut,
    MergeTip,
    MessageOut,
    ReportTip,
    SearchTips,
    Suggestions,
    TipOut,
    TipPage,
    TipReceived,
    TipShown,
    TipStatus,
    TooManyMessages,
    WriteByReceipt,
)
from shared import listing
from shared.access import Caller
from shared.errors import Forbidden, KeyReused, NotFound, Overloaded, StepNotAllowed, Unauthenticated
from shared.http import ClientAddress, CommandRoute, OpenReader, Reader, ReadingCommand, Step, Work, link_next, problems
from shared.listing import Count
from shared.references import ReferenceKnown
from shared.workflow import StepOut

# What the sender of a tip got: 16 digits.
Receipt = Annotated[str, Header(alias="Antt-Receipt", pattern=r"^[0-9]{16}$")]

router = APIRouter(
    prefix="/tips",
    tags=["tips"],
    route_class=CommandRoute,
    responses=problems(Unauthenticated, Forbidden, NotFound, StepNotAllowed, KeyReused, Overloaded),
)
lookups = APIRouter(
    prefix="/tips",
    tags=["tips"],
    route_class=ReadingCommand,
    responses=problems(Unauthenticated, Forbidden, NotFound, Overloaded),
)
queries = APIRouter(prefix="/tips", tags=["tips"], responses=problems(Unauthenticated, Forbidden, NotFound))


@router.post("", status_code=201, responses=problems(ReferenceKnown))
async def report_tip(tip: ReportTip, caller: Caller, work: Work) -> TipReceived:
    """Receive a tip, from anyone; the answer is sent once the tip is durable and certain to be counted."""
    return await commands.report_tip(work, caller, tip)


@lookups.post("/duplicates/check")
async def check_duplicates(draft: CheckDuplicates, reader: Reader) -> Suggestions:
    """Which tips may be about the same as one that is about to be entered; this changes nothing."""
    return await duplicates.check_duplicates(reader, draft)


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


@router.post("/{tip_id}/assign")
async def assign(tip_id: UUID, step: AssignTip, caller: Caller, work: Work) -> TipOut:
    """Give the tip to an officer to handle."""
    return await commands.take_step(work, caller, tip_id, "assign", step.reason, officer=step.officer)


@router.post("/{tip_id}/ask")
async def ask(tip_id: UUID, question: AskInformant, caller: Caller, work: Work) -> TipOut:
    """Ask the sender something; they see the question with their receipt."""
    return await commands.ask_informant(work, caller, tip_id, question.question)


@router.post("/{tip_id}/forward")
async def forward(tip_id: UUID, to: ForwardTip, caller: Caller, work: Work) -> TipOut:
    """Forward the tip to another commune or to an agency: the investigation body unless another is named."""
    return await commands.forward_tip(work, caller, tip_id, to)


@router.post("/{tip_id}/acknowledge")
async def acknowledge(tip_id: UUID, given: AcknowledgeForwarding, caller: Caller, work: Work) -> TipOut:
    """Keep the acknowledgement of the agency to which the tip was forwarded, whether or not the informant was notified."""
    return await commands.acknowledge_forwarding(work, caller, tip_id, given)


@router.post("/{tip_id}/take-over")
async def take_over(tip_id: UUID, step: Step, caller: Caller, work: Work) -> TipOut:
    """As the commune to which the tip was forwarded, handle it from now on; it stays counted where it was received."""
    return await commands.answer_forwarding(work, caller, tip_id, "take_over", step.reason)


@router.post("/{tip_id}/send-back")
async def send_back(tip_id: UUID, step: Step, caller: Caller, work: Work) -> TipOut:
    """As who it was forwarded to, give the tip back with the reason."""
    return await commands.answer_forwarding(work, caller, tip_id, "send_back", step.reason)


@router.post("/{tip_id}/merge")
async def merge(tip_id: UUID, step: MergeTip, caller: Caller, work: Work) -> TipOut:
    """Close the tip as a duplicate of another, which goes on and counts alone."""
    return await commands.merge_tip(work, caller, tip_id, step.into, step.reason)


@router.post("/{tip_id}/split")
async def split(tip_id: UUID, step: Step, caller: Caller, work: Work) -> TipOut:
    """Take a merged tip for one of its own again, with the reason."""
    return await commands.take_step(work, caller, tip_id, "split", step.reason)


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
    """Record that the informant was notified of the outcome, or that an agency has the tip; not while a commune is asked."""
    return await commands.notify_informant(work, caller, tip_id, step.reason)


@router.post("/{tip_id}/withdraw", responses=problems(StepNotAllowed, HasDuplicates))
async def withdraw(tip_id: UUID, step: Step, caller: Caller, work: Work) -> TipOut:
    """Take the tip back, with the reason; it no longer counts. Tips that were merged into it are split first."""
    return await commands.withdraw_tip(work, caller, tip_id, step.reason)


@router.post("/{tip_id}/correct")
async def correct(tip_id: UUID, correction: CorrectTip, caller: Caller, work: Work) -> TipOut:
    """Set right what was entered wrongly, with the reason."""
    return await commands.correct_tip(work, caller, tip_id, correction)


@router.post("/{tip_id}/reopen")
async def reopen(tip_id: UUID, step: Step, caller: Caller, work: Work) -> TipOut:
    """Take up a closed tip again, with the reason."""
    return await commands.take_step(work, caller, tip_id, "reopen", step.reason)


@router.post("/by-receipt/messages", status_code=201, responses=problems(TooManyWrongReceipts, TooManyMessages))
async def write_by_receipt(
    antt_receipt: Receipt, said: WriteByReceipt, client: ClientAddress, work: Work
) -> MessageOut:
    """As the sender, answer a question or add to the tip."""
    return await commands.write_by_receipt(work, antt_receipt, client, said)


@lookups.post("/{tip_id}/informant")
async def look_at_informant(tip_id: UUID, look: LookAtInformant, caller: Caller, work: Work) -> InformantOut:
    """Who reported the tip, for who is entitled to know; each look is kept with its reason (Law 30/2023/QH15).

    The answer is never kept: asked again, also under the same Idempotency-Key, it is decided anew and is one more look.
    """
    return await commands.look_at_informant(work, caller, tip_id, look.reason)


@queries.get("")
async def list_tips(
    query: Annotated[ListTips, Query()], reader: Reader, request: Request, response: Response
) -> TipPage:
    """Tips that the caller may see, in the order of their receipt."""
    items = await reading.TIPS.page(reader, query)
    link_next(request, response, items, query.limit)
    return TipPage(items=items)


@queries.get("/count")
async def count_tips(query: Annotated[SearchTips, Query()], reader: Reader) -> Count:
    """How many tips the same list holds on all its pages."""
    return await reading.TIPS.count(reader, query)


@queries.get("/export", response_class=StreamingResponse, responses=listing.ANSWERS)
async def export_tips(query: Annotated[ExportTips, Query()], reader: Reader) -> StreamingResponse:
    """The same list as a file, CSV or XLSX with Vietnamese titles or NDJSON; never who reported a tip."""
    return await reading.TIPS.export(reader, query)


@queries.get("/by-receipt", responses=problems(TooManyWrongReceipts))
async def tip_by_receipt(reader: OpenReader, antt_receipt: Receipt, client: ClientAddress) -> TipStatus:
    """How a tip stands and what was asked and answered, for whoever holds its receipt."""
    return await reading.tip_by_receipt(reader.database, antt_receipt, client)


@queries.get("/by-receipt/messages", responses=problems(TooManyWrongReceipts))
async def messages_by_receipt(reader: OpenReader, antt_receipt: Receipt, client: ClientAddress) -> list[MessageOut]:
    """What was asked of the sender, and what they answered and added."""
    status = await reading.tip_by_receipt(reader.database, antt_receipt, client)
    return status.messages


@queries.get("/{tip_id}")
async def read_tip(tip_id: UUID, reader: Reader, response: Response) -> TipShown:
    """One tip, with what must still be done about it and until when; its ETag names the version."""
    tip = await reading.read_tip(reader, tip_id)
    response.headers["ETag"] = f'"{tip.version}"'
    return tip


@queries.get("/{tip_id}/duplicates")
async def duplicates_of(tip_id: UUID, query: Annotated[AskDuplicates, Query()], reader: Reader) -> Suggestions:
    """Which tips of the same commune and its neighbours may be about the same, with a score and why; a person decides."""
    return await duplicates.duplicates_of(reader, tip_id, query.days)


@queries.get("/{tip_id}/steps")
async def tip_steps(tip_id: UUID, reader: Reader) -> list[StepOut]:
    """Every step the tip has taken: who, when, why."""
    return await reading.tip_steps(reader, tip_id)


@queries.get("/{tip_id}/messages")
async def tip_messages(tip_id: UUID, reader: Reader) -> list[MessageOut]:
    """What was asked of the sender, and what they answered and added; also of the tips merged into this one.

    A team's leader gets what concerns the team's own tips alone.
    """
    return await reading.tip_messages(reader, tip_id)


@queries.get("/{tip_id}/informant/looks")
async def informant_looks(tip_id: UUID, reader: Reader) -> list[LookOut]:
    """Who looked at the informant's identity, when, and why."""
    return await reading.informant_looks(reader, tip_id)
