"""A recount of this service's own tables, for `antt verify`: SQL that shares nothing with the counting.

It knows neither events nor indicators' definitions: each figure is counted once more, in SQL over what
the tables hold. Days of activities and tips come from their raw instants, not from stored days.
"""

from shared.recount import recount_router

RECEIVED_ON = "(received_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date"
STARTED_ON = "(started_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date"
ENTERED_ON = "(entered_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date"
CONFIRMED_ON = "(confirmed_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date"


def _sum_of(kind: str, quantity: str) -> str:
    """The sums of a quantity that confirmed activities of a kind tell."""
    return f"""
        SELECT unit, {STARTED_ON}, sum({quantity})::bigint FROM activities
        WHERE kind = '{kind}' AND state = 'confirmed' GROUP BY 1, 2 HAVING sum({quantity}) > 0"""


def _number(field: str) -> str:
    return f"(details->>'{field}')::bigint"


def _those(kind: str, form: str | None = None) -> str:
    """How many confirmed activities of a kind, and of a form, there are."""
    condition = f"AND details->>'form' = '{form}'" if form else ""
    return f"""
        SELECT unit, {STARTED_ON}, count(*) FROM activities
        WHERE kind = '{kind}' AND state = 'confirmed' {condition} GROUP BY 1, 2"""


def _items(item: str, unit: str, means: str | None = None) -> str:
    """The quantities of an item in a unit, over all lines of confirmed surrenders."""
    condition = f"AND entry->>'means' = '{means}'" if means else ""
    return f"""
        SELECT activities.unit, {STARTED_ON}, sum((entry->>'quantity')::bigint)::bigint
        FROM activities, jsonb_array_elements(details->'items') AS entry
        WHERE kind = 'surrender' AND state = 'confirmed'
          AND entry->>'item' = '{item}' AND entry->>'unit' = '{unit}' {condition} GROUP BY 1, 2"""


# A deadline at 24:00 belongs to the day that ends.
DUE_ON = "((due_at - interval '1 microsecond') AT TIME ZONE 'Asia/Ho_Chi_Minh')::date"
IN_TIME = "state <> 'void' AND met_at <= due_at"
OVERDUE = "(state = 'missed' AND met_at IS NULL OR state <> 'void' AND met_at > due_at)"


def _cases(day: str, amount: str, more: str = "", entries: str = "") -> str:
    """Cases that stand, by unit and day; `entries`: one row for each entry of a list in their details."""
    expand = f", jsonb_array_elements(details->'{entries}') AS entry" if entries else ""
    return f"""
        SELECT unit, {day}, {amount} FROM cases{expand}
        WHERE {day} IS NOT NULL AND cases.state <> 'withdrawn' {more} GROUP BY 1, 2 HAVING {amount} > 0"""


def _linked(kind: str, which: str = "true") -> str:
    return f"""EXISTS (
            SELECT FROM case_links WHERE case_id = cases.id AND kind = '{kind}' AND removed_at IS NULL AND {which})"""


def _handled(amount: str, measure: str = "") -> str:
    of = f"AND entry->>'measure' = '{measure}'" if measure else ""
    return _cases("handled_on", f"sum((entry->>'{amount}')::int)", of, "handled")


def _seized(kind: str, unit: str) -> str:
    of = f"AND entry->>'kind' = '{kind}' AND entry->>'unit' = '{unit}'"
    return _cases("found_on", "sum((entry->>'quantity')::int)", of, "seized")


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
    "deadlines_met": f"""
        SELECT unit, {DUE_ON}, count(*) FROM deadlines WHERE {IN_TIME} GROUP BY 1, 2""",
    "deadlines_missed": f"""
        SELECT unit, {DUE_ON}, count(*) FROM deadlines WHERE {OVERDUE} GROUP BY 1, 2""",
    "deadlines_met_late": f"""
        SELECT unit, {DUE_ON}, count(met_at) FROM deadlines WHERE {OVERDUE} AND met_at IS NOT NULL GROUP BY 1, 2""",
    "tips_reported_to_investigators_in_time": f"""
        SELECT unit, {DUE_ON}, count(*) FROM deadlines
        WHERE name = 'report_to_investigators' AND {IN_TIME} GROUP BY 1, 2""",
    "tips_reported_to_investigators_overdue": f"""
        SELECT unit, {DUE_ON}, count(*) FROM deadlines
        WHERE name = 'report_to_investigators' AND {OVERDUE} GROUP BY 1, 2""",
    "tips_decided_in_time": f"""
        SELECT unit, {DUE_ON}, count(*) FROM deadlines WHERE name = 'decision' AND {IN_TIME} GROUP BY 1, 2""",
    "tips_decision_overdue": f"""
        SELECT unit, {DUE_ON}, count(*) FROM deadlines WHERE name = 'decision' AND {OVERDUE} GROUP BY 1, 2""",
    "cases_found": _cases("found_on", "count(*)"),
    "cases_found_via_tips": _cases("found_on", "count(*)", f"AND {_linked('tip')}"),
    "cases_found_by_patrol": _cases("found_on", "count(*)", f"AND {_linked('patrol')}"),
    "cases_found_by_other_activities": _cases("found_on", "count(*)", f"AND {_linked('activity')}"),
    "illegal_firecracker_cases": _cases("found_on", "count(*)", "AND cases.kind = 'illegal_firecrackers'"),
    "cases_resolved": _cases("resolved_on", "count(*)"),
    "cases_resolved_via_tips": _cases("resolved_on", "count(*)", f"AND {_linked('tip')}"),
    "cases_resolved_via_force_tips": _cases("resolved_on", "count(*)", f"AND {_linked('tip', 'by_force')}"),
    "cases_resolved_by_patrol": _cases("resolved_on", "count(*)", f"AND {_linked('patrol')}"),
    "cases_transferred": _cases("transferred_on", "count(*)"),
    "persons_handled": _handled("persons"),
    "persons_reminded": _handled("persons", "reminder"),
    "persons_warned": _handled("persons", "warning"),
    "persons_fined": _handled("persons", "fine"),
    "fines_dong": _handled("fines_dong", "fine"),
    "weapons_seized": _seized("weapons", "piece"),
    "ammunition_seized": _seized("ammunition", "round"),
    "explosives_seized_grams": _seized("explosives", "gram"),
    "detonators_seized": _seized("explosives", "piece"),
    "support_tools_seized": _seized("support_tools", "piece"),
    "firecrackers_seized": _seized("firecrackers", "piece"),
    "firecrackers_seized_grams": _seized("firecrackers", "gram"),
    "drugs_seized_milligrams": _seized("drugs", "milligram"),
    "vehicles_seized": _seized("vehicles", "piece"),
    "money_seized_dong": _seized("money", "dong"),
    "patrols": _those("patrol"),
    "patrols_joint": _those("patrol", "joint"),
    "cases_told_by_patrols": _sum_of("patrol", _number("found_cases")),
    "traffic_control_turns": _sum_of("traffic_control", "turns"),
    "security_duties": _those("security_duty"),
    "outreach_sessions": _sum_of("outreach", _number("sessions")),
    "outreach_attendance": _sum_of("outreach", _number("attendances")),
    "leaflets": _sum_of("outreach", _number("leaflets")),
    "individual_outreach": _sum_of("outreach", _number("person_turns")),
    "persons_counselled": _sum_of("counselling", _number("persons")),
    "fires_fought": _those("fire_rescue", "fire_fighting"),
    "rescues": _those("fire_rescue", "rescue"),
    "persons_rescued": _sum_of("fire_rescue", _number("persons_rescued")),
    "administrative_support_turns": _sum_of("administrative_support", "turns"),
    "surrenders": _those("surrender"),
    "weapons_collected": _items("weapons", "piece"),
    "ammunition_collected": _items("ammunition", "round"),
    "explosives_collected_grams": _items("explosives", "gram"),
    "detonators_collected": _items("explosives", "piece"),
    "fuse_collected_metres": _items("explosives", "metre"),
    "support_tools_collected": _items("support_tools", "piece"),
    "firecrackers_recovered": _items("firecrackers", "piece", "found"),
    "firecrackers_handed_in": _items("firecrackers", "piece", "handed_in"),
    "firecrackers_collected_grams": _items("firecrackers", "gram"),
    "mobilisations": _those("mobilisation"),
    "member_turns": f"""
        SELECT unit, {STARTED_ON}, sum({_number("members")})::bigint FROM activities
        WHERE state = 'confirmed' GROUP BY 1, 2 HAVING sum({_number("members")}) > 0""",
    "team_entries": f"""
        SELECT unit, {ENTERED_ON}, count(*) FROM activities WHERE entered_at IS NOT NULL GROUP BY 1, 2""",
    "team_entries_confirmed": f"""
        SELECT unit, {ENTERED_ON}, count(*) FROM activities WHERE confirmed_at IS NOT NULL GROUP BY 1, 2""",
    "team_entries_confirmed_in_time": f"""
        SELECT unit, {ENTERED_ON}, count(*) FROM activities WHERE {CONFIRMED_ON} <= confirm_by GROUP BY 1, 2""",
}

router = recount_router(RECOUNT)
