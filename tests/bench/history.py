"""What a force does in a while, as rows of an outbox: tips and their steps, the cases found through them, activities."""

import random
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any

import asyncpg
import msgspec
from uuid_utils.compat import uuid7

from shared import events, units
from shared.days import today
from shared.outbox.statements import APPEND, APPENDED, numbered

Place = tuple[str, date]
OutboxRow = tuple[Any, str, int, str, str, None]

# A tip's way: the event, and the state it leads to.
_STEPS: dict[str, tuple[tuple[str, events.incidents.TipState], ...]] = {
    "received": (("TipReported", "reported"), ("TipWithdrawn", "withdrawn")),
    "reported": (("TipClassified", "classified"),),
    "classified": (("TipVerificationStarted", "verifying"), ("TipRejected", "rejected")),
    "verifying": (("TipForwarded", "forwarded"), ("TipResolved", "resolved")),
    "forwarded": (("TipResolved", "resolved"),),
    "resolved": (("InformantNotified", "notified"),),
}
_CLASSES: tuple[events.incidents.TipClass, ...] = ("crime_report", "administrative", "feedback", "civil")
_KINDS: tuple[events.incidents.ActivityKind, ...] = ("patrol", "patrol", "patrol", "traffic_control", "security_duty")
_SUPPLIERS: tuple[events.incidents.SuppliedBy, ...] = ("citizen", "team", "team", "officer", "system")


@lru_cache
def _communes(edition: str, within: str | None) -> list[str]:
    """The communes of an edition, of the nation or of those that one province's deployment serves."""
    ids = units.served(within) if within else [unit.id for unit in units.search(edition=edition, limit=100_000)]
    found = (units.get(id) for id in sorted(ids))
    return [unit.id for unit in found if unit and unit.level == "commune" and unit.edition == edition]


def live_like(chance: random.Random) -> Place:
    """A commune of the served province; nine facts of ten are of today, the others of the 30 days before."""
    day = today() - timedelta(days=0 if chance.random() < 0.9 else chance.randint(1, 30))
    return chance.choice(_communes("2025", "2024:74")), day


def spread(chance: random.Random) -> Place:
    """Any commune of the nation on any day of June and July 2025: the old edition's until 30 June, then the new one's."""
    day = date(2025, 6, 1) + timedelta(days=chance.randrange(61))
    return chance.choice(_communes(units.edition_on(day), None)), day


def history(place: Callable[[random.Random], Place]) -> Iterator[OutboxRow]:
    """Events without end, the same at every run but for their ids."""
    chance = random.Random(7)
    # What may still take a step: its id and how it stands.
    tips: list[tuple[str, events.Tip]] = []
    cases: list[tuple[str, events.Case]] = []
    activities: list[tuple[str, events.Activity]] = []

    def row(type: str, id: str, before: Any, after: Any, **links: str) -> OutboxRow:
        return uuid7(), type, events.DATA_VERSION, id, events.encode(events.Change(before, after, links)), None

    def one_of(open: list[Any]) -> Any:
        # Any of those still open, taken out without moving the others.
        index = chance.randrange(len(open))
        open[index], open[-1] = open[-1], open[index]
        return open.pop()

    while True:
        dice, id = chance.random(), str(uuid7())
        unit, day = place(chance)
        if dice < 0.25 or not (tips and cases and activities):
            tip = events.Tip(unit, day, "received", chance.choice(_SUPPLIERS))
            tips.append((id, tip))
            yield row("TipReceived", id, None, tip)
        elif dice < 0.55:
            tip_id, before = one_of(tips)
            type, state = chance.choice(_STEPS[before.state])
            after = msgspec.structs.replace(before, state=state)
            if state == "classified":
                after = msgspec.structs.replace(after, classified_as=chance.choice(_CLASSES))
            if state in ("resolved", "rejected", "withdrawn"):
                after = msgspec.structs.replace(after, closed_on=before.received_on)
            if state in _STEPS:
                tips.append((tip_id, after))
            yield row(type, tip_id, before, after)
        if dice < 0.10 or not cases:
            tip_id, tip = chance.choice(tips)
            case = events.Case(tip.unit, "gây rối trật tự công cộng", tip.received_on, "tip")
            cases.append((id, case))
            yield row("CaseOpened", id, None, case, tip_id=tip_id)
        elif 0.55 < dice < 0.60:
            case_id, before = one_of(cases)
            yield row("CaseResolved", case_id, before, msgspec.structs.replace(before, resolved_on=before.found_on))
        if 0.60 < dice < 0.80 or not activities:
            kind = chance.choice(_KINDS)
            turns = chance.randint(1, 40) if kind == "traffic_control" else 0
            entered = events.Activity(kind, unit, day, "entered", turns)
            activities.append((id, entered))
            yield row("ActivityEntered", id, None, entered)
        elif dice > 0.80:
            activity_id, before = one_of(activities)
            returned = chance.random() < 0.05
            after = msgspec.structs.replace(before, state="returned" if returned else "confirmed")
            yield row("ActivityReturned" if returned else "ActivityConfirmed", activity_id, before, after)


async def fill_outbox(url: str, place: Callable[[random.Random], Place], how_many: int) -> None:
    """Append so many events to an outbox, 10,000 in a transaction."""
    connection = await asyncpg.connect(url)
    rows = islice(history(place), how_many)
    while chunk := list(islice(rows, 10_000)):
        await connection.execute(
            f"WITH appended AS ({APPEND.format(numbered(APPENDED))}) SELECT count(*) FROM appended",
            *map(list, zip(*chunk, strict=True)),
        )
    await connection.execute("VACUUM ANALYZE outbox")
    await connection.close()
