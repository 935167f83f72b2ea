"""What the tables of teams hold for each indicator, told once more in SQL that shares nothing with the counting."""

from shared.recount import recount_room


def _level(table: str, which: str = "true") -> str:
    """A level's changes: one more on each first day, one less on the day after each last."""
    return f"""
        SELECT unit, day, sum(change)::bigint FROM {table} standing, LATERAL (VALUES
          (from_on, 1), (until_on + 1, -1)) AS changes (day, change)
        WHERE withdrawn_at IS NULL AND day IS NOT NULL AND {which}
        GROUP BY 1, 2 HAVING sum(change) <> 0"""


# For every indicator of teams: rows of (unit, day, count).
RECOUNT: dict[str, str] = {
    "training_classes": "SELECT unit, held_on, count(*) FROM training_classes WHERE withdrawn_at IS NULL GROUP BY 1, 2",
    "trainees_certified": "SELECT unit, issued_on, count(*) FROM certificates WHERE revoked_on IS NULL GROUP BY 1, 2",
    "teams": _level("teams"),
    "members": _level("member_terms"),
    "members_leader": _level("member_terms", "role = 'leader'"),
    "members_deputy": _level("member_terms", "role = 'deputy'"),
    "members_member": _level("member_terms", "role = 'member'"),
}

router = recount_room(RECOUNT)
