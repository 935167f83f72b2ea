"""What may be read in the standard's shapes: how a request stands; never what it says, where exactly, or who sent it."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import asyncpg

from services.incidents.open311.edge import ServiceUnknown
from services.incidents.open311.schemas import ListRequests
from services.incidents.open311.topics import TOPICS
from services.incidents.tips.receipts import receipt_of, tip_of_receipt
from services.incidents.tips.workflow import OPEN
from shared import units
from shared.database import Database
from shared.days import VIETNAM, now
from shared.errors import NotFound, Unauthenticated, invalid
from shared.http import Reader
from shared.settings import settings

# The standard's own limit: a list spans 90 days.
_SPAN = timedelta(days=90)
_MOST_IDS = 20

STATES = {
    "received": "Đã tiếp nhận",
    "reported": "Đã báo Công an cấp xã",
    "classified": "Đã phân loại",
    "verifying": "Đang xác minh",
    "forwarded": "Đã chuyển cơ quan có thẩm quyền",
    "resolved": "Đã giải quyết",
    "rejected": "Không thụ lý, không xử lý",
    "notified": "Đã thông báo kết quả",
    "withdrawn": "Đã rút",
}
_ASKED = "Công an có câu hỏi: trả lời bằng mã biên nhận"

# A duplicate stands as the tip that goes on in its place.
_REQUESTS = """
SELECT t.id, t.topic, t.unit, t.received_at, stands.state,
    (SELECT max(taken_at) FROM tip_steps WHERE tip_id IN (t.id, stands.id)) AS stepped_at,
    EXISTS (
        SELECT FROM tip_messages q WHERE q.tip_id = t.id AND q.kind = 'question'
        AND NOT EXISTS (SELECT FROM tip_messages a WHERE a.answers = q.id)
    ) AS asked
FROM tips t CROSS JOIN LATERAL (
    WITH RECURSIVE going_on AS (
        SELECT id, merged_into, state FROM tips WHERE id = t.id
        UNION ALL SELECT m.id, m.merged_into, m.state FROM tips m JOIN going_on g ON m.id = g.merged_into
    ) SELECT id, state FROM going_on WHERE merged_into IS NULL LIMIT 1
) stands
"""


def discovery() -> dict[str, object]:
    """What the standard asks an installation to say of itself."""
    changed = "2026-11-22T00:00:00+07:00"
    province = units.get(settings().province)
    return {
        "changeset": changed,
        "contact": f"Công an {province.name if province else ''}".strip(),
        "key_service": "Mã truy cập (api_key) của hệ thống khác do đơn vị vận hành cấp; người dân không cần mã.",
        "endpoints": [
            {
                "specification": "http://wiki.open311.org/GeoReport_v2",
                "url": f"{settings().public_url}/incidents/open311/v2",
                "changeset": changed,
                "type": "production",
                "formats": ["text/xml", "application/json"],
            }
        ],
    }


def services() -> list[dict[str, object]]:
    """The topics that a tip may have."""
    return [
        {
            "service_code": code,
            "service_name": topic.name,
            "description": topic.description,
            "metadata": True,
            "type": "realtime",
            "keywords": topic.keywords,
            "group": topic.group,
        }
        for code, topic in TOPICS.items()
    ]


def definition(service_code: str) -> dict[str, object]:
    """What may be said of a topic beside the standard's own fields: when it happened."""
    if service_code not in TOPICS:
        raise ServiceUnknown()
    return {
        "service_code": service_code,
        "attributes": [
            {
                "variable": True,
                "code": "occurred_at",
                "datatype": "datetime",
                "required": False,
                "datatype_description": "ISO 8601, có múi giờ: 2026-11-22T15:24:00+07:00",
                "order": 1,
                "description": "Sự việc xảy ra khi nào?",
                "values": [],
            }
        ],
    }


async def request_of(database: Database, service_request_id: str, client: str) -> dict[str, object]:
    """How the tip of a receipt stands. NotFound for any other id; TooManyWrongReceipts after too many."""
    tip = await tip_of_receipt(database, service_request_id, client)
    row = await database.fetchrow(f"{_REQUESTS} WHERE t.id = $1", tip.id)
    if row is None:
        raise NotFound()
    return _request(row)


async def list_requests(reader: Reader, query: ListRequests, client: str) -> list[dict[str, object]]:
    """The tips of the receipts that are named, or those that the caller has sent, newest first.

    A caller sees what came in with the own key and nothing else, officers too: a receipt speaks for the sender.
    """
    if query.service_request_id is not None:
        return await _named(reader.database, query.service_request_id.split(","), client)
    if reader.caller.role == "anyone":
        raise Unauthenticated()
    until = query.end_date or (query.start_date + _SPAN if query.start_date else now())
    since = query.start_date or until - _SPAN
    if until - since > _SPAN:
        raise invalid("start_date", "too-long", "a list spans 90 days at most")
    codes = query.service_code.split(",") if query.service_code else None
    wanted = set(query.status.split(",")) if query.status else {"open", "closed"}
    rows = await reader.database.fetch(
        f"""{_REQUESTS}
        WHERE t.recorded_by = $1 AND t.recorded_by <> 'anyone' AND t.received_at BETWEEN $2 AND $3
          AND ($4::text[] IS NULL OR t.topic = ANY($4)) AND (CASE WHEN stands.state = ANY($5) THEN $6::boolean ELSE $7::boolean END)
        ORDER BY t.id DESC LIMIT $8 OFFSET $9""",
        reader.caller.subject,
        since,
        until,
        codes,
        list(OPEN),
        "open" in wanted,
        "closed" in wanted,
        query.page_size,
        (query.page - 1) * query.page_size,
    )
    return [_request(row) for row in rows]


async def _named(database: Database, ids: Iterable[str], client: str) -> list[dict[str, object]]:
    found = []
    for id in list(dict.fromkeys(filter(None, map(str.strip, ids))))[:_MOST_IDS]:
        try:
            found.append(await request_of(database, id, client))
        except NotFound:
            continue
    return found


def _request(row: asyncpg.Record) -> dict[str, object]:
    """A request; what the standard would show and secrecy forbids is there, and empty."""
    topic, unit = TOPICS.get(row["topic"] or ""), units.get(row["unit"])
    notes = STATES.get(row["state"], row["state"])
    return {
        "service_request_id": receipt_of(row["id"]),
        "status": "open" if row["state"] in OPEN else "closed",
        "status_notes": f"{notes}. {_ASKED}" if row["asked"] else notes,
        "service_name": topic.name if topic else row["topic"],
        "service_code": row["topic"],
        "description": None,
        "agency_responsible": f"Công an {unit.name[0].lower()}{unit.name[1:]}" if unit else None,
        "service_notice": None,
        "requested_datetime": _instant(row["received_at"]),
        "updated_datetime": _instant(row["stepped_at"] or row["received_at"]),
        "expected_datetime": None,
        "address": None,
        "address_id": None,
        "zipcode": None,
        "lat": None,
        "long": None,
        "media_url": None,
    }


def _instant(at: datetime) -> str:
    return at.astimezone(VIETNAM).isoformat(timespec="seconds")
