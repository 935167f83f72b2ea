"""A recount of this service's own tables, for `antt verify`: SQL that shares nothing with the counting.

It knows neither events nor indicators' definitions: each figure is told once more, in SQL over what
the tables hold. Days of activities and tips come from their raw instants, not from stored days.
"""

from shared.recount import recount_room

RECEIVED_ON = "(received_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date"
STARTED_ON = "(started_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date"

# For every indicator of incidents: rows of (unit, day, count).
RECOUNT: dict[str, str] = {
    "tips_received": f"""
        SELECT unit, {RECEIVED_ON}, count(*) FROM tips WHERE state <> ALL ('{{withdrawn,merged}}') GROUP BY 1, 2""",
    "tips_from_force": f"""
        SELECT unit, {RECEIVED_ON}, count(*) FROM tips
        WHERE state <> ALL ('{{withdrawn,merged}}') AND supplied_by = 'team' GROUP BY 1, 2""",
    "tips_from_citizens": f"""
        SELECT unit, {RECEIVED_ON}, count(*) FROM tips
        WHERE state <> ALL ('{{withdrawn,merged}}') AND supplied_by = 'citizen' GROUP BY 1, 2""",
    "tips_resolved": """
        SELECT unit, closed_on, count(*) FROM tips
        WHERE outcome = 'resolved' GROUP BY 1, 2""",
    "tips_rejected": """
        SELECT unit, closed_on, count(*) FROM tips WHERE outcome = 'rejected' GROUP BY 1, 2""",
    "cases_found": """
        SELECT unit, found_on, count(*) FROM cases GROUP BY 1, 2""",
    "cases_found_via_tips": """
        SELECT unit, found_on, count(tip_id) FROM cases WHERE tip_id IS NOT NULL GROUP BY 1, 2""",
    "cases_found_by_patrol": """
        SELECT unit, found_on, count(patrol_id) FROM cases WHERE patrol_id IS NOT NULL GROUP BY 1, 2""",
    "cases_resolved": """
        SELECT unit, resolved_on, count(*) FROM cases WHERE state = 'resolved' GROUP BY 1, 2""",
    "cases_resolved_via_tips": """
        SELECT unit, resolved_on, count(*) FROM cases WHERE state = 'resolved' AND tip_id IS NOT NULL GROUP BY 1, 2""",
    "patrols": f"""
        SELECT unit, {STARTED_ON}, count(*) FROM activities
        WHERE kind = 'patrol' AND state = 'confirmed' GROUP BY 1, 2""",
    "traffic_control_turns": f"""
        SELECT unit, {STARTED_ON}, sum(turns) FROM activities
        WHERE kind = 'traffic_control' AND state = 'confirmed' GROUP BY 1, 2""",
    "security_duties": f"""
        SELECT unit, {STARTED_ON}, count(*) FROM activities
        WHERE kind = 'security_duty' AND state = 'confirmed' GROUP BY 1, 2""",
}

router = recount_room(RECOUNT)
