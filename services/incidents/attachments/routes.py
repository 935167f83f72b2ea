"""The files that a tip's sender adds, who has its receipt and no token."""

from fastapi import APIRouter, Request, Response

from services.incidents.attachments.records import FILES, holder_of
from services.incidents.attachments.schemas import SentAttachment
from services.incidents.tips.reading import standing
from services.incidents.tips.receipts import TooManyWrongReceipts, tip_of_receipt
from services.incidents.tips.routes import Receipt
from services.incidents.tips.workflow import WRITE
from shared.errors import NotFound, StepNotAllowed
from shared.files import reading
from shared.files.records import Holder
from shared.files.routes import FORM, Sender, answers, take_file
from shared.http import ClientAddress, OpenReader, problems
from shared.limits import network_of

router = APIRouter(prefix="/tips/by-receipt/attachments", tags=["attachments"])


@router.post("", status_code=201, responses=answers(TooManyWrongReceipts), openapi_extra=FORM)
async def send_attachment(
    antt_receipt: Receipt, client: ClientAddress, reader: OpenReader, request: Request, response: Response
) -> SentAttachment:
    """Add a file to a tip, as its sender: a form with one field `file` (curl -F file=@picture.jpg).

    The answer is sent once the file is durable. Pictures and films lose what says where and with what they were made.
    """

    async def may_add() -> Holder:
        tip = await tip_of_receipt(reader.database, antt_receipt, client)
        stands = await standing(reader.database, tip)
        if stands.state not in WRITE.of:
            raise StepNotAllowed(state=stands.state, step="add_attachment", allowed_from=WRITE.of)
        return holder_of(tip)

    sender = Sender("informant", (network_of(client), antt_receipt), stranger=True)
    attachment = await take_file(request, response, FILES, "tips", sender, may_add)
    return SentAttachment.model_validate(attachment.model_dump())


@router.get("", responses=problems(NotFound, TooManyWrongReceipts))
async def sent_attachments(antt_receipt: Receipt, client: ClientAddress, reader: OpenReader) -> list[SentAttachment]:
    """The files that a tip's sender has added, without their contents: a stolen receipt shows no pictures."""
    tip = await tip_of_receipt(reader.database, antt_receipt, client)
    sent = await reading.attachments_of_stranger(reader.database, tip.id)
    return [SentAttachment.model_validate(attachment.model_dump()) for attachment in sent]
