"""Every route for every caller: each role and scope, of the own, a foreign, a parent and an earlier unit.

What a caller may follows from MAY and from the caller's area; the table below says which action each route is. A route
without a row fails. Each command is sent with a body that is right, to every caller: who may is not refused, who may not is.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

import httpx
import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from services.incidents.app import create_app as incidents
from services.stats.app import create_app as stats
from services.teams.app import create_app as teams
from shared import units
from shared.access import Identity
from shared.access.permissions import ALL, AREA, Scope
from tests.conftest import COMMUNE, OLD_COMMUNE, PROVINCE, Antt, eventually
from tests.incidents.conftest import a_case, a_patrol, a_team, opened
from tests.teams import factories as registry
from tests.teams.factories import DECISION

OPEN = ""  # anyone, or whoever knows the receipt
FOREIGN_COMMUNE, NEW_PROVINCE, FOREIGN_PROVINCE = "2025:25747", "2025:79", "2024:96"
NOWHERE = "019a0000-0000-7000-8000-000000000000"
# Routes that stand for what surrounds the rooms: health, metrics, documents.
AROUND = ("/health/", "/metrics", "openapi", "/docs", "asyncapi", "/static", "/redoc")
# A stream ends only with its reader.
STREAMS = ("GET /stats/v1/live",)

# The action of each route.
# The routes by which others follow a service's events, the same for each that has them.
FOLLOWING = {
    "read_changes": ["GET /changes"],
    "keep_webhooks": [
        "POST /webhooks", "PATCH /webhooks/{webhook_id}", "DELETE /webhooks/{webhook_id}",
        "POST /webhooks/{webhook_id}/rotate", "POST /webhooks/{webhook_id}/replay",
        "POST /webhooks/{webhook_id}/dead-letters/replay", "POST /webhooks/{webhook_id}/ping",
        "GET /webhooks", "GET /webhooks/{webhook_id}", "GET /webhooks/{webhook_id}/dead-letters",
    ],
}  # fmt: skip
# The routes of imports; what sends a file is allowed as what each of its rows does.
IMPORTS = [
    "POST /imports/{import_id}/cancel", "GET /imports", "GET /imports/{import_id}", "GET /imports/{import_id}/progress",
    "GET /imports/{import_id}/rejected", "GET /imports/{import_id}/left-out",
]  # fmt: skip
ROUTES: dict[str, dict[str, list[str]]] = {
    "/teams/v1": {
        **FOLLOWING,
        "import_records": IMPORTS,
        OPEN: ["GET /units", "GET /units/{unit}"],
        "read_registry": [
            *(
                f"GET /{records}{question}"
                for records in ("teams", "members", "training-classes", "certificates")
                for question in ("", "/count", "/export")
            ),
            "GET /teams/{team_id}", "GET /teams/{team_id}/corrections", "GET /members/{member_id}",
            "GET /members/{member_id}/corrections", "GET /certificates/{certificate_id}",
            "GET /training-classes/{class_id}/corrections", "GET /certificates/{certificate_id}/corrections",
            "GET /{of}/{record_id}/attachments", "GET /{of}/{record_id}/attachments/{attachment_id}",
        ],
        "audit_looks": ["GET /{of}/{record_id}/attachments/{attachment_id}/looks"],
        "keep_registry": [
            "POST /imports",
            "POST /{of}/{record_id}/attachments", "POST /{of}/{record_id}/attachments/{attachment_id}/remove",
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
        "enter_activity": ["POST /v1/activities", "POST /v1/imports", "POST /v1/{of}/{record_id}/attachments"],
        "confirm_activity": [
            "POST /v1/{of}/{record_id}/attachments/{attachment_id}/remove",
            *(f"POST /v1/activities/{{activity_id}}/{step}" for step in ("confirm", "return", "correct")),
        ],
        "read_records": [
            "GET /v1/cases", "GET /v1/cases/count", "GET /v1/cases/export", "GET /v1/cases/{case_id}",
            "GET /v1/cases/{case_id}/steps", "GET /v1/activities", "GET /v1/activities/count",
            "GET /v1/activities/export", "GET /v1/activities/{activity_id}", "GET /v1/activities/{activity_id}/steps",
            "GET /v1/places/boundaries",
        ],
        "load_places": ["PUT /v1/places/boundaries", "PUT /v1/places/hamlets"],
        "recount": ["GET /v1/recount"],
    },
    "/incidents/v1": {**FOLLOWING, "import_records": IMPORTS},
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
    "GET /stats/v1": {"unit": COMMUNE, "from": "2025-11-02", "to": "2025-11-03"},
    "GET /incidents/v1/tips/export": {"format": "csv"},
    "GET /incidents/v1/cases/export": {"format": "csv"},
    "GET /incidents/v1/activities/export": {"format": "csv"},
    "GET /incidents/v1/changes": {"after": "start"},
    "GET /teams/v1/changes": {"after": "start"},
    "POST /incidents/v1/imports": {"of": "activities"},
    "POST /teams/v1/imports": {"of": "teams"},
}
_CHANGED = {"from_on": "2025-11-20", "decision": DECISION}
_WHY = {"reason": "Ghi nhầm"}
_FOLLOW = {
    "POST /webhooks": {"url": "https://example.vn/", "unit": COMMUNE},
    "PATCH /webhooks/{webhook_id}": {"note": "một"},
    "POST /webhooks/{webhook_id}/replay": {"after": "start"},
}
# What a command is given; one that is not named is given nothing. `{…}` stands for the id of a record.
BODIES: dict[str, Any] = {
    "/incidents/v1": _FOLLOW,
    "/teams/v1": {
        **_FOLLOW,
        "POST /teams": registry.a_team(),
        "POST /{of}/{record_id}/attachments": b"%PDF-1.4",
        "POST /{of}/{record_id}/attachments/{attachment_id}/remove": _WHY,
        "PATCH /teams/{team_id}": {"name": "Tổ 2"},
        "POST /teams/{team_id}/place": {"unit": COMMUNE, **_CHANGED},
        "POST /teams/{team_id}/dissolve": {"until_on": "2025-11-20", "decision": DECISION},
        "POST /teams/{team_id}/correct": {**_WHY, "from_on": "2025-10-30"},
        "POST /teams/{team_id}/withdraw": _WHY,
        "POST /members": registry.a_member("{team_id}"),
        "PATCH /members/{member_id}": {"full_name": "Trần Thị Nở"},
        "POST /members/{member_id}/change-role": {"role": "leader", **_CHANGED},
        "POST /members/{member_id}/transfer": {"role": "member", "team_id": "{team_id}", **_CHANGED},
        "POST /members/{member_id}/release": {"until_on": "2025-11-20", "ground": "health", "decision": DECISION},
        "POST /members/{member_id}/withdraw": _WHY,
        "POST /members/{member_id}/terms/{term_id}/correct": {**_WHY, "from_on": "2025-11-03"},
        "POST /members/{member_id}/terms/{term_id}/withdraw": _WHY,
        "POST /training-classes": {"unit": COMMUNE, "title": "Tập huấn", "held_on": "2025-11-10"},
        "POST /training-classes/{class_id}/correct": {**_WHY, "title": "Tập huấn 2"},
        "POST /training-classes/{class_id}/withdraw": _WHY,
        "POST /certificates": {
            "training_class_id": "{class_id}", "member_id": "{member_id}", "number": "1", "issued_on": "2025-11-20",
        },
        "POST /certificates/{certificate_id}/revoke": _WHY,
        "POST /certificates/{certificate_id}/correct": {**_WHY, "number": "2"},
    },
    "/incidents": {
        "POST /v1/tips": {"unit": COMMUNE, "content": "Mất xe"},
        "POST /open311/v2/requests.{format}": {"service_code": "gambling", "description": "Đánh bạc", "address_id": COMMUNE},
        "POST /v1/tips/{tip_id}/classify": {"classified_as": "denunciation_of_crime"},
        "POST /v1/tips/{tip_id}/assign": {"officer": "commune_officer"},
        "POST /v1/tips/{tip_id}/ask": {"question": "Ở đâu?"},
        "POST /v1/tips/{tip_id}/forward": {**_WHY, "agency": "Viện kiểm sát"},
        "POST /v1/tips/{tip_id}/acknowledge": {"number": "1", "received_on": "2025-11-20"},
        "POST /v1/tips/{tip_id}/merge": {"into": NOWHERE},
        **{f"POST /v1/tips/{{tip_id}}/{step}": _WHY for step in ("withdraw", "resolve", "reject", "reopen")},
        "POST /v1/tips/{tip_id}/correct": {**_WHY, "content": "Mất xe đạp"},
        "POST /v1/tips/{tip_id}/informant": _WHY,
        "POST /v1/tips/{tip_id}/deadlines/{name}/extend": {**_WHY, "decision": DECISION},
        "POST /v1/tips/{tip_id}/deadlines/{name}/complex": _WHY,
        "POST /v1/tips/{tip_id}/deadlines/{name}/meet": _WHY,
        "POST /v1/tips/duplicates/check": {"unit": COMMUNE, "content": "Mất xe"},
        "POST /v1/cases": a_case(),
        "POST /v1/cases/{case_id}/resolve": {"resolved_on": "2025-11-20"},
        "POST /v1/cases/{case_id}/transfer": {
            "transferred_on": "2025-11-20", "transferred_to": "Viện kiểm sát", "decision": DECISION,
        },
        "POST /v1/cases/{case_id}/reopen": _WHY,
        "POST /v1/cases/{case_id}/withdraw": _WHY,
        "POST /v1/cases/{case_id}/correct": {**_WHY, "place": "Chợ"},
        "POST /v1/cases/{case_id}/link": {"kind": "tip", "id": NOWHERE},
        "POST /v1/cases/{case_id}/unlink": {"kind": "tip", "id": NOWHERE, **_WHY},
        "POST /v1/activities": a_patrol(),
        "POST /v1/activities/{activity_id}/return": _WHY,
        "POST /v1/activities/{activity_id}/correct": {**_WHY, "activity": a_patrol()},
        "POST /v1/{of}/{record_id}/attachments": b"%PDF-1.4",
        "POST /v1/{of}/{record_id}/attachments/{attachment_id}/remove": _WHY,
        "PUT /v1/places/hamlets": {"edition": "2025", "hamlets": [{"code": "1", "name": "Ấp 1", "unit": COMMUNE}]},
        "PUT /v1/places/boundaries": {"type": "FeatureCollection", "features": []},
    },
}  # fmt: skip
SAID = {
    f"{method} {prefix}{path}": body
    for prefix, of in BODIES.items()
    for route, body in of.items()
    for method, path in (route.split(" "),)
}


# Commands whose body names the record that they are about.
OF_A_RECORD = {"POST /teams/v1/members", "POST /teams/v1/certificates"}
# By what else than a route's action some are let in to its record: who sent it corrects it, and takes its files away.
ALSO = {
    "POST /incidents/v1/tips/{tip_id}/correct": "pass_on_tip",
    "POST /incidents/v1/activities/{activity_id}/correct": "enter_activity",
    "POST /incidents/v1/{of}/{record_id}/attachments/{attachment_id}/remove": "enter_activity",
}


class Called(NamedTuple):
    """A caller; `reaches`: whether COMMUNE lies in the caller's area."""

    role: str
    unit: str
    reaches: bool
    scope: str = ""
    team: str = ""

    def extent(self, action: str) -> str | None:
        """How far this caller may do that."""
        scopes = frozenset({self.scope} - {""})
        return Identity(self.role, "x", self.unit, self.team, scopes).extent(action)

    def may(self, route: str, action: str) -> bool:
        """Whether a command on a record of COMMUNE, and of the leader's own team, is this caller's to give."""
        extent = self.extent(action)
        # Each row of an import is decided by itself. The maps are the whole province's.
        if extent is not None and "/v1/imports" in route:
            return True
        return extent == ALL or (extent is not None and self.reaches)


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


@pytest.mark.slow
async def test_every_route_asks_for_the_callers_rights(antt: Antt) -> None:
    assert set(SAID) <= set(ACTIONS)
    team, other = await a_team(antt), await a_team(antt, FOREIGN_COMMUNE)
    ids = {
        "team_id": team,
        **await records(antt, "{tip_id}{case_id}{activity_id}{member_id}{class_id}{certificate_id}"),
    }

    async def heard() -> bool:
        headers = antt.token("team_leader", FOREIGN_COMMUNE, team)
        return (await antt.get("/incidents/v1/tips", headers)).status_code == 403

    await eventually(heard)
    wrong, may = [], list[tuple[Called, str]]()
    for called in callers(team, other):
        for route, action in ACTIONS.items():
            if action == OPEN or (route in STREAMS and called.extent(action) is not None and called.reaches):
                continue
            if route.startswith("GET "):
                wrong += await _read(antt, called, route, action, ids)
            elif called.may(route, action):
                may.append((called, route))
            else:
                wrong += await _refused(antt, called, route, action, ids)
    # Only then what changes the records that the others are asked about; each on a record of its own.
    assert {route for route, action in ACTIONS.items() if action != OPEN and not route.startswith("GET ")} == {
        route for _, route in may
    }
    for called, route in may:
        wrong += await _allowed(antt, called, route, team)
    assert not wrong, "\n".join(wrong)


async def records(antt: Antt, path: str, team: str | None = None) -> dict[str, str]:
    """New records of the kinds that a path names, and what they stand on; a team's own where one is given."""
    of_team, found = {"team_id": team} if team else {}, dict[str, str]()
    operator = antt.token("operator")
    if "{tip_id}" in path:
        tip = {"unit": COMMUNE, "content": "mật", **of_team}
        found["tip_id"] = (await opened(antt, "/incidents/v1/tips", tip, operator))["id"]
    if "{case_id}" in path:
        found["case_id"] = (await opened(antt, "/incidents/v1/cases", a_case(), operator))["id"]
    if "{activity_id}" in path or "{record_id}" in path:
        found["activity_id"] = (await opened(antt, "/incidents/v1/activities", a_patrol(**of_team), operator))["id"]
    if any(name in path for name in ("{team_id}", "{member_id}", "{certificate_id}", "/teams/v1/{of}")):
        found["team_id"] = await registry.team(antt)
    if "{member_id}" in path or "{certificate_id}" in path:
        found["member_id"] = await registry.member(antt, found["team_id"])
        terms = (await antt.get(f"/teams/v1/members/{found['member_id']}", operator)).json()["terms"]
        found["term_id"] = terms[0]["id"]
    if "{class_id}" in path or "{certificate_id}" in path:
        found["class_id"] = await registry.training_class(antt)
    if "{certificate_id}" in path:
        body = {"training_class_id": found["class_id"], "member_id": found["member_id"], "number": "1"}
        body["issued_on"] = "2025-11-20"
        found["certificate_id"] = (await registry.entered(antt, registry.CERTIFICATES, body))["id"]
    return found


async def call(
    antt: Antt, called: Called, route: str, ids: dict[str, str], body: Any = None, version: str = '"1"'
) -> httpx.Response:
    """The answer that a caller gets for a route, about the records of these ids."""
    method, path = route.split(" ")
    if path.startswith("/teams/"):
        of = {"of": "teams", "record_id": ids.get("team_id", NOWHERE)}
    elif method == "GET":
        of = {"of": "tips", "record_id": ids["tip_id"]}
    else:
        of = {"of": "activities", "record_id": ids.get("activity_id", NOWHERE)}
    for name, value in {**ids, **of, "name": "verify", "format": "json"}.items():
        path = path.replace(f"{{{name}}}", value)
    while "{" in path:
        path = path[: path.index("{")] + NOWHERE + path[path.index("}") + 1 :]
    query = next((query for begins, query in QUERIES.items() if route.startswith(begins)), {})
    sent: dict[str, Any] = {} if method in ("GET", "DELETE") else {"json": {} if body is None else body}
    if isinstance(body, bytes):
        sent = {"files": {"file": ("a.pdf", body)}}
    elif "open311" in path:
        sent = {"data": body}
    elif route.endswith("/v1/imports") and method == "POST":
        sent = {"content": b"{}", "headers": {"Content-Type": "application/x-ndjson"}}
    elif route.endswith("boundaries") and method == "PUT":
        sent = {"content": json.dumps(body), "headers": {"Content-Type": "application/geo+json"}}
    scopes = [called.scope] if called.scope else []
    role: Any = called.role
    token = {} if role == "anyone" else antt.token(role, called.unit, called.team, scopes)
    headers = {"If-Match": version, **token, **sent.pop("headers", {})}
    return await antt.http.request(method, path, params=query, headers=headers, **sent)


# What a command finds wrong itself, once it knows that the caller may.
DECIDED = {"no-successor", "unknown-tip", "empty"}


def body_of(route: str, ids: dict[str, str]) -> Any:
    """The body of a command, about the records of these ids."""
    body = SAID.get(route)
    if body is None or isinstance(body, bytes):
        return body
    text = json.dumps(body)
    for name, id in ids.items():
        text = text.replace(f"{{{name}}}", id)
    return json.loads(text)


async def _refused(antt: Antt, called: Called, route: str, action: str, ids: dict[str, str]) -> list[str]:
    """What is wrong with how a command is refused, in words."""
    answer = await call(antt, called, route, ids, body_of(route, ids))
    right = {403} if called.role != "anyone" else {401}
    if "open311" in route:
        # The standard knows no 401.
        right = {403}
    if called.extent(action) is not None and ("_id}" in route or route in OF_A_RECORD):
        # What is not the caller's to see is answered as what is not there.
        right = {404}
    elif called.extent(ALSO.get(route, action)) is not None:
        right = {403, 404}
    if called.team and answer.status_code in (400, 422) and "team_id" in answer.text:
        # What a leader enters is the own team's, and that is another unit's.
        return []
    return _wrong(answer, right, called, route)


async def _allowed(antt: Antt, called: Called, route: str, team: str) -> list[str]:
    """What is wrong with how a command is taken, in words; that its record is in another state is right."""
    own = called.team or None
    said = json.dumps(SAID.get(route, ""), default=str)
    ids = await records(antt, route + said, own)
    body = body_of(route, ids)
    if own and isinstance(body, dict) and route.endswith(("/v1/tips", "/v1/activities")):
        body["team_id"] = own
    if own and isinstance(body, dict) and "activity" in body:
        body["activity"]["team_id"] = own
    answer = await call(antt, called, route, ids, body)
    right = {200, 201, 202, 204, 404, 409, 412, 422}
    if answer.status_code == 422 and answer.json()["type"] == "urn:antt:problem:invalid-input":
        # Refused before anybody's rights are asked for, unless it says what is only known after them.
        right = {422} if {error["code"] for error in answer.json()["errors"]} <= DECIDED else set()
    return _wrong(answer, right, called, route)


async def _read(antt: Antt, called: Called, route: str, action: str, ids: dict[str, str]) -> list[str]:
    """What is wrong with what a reader gets, in words."""
    extent = called.extent(action)
    # A recount is of the whole province.
    reaches = called.reaches and (action != "recount" or units.is_province(called.unit))
    named = next((id for name, id in ids.items() if f"{{{name}}}" in route), None)
    answer = await call(antt, called, route, ids)
    shown = answer.status_code == 200 and any(id in answer.text for id in ids.values())
    if extent is None:
        right = {401 if called.role == "anyone" else 403}
    elif extent == AREA and reaches:
        right = {answer.status_code} - {401, 403}
    elif extent == AREA:
        # A list of another area is empty; what is named by its unit is refused, and by its id it is not there.
        right = {404} if named is not None else {403, 404, *(() if shown else (200,))}
    else:
        right = {403, 404, *(() if shown else (200,))}
    return _wrong(answer, right, called, route)


def _wrong(answer: httpx.Response, right: set[int], called: Called, route: str) -> list[str]:
    if answer.status_code in right:
        return []
    return [f"{called.role} {called.scope} of {called.unit}: {route} {answer.status_code} {answer.text[:150]}"]
