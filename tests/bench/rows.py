"""make_row: what a row costs that a command adds, beside a dict of its columns and an instance of SQLModel."""

from collections.abc import Callable
from time import perf_counter
from typing import Any

from uuid_utils.compat import uuid7

from services.incidents.tips.models import Tip
from shared.days import now, today
from shared.outbox.rows import new_row
from tests.bench import stage
from tests.bench.stage import Figure, Stage


async def make_row(on: Stage) -> list[Figure]:
    """A tip's row, made so many times by each."""
    many = 2_000 if on.quick else 20_000
    values: dict[str, Any] = {
        "id": uuid7(), "unit": "2025:25942", "content": "Mất xe máy", "channel": "web", "supplied_by": "citizen",
        "named": False, "state": "received", "handled_by": "2025:25942", "received_at": now(), "received_on": today(),
        "receipt_hash": b"", "recorded_by": "anyone",
    }  # fmt: skip
    sqlmodel: Callable[..., object] = Tip

    def each(make: Callable[[], object], many: int) -> stage.Measure:
        async def measure() -> float:
            began = perf_counter()
            for _ in range(many):
                make()
            return (perf_counter() - began) / many * 1_000_000

        return measure

    runs = await on.take_turns(
        {
            "ours": each(lambda: new_row(Tip, **values), many),
            "baseline": each(lambda: dict(**values), many),
            "sqlmodel": each(lambda: sqlmodel(**values), many // 20),
        }
    )
    found = stage.figure("make_row", runs, "µs")
    found.note = f"an instance of SQLModel {sorted(runs['sqlmodel'])[on.turns // 2]:,.1f} µs"
    return [found]
