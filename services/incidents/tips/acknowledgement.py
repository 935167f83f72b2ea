"""The acknowledgement of a tip: a paper for its sender, and a code on it that anyone can check.

The code is the tip's id, encrypted as one block of AES with a key outside the database. Nothing of it is stored, and
nobody without the key knows which codes are some tip's: of a million million million tries none finds one.
"""

import html
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from fastapi import APIRouter, Header, Response
from pydantic import AwareDatetime, BaseModel

from services.incidents.tips.models import Tip
from services.incidents.tips.receipts import TooManyWrongReceipts, tip_of_receipt
from services.incidents.tips.routes import Receipt
from shared import units
from shared.access.secrets import secret_for
from shared.database import Database
from shared.days import VIETNAM, day_of
from shared.errors import NotFound, Overloaded
from shared.http import ClientAddress, OpenReader, page, problems
from shared.outbox import row_of
from shared.outbox.rows import table_of
from shared.outbox.statements import record_of
from shared.papers import dated, drawn, pdf_of, qr_code
from shared.settings import settings

# Crockford's alphabet: no I, L, O, U, so that a code read aloud or typed by hand comes back as it was.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_READ_AS = str.maketrans("ILO", "110", "- ")
_LENGTH = 26
_TEMPLATE = Path(__file__).with_suffix(".typ")

router = APIRouter(prefix="/tips", tags=["tips"])


class Acknowledged(BaseModel):
    """What a code proves: that a tip was received then, by the police of that unit."""

    valid: Literal[True]
    received_at: AwareDatetime
    unit: str
    unit_name: str


@router.get(
    "/by-receipt/acknowledgement",
    response_class=Response,
    responses={200: {"content": {"application/pdf": {}}}, **problems(NotFound, TooManyWrongReceipts, Overloaded)},
)
async def acknowledgement(reader: OpenReader, antt_receipt: Receipt, client: ClientAddress) -> Response:
    """The acknowledgement of the tip as a PDF/A in Vietnamese, for whoever holds its receipt.

    It says when and by which police the tip was received; nothing of its content or its sender.
    """
    tip = await tip_of_receipt(reader.database, antt_receipt, client)
    return Response(
        await drawn(draw, tip.id, tip.unit, tip.received_at),
        media_type="application/pdf",
        headers={"Content-Disposition": 'inline; filename="giay-xac-nhan.pdf"', "Cache-Control": "no-store"},
    )


@router.get(
    "/acknowledgements/{code}",
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}, **problems(NotFound)},
)
async def check_acknowledgement(
    code: str, reader: OpenReader, response: Response, accept: Annotated[str | None, Header()] = None
) -> Acknowledged:
    """Whether a code on an acknowledgement is genuine: when its tip was received, and by which unit.

    404 for any other, after the same look-up. A browser, which the QR code leads here, gets a page to read.
    """
    tip = await tip_of_code(reader.database, code)
    if "text/html" in (accept or ""):
        return _page(tip)  # type: ignore[return-value]
    if tip is None:
        raise NotFound()
    response.headers.update({"Cache-Control": "no-store", "Vary": "Accept"})
    return Acknowledged(
        valid=True, received_at=tip.received_at, unit=tip.unit, unit_name=_name(tip.unit, day_of(tip.received_at))
    )


def code_of(tip_id: UUID) -> str:
    """The code on the tip's acknowledgement: 26 letters and digits."""
    number = int.from_bytes(_cipher().encryptor().update(tip_id.bytes))
    return "".join(_ALPHABET[number >> 5 * digit & 31] for digit in reversed(range(_LENGTH)))


def tip_id_of(code: str) -> UUID | None:
    """The id that a code stands for, whether or not there is such a tip; None for what cannot be a code."""
    digits = [_ALPHABET.find(letter) for letter in code.upper().translate(_READ_AS)]
    number = sum(digit << 5 * power for power, digit in enumerate(reversed(digits)))
    if len(digits) != _LENGTH or -1 in digits or number >= 1 << 128:
        return None
    return UUID(bytes=_cipher().decryptor().update(number.to_bytes(16)))


async def tip_of_code(database: Database, code: str) -> Tip | None:
    """When and where the code's tip was received, or None."""
    tip_id = tip_id_of(code[:100])
    row = await database.fetchrow(record_of(table_of(Tip)), tip_id)
    return row_of(Tip, row) if row is not None else None


@cache
def _cipher() -> Cipher[modes.ECB]:
    # An id is one block and occurs once, so that the bare permutation, without a mode around it, is all that is needed.
    return Cipher(algorithms.AES256(secret_for(b"acknowledgement code")), modes.ECB())


def draw(tip_id: UUID, unit: str, received_at: datetime) -> bytes:
    """The acknowledgement as PDF/A-2a."""
    code = code_of(tip_id)
    address = f"{settings().public_url}/incidents/v1/tips/acknowledgements/{code}"
    received = received_at.astimezone(VIETNAM)
    above, day = units.ancestors(unit), received.date()
    number = settings().acknowledgement_number
    for field, value in (("{code}", code[:8]), ("{year}", f"{received:%Y}"), ("{unit}", unit.partition(":")[2])):
        number = number.replace(field, value)
    texts = {
        "title": settings().acknowledgement_title,
        "number": number,
        "above": _police(above[0], day).upper() if above else "BỘ CÔNG AN",
        "police": _police(unit, day).upper(),
        "receiver": _police(unit, day),
        "unit": ", ".join([_police(unit, day), *(_in_a_sentence(_name(higher, day)) for higher in above)]),
        "place": _place(unit, day),
        "dated": dated(received),
        "received": f"{received:%H} giờ {received:%M} phút, {dated(received)}",
        "code": "-".join([code[:6], *(code[at : at + 5] for at in range(6, _LENGTH, 5))]),
        "address": address,
        "at": address.removesuffix(code),
        "bare": code,
        "qr": qr_code(address),
        "year": f"{received:%Y}",
        "month": f"{received:%m}",
        "day": f"{received:%d}",
    }
    return pdf_of(_TEMPLATE, texts, received_at)


def _name(unit: str, day: date) -> str:
    named = units.get(unit, day)
    return named.name if named else unit


def _police(unit: str, day: date) -> str:
    """The police of a unit, under its name of a day: Công an phường Dĩ An."""
    return f"Công an {_in_a_sentence(_name(unit, day))}"


def _in_a_sentence(name: str) -> str:
    return name[0].lower() + name[1:]


def _place(unit: str, day: date) -> str:
    """The unit's name without its type, as a paper names the place; one that is a number keeps it: Phường 1."""
    named = units.get(unit, day)
    if named is None:
        return unit
    bare = named.name.removeprefix("Thành phố ") if named.level == "province" else named.name
    bare = bare[len(named.type) :].strip() if bare.lower().startswith(named.type) else bare
    return named.name if bare.isdigit() else bare


def _page(tip: Tip | None) -> Response:
    if tip is None:
        said = "Mã kiểm tra không đúng. · This code is not genuine."
    else:
        received = tip.received_at.astimezone(VIETNAM)
        said = (
            f"{_police(tip.unit, received.date())} đã tiếp nhận một tin báo lúc {received:%H} giờ {received:%M} phút, "
            f"{dated(received)}. · A tip was received then by the police of this unit."
        )
    written = (
        '<!doctype html><html lang="vi"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{settings().acknowledgement_title.capitalize()}</title>"
        "<style>body { font: 1.2rem serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem }</style>"
        f"<p>{html.escape(said)}</p>"
    )
    return page(written, 200 if tip else 404, {"Cache-Control": "no-store", "Vary": "Accept"})
