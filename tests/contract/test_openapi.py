"""What the OpenAPI documents promise: whatever is sent, each answer is one that they describe, and never a failure."""

import asyncio
import json
import re
from collections.abc import Iterator
from itertools import count
from typing import Any, get_args

import httpx
import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from deploy.local.sockets import free_port
from shared.access.issuer import issue_token
from shared.access.permissions import Scope, TokenRole
from shared.settings import Service, settings
from tests.conftest import COMMUNE, PROVINCE, Antt, eventually

SERVICES = get_args(Service)
DECISION = {"number": "12/QĐ-UBND", "signed_on": "2025-10-01", "signer": "Nguyễn Văn A"}

# What a document cannot say, since it depends on the register of units, on days and on records: what is valid by its
# schema and yet 422. Tokens are given by us, each role in turn, not by schemathesis. Streams have their own test.
CONFIGURATION: dict[str, Any] = {
    "seed": 1,
    "request-timeout": 10,
    "generation": {"deterministic": True, "max-examples": 3, "with-security-parameters": False},
    "phases": {"stateful": {"enabled": False}},
    "checks": {
        "positive_data_acceptance": {"enabled": False},
        "ignored_auth": {"enabled": False},
        # If-Match is what is missing; RFC 6585 gives that a status of its own.
        "missing_required_header": {"expected-statuses": [401, 422, 428]},
    },
    "operations": [{"include-path-regex": "/live$", "enabled": False}],
}


@schemathesis.serializer("application/x-ndjson", "application/jsonl")
def a_line(context: Any, value: Any) -> bytes:
    """A value as the only line of a file."""
    return json.dumps(value).encode()


async def records(antt: Antt) -> dict[str, str]:
    """One record of each kind, by the name of its path parameter."""
    officer = antt.token()
    made: dict[str, str] = {}
    patrol = {"kind": "patrol", "started_at": "2025-11-02T20:00:00+07:00", "ended_at": "2025-11-02T23:00:00+07:00"}
    for name, path, body in (
        ("team_id", "/teams/v1/teams", {"name": "Tổ 1", "from_on": "2025-11-01", "decision": DECISION}),
        ("tip_id", "/incidents/v1/tips", {"content": "Gây rối trật tự"}),
        ("case_id", "/incidents/v1/cases", {"kind": "gambling", "found_on": "2025-11-02"}),
        ("activity_id", "/incidents/v1/activities", patrol),
    ):
        answer = await antt.post(path, {"unit": COMMUNE, **body}, officer)
        assert answer.status_code == 201, answer.text
        made[name] = answer.json()["id"]
    webhook = await antt.post(
        "/incidents/v1/webhooks", {"url": f"http://localhost:{free_port()}/"}, antt.token("operator")
    )
    assert webhook.status_code == 201, webhook.text
    return {**made, "webhook_id": webhook.json()["id"]}


def callers(team: str) -> list[dict[str, str]]:
    """The headers of nobody, and of one caller in each role."""
    units = {"operator": PROVINCE, "province_officer": PROVINCE}
    scopes = {"system": get_args(Scope)}
    tokens = [
        issue_token(settings(), role, units.get(role, COMMUNE), team, scopes=scopes.get(role, ()))
        for role in get_args(TokenRole)
    ]
    return [{}, *({"Authorization": f"Bearer {token}"} for token in tokens)]


def contradictions(document: str, base_url: str, known: dict[str, str]) -> Iterator[str]:
    """Send what schemathesis makes of a document, by each caller in turn; what an answer contradicts, in words."""
    config = SchemathesisConfig.from_dict({**CONFIGURATION, "base-url": base_url})
    schema = schemathesis.openapi.from_url(document, config=config)
    turn, by_turn, sent = count(), callers(known["team_id"]), 0

    @schemathesis.hook
    def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
        number = next(turn)
        case.headers.update(by_turn[number % len(by_turn)])
        if number % 3:
            # Two of three are sent to records and units that exist, or nearly all would end in a 404.
            for place in (case.path_parameters, case.query, case.body):
                if isinstance(place, dict):
                    named = {**known, "unit": COMMUNE if number % 2 else PROVINCE}
                    place.update({name: value for name, value in named.items() if isinstance(place.get(name), str)})

        if case.query and case.query.get("wait") in range(1, 61):
            # A long poll keeps its promise elsewhere; here it would only outlast our patience.
            case.query["wait"] = 0

    try:
        for event in from_schema(schema).execute():
            if isinstance(event, events.NonFatalError | events.FatalError):
                yield f"{event!r}"[-400:]
            if not isinstance(event, events.ScenarioFinished):
                continue
            sent += len(event.recorder.cases)
            for case_id, checks in event.recorder.checks.items():
                for check in checks:
                    answer = getattr(event.recorder.interactions.get(case_id), "response", None)
                    if check.failure_info is None or (answer is not None and due(answer)):
                        continue
                    body = event.recorder.cases[case_id].value.body
                    yield f"{event.recorder.label}: {check.failure_info.failure.message} {answer and answer.content!r} {body!r}"
    finally:
        schemathesis.hooks.unregister(before_call)
    assert sent > 40


def due(answer: Any) -> bool:
    """Whether an answer asks to try again later, which a server under load may."""
    return answer.status_code == 503 and "retry-after" in answer.headers


@pytest.mark.slow
@pytest.mark.parametrize("service", SERVICES)
async def test_whatever_is_sent_gets_an_answer_that_the_document_describes(service: Service, served: str) -> None:
    async with httpx.AsyncClient(base_url=served) as http:

        async def ready() -> bool:
            return (await http.get(f"/{service}/health/ready")).status_code == 200

        # Until then its answer there is a 503 that asks for nothing: a probe comes again by itself.
        await eventually(ready, seconds=60)
        known = await records(Antt(http))
    document = f"{served}/{service}/v1/openapi.json"
    found = await asyncio.to_thread(lambda: list(contradictions(document, served, known)))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("service", SERVICES)
async def test_a_document_describes_every_operation_and_every_problem(service: Service, antt: Antt) -> None:
    document = (await antt.get(f"/{service}/v1/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            named = f"{method} {path}"
            assert operation.get("description"), named
            errors = {s: a for s, a in operation["responses"].items() if s >= "400" and "health" not in path}
            assert all(answer["description"] for answer in errors.values()), named
            assert {kind for answer in errors.values() for kind in answer["content"]} <= {"application/problem+json"}, (
                named
            )


@pytest.mark.parametrize("service", SERVICES)
async def test_every_reference_leads_to_a_schema_and_no_two_classes_share_a_name(service: Service, antt: Antt) -> None:
    text = (await antt.get(f"/{service}/v1/openapi.json")).text
    schemas = json.loads(text)["components"]["schemas"]
    assert "Problem" in schemas
    assert {name.rpartition("/")[2] for name in re.findall(r'"\$ref": ?"(#[^"]+)"', text)} <= set(schemas)
    # Of two classes with one name FastAPI makes two names with paths, which generators of clients make one of again.
    assert not [name for name in schemas if "__" in name]


@pytest.mark.parametrize("service", SERVICES)
async def test_the_documentation_works_without_internet(service: Service, antt: Antt) -> None:
    page = await antt.get(f"/{service}/v1/docs")
    assert page.status_code == 200
    assert not re.findall(r"""(?:src|href|url)\s*[=:]\s*["'](?:https?:)?//""", page.text)
    assets = re.findall(r"""["'](/[^"']+\.(?:js|css|png|json))["']""", page.text)
    assert len(assets) >= 4
    for address in assets:
        assert (await antt.get(address)).status_code == 200, address


async def test_a_stream_for_a_bad_question_is_a_problem_and_no_broken_stream(antt: Antt) -> None:
    month = {"from": "2025-11-01", "to": "2025-11-30"}
    for status, query in (
        (422, {"unit": "2024:99999", **month}),
        (422, {"unit": COMMUNE, "from": "0", "to": "2025-11-30"}),
        (401, {"unit": COMMUNE, **month}),
    ):
        answer = await antt.http.get("/stats/v1/live", params=query)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), query
