"""Who reported a tip: sealed with a key outside the database, opened only for who is entitled, each time with a reason.

Law 30/2023/QH15 and the Law on Denunciations keep it secret: it is in no event, log, counter, list or export.
"""

import re
from collections.abc import Callable
from uuid import UUID

import phonenumbers

from services.incidents.tips.schemas import InformantOut, ReportedBy
from shared.access import secrets
from shared.http import LeftOut

# What people write between the digits of a number: blanks, dots, hyphens of all kinds, parentheses, a stroke.
_BETWEEN = re.compile(r"[\s.()/\u2010-\u2015\u2212\uff0d_-]+")
_MOBILE = re.compile(r"[35789]\d{8}", re.ASCII)
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,189}")
_IDENTITY = re.compile(r"\d{12}|\d{9}", re.ASCII)


def _phone(written: str) -> str | None:
    """A telephone as it is dialled here, `0912000111`, or `+…` where it is of another country; None for what is none.

    Of a number that a spreadsheet took for a quantity the zero at its beginning is missing; no other number looks so.
    """
    plain = _BETWEEN.sub("", written.replace("\u00a0", " "))
    if not re.fullmatch(r"\+?\d{8,17}", plain, re.ASCII):
        return None
    try:
        number = phonenumbers.parse(plain, "VN")
    except phonenumbers.NumberParseException:
        return None
    national = phonenumbers.national_significant_number(number)
    if number.country_code == 84:
        # The plan of numbers knows what is given out today; a mobile number of tomorrow looks as those do.
        known = phonenumbers.is_valid_number(number) or _MOBILE.fullmatch(national)
        return f"0{national}" if known else None
    valid = phonenumbers.is_valid_number(number)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if valid else None


def _email(written: str) -> str | None:
    return written if _EMAIL.fullmatch(written) else None


def _identity_number(written: str) -> str | None:
    """12 digits, or the 9 of an old card. What lost its first zero to a spreadsheet is no number: nobody guesses at one."""
    plain = _BETWEEN.sub("", written)
    return plain if _IDENTITY.fullmatch(plain) else None


_READ: dict[str, tuple[Callable[[str], str | None], str, str]] = {
    "phone": (_phone, "not-a-phone", "Đây không phải là số điện thoại / this is no telephone number"),
    "email": (_email, "not-an-email", "Đây không phải là địa chỉ thư điện tử / this is no email address"),
    "identity_number": (
        _identity_number,
        "not-an-identity-number",
        "Số định danh có 12 chữ số, số CMND cũ có 9 / an identity number has 12 digits, an old one 9",
    ),
}


def readable(informant: ReportedBy) -> tuple[ReportedBy, list[LeftOut]]:
    """Who reports, with every number in one form, and what of it is none and was left out."""
    read: dict[str, str | None] = {}
    left_out = []
    for name, (reads, code, message) in _READ.items():
        written = getattr(informant, name)
        if written is not None:
            read[name] = reads(written)
            if read[name] is None:
                left_out.append(LeftOut(at=f"informant.{name}", code=code, message=message))
    return informant.model_copy(update=read), left_out


def seal(tip_id: UUID, informant: ReportedBy) -> bytes:
    """The identity as the database keeps it; it opens for this tip alone."""
    return secrets.seal(b"informant", tip_id.bytes, informant.model_dump_json(exclude_none=True).encode())


def unseal(tip_id: UUID, sealed: bytes) -> InformantOut:
    """The identity that was sealed for this tip."""
    return InformantOut.model_validate_json(secrets.unseal(b"informant", tip_id.bytes, sealed))
