"""The verb of Open311: report a tip in the standard's words."""

import re

from pydantic import ValidationError

from services.incidents.open311.edge import ServiceUnknown, require_jurisdiction
from services.incidents.open311.schemas import Created, NewRequest
from services.incidents.open311.topics import TOPICS
from services.incidents.steps import invalid
from services.incidents.tips import commands as tips
from services.incidents.tips.schemas import Point, ReportedBy, ReportTip
from shared import units
from shared.auth import Identity
from shared.days import today
from shared.errors import InvalidInput
from shared.outbox import UnitOfWork
from shared.places import served

NOTICE = (
    "Tin báo đã được tiếp nhận. service_request_id là mã biên nhận, chỉ cấp cho người gửi: "
    "giữ kín, dùng để theo dõi và trả lời câu hỏi của công an."
)
_NAMELESS = "(không nêu tên)"
# How addresses shorten phường and xã, without diacritics.
_SHORT = {"p": "phuong", "x": "xa"}


async def create_request(work: UnitOfWork, caller: Identity, new: NewRequest) -> Created:
    """Report a tip. Its receipt is the id: whoever has it may ask after the tip, and nobody can guess it."""
    require_jurisdiction(new.jurisdiction_id)
    if new.service_code not in TOPICS:
        raise ServiceUnknown()
    received = await tips.report_tip(work, caller, _tip(caller, new))
    return Created(service_request_id=received.receipt, service_notice=NOTICE)


def _tip(caller: Identity, new: NewRequest) -> ReportTip:
    if (new.lat is None) != (new.long is None):
        raise invalid("lat", "missing", "lat and long come together")
    point = Point(longitude=new.long, latitude=new.lat) if new.lat is not None and new.long is not None else None
    unit, hamlet = _addressed(new)
    if unit is None and hamlet is None and point is None:
        raise invalid(
            "address_string", "no-place", "give lat and long, address_id, or an address that names the commune"
        )
    try:
        return ReportTip(
            unit=unit,
            hamlet=hamlet,
            point=point,
            content=_content(new),
            topic=new.service_code,
            channel="app" if caller.role == "anyone" else None,
            informant=_informant(new),
            occurred_at=new.occurred_at,
        )
    except ValidationError as error:
        raise InvalidInput(
            errors=[
                {"at": str(told["loc"][-1]), "code": told["type"], "message": told["msg"]}
                for told in error.errors(include_url=False, include_context=False, include_input=False)
            ]
        ) from None


def _addressed(new: NewRequest) -> tuple[str | None, str | None]:
    """The unit or the hamlet that an address names: `address_id` a unit's id or code or a hamlet's code, or else the
    one commune of today's edition whose full name stands in `address_string`."""
    edition = units.edition_on(today())
    if new.address_id is not None:
        for unit in (new.address_id, f"{edition}:{new.address_id}"):
            if units.get(unit) is not None:
                return unit, None
        return None, new.address_id
    if new.address_string is None:
        return None, None
    words = re.findall(r"[a-z0-9]+", units.fold(new.address_string))
    address = f" {' '.join(_SHORT.get(word, word) for word in words)} "
    named = {unit: name for unit, name in _communes(edition).items() if f" {name} " in address}
    # Of "phường Tân Đông" and "phường Tân Đông Hiệp" the longer one is meant.
    meant = [
        unit for unit, name in named.items() if not any(name != other and name in other for other in named.values())
    ]
    return (meant[0] if len(meant) == 1 else None), None


def _communes(edition: str) -> dict[str, str]:
    """The names of the communes served, as they are searched."""
    known = (units.get(unit) for unit in served() if unit[:4] == edition)
    return {unit.id: units.fold(unit.name) for unit in known if unit is not None and unit.level == "commune"}


def _content(new: NewRequest) -> str:
    """What was written; the address and the link stand below it as text. Nobody fetches the link."""
    told = [new.description]
    if new.address_string:
        told.append(f"Địa chỉ: {new.address_string}")
    if new.media_url:
        told.append(f"Liên kết người gửi kèm theo (chưa kiểm tra): {new.media_url}")
    return "\n\n".join(told)


def _informant(new: NewRequest) -> ReportedBy | None:
    """Who reports, family name first, to be sealed; None for who says nothing of themselves."""
    if not (new.first_name or new.last_name or new.email or new.phone):
        return None
    full_name = " ".join(filter(None, (new.last_name, new.first_name))) or _NAMELESS
    return ReportedBy(full_name=full_name, phone=new.phone, email=new.email)
