"""What the tables of teams hold for each indicator, told once more in SQL that shares nothing with the counting."""

from shared.recount import recount_room


def _level(table: str) -> str:
    """A level's changes: one more on each first day, one less on the day after each last."""
    return f"""
        SELECT unit, day, sum(change)::bigint FROM (
          SELECT unit, from_on AS day, 1 AS change FROM {table}
          UNION ALL SELECT unit, until_on + 1, -1 FROM {table} WHERE until_on IS NOT NULL) changes
        GROUP BY 1, 2 HAVING sum(change) <> 0"""


# For every indicator of teams: rows of (unit, day, count).
RECOUNT: dict[str, str] = {
    "training_classes": "SELECT unit, held_on, count(*) FROM training_classes GROUP BY 1, 2",
    "trainees_certified": "SELECT unit, issued_on, count(*) FROM certificates WHERE revoked_on IS NULL GROUP BY 1, 2",
    "teams": _level("teams"),
    "members": _level("member_terms"),
    "members_leader": _level("(SELECT * FROM member_terms WHERE role = 'leader') terms"),
    "members_deputy": _level("(SELECT * FROM member_terms WHERE role = 'deputy') terms"),
    "members_member": _level("(SELECT * FROM member_terms WHERE role = 'member') terms"),
}

router = recount_room(RECOUNT)
