"""Names the cells in which two sets of counters differ: one statement, whatever the number of cells."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import asyncpg
import msgspec


class Difference(msgspec.Struct, frozen=True):
    """A figure that is not the same on both sides. `recorded_on` is None where only the sum over it was compared."""

    unit: str
    happened_on: date
    indicator: str
    was: int
    now: int
    recorded_on: date | None = None


class Comparison(NamedTuple):
    """How many figures were compared, how many of them differ, and those in the order of their keys."""

    compared: int
    differing: int
    differences: list[Difference]


async def compare(
    connection: asyncpg.Connection,
    was: str,
    now: str,
    indicators: Sequence[str],
    most: int | None = None,
    keys: Sequence[str] = ("unit", "happened_on", "recorded_on"),
) -> Comparison:
    """Compare the rows of two queries or tables, joined by their keys; a row that one side lacks counts as zeros.

    At most `most` differences are named, all of them without it.
    """
    if not indicators:
        return Comparison(0, 0, [])
    named = ", ".join(keys)
    befores, nows = (", ".join(f"coalesce({side}.{name}, 0)" for name in indicators) for side in ("before_", "now_"))
    values = ", ".join(f"('{name}', befores[{n}], nows[{n}])" for n, name in enumerate(indicators, 1))
    row = await connection.fetchrow(
        f"""WITH joined AS MATERIALIZED (
          SELECT {named}, ARRAY[{befores}]::bigint[] AS befores, ARRAY[{nows}]::bigint[] AS nows
          FROM {was} before_ FULL JOIN {now} now_ USING ({named})
        ), cells AS MATERIALIZED (
          SELECT {named}, indicator, was, now
          FROM joined, LATERAL (VALUES {values}) AS cell (indicator, was, now)
          WHERE befores <> nows AND was <> now
        )
        SELECT (SELECT count(*) FROM joined) AS rows, (SELECT count(*) FROM cells) AS differing,
          (SELECT jsonb_agg(named) FROM
            (SELECT * FROM cells ORDER BY {named}, indicator LIMIT $1) named) AS differences""",
        most,
    )
    assert row is not None
    differences = msgspec.convert(row["differences"] or [], list[Difference])
    return Comparison(row["rows"] * len(indicators), row["differing"], differences)
