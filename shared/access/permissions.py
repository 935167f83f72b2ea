"""Who may do what: one table of actions, roles and how far each reaches."""

from typing import Literal

from shared import units

TokenRole = Literal["operator", "province_officer", "commune_officer", "team_leader", "system"]
Scope = Literal["report", "records", "registry", "figures"]

# Of which level the unit is in whose name a role acts. Another system is of any.
LEVELS: dict[str, units.Level] = {
    "operator": "province", "province_officer": "province", "commune_officer": "commune", "team_leader": "commune",
}  # fmt: skip

ALL, AREA, TEAM = "every unit served", "the units of the caller's area", "the caller's own team"

# Who may do what, and how far that reaches. "anyone" is a request without a token; "system:report" is another
# system whose token has the scope "report" (hands in and passes on), "system:records" (reads what is on record and
# follows it), "system:registry" (keeps teams, members and training), "system:figures" (reads figures: a dashboard).
MAY: dict[str, dict[str, str]] = {
    "report_tip": {
        "anyone": ALL, "team_leader": TEAM, "commune_officer": AREA, "province_officer": AREA, "system:report": AREA,
        "operator": AREA,
    },
    "date_tip": {"commune_officer": AREA, "province_officer": AREA, "system:report": AREA, "operator": AREA},
    "pass_on_tip": {
        "team_leader": TEAM, "commune_officer": AREA, "province_officer": AREA, "system:report": AREA, "operator": AREA,
    },
    "handle_tip": {"commune_officer": AREA, "province_officer": AREA, "operator": AREA},
    "read_tips": {"commune_officer": AREA, "province_officer": AREA, "operator": AREA, "team_leader": TEAM},
    "check_duplicates": {"commune_officer": AREA, "province_officer": AREA, "system:report": AREA, "operator": AREA},
    "see_informant": {"commune_officer": AREA, "province_officer": AREA},
    "audit_looks": {"province_officer": AREA, "operator": AREA},
    "handle_case": {"commune_officer": AREA, "province_officer": AREA, "system:report": AREA, "operator": AREA},
    "enter_activity": {
        "team_leader": TEAM, "commune_officer": AREA, "province_officer": AREA, "system:report": AREA, "operator": AREA,
    },
    "confirm_activity": {"commune_officer": AREA, "province_officer": AREA, "operator": AREA},
    "read_records": {
        "team_leader": TEAM, "commune_officer": AREA, "province_officer": AREA, "system:records": AREA, "operator": AREA,
    },
    "read_changes": {"commune_officer": AREA, "province_officer": AREA, "system:records": AREA, "operator": AREA},
    "keep_webhooks": {"system:records": AREA, "operator": AREA},
    "read_registry": {
        "team_leader": TEAM, "commune_officer": AREA, "province_officer": AREA, "system:registry": AREA, "operator": AREA,
    },
    "keep_registry": {"commune_officer": AREA, "province_officer": AREA, "system:registry": AREA, "operator": AREA},
    "read_counters": {
        "team_leader": AREA, "commune_officer": AREA, "province_officer": AREA, "system:figures": AREA, "operator": AREA,
    },
    "load_places": {"province_officer": AREA, "operator": AREA},
    # Each row of an import is decided as a single request of the same caller.
    "import_records": {
        "team_leader": TEAM, "commune_officer": AREA, "province_officer": AREA, "system:report": AREA,
        "system:registry": AREA, "operator": AREA,
    },
    "handle_imports": {"province_officer": AREA, "operator": AREA},
    "recount": {"system:figures": AREA, "operator": AREA},
}  # fmt: skip


def scopes_for(action: str) -> frozenset[str]:
    """The scopes each of which lets another system do this."""
    return frozenset(role.removeprefix("system:") for role in MAY[action] if role.startswith("system:"))
