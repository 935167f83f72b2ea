"""A province's tips of ten years, for the measurements of searching: places, days, states and texts as a province has them."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from shared import units
from shared.days import day_of

PROVINCE = "2024:74"
UNTIL = datetime(2026, 11, 20, tzinfo=UTC)
YEARS = 10

TOPICS = ("trat_tu_cong_cong", "trom_cap", "ma_tuy", "co_bac", "giao_thong", "lua_dao", "chay_no", "cu_tru", "tieng_on")
CHANNELS = ("web", "app", "hotline", "in_person", "team", "officer", "system")
CLASSES = ("feedback", "administrative", "crime_report", "civil", "denunciation_of_crime", "not_competent")
OFFICERS_OF_A_COMMUNE = 3
TEAMS_OF_A_COMMUNE = 5

# What people write again and again; the words between come from _syllables, the common ones often, the rare ones seldom.
_PHRASES = (
    "nhóm thanh niên tụ tập gây mất trật tự", "nghi có tổ chức đánh bạc", "mất một xe máy", "có người lạ ra vào ban đêm",
    "đề nghị công an xã kiểm tra", "khoảng 22 giờ tối qua", "ở khu nhà trọ", "trước cổng chợ", "mở loa quá to",
    "nghi sử dụng ma túy", "gọi điện giả danh công an lừa đảo", "va chạm giao thông", "đổ rác trộm ven đường", "cháy bãi rác",
)  # fmt: skip
_ONSETS = "b c ch d đ g gh gi h kh l m n ng nh ph qu r s t th tr v x"
_RIMES = (
    "a à á ạ an àn án anh ành ao áo ay ây ấy ăn ắn âm ầm e è é em én ên ến i í im ính o ò ó oa oà oá ong óng ôn ồn ông ống "
    "ơ ờ ớ ơi u ú ùng úng ưa ừa ươi ười ương ường ước uôn uyên uyền y ý"
)


def _syllables(chance: random.Random) -> list[str]:
    found = [onset + rime for onset in _ONSETS.split() for rime in _RIMES.split()]
    chance.shuffle(found)
    return found


def communes(edition: str) -> list[str]:
    """The communes of an edition that the province's deployment serves."""
    served = (units.get(id) for id in sorted(units.served(PROVINCE)))
    return [unit.id for unit in served if unit and unit.level == "commune" and unit.edition == edition]


def officer_of(unit: str, number: int) -> str:
    """An officer to whom tips of a commune are assigned."""
    return f"commune_officer:{unit}:{number}"


def tips(how_many: int) -> Iterator[dict[str, Any]]:
    """So many tips, evenly over ten years, the same at every run but for their ids."""
    chance = random.Random(11)
    words = _syllables(chance)
    weights = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
    old, new = communes("2024"), communes("2025")
    teams = {unit: [UUID(int=chance.getrandbits(128)) for _ in range(TEAMS_OF_A_COMMUNE)] for unit in (*old, *new)}
    apart = timedelta(days=365.25 * YEARS) / how_many
    for number in range(how_many):
        received_at = UNTIL - apart * (how_many - number)
        received_on = day_of(received_at)
        edition = units.edition_on(received_on)
        unit = chance.choice(old if edition == "2024" else new)
        phrases = chance.sample(_PHRASES, chance.randint(1, 3))
        said = chance.choices(words, cum_weights=weights, k=chance.randint(5, 40))
        # Numbers of houses, plates and telephones make most of the distinct words of such texts.
        plate = f", xe 61{chance.choice('BCDEFGH')}{chance.randint(1, 9)}-{chance.randint(10_000, 99_999)}" * (
            chance.random() < 0.2
        )
        content = f"{', '.join(phrases)}. {' '.join(said)}, số {chance.randint(1, 400)}{plate}".capitalize()
        is_old = number < how_many * 0.999
        closed = chance.random() < (0.998 if is_old else 0.2)
        state = chance.choice(
            ("resolved", "notified", "notified", "rejected")
            if closed
            else ("received", "reported", "classified", "verifying", "forwarded")
        )
        team = chance.choice(teams[unit]) if chance.random() < 0.4 else None
        yield {
            "id": uuid7(),
            "unit": unit,
            "content": content,
            "topic": chance.choices(TOPICS, cum_weights=list(accumulate(1 / rank for rank in range(1, len(TOPICS) + 1))))[0] if chance.random() < 0.7 else None,
            "channel": "team" if team else chance.choices(CHANNELS, weights=(50, 15, 20, 8, 0, 5, 2))[0],
            "named": chance.random() < 0.5,
            "handled_by": chance.choice(new if edition == "2025" else old) if chance.random() < 0.005 else unit,
            "officer": officer_of(unit, chance.randrange(OFFICERS_OF_A_COMMUNE)) if state != "received" else None,
            "supplied_by": "team" if team else "citizen",
            "team_id": team,
            "state": state,
            "classified_as": chance.choices(CLASSES, weights=(40, 25, 20, 10, 4, 1))[0] if state not in ("received", "reported") else None,
            "received_at": received_at,
            "received_on": received_on,
            "outcome": {"resolved": "resolved", "notified": "resolved", "rejected": "rejected"}.get(state),
            "closed_on": received_on if closed else None,
            "receipt_hash": number.to_bytes(32),
            "recorded_by": "anyone",
            "version": 1,
        }  # fmt: skip


async def fill_tips(url: str, how_many: int) -> None:
    """Put so many tips into a migrated database by COPY; its indexes are made anew behind it, which is faster."""
    from services.incidents.tips.models import Tip
    from shared.outbox.rows import table_of

    connection = await asyncpg.connect(url)
    indexes = await connection.fetch(
        """SELECT indexname, indexdef FROM pg_indexes
        WHERE tablename = 'tips' AND indexname NOT IN (SELECT conname FROM pg_constraint)"""
    )
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['indexname']}")
    names = [column.name for column in table_of(Tip).columns]
    await connection.copy_records_to_table(
        "tips", records=(tuple(map(tip.get, names)) for tip in tips(how_many)), columns=names, timeout=None
    )
    await connection.execute("SET maintenance_work_mem = '512MB'")
    for index in indexes:
        await connection.execute(index["indexdef"], timeout=None)
    # Two deadlines each, which only tips that are open must still meet; of the closed ones a fifth have theirs.
    await connection.execute(
        """INSERT INTO deadlines (id, tip_id, name, round, unit, handled_by, difficult, starts_at, due_at, complex, state,
            to_do, version)
        SELECT uuidv7(), id, name, 1, unit, handled_by, false, received_at, received_at + days * interval '1 day', false,
            CASE WHEN closed_on IS NULL THEN 'running' ELSE 'met' END, closed_on IS NULL, 1
        FROM tips, (VALUES ('classify', 3), ('decide', 20)) AS rule(name, days) WHERE closed_on IS NULL OR random() < 0.2""",
        timeout=None,
    )
    for table in ("tips", "deadlines"):
        await connection.execute(f"VACUUM (ANALYZE) {table}", timeout=None)
    await connection.close()
