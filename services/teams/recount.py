"""What the tables of teams hold for each indicator, counted once more in SQL that shares nothing with the counting."""

from shared.recount import recount_router


def _members(which: str = "true") -> str:
    """A level's changes: one more on each first day of a term, one less on the day after each last."""
    return f"""
        SELECT unit, day, sum(change)::bigint FROM member_terms standing, LATERAL (VALUES
          (from_on, 1), (until_on + 1, -1)) AS changes (day, change)
        WHERE withdrawn_at IS NULL AND day IS NOT NULL AND {which}
        GROUP BY 1, 2 HAVING sum(change) <> 0"""


# A team that was placed anew leaves one unit and enters another on one day.
_TEAMS = """
        SELECT unit, day, sum(change)::bigint FROM (
          SELECT coalesce(left_unit, unit) AS unit, from_on AS day, 1 AS change FROM teams WHERE withdrawn_at IS NULL
          UNION ALL SELECT left_unit, placed_on, -1 FROM teams WHERE withdrawn_at IS NULL AND placed_on IS NOT NULL
          UNION ALL SELECT unit, placed_on, 1 FROM teams WHERE withdrawn_at IS NULL AND placed_on IS NOT NULL
          UNION ALL SELECT unit, until_on + 1, -1 FROM teams WHERE withdrawn_at IS NULL AND until_on IS NOT NULL
        ) changes GROUP BY 1, 2 HAVING sum(change) <> 0"""


# For every indicator of teams: rows of (unit, day, count).
RECOUNT: dict[str, str] = {
    "training_classes": "SELECT unit, held_on, count(*) FROM training_classes WHERE withdrawn_at IS NULL GROUP BY 1, 2",
    "trainees_certified": "SELECT unit, issued_on, count(*) FROM certificates WHERE revoked_on IS NULL GROUP BY 1, 2",
    "teams": _TEAMS,
    "members": _members(),
    "members_leader": _members("role = 'leader'"),
    "members_deputy": _members("role = 'deputy'"),
    "members_member": _members("role = 'member'"),
}

router = recount_router(RECOUNT)
