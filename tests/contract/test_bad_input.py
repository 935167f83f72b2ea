"""Bad input gets one clear problem, in the language asked for, and changes nothing: one table, a row for each kind."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import uuid4

import asyncpg
import msgspec
import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey

from shared.access.issuer import issue_token
from shared.days import now
from shared.settings import settings
from tests.conftest import COMMUNE, OLD_COMMUNE, PROVINCE, WHOLE_MONTHS, Antt

TIPS = "/incidents/v1/tips"
NOWHERE = f"{TIPS}/01a201dd-18ff-775c-97dc-1b19c01ef6a5"
MONTH = WHOLE_MONTHS
FOREIGN_COMMUNE = "2025:25747"  # of the province served, and not the officer's
TOMORROW = now() + timedelta(days=1)


def tip(**values: Any) -> dict[str, Any]:
    return {"unit": COMMUNE, "content": "Gây rối trật tự", **values}


class Bad(NamedTuple):
    """A request, and what it gets."""

    status: int
    problem: str
    body: Any = None
    method: str = "POST"
    path: str = TIPS
    role: str = ""
    headers: Mapping[str, str] = MappingProxyType({})
    query: Mapping[str, str] = MappingProxyType({})


def raw(text: str | bytes, **fields: Any) -> Bad:
    """A body that is no JSON as we would write it."""
    return Bad(422, "invalid-input", text if isinstance(text, bytes) else text.encode(), **fields)


BAD = {
    "a unit that is none": Bad(422, "unknown-unit", tip(unit="2024:99999")),
    "a unit of another province": Bad(422, "unit-not-served", tip(unit="2025:00004")),
    "a unit without an edition": Bad(422, "invalid-input", tip(unit="25942")),
    "an edition that no longer holds": Bad(422, "unit-not-in-force", tip(unit=OLD_COMMUNE)),
    "an edition that did not hold yet": Bad(
        422, "unit-not-in-force", tip(received_at="2024-08-01T08:00:00+07:00"), role="commune_officer"
    ),
    "a day in the future": Bad(422, "day-in-the-future", tip(received_at=TOMORROW.isoformat()), role="commune_officer"),
    "an occurrence in the future": Bad(422, "day-in-the-future", tip(occurred_at=TOMORROW.isoformat())),
    "the last instant of the calendar": Bad(422, "invalid-input", tip(occurred_at="9999-12-31T23:59:59-12:00")),
    "the first instant of the calendar": Bad(422, "invalid-input", tip(occurred_at="0001-01-01T00:00:00+14:00")),
    "a time without its zone": Bad(422, "invalid-input", tip(occurred_at="2025-11-02T20:00:00")),
    "a time as a number": Bad(422, "invalid-input", tip(occurred_at=1_700_000_000)),
    "a number for a text": Bad(422, "invalid-input", tip(content=5)),
    "a list for an object": Bad(422, "invalid-input", [tip()]),
    "null": raw("null"),
    "an unknown field": Bad(422, "invalid-input", tip(informant_name="Nguyễn Văn A")),
    "a missing field": Bad(422, "invalid-input", {"unit": COMMUNE}),
    "no body": Bad(422, "invalid-input"),
    "an empty text": Bad(422, "invalid-input", tip(content=" \n ")),
    "a text that is too long": Bad(422, "invalid-input", tip(content="ă" * 20_001)),
    "NUL": Bad(422, "invalid-input", tip(content="a\0b")),
    "an override of the direction of writing": Bad(422, "invalid-input", tip(content="a\u202eb")),
    "a lone surrogate": raw(r'{"unit": "2025:25942", "content": "a\ud800b"}'),
    "a lone surrogate in a field's name": raw(r'{"unit": "2025:25942", "content": "a", "\udfff": 1}'),
    "half a document": raw('{"unit": "2025:'),
    "two documents": raw(json.dumps(tip()) * 2),
    "bytes that are no UTF-8": raw(b'{"unit": "2025:25942", "content": "\xff\xfe"}'),
    "an encoded surrogate": raw(b'{"unit": "2025:25942", "content": "\xed\xa0\x80"}'),
    "UTF-16": raw(json.dumps(tip()).encode("utf-16")),
    "a deep nest": raw('{"content": ' + "[" * 10_000 + "]" * 10_000 + "}"),
    "a huge number": raw('{"unit": "2025:25942", "content": ' + "9" * 5_000 + "}"),
    "not a number": raw('{"unit": "2025:25942", "content": NaN}'),
    "a body over the cap": Bad(413, "body-too-large", tip(content="a" * 70_000)),
    "a form": Bad(415, "wrong-media-type", b"unit=1", headers={"Content-Type": "application/x-www-form-urlencoded"}),
    "a type that only begins like JSON": Bad(
        415, "wrong-media-type", tip(), headers={"Content-Type": "application/json-seq"}
    ),
    "no type": Bad(415, "wrong-media-type", tip(), headers={"Content-Type": ""}),
    "an unknown team": Bad(
        409,
        "team-not-yet-known",
        tip(team_id="01a201dd-18ff-775c-97dc-1b19c01ef6a5"),
        role="commune_officer",
    ),
    "a citizen who speaks for an officer": Bad(401, "unauthenticated", tip(channel="officer")),
    "a citizen who dates a tip": Bad(401, "unauthenticated", tip(received_at="2025-11-02T20:00:00+07:00")),
    "a step without a token": Bad(401, "unauthenticated", {}, path="{tip}/report"),
    "a step by who may not": Bad(403, "forbidden", {"classified_as": "feedback"}, path="{tip}/classify", role="system"),
    "a foreign area": Bad(403, "foreign-area", tip(unit=FOREIGN_COMMUNE), role="commune_officer"),
    "a step that the state does not allow": Bad(
        409, "step-not-allowed", {"reason": "x"}, path="{tip}/resolve", role="commune_officer"
    ),
    "a step without its reason": Bad(422, "invalid-input", {}, path="{tip}/withdraw", role="commune_officer"),
    "a record that is none": Bad(404, "not-found", {}, path=f"{NOWHERE}/report", role="commune_officer"),
    "an id that is none": Bad(422, "invalid-input", {}, path=f"{TIPS}/1/report", role="commune_officer"),
    "another version than the one that was read": Bad(
        412, "precondition-failed", {}, path="{tip}/report", role="commune_officer", headers={"If-Match": '"7"'}
    ),
    "a change that names no version": Bad(
        428, "precondition-required", {"name": "Tổ 2"}, "PATCH", "/teams/v1/teams/{team}", role="commune_officer"
    ),
    "a key of no length": Bad(422, "invalid-input", tip(), headers={"Idempotency-Key": ""}),
    "a key that is too long": Bad(422, "invalid-input", tip(), headers={"Idempotency-Key": "k" * 256}),
    "a method that is none here": Bad(405, "method-not-allowed", {}, "PUT"),
    "a path that is none": Bad(404, "not-found", {}, path="/incidents/v1/tipz"),
    "a path of no service's": Bad(404, "not-found", {}, path="/incidents/v2/tips"),
    "a list by nobody": Bad(401, "unauthenticated", None, "GET"),
    "a list of a foreign area": Bad(
        403, "foreign-area", None, "GET", role="commune_officer", query={"unit": FOREIGN_COMMUNE}
    ),
    "a page that is too long": Bad(422, "invalid-input", None, "GET", role="operator", query={"limit": "501"}),
    "a page after nothing": Bad(422, "invalid-input", None, "GET", role="operator", query={"after": "\0"}),
    "a receipt that is none": Bad(
        422, "invalid-input", None, "GET", f"{TIPS}/by-receipt", headers={"Antt-Receipt": "12"}
    ),
    "a receipt that was never given": Bad(
        404, "not-found", None, "GET", f"{TIPS}/by-receipt", headers={"Antt-Receipt": "0" * 16}
    ),
    "counters of a unit that is none": Bad(
        422, "unknown-unit", None, "GET", "/stats/v1/counters", query={"unit": "2024:99", **MONTH}
    ),
    "counters of another province": Bad(
        422, "unit-not-served", None, "GET", "/stats/v1/counters", query={"unit": "2025:01", **MONTH}
    ),
    "counters of a day that is a number": Bad(
        422, "invalid-input", None, "GET", "/stats/v1/counters", query={"unit": PROVINCE, **MONTH, "from": "0"}
    ),
    "counters that end before they begin": Bad(
        422,
        "invalid-input",
        None,
        "GET",
        "/stats/v1/counters",
        query={"unit": PROVINCE, "from": "2025-11-30", "to": "2025-11-01"},
    ),
    "counters of an indicator that is none": Bad(
        422, "invalid-input", None, "GET", "/stats/v1/counters", query={"unit": PROVINCE, **MONTH, "indicator": "x"}
    ),
    "counters of a commune, by nobody": Bad(
        401, "unauthenticated", None, "GET", "/stats/v1/counters", query={"unit": COMMUNE, **MONTH}
    ),
    "counters of half a month, by nobody": Bad(
        401,
        "unauthenticated",
        None,
        "GET",
        "/stats/v1/counters",
        query={"unit": PROVINCE, "from": "2025-11-01", "to": "2025-11-15"},
    ),
    "counters once a write is counted that never was": Bad(
        503,
        "not-yet-counted",
        None,
        "GET",
        "/stats/v1/counters",
        query={"unit": PROVINCE, **MONTH, "counted": "incidents:1:999"},
    ),
}


@pytest.fixture(autouse=True)
def brief_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for what never comes."""
    monkeypatch.setenv("ANTT_TEAM_WAIT_SECONDS", "0.1")
    monkeypatch.setenv("ANTT_COUNTED_WAIT_SECONDS", "0.1")


class Rows:
    """All that the databases of teams and incidents hold of records and events."""

    TABLES = ("tips", "tip_steps", "outbox", "answers"), ("teams", "outbox", "answers")

    def __init__(self, incidents: asyncpg.Connection, teams: asyncpg.Connection) -> None:
        self._connections = incidents, teams

    async def all(self) -> list[Any]:
        """Every row, as text."""
        return [
            [row["text"] for row in await connection.fetch(f"SELECT t::text AS text FROM {table} t ORDER BY 1")]
            for connection, tables in zip(self._connections, self.TABLES, strict=True)
            for table in tables
        ]


@pytest.fixture
async def rows(databases: dict[str, str]) -> AsyncIterator[Rows]:
    """A look into the databases."""
    incidents, teams = [await asyncpg.connect(databases[service]) for service in ("incidents", "teams")]
    yield Rows(incidents, teams)
    for connection in (incidents, teams):
        await connection.close()


async def made(antt: Antt) -> dict[str, str]:
    """The path of a tip and the id of a team that are there."""
    decision = {"number": "12/QĐ-UBND", "signed_on": "2025-10-01", "signer": "Nguyễn Văn A"}
    team = {"unit": COMMUNE, "name": "Tổ 1", "from_on": "2025-11-01", "decision": decision}
    created = await antt.post("/teams/v1/teams", team, antt.token())
    received = await antt.post(TIPS, tip())
    return {"team": created.json()["id"], "tip": f"{TIPS}/{received.json()['id']}"}


async def test_each_kind_of_bad_input_has_its_problem_and_changes_nothing(antt: Antt, rows: Rows) -> None:
    there = await made(antt)
    before = await rows.all()
    for name, bad in BAD.items():
        content = (
            bad.body
            if isinstance(bad.body, bytes)
            else None
            if bad.body is None
            else json.dumps(bad.body, ensure_ascii=False).encode()
        )
        token = antt.token(bad.role, {"operator": PROVINCE}.get(bad.role, COMMUNE)) if bad.role else {}  # type: ignore[arg-type]
        answer = await antt.http.request(
            bad.method,
            bad.path.format(**there),
            content=content,
            params=bad.query,
            headers={"Content-Type": "application/json", **token, **bad.headers},
        )
        told = (answer.status_code, answer.headers["content-type"], answer.json()["type"])
        assert told == (bad.status, "application/problem+json", f"urn:antt:problem:{bad.problem}"), (name, answer.text)
        assert ("retry-after" in answer.headers) == (bad.problem in ("team-not-yet-known", "not-yet-counted")), name
        assert "Gây rối" not in answer.text, f"{name}: a problem never repeats the input"
        assert await rows.all() == before, f"{name} changed something"


async def test_a_body_without_an_announced_length_is_cut_off_at_the_cap(antt: Antt, rows: Rows) -> None:
    before = await rows.all()
    for size, parts in ((70_000, 1), (1_000, 1_000)):

        async def body(size: int = size, parts: int = parts) -> AsyncIterator[bytes]:
            for _ in range(parts):
                yield b" " * size

        answer = await antt.http.post(TIPS, content=body(), headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["most_bytes"]) == (413, settings().body_bytes)
    assert await rows.all() == before


async def test_a_client_that_goes_before_its_body_has_come_asked_for_nothing(antt: Antt, rows: Rows) -> None:
    there = await made(antt)
    before = await rows.all()
    token = antt.token()["Authorization"].encode()
    sent: list[Any] = []
    incoming = iter([{"type": "http.request", "body": b"", "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(incoming)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", token), (b"content-type", b"application/json"), (b"content-length", b"20")]
    path = f"{there['tip']}/report"
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers, "root_path": ""}
    await antt.app(scope, receive, send)
    assert sent == []
    assert await rows.all() == before


async def test_text_is_kept_in_nfc(antt: Antt, rows: Rows) -> None:
    decomposed, composed = "Ga\u0302y ro\u0302\u0301i tra\u0323\u0302t tu\u031b\u0323", "Gây rối trật tự"
    answer = await antt.post(TIPS, tip(content=f"  {decomposed}\n"))
    kept = await antt.get(f"{TIPS}/{answer.json()['id']}", antt.token())
    assert kept.json()["content"] == composed


def unsigned(header: Any, claims: Any) -> str:
    """A token with any header and claims, and with a signature that is none."""
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims))
    return ".".join([*parts, ""])


def bad_tokens() -> dict[str, str]:
    """Authorization headers that name nobody."""
    issuer = ECKey.import_key(msgspec.json.decode((settings().keys / "issuer.json").read_bytes()))
    stranger = ECKey.generate_key("P-256", auto_kid=True)
    public = OctKey.import_key((settings().keys / "jwks.json").read_bytes())
    good = issue_token(settings(), "commune_officer", COMMUNE)
    header, payload, _ = good.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))

    def signed(key: Any = issuer, alg: str = "ES256", **other: Any) -> str:
        # Escaped, as other issuers write it: what is no text, too.
        payload = json.dumps({**claims, **other}).encode()
        return jws.serialize_compact({"alg": alg, "kid": issuer.kid, "typ": "JWT"}, payload, key)

    tokens = {
        "malformed": "x",
        "of five parts": "a.b.c.d.e",
        "not even text": "đ.đ.đ".encode().decode("latin-1"),
        "long": "a" * 20_000,
        "not signed": f"{header}.{payload}.",
        "of no algorithm": unsigned({"alg": "none"}, claims),
        "with a list for a header": unsigned([], claims),
        "with a list for claims": unsigned({"alg": "none"}, []),
        "expired": issue_token(settings(), "commune_officer", COMMUNE, valid=timedelta(seconds=-61)),
        "not valid yet": signed(nbf=int(now().timestamp()) + 600),
        "signed by a stranger": signed(stranger),
        "signed with the public key as a secret": jwt.encode({"alg": "HS256"}, claims, public),
        "of another issuer": signed(iss="other"),
        "for another audience": signed(aud="other"),
        "of an unknown role": signed(role="king"),
        "of an unknown unit": signed(unit="2024:99"),
        "of a leader without a team": signed(role="team_leader"),
        "of a leader of no team's": signed(role="team_leader", team="x"),
        "that never expires": signed(exp=None),
        "of a claim of another type": signed(unit=5),
        "of another purpose": jwt.encode({"alg": "ES256", "kid": issuer.kid, "typ": "logout+jwt"}, claims, issuer),
        "of nobody": signed(sub=""),
        "of a subject of blanks": signed(sub="  "),
        "of a subject with NUL": signed(sub="a\0b"),
        "of a subject that is no text": signed(sub="\ud800"),
        "of a subject without end": signed(sub="a" * 300),
        "of a leader of a NUL": signed(role="team_leader", team="a\0"),
        "of a commune's officer over a province": signed(unit=PROVINCE),
        "of a province's officer over a commune": signed(role="province_officer"),
        "of an operator of a commune": signed(role="operator"),
        "of a leader over a province": signed(role="team_leader", unit=PROVINCE, team=str(uuid4())),
        "of an officer of a district": signed(unit="2024:718"),
        "longer than any token": f"{good}{' ' * 9_000}",
    }
    return {
        **{name: f"Bearer {token}" for name, token in tokens.items()},
        "of another scheme": f"Basic {good}",
        "nothing": "",
    }


async def test_a_token_that_names_nobody_is_refused_even_where_none_is_needed(antt: Antt, rows: Rows) -> None:
    before = await rows.all()
    for name, authorization in bad_tokens().items():
        for answer in (
            await antt.http.post(TIPS, json=tip(), headers={b"Authorization": authorization.encode("latin-1")}),
            await antt.http.get(TIPS, headers={b"Authorization": authorization.encode("latin-1")}),
        ):
            told = (answer.status_code, answer.json()["type"], answer.headers["www-authenticate"])
            assert told == (401, "urn:antt:problem:unauthenticated", "Bearer"), name
    assert await rows.all() == before


async def test_a_problem_speaks_the_language_that_is_asked_for(antt: Antt) -> None:
    for asked, language in (
        ("", "vi"),
        ("en", "en"),
        ("en-GB, vi;q=0.5", "en"),
        ("vi, en; q=0.9", "vi"),
        ("fr, en;q=0.2", "en"),
        ("fr", "vi"),
        ("en;q=much", "vi"),
    ):
        answer = await antt.http.get(NOWHERE, headers={"Accept-Language": asked, **antt.token()})
        assert answer.headers["content-language"] == language, asked
        assert answer.json()["title"] == {"vi": "Không tìm thấy.", "en": "There is nothing here."}[language]


async def test_the_same_key_sent_twice_at_once_makes_one_tip(antt: Antt, rows: Rows) -> None:
    key = str(uuid4())
    answers = await asyncio.gather(*(antt.post(TIPS, tip(), Idempotency_Key=key) for _ in range(8)))
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [201] + [409] * 7
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["type"] == "urn:antt:problem:idempotency-key-in-flight"
            assert answer.headers["retry-after"]
    assert len((await rows.all())[0]) == 1


async def test_pages_walk_every_row_once_while_rows_are_added(antt: Antt) -> None:
    there = [(await antt.post(TIPS, tip())).json()["id"] for _ in range(7)]
    officer, seen = antt.token(), []
    address: str | None = f"{TIPS}?limit=3&state=received"
    while address:
        page = await antt.http.get(address, headers=officer)
        seen += [item["id"] for item in page.json()["items"]]
        address = page.links.get("next", {}).get("url")
        if len(seen) < 9:
            there += [(await antt.post(TIPS, tip())).json()["id"]]
    assert seen == there


async def test_equal_figures_have_one_etag_however_fresh(antt: Antt) -> None:
    question: dict[str, Any] = {"unit": PROVINCE, **MONTH}
    first = await antt.get("/stats/v1/counters", **question)
    unchanged = await antt.get("/stats/v1/counters", {"If-None-Match": first.headers["etag"]}, **question)
    assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", first.headers["etag"])
    position = (await antt.post(TIPS, tip())).headers["antt-position"]
    question = {"unit": "2025:79", **MONTH, "counted": position}
    changed = await antt.get("/stats/v1/counters", {"If-None-Match": first.headers["etag"]}, **question)
    assert (changed.status_code, changed.json()["counters"]["tips_received"]) == (200, 1)


async def test_no_method_makes_any_address_fail(antt: Antt) -> None:
    addresses = [
        path.format_map(dict.fromkeys(("tip_id", "case_id", "activity_id", "team_id"), NOWHERE[-36:]))
        for service in ("teams", "incidents", "stats")
        for path in (await antt.get(f"/{service}/v1/openapi.json")).json()["paths"]
        if "{" not in path.replace("{tip_id}", "").replace("{team_id}", "") and not path.endswith("/live")
    ]
    for address in [*addresses, "/", "/incidents", "/incidents/v1/docs"]:
        for method in ("HEAD", "OPTIONS", "TRACE", "DELETE"):
            answer = await antt.http.request(method, address)
            # Of readiness 503 is an answer: in the first instants, and while something is down.
            unready = method == "HEAD" and address.endswith("/health/ready") and answer.status_code == 503
            assert answer.status_code < 500 or unready, (method, address)
            assert answer.status_code != 405 or answer.headers["allow"], (method, address)


async def test_readers_that_wait_keep_nobody_else_out(antt: Antt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings(), "counted_wait_seconds", 60)
    question = {"unit": PROVINCE, **MONTH}
    crowd = [
        asyncio.create_task(antt.get("/stats/v1/counters", None, **question, counted="incidents:1:9"))
        for _ in range(4 * settings().database_connections)
    ]
    await asyncio.sleep(0)
    assert (await antt.get("/stats/v1/counters", None, **question)).status_code == 200
    assert not any(waiting.done() for waiting in crowd)
    for _ in range(9):
        await antt.post(TIPS, tip())
    assert {(await answer).status_code for answer in crowd} == {200}


async def test_a_server_that_has_no_room_asks_to_try_again(antt: Antt, databases: dict[str, str]) -> None:
    connection = await asyncpg.connect(databases["incidents"])
    await connection.execute(
        """CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = 'disk_full'; END $$;
        CREATE TRIGGER full_disk BEFORE INSERT ON tips FOR EACH STATEMENT EXECUTE FUNCTION full_disk()"""
    )
    await connection.close()
    answer = await antt.post(TIPS, tip())
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:antt:problem:database-unavailable")
    assert answer.headers["retry-after"]
