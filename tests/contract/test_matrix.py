"""Every route for every caller: each role and scope, of the own, a foreign, a parent and an earlier unit.

What a caller may follows from MAY and from the caller's area; the table below says which action each route is. A route
without a row fails. A command whose body is refused first says nothing of rights, but it must never be carried out.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

from fastapi.routing import APIRoute, iter_route_contexts

from services.incidents.app import create_app as incidents
from services.stats.app import create_app as stats
from services.teams.app import create_app as teams
from shared import units
from shared.auth import AREA, Identity, Scope
from tests.conftest import COMMUNE, OLD_COMMUNE, PROVINCE, Antt, eventually
from tests.incidents.conftest import a_case, a_patrol, a_team, opened

OPEN = ""  # anyone, or whoever knows the receipt
FOREIGN_COMMUNE, NEW_PROVINCE, FOREIGN_PROVINCE = "2025:25747", "2025:79", "2024:96"
NOWHERE = "019a0000-0000-7000-8000-000000000000"
# Routes that stand for what surrounds the rooms: health, metrics, documents.
AROUND = ("/health/", "/metrics", "openapi", "/docs", "asyncapi", "/static", "/redoc")
# A stream ends only with its reader.
STREAMS = ("GET /stats/v1/live",)

# The action of each route.
ROUTES: dict[str, dict[str, list[str]]] = {
    "/teams/v1": {
        OPEN: ["GET /units", "GET /units/{unit}"],
        "read_registry": [
            "GET /teams", "GET /teams/{team_id}", "GET /teams/{team_id}/corrections", "GET /members",
            "GET /members/{member_id}", "GET /members/{member_id}/corrections", "GET /training-classes",
            "GET /certificates", "GET /certificates/{certificate_id}", "GET /training-classes/{class_id}/corrections",
            "GET /certificates/{certificate_id}/corrections",
        ],
        "keep_registry": [
            "POST /teams", "PATCH /teams/{team_id}", "POST /teams/{team_id}/place", "POST /teams/{team_id}/dissolve",
            "POST /teams/{team_id}/correct", "POST /teams/{team_id}/withdraw", "POST /members", "PATCH /members/{member_id}",
            "POST /members/{member_id}/change-role", "POST /members/{member_id}/transfer",
            "POST /members/{member_id}/release", "POST /members/{member_id}/withdraw",
            "POST /members/{member_id}/terms/{term_id}/correct", "POST /members/{member_id}/terms/{term_id}/withdraw",
            "POST /training-classes", "POST /training-classes/{class_id}/correct",
            "POST /training-classes/{class_id}/withdraw", "POST /certificates",
            "POST /certificates/{certificate_id}/revoke", "POST /certificates/{certificate_id}/correct",
        ],
        "recount": ["GET /recount"],
    },
    "/incidents": {
        OPEN: [
            "POST /v1/tips/by-receipt/messages", "GET /v1/tips/by-receipt", "GET /v1/tips/by-receipt/messages",
            "POST /v1/tips/by-receipt/attachments", "GET /v1/tips/by-receipt/attachments",
            "GET /v1/tips/by-receipt/acknowledgement", "GET /v1/tips/acknowledgements/{code}", "GET /v1/cases/measures",
            "GET /v1/cases/seizable", "GET /v1/activities/kinds", "GET /v1/places", "GET /v1/places/at",
            "GET /v1/places/hamlets", "GET /open311/v2/discovery.{format}", "GET /open311/v2/services.{format}",
            "GET /open311/v2/services/{service_code}.{format}", "GET /open311/v2/requests.{format}",
            "GET /open311/v2/requests/{service_request_id}.{format}", "GET /open311/v2/tokens/{token}.{format}",
            "GET /open311/v2/{anything:path}",
        ],
        "report_tip": ["POST /v1/tips", "POST /open311/v2/requests.{format}"],
        "handle_tip": [
            *(
                f"POST /v1/tips/{{tip_id}}/{step}"
                for step in (
                    "classify", "verify", "assign", "ask", "forward", "acknowledge", "take-over", "send-back", "merge",
                    "split", "resolve", "reject", "notify", "withdraw", "correct", "reopen",
                    "deadlines/{name}/extend", "deadlines/{name}/complex", "deadlines/{name}/meet",
                )
            ),
        ],
        "pass_on_tip": ["POST /v1/tips/{tip_id}/report"],
        "check_duplicates": ["POST /v1/tips/duplicates/check"],
        "see_informant": ["POST /v1/tips/{tip_id}/informant"],
        "read_tips": [
            "GET /v1/tips", "GET /v1/tips/count", "GET /v1/tips/export", "GET /v1/tips/{tip_id}",
            "GET /v1/tips/{tip_id}/steps", "GET /v1/tips/{tip_id}/messages", "GET /v1/deadlines",
            "GET /v1/tips/{tip_id}/duplicates", "GET /v1/tips/{tip_id}/deadlines",
            "GET /v1/tips/{tip_id}/deadlines/{name}/steps", "GET /v1/{of}/{record_id}/attachments",
            "GET /v1/{of}/{record_id}/attachments/{attachment_id}",
        ],
        "audit_looks": [
            "GET /v1/tips/{tip_id}/informant/looks", "GET /v1/{of}/{record_id}/attachments/{attachment_id}/looks",
        ],
        "handle_case": [
            "POST /v1/cases",
            *(
                f"POST /v1/cases/{{case_id}}/{step}"
                for step in ("resolve", "transfer", "reopen", "withdraw", "correct", "link", "unlink")
            ),
        ],
        "enter_activity": [
            "POST /v1/activities", "POST /v1/{of}/{record_id}/attachments",
            "POST /v1/{of}/{record_id}/attachments/{attachment_id}/remove",
        ],
        "confirm_activity": [
            f"POST /v1/activities/{{activity_id}}/{step}" for step in ("confirm", "return", "correct")
        ],
        "read_records": [
            "GET /v1/cases", "GET /v1/cases/count", "GET /v1/cases/export", "GET /v1/cases/{case_id}",
            "GET /v1/cases/{case_id}/steps", "GET /v1/activities", "GET /v1/activities/count",
            "GET /v1/activities/export", "GET /v1/activities/{activity_id}", "GET /v1/activities/{activity_id}/steps",
            "GET /v1/places/boundaries",
        ],
        "read_changes": ["GET /v1/changes"],
        "keep_webhooks": [
            "POST /v1/webhooks", "PATCH /v1/webhooks/{webhook_id}", "DELETE /v1/webhooks/{webhook_id}",
            "POST /v1/webhooks/{webhook_id}/rotate", "POST /v1/webhooks/{webhook_id}/replay",
            "POST /v1/webhooks/{webhook_id}/dead-letters/replay", "POST /v1/webhooks/{webhook_id}/ping",
            "GET /v1/webhooks", "GET /v1/webhooks/{webhook_id}", "GET /v1/webhooks/{webhook_id}/dead-letters",
        ],
        "load_places": ["PUT /v1/places/boundaries", "PUT /v1/places/hamlets"],
        "import_records": [
            "POST /v1/imports", "POST /v1/imports/{import_id}/cancel", "GET /v1/imports",
            "GET /v1/imports/{import_id}", "GET /v1/imports/{import_id}/progress",
            "GET /v1/imports/{import_id}/rejected", "GET /v1/imports/{import_id}/left-out",
        ],
        "recount": ["GET /v1/recount"],
    },
    "/stats/v1": {
        OPEN: ["GET /indicators"],
        "read_counters": ["GET /counters", "GET /series", "GET /breakdown", "GET /live"],
    },
}  # fmt: skip
ACTIONS = {
    f"{method} {prefix}{path}": action
    for prefix, actions in ROUTES.items()
    for action, named in actions.items()
    for method, path in (route.split(" ") for route in named)
}
# What an answer without a record in its path is asked about.
QUERIES = {
    "GET /stats/v1": {"unit": COMMUNE, "from": "2026-11-02", "to": "2026-11-03"},
    "GET /incidents/v1/tips/export": {"format": "csv"},
    "GET /incidents/v1/cases/export": {"format": "csv"},
    "GET /incidents/v1/activities/export": {"format": "csv"},
    "GET /incidents/v1/changes": {"after": "start"},
}


class Called(NamedTuple):
    """A caller; `reaches`: whether COMMUNE lies in the caller's area."""

    role: str
    unit: str
    reaches: bool
    scope: str = ""
    team: str = ""


def callers(team: str, other: str) -> Iterator[Called]:
    """Each role and scope, of each unit that fits it."""
    yield Called("anyone", "", False)
    yield Called("team_leader", COMMUNE, True, team=team)
    yield Called("team_leader", FOREIGN_COMMUNE, False, team=other)
    communes = ((COMMUNE, True), (FOREIGN_COMMUNE, False), (OLD_COMMUNE, True))
    provinces = ((PROVINCE, True), (NEW_PROVINCE, True), (FOREIGN_PROVINCE, False))
    for unit, reaches in communes:
        yield Called("commune_officer", unit, reaches)
    for unit, reaches in provinces:
        yield Called("province_officer", unit, reaches)
        yield Called("operator", unit, reaches)
    for scope in ("", *get_args(Scope)):
        for unit, reaches in (*communes, *provinces):
            yield Called("system", unit, reaches, scope)


def routes() -> set[str]:
    """Every route of the three services, as `METHOD path`."""
    return {
        f"{method} {context.path}"
        for create in (teams, incidents, stats)
        for context in iter_route_contexts(create().routes)
        if isinstance(context.original_route, APIRoute) and not any(part in (context.path or "") for part in AROUND)
        for method in context.methods or ()
        if method != "HEAD"
    }


def test_every_route_says_which_action_it_is(data: Any) -> None:
    assert routes() == set(ACTIONS)


async def test_every_route_asks_for_the_callers_rights(antt: Antt) -> None:
    team, other = await a_team(antt), await a_team(antt, FOREIGN_COMMUNE)
    ids = {
        "tip_id": (await opened(antt, "/incidents/v1/tips", {"unit": COMMUNE, "content": "mật"}))["id"],
        "case_id": (await opened(antt, "/incidents/v1/cases", a_case()))["id"],
        "activity_id": (await opened(antt, "/incidents/v1/activities", a_patrol()))["id"],
        "team_id": team,
    }

    async def heard() -> bool:
        headers = antt.token("team_leader", FOREIGN_COMMUNE, team)
        return (await antt.get("/incidents/v1/tips", headers)).status_code == 403

    await eventually(heard)
    wrong = []
    for called in callers(team, other):
        identity = Identity(called.role, "x", called.unit, called.team, frozenset({called.scope} - {""}))
        role: Any = called.role
        scopes = [called.scope] if called.scope else []
        headers = {} if role == "anyone" else antt.token(role, called.unit, called.team, scopes)
        for route, action in ACTIONS.items():
            if action != OPEN:
                wrong += await _asked(antt, called, identity, headers, route, action, ids)
    assert not wrong, "\n".join(wrong)


async def _asked(
    antt: Antt,
    called: Called,
    identity: Identity,
    headers: dict[str, str],
    route: str,
    action: str,
    ids: dict[str, str],
) -> list[str]:
    """What is wrong with the answer, in words."""
    method, path = route.split(" ")
    extent = identity.extent(action)
    # A recount is of the whole province.
    reaches = called.reaches and (action != "recount" or units.is_province(called.unit))
    if route in STREAMS and extent is not None and called.reaches:
        return []
    if method != "GET" and extent is not None and (called.reaches or extent != AREA or "_id}" not in path):
        # What may be carried out would change what the others ask about.
        return []
    named = next((id for name, id in ids.items() if f"{{{name}}}" in path), None)
    filled = path
    for name, value in {**ids, "of": "tips", "record_id": ids["tip_id"], "name": "verify", "format": "json"}.items():
        filled = filled.replace(f"{{{name}}}", value)
    while "{" in filled:
        filled = filled[: filled.index("{")] + NOWHERE + filled[filled.index("}") + 1 :]
    query = next((query for begins, query in QUERIES.items() if route.startswith(begins)), {})
    answer = await antt.http.request(
        method, filled, params=query, headers={**headers, "If-Match": '"1"'}, json=None if method == "GET" else {}
    )
    status = answer.status_code
    if extent is None:
        right = status == (401 if called.role == "anyone" else 403) or (method != "GET" and status in (400, 415, 422))
    elif extent == AREA and method != "GET":
        right = status in (400, 403, 404, 415, 422) and (named is None or status != 404)
    elif extent == AREA and not reaches:
        # A list of another area is empty; what is named by its id or its unit is refused.
        right = status in (403, 404) or (status == 200 and not any(id in answer.text for id in ids.values()))
        right = right and (named is None or status == 403)
    elif extent == AREA:
        right = status not in (401, 403)
    else:
        right = status in (200, 403, 404) and (
            status != 200 or not any(id in answer.text for id in list(ids.values())[:3])
        )
    return [] if right else [f"{called.role} {called.scope} of {called.unit}: {route} ({action}) {status}"]
