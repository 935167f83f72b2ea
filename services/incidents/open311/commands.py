"""The verb of Open311: report a tip in the standard's words."""

import re

from pydantic import ValidationError

from services.incidents.open311.edge import ServiceUnknown, require_jurisdiction
from services.incidents.open311.schemas import Created, NewRequest
from services.incidents.open311.topics import TOPICS
from services.incidents.places.lookup import contradicts, has_boundaries, locate
from services.incidents.tips import commands as tips
from services.incidents.tips.schemas import Point, ReportedBy, ReportTip
from shared import units
from shared.access import Identity
from shared.days import today
from shared.errors import InvalidInput, invalid
from shared.outbox import UnitOfWork
from shared.validity import served

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
    received = await tips.report_tip(work, caller, await _tip(work, caller, new))
    left_out = [each.at.removeprefix("informant.") for each in received.left_out] + new.unread
    notice = f"{NOTICE} Không nhận / not taken: {', '.join(left_out)}." if left_out else NOTICE
    return Created(service_request_id=received.receipt, service_notice=notice)


async def _tip(work: UnitOfWork, caller: Identity, new: NewRequest) -> ReportTip:
    if (new.lat is None) != (new.long is None):
        raise invalid("lat", "missing", "lat and long come together")
    point = Point(longitude=new.long, latitude=new.lat) if new.lat is not None and new.long is not None else None
    unit, hamlet = await _place(work, new, point)
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
                {"at": str(wrong["loc"][-1]), "code": wrong["type"], "message": wrong["msg"]}
                for wrong in error.errors(include_url=False, include_context=False, include_input=False)
            ]
        ) from None


async def _place(work: UnitOfWork, new: NewRequest, point: Point | None) -> tuple[str | None, str | None]:
    """The unit or the hamlet of a request; neither where the point alone says it.

    A code and a pin are facts and go before an address, which is a guess. Two facts that contradict each other are
    refused. Where the province has loaded no boundaries a pin says nothing, and what else is given counts.
    """
    unit, hamlet = _coded(new)
    if unit is not None or hamlet is not None:
        if point is not None:
            named = await locate(work.database, today(), unit, hamlet)
            if await contradicts(work.database, today(), named, point.longitude, point.latitude):
                raise invalid(
                    "address_id", "contradicts-point", "lat and long lie in another unit than address_id names"
                )
        return unit, hamlet
    if point is not None and await has_boundaries(work.database, today()):
        return None, None
    guessed = _guessed(new.address_string) if new.address_string is not None else None
    if guessed is None and point is None:
        raise invalid(
            "address_string", "no-place", "give lat and long, address_id, or an address that names the commune"
        )
    return guessed, None


def _coded(new: NewRequest) -> tuple[str | None, str | None]:
    """The unit or the hamlet that `address_id` names, by a unit's id or code or a hamlet's code."""
    if new.address_id is None:
        return None, None
    for unit in (new.address_id, f"{units.edition_on(today())}:{new.address_id}"):
        if units.get(unit) is not None:
            return unit, None
    return None, new.address_id


def _guessed(address_string: str) -> str | None:
    """The one commune of today's edition whose full name stands in an address, unless the address goes on with a district
    or a province that is none of ours: other provinces have communes of the same names."""
    address = _plain(address_string)
    named = {unit: name for unit, name in _communes(units.edition_on(today())).items() if f" {name} " in address}
    # Of "phường Tân Đông" and "phường Tân Đông Hiệp" the longer one is meant.
    meant = [
        unit for unit, name in named.items() if not any(name != other and name in other for other in named.values())
    ]
    if len(meant) != 1:
        return None
    _, _, behind = address.rpartition(f" {named[meant[0]]} ")
    ours, others = _above(served())
    rest = f" {behind.strip()} "
    elsewhere = any(f" {name} " in rest for name in others) and not any(f" {name} " in rest for name in ours)
    return None if elsewhere else meant[0]


def _plain(text: str) -> str:
    words = re.findall(r"[a-z0-9]+", units.fold(text))
    return f" {' '.join(_SHORT.get(word, word) for word in words)} "


@units.remembered
def _above(served: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    """The names of the provinces and districts of every edition as they end an address: ours, and those of others alone."""
    ours, others = set[str](), set[str]()
    for level in ("province", "district"):
        for unit in units.search(level=level, limit=10_000):
            # "Quận 1" and "Thành phố Thủ Đức" are named with their kind, a province without it too.
            full = _plain(unit.name).strip()
            bare = re.sub(r"^(tinh|thanh pho|thanh xa|thi xa|huyen|quan|tp|tx) ", "", full)
            names = {full, bare} if not bare.isdigit() else {full}
            (ours if unit.id in served else others).update(names)
    return frozenset(ours), frozenset(others - ours)


def _communes(edition: str) -> dict[str, str]:
    """The names of the communes served, as they are searched."""
    known = (units.get(unit) for unit in served() if units.edition_of(unit) == edition)
    return {unit.id: units.fold(unit.name) for unit in known if unit is not None and unit.level == "commune"}


def _content(new: NewRequest) -> str:
    """What was written; the address and the link stand below it as text. Nobody fetches the link."""
    written = [new.description]
    if new.address_string:
        written.append(f"Địa chỉ: {new.address_string}")
    written += [f"Liên kết người gửi kèm theo (chưa kiểm tra): {link}" for link in new.media_url]
    return "\n\n".join(written)


def _informant(new: NewRequest) -> ReportedBy | None:
    """Who reports, family name first, to be sealed; None for who says nothing of themselves."""
    if not (new.first_name or new.last_name or new.email or new.phone):
        return None
    full_name = " ".join(filter(None, (new.last_name, new.first_name))) or _NAMELESS
    return ReportedBy(full_name=full_name, phone=new.phone, email=new.email)
