"""Which tips may be about the same: near in place, near in time, near in words. A person decides; nothing is merged here.

Only the tips of the place and the days are read (index tips_by_unit_and_time), and of these only those whose length
allows the least likeness: so it costs what a commune and its neighbours received in these days, whatever lies behind.
"""

from datetime import datetime, timedelta
from uuid import UUID

from services.incidents.places import lookup
from services.incidents.tips.reading import read_tip
from services.incidents.tips.schemas import CheckDuplicates, SuggestedDuplicate, Suggestions, Why
from shared import units
from shared.days import day_of, now
from shared.http import Reader
from shared.jurisdiction import area as area_of
from shared.validity import require_unit, served

# How much of the score each part gives; together 1.
WEIGHTS = {"text": 0.7, "time": 0.15, "place": 0.15}
# What is less alike in words is not suggested, however near it is.
LEAST_TEXT = 0.3
# A neighbouring commune is half as near as the same.
NEIGHBOUR = 0.5
MOST = 10

# similarity(): of all groups of three letters in two texts, the share that both have (pg_trgm).
_ALIKE = """
SELECT * FROM (
    SELECT id, unit, handled_by, content, state, received_at,
        similarity(folded(content), folded($1::text))::float8 AS text,
        abs(extract(epoch FROM CASE WHEN $4::timestamptz IS NULL OR occurred_at IS NULL THEN received_at - $3::timestamptz
            ELSE occurred_at - $4 END))::float8 AS seconds
    FROM tips
    WHERE unit = ANY($2::text[]) AND received_at BETWEEN $3::timestamptz - $5::interval AND $3::timestamptz + $5::interval
        AND state <> ALL ('{withdrawn,merged}') AND id IS DISTINCT FROM $6::uuid
        AND length(content) BETWEEN length($1) * $7::float8 AND length($1) / $7::float8
    OFFSET 0
) AS near WHERE text >= $7::float8 ORDER BY text DESC LIMIT 100
"""


async def duplicates_of(reader: Reader, tip_id: UUID, days: int) -> Suggestions:
    """The tips that may be about the same as this one, the likeliest first. Raises as `read_tip` does."""
    reader.caller.require_role("check_duplicates")
    tip = await read_tip(reader, tip_id)
    return await _suggest(reader, tip.unit, tip.content, tip.received_at, tip.occurred_at, days, tip_id)


async def check_duplicates(reader: Reader, draft: CheckDuplicates) -> Suggestions:
    """The tips that may be about the same as one that is about to be entered. Raises for a place that cannot be."""
    received_at = draft.received_at or now()
    require_unit(draft.unit, day_of(received_at))
    reader.caller.require("check_duplicates", draft.unit)
    return await _suggest(reader, draft.unit, draft.content, received_at, draft.occurred_at, draft.days, None)


async def _suggest(
    reader: Reader,
    unit: str,
    content: str,
    received_at: datetime,
    occurred_at: datetime | None,
    days: int,
    itself: UUID | None,
) -> Suggestions:
    here = _same(unit)
    neighbours = (await lookup.known(reader.database)).neighbours(unit) or neighbours_on_record(unit)
    around = here.union(*map(_same, neighbours)) & served()
    reads = area_of(reader.caller.unit)
    window = timedelta(days=days)
    rows = await reader.database.fetch(
        _ALIKE, content, sorted(around), received_at, occurred_at, window, itself, LEAST_TEXT
    )
    found = []
    for row in rows:
        why = Why(
            text=round(row["text"], 3),
            time=round(max(0.0, 1 - row["seconds"] / window.total_seconds()), 3),
            place=1.0 if row["unit"] in here else NEIGHBOUR,
        )
        found.append(
            SuggestedDuplicate(
                id=row["id"],
                unit=row["unit"],
                state=row["state"],
                received_at=row["received_at"],
                # Who does not read a tip, a system that only sends or the commune beside it, is helped all the same by
                # knowing that it is there.
                content=row["content"]
                if reader.caller.may("read_tips") and reads & {row["unit"], row["handled_by"]}
                else None,
                score=round(sum(weight * getattr(why, part) for part, weight in WEIGHTS.items()), 3),
                why=why,
            )
        )
    return Suggestions(items=sorted(found, key=lambda tip: -tip.score)[:MOST])


def _same(unit: str) -> frozenset[str]:
    """The commune itself and, of the other edition, those that are the same place; a district or province alone."""
    known = units.get(unit)
    return area_of(unit) if known is not None and known.level == "commune" else frozenset((unit,))


@units.remembered
def neighbours_on_record(unit: str) -> frozenset[str]:
    """The communes taken for neighbours while no boundaries are loaded: those of the same district, and after its
    abolition those that came from the same districts. None of a district or a province."""
    known = units.get(unit)
    if known is None or known.level != "commune":
        return frozenset()
    if known.parent is not None and not units.is_province(known.parent):
        return frozenset(units.children(known.parent)) - {unit}
    before = {near for old in units.predecessors(unit) for near in (old, *neighbours_on_record(old))}
    return frozenset(new for near in before for new in units.successors(near)) - {unit}
