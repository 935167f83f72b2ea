"""What persons wrote, hold or are called lies where it must and nowhere else, whichever door it came in by.

Each field of each door gets a mark of its own. A real installation takes them in, and then all that it has written and
answered is searched: tables, the files of PostgreSQL with its log of changes, topics, store, logs, traces, metrics,
webhooks, and what is read by whom. `ALLOWED` says of each field where its marks may be.
"""

import csv
import hashlib
import io
import json
import re
import secrets
import shutil
import string
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Any, Literal, cast, get_args
from uuid import uuid4

import httpx
import openpyxl
import pytest

from shared.access.issuer import issue_token
from shared.access.permissions import TokenRole
from shared.settings import Service
from tests.collector import collecting
from tests.conftest import COMMUNE, PROVINCE, eventually
from tests.faults.conftest import PATIENCE, Installation
from tests.incidents.conftest import a_case, a_patrol
from tests.receiver import Receiver, receiving
from tests.shared.files.made import files_with_notes
from tests.teams.factories import a_member, a_team

FOREIGN_COMMUNE = "2025:25747"
TIPS, IMPORTS, OPEN311 = "/incidents/v1/tips", "/incidents/v1/imports", "/incidents/open311/v2/requests.json"

# Where the marks of a field may be: tables (and so PostgreSQL's own files), and what is read by whom. What has no place is
# kept by nobody, or under a seal alone.
ALLOWED: dict[str, set[str]] = {
    # Who reports; also where a sheet or a client puts them into the wrong field.
    "name of an informant": set(),
    "telephone of an informant": set(),
    "email of an informant": set(),
    "address of an informant": set(),
    "identity number of an informant": set(),
    "something in the wrong place": set(),
    # What only its holder has.
    "receipt": set(),
    "token": set(),
    "key of a request": set(),
    "secret of a webhook": set(),
    # What somebody looks for, asks for or is told by.
    "words of a search": set(),
    "part of an address": set(),
    "header": set(),
    # What a file says of who made it where.
    "note in a file": set(),
    "name of a removed file": {"files of PostgreSQL"},
    # What the police work with.
    "words of a tip": {"incidents.tips", "its police"},
    "words of a message": {"incidents.tip_messages", "its police", "its sender"},
    "reference of another system": {"incidents.tips", "its police"},
    "reason of a step": {"incidents.tip_steps", "its police"},
    "reason of a removal": {"incidents.attachments", "its police"},
    "reason of a look": {"incidents.informant_looks", "its police"},
    "name of a file": {"incidents.attachments", "its police", "its sender"},
    "name of an import": {"incidents.imports", "its police"},
    "name of a sheet": {"incidents.imports", "incidents.import_rejections", "its police"},
    "words of a record": {"incidents.cases", "incidents.activities", "its police"},
    "note of a webhook": {"incidents.webhooks"},
    "name of a member": {"teams.members", "its police"},
}
# How the marks that must be numbers begin; all others begin with letters that no word does.
_PHONE, _IDENTITY, _WORD = "098765", "079204", "zqk"
_LETTERS = string.ascii_lowercase
# Each begins with plain letters or digits, by which a search is fast; also as PostgreSQL writes bytes, and as UTF-16.
_MARKS = [
    re.compile(beginning + rest)
    for beginning, rest in (
        (_WORD.encode(), rb"[a-z]{12}"),
        (_PHONE[1:].encode(), rb"\d{4}"),
        (_IDENTITY.encode(), rb"\d{6}"),
        (_WORD.encode().hex().encode(), rb"[0-9a-f]{24}"),
        (_PHONE[1:].encode().hex().encode(), rb"(?:3\d){4}"),
        (_IDENTITY.encode().hex().encode(), rb"(?:3\d){6}"),
        (_WORD.encode("utf-16-le"), rb"(?:[a-z]\0){12}"),
    )
]


class Canary:
    """The marks that were planted, and where each was found."""

    def __init__(self) -> None:
        # The field and the door of each mark; whatever has no beginning of ours is looked for by itself.
        self.planted: dict[bytes, tuple[str, str]] = {}
        self.others: dict[bytes, tuple[str, str]] = {}
        self.digests: dict[bytes, tuple[str, str]] = {}
        self.found: dict[str, set[str]] = defaultdict(set)
        self.wrong: set[tuple[str, str, str]] = set()

    def mark(self, field: str, door: str, form: Literal["word", "phone", "identity"] = "word") -> str:
        """A new mark for a field that comes in by a door."""
        if field.startswith(("telephone", "identity")):
            form = "phone" if field.startswith("telephone") else "identity"
        if form == "phone":
            text = _PHONE + "".join(secrets.choice(string.digits) for _ in range(4))
            core = text[1:]
        elif form == "identity":
            text = core = _IDENTITY + "".join(secrets.choice(string.digits) for _ in range(6))
        else:
            text = core = _WORD + "".join(secrets.choice(_LETTERS) for _ in range(12))
        assert ALLOWED[field] is not None
        self.planted[core.encode()] = field, door
        self._digest(text.encode(), field, door)
        return f"{text}@example.vn" if field.startswith("email") else text

    def hold(self, field: str, door: str, text: str) -> str:
        """Something that was not made here, and that is looked for as it stands."""
        self.others[text.lower().encode()] = field, door
        self._digest(text.encode(), field, door)
        return text

    def sent(self, body: bytes, door: str) -> bytes:
        """A body that names persons: no digest that anybody can make of it lies anywhere."""
        self._digest(body, "something in the wrong place", f"digest, {door}")
        return body

    def _digest(self, content: bytes, field: str, door: str) -> None:
        for kind in ("md5", "sha1", "sha256", "sha512"):
            self.digests[hashlib.new(kind, content).hexdigest().encode()] = field, f"{kind} of {door}"

    def search(self, place: str, content: bytes, *, digests: bool = False) -> None:
        """Look into what a place holds."""
        content = content.lower()
        for marks in _MARKS:
            for found in marks.finditer(content):
                plain = found[0].replace(b"\0", b"")
                hidden = plain if plain in self.planted else _unhexed(plain)
                if hidden in self.planted:
                    self._keep(place, *self.planted[hidden])
        for known in (self.others, *([self.digests] if digests else [])):
            for needle, (field, door) in known.items():
                if needle in content:
                    self._keep(place, field, door)

    def _keep(self, place: str, field: str, door: str) -> None:
        self.found[field].add(place)
        tables = {allowed for allowed in ALLOWED[field] if "." in allowed}
        if place not in ALLOWED[field] and not (place == "files of PostgreSQL" and tables):
            self.wrong.add((field, door, place))


def _unhexed(text: bytes) -> bytes:
    return bytes.fromhex(text.decode()) if re.fullmatch(rb"(?:[0-9a-f]{2})+", text) else b""


class Doors:
    """Those who come in by the doors, each as the clients that are known do."""

    def __init__(self, installation: Installation, canary: Canary, http: httpx.AsyncClient) -> None:
        self.installation, self.canary, self.http = installation, canary, http
        self.position: dict[str, str] = {}

    def token(self, role: TokenRole, unit: str, *scopes: str) -> dict[str, str]:
        """The header of a caller; what proves who it is, is a mark."""
        token = issue_token(self.installation.settings, role, unit, scopes=scopes)
        self.canary.hold("token", "Authorization", token.rpartition(".")[2])
        return {"Authorization": f"Bearer {token}"}

    def at(self, path: str) -> str:
        """Where a path is answered."""
        service = cast(Service, path.split("/")[1])
        return self.installation.url(service).removesuffix(f"/{service}") + path

    async def send(self, path: str, *status: int, method: str = "POST", **said: Any) -> httpx.Response:
        """A request, which is answered so."""
        if "content" in said:
            said["headers"] = {"Content-Type": "application/json", **said.get("headers", {})}
        answer = await self.http.request(method, self.at(path), **said)
        assert answer.status_code in status, (path, answer.status_code, answer.text)
        if "antt-position" in answer.headers:
            self.position[path.split("/")[1]] = answer.headers["antt-position"]
        return answer

    def informant(self, door: str) -> dict[str, str]:
        """Who reports, in every field."""
        mark = self.canary.mark
        return {
            "full_name": f"Nguyen {mark('name of an informant', door)}",
            "phone": mark("telephone of an informant", door),
            "email": mark("email of an informant", door),
            "address": f"12 {mark('address of an informant', door)}",
            "identity_number": mark("identity number of an informant", door),
        }

    def tip(self, door: str, **values: Any) -> dict[str, Any]:
        """A tip with all that is said in it."""
        words = f"Gay roi {self.canary.mark('words of a tip', door)}"
        return {"unit": COMMUNE, "content": words, "informant": self.informant(door), **values}

    async def json(self) -> tuple[str, str]:
        """The REST API, with and without a token, rightly and wrongly; the id of a tip and its receipt."""
        mark, door = self.canary.mark, "JSON"
        key = {"Idempotency-Key": self.canary.hold("key of a request", door, str(uuid4()))}
        self.canary.hold("key of a request", door, key["Idempotency-Key"].replace("-", ""))
        body = self.canary.sent(json.dumps(self.tip(door)).encode(), door)
        for _ in range(2):
            received = (await self.send(TIPS, 201, content=body, headers=key)).json()
        await self.send(TIPS, 422, json=self.tip("JSON, key used twice"), headers=key)
        system = self.token("system", PROVINCE, "report")
        reference = mark("reference of another system", door)
        for _ in range(2):
            key = {"Idempotency-Key": mark("key of a request", "JSON with a token")}
            tip = self.tip("JSON of a system", reference=reference)
            await self.send(TIPS, 201, 200, 409, json=tip, headers=system | key)
        wrong = "something in the wrong place"
        for refused in (
            self.tip("JSON, unknown field") | {mark(wrong, "JSON, name of a field"): mark(wrong, "JSON, its value")},
            self.tip("JSON, unit", unit=mark(wrong, "JSON, unit")),
            self.tip("JSON, too long") | {"topic": mark(wrong, "JSON, topic") * 99},
            self.tip("JSON, text") | {"informant": mark(wrong, "JSON, informant")},
            self.tip("JSON, NUL") | {"content": mark(wrong, "JSON, NUL") + "\0"},
            self.tip("JSON, team") | {"team_id": mark(wrong, "JSON, team")},
        ):
            await self.send(TIPS, 422, json=refused)
        await self.send(TIPS, 400, 422, content=b'{"content": "' + mark(wrong, "JSON that breaks off").encode())
        await self.send(TIPS, 400, 422, content=b"\xff" + mark(wrong, "JSON in no UTF-8").encode())
        odd = self.informant("JSON, odd numbers") | {
            "phone": mark(wrong, "JSON, telephone"),
            "email": mark(wrong, "JSON, email"),
            "identity_number": mark(wrong, "JSON, identity number", "phone"),
        }
        await self.send(TIPS, 201, json=self.tip("JSON, odd numbers") | {"informant": odd})
        self.canary.hold("receipt", door, received["receipt"])
        return received["id"], received["receipt"]

    async def by_receipt(self, tip: str, receipt: str) -> None:
        """What a sender reads and writes with the receipt."""
        mark = self.canary.mark
        sender, officer = {"Antt-Receipt": receipt}, self.token("commune_officer", COMMUNE)
        question = {"question": mark("words of a message", "a question")}
        await self.send(f"{TIPS}/{tip}/ask", 200, json=question, headers=officer)
        said = {"content": mark("words of a message", "an addition")}
        await self.send(f"{TIPS}/by-receipt/messages", 200, 201, json=said, headers=sender)
        await self.send(f"{TIPS}/by-receipt/messages", 422, json={"content": mark("words of a search", "to nobody")})
        for path in ("", "/messages", "/attachments"):
            answer = await self.send(f"{TIPS}/by-receipt{path}", 200, method="GET", headers=sender)
            self.canary.search("its sender", answer.content)
        await self.send(f"{TIPS}/by-receipt/acknowledgement", 200, method="GET", headers=sender)
        for path in (
            f"requests/{receipt}.json",
            f"tokens/{receipt}.xml",
            f"requests.json?service_request_id={receipt}",
        ):
            await self.send(f"/incidents/open311/v2/{path}", 200, method="GET")
        wrong = self.canary.hold(
            "receipt", "a wrong receipt", "".join(secrets.choice(string.digits) for _ in range(16))
        )
        await self.send(f"{TIPS}/by-receipt", 404, method="GET", headers={"Antt-Receipt": wrong})
        await self.send(f"/incidents/open311/v2/requests/{wrong}.json", 404, method="GET")

    async def open311(self) -> None:
        """Other cities' apps."""
        mark, door = self.canary.mark, "Open311"
        key = self.token("system", PROVINCE, "report")["Authorization"].removeprefix("Bearer ")
        form = {
            "service_code": "public_order",
            "address_id": COMMUNE,
            "description": mark("words of a tip", door),
            "address_string": mark("words of a tip", "Open311, address"),
            "media_url": f"https://example.vn/{mark('words of a tip', 'Open311, media')}",
            "first_name": mark("name of an informant", door),
            "last_name": mark("name of an informant", "Open311, last name"),
            "email": mark("email of an informant", door),
            "phone": mark("telephone of an informant", door),
            "device_id": mark("something in the wrong place", "Open311, device"),
            "account_id": mark("something in the wrong place", "Open311, account"),
            mark("something in the wrong place", "Open311, name of a field"): mark(
                "something in the wrong place", door
            ),
        }
        services = (await self.send("/incidents/open311/v2/services.json", 200, method="GET")).json()
        form["service_code"] = services[0]["service_code"]
        answer = await self.send(OPEN311, 201, data=form)
        self.canary.hold("receipt", door, answer.json()[0]["service_request_id"])
        await self.send(f"{OPEN311}?api_key={key}", 201, data=form)
        await self.send(OPEN311, 201, data=form | {"api_key": key})
        await self.send(f"/incidents/open311/v2/requests.json?api_key={key}", 200, method="GET")
        for name in ("service_code", "lat", "address_id", "jurisdiction_id", "media_url", "api_key"):
            wrong = mark("something in the wrong place", f"Open311, {name}")
            await self.send(OPEN311, 400, 403, 404, data=form | {name: wrong})

    async def imports(self) -> None:
        """Files of many tips: good rows, shifted ones, no heading, no UTF-8."""
        mark, fields = self.canary.mark, ["full_name", "phone", "email", "address", "identity_number"]
        columns = ["unit", "content", *(f"informant.{name}" for name in fields), "reference"]
        officer = self.token("commune_officer", COMMUNE)
        xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        for format, media_type in (("NDJSON", "application/x-ndjson"), ("CSV", "text/csv"), ("XLSX", xlsx)):
            wrong = "something in the wrong place"
            shifted = [
                mark(wrong, f"{format}, unit"),
                mark(wrong, f"{format}, words", "phone"),
                mark(wrong, f"{format}, name", "identity"),
                mark(wrong, f"{format}, telephone"),
                mark(wrong, f"{format}, email", "phone"),
                mark(wrong, f"{format}, address", "phone"),
                mark(wrong, f"{format}, identity number", "phone"),
                mark(wrong, f"{format}, reference", "phone"),
            ]
            good = self.tip(format, reference=mark("reference of another system", format))
            odd = self.tip(f"{format}, odd") | {
                "informant": self.informant(f"{format}, odd") | {"phone": mark(wrong, f"{format}, odd telephone")}
            }
            rows = [self._cells(good, fields), self._cells(odd, fields), shifted]
            files = {
                "whole": [columns, *rows],
                "without a heading": rows,
                "with a heading that is none": [[*columns, mark(wrong, f"{format}, heading")], [*rows[0], "1"]],
            }
            for name, table in files.items():
                if format == "NDJSON":
                    lines = [good, odd, dict(zip(columns, shifted, strict=True)), {**good, shifted[0]: shifted[1]}]
                    content = "\n".join(json.dumps(line) for line in lines[:: 1 if name == "whole" else -1])
                    body = f"{content}\n{shifted[0]}\n".encode()
                elif format == "CSV":
                    written = io.StringIO()
                    csv.writer(written).writerows(table)
                    body = written.getvalue().encode() + (b"\xff" if "none" in name else b"")
                else:
                    book = openpyxl.Workbook()
                    book.worksheets[0].title = mark("name of a sheet", f"{format}, {name}")
                    for row in table:
                        book.worksheets[0].append(row)
                    saved = io.BytesIO()
                    book.save(saved)
                    body = saved.getvalue()
                query = {"of": "tips", "atomic": "false", "filename": mark("name of an import", f"{format}, {name}")}
                key = {"Idempotency-Key": mark("key of a request", format), "Content-Type": media_type}
                answer = await self.send(
                    IMPORTS, 202, 422, content=self.canary.sent(body, format), params=query, headers=officer | key
                )
                if answer.status_code == 202:
                    await self._taken(answer.headers["location"], officer)

    @staticmethod
    def _cells(tip: dict[str, Any], fields: list[str]) -> list[str]:
        return [tip["unit"], tip["content"], *(tip["informant"][name] for name in fields), tip.get("reference", "")]

    async def _taken(self, location: str, officer: dict[str, str]) -> None:
        async def ended() -> bool:
            answer = await self.send(location, 200, method="GET", headers=officer)
            return answer.json()["state"] not in ("queued", "running")

        await eventually(ended, seconds=PATIENCE)
        for path in ("", "/rejected", "/left-out"):
            answer = await self.send(location + path, 200, method="GET", headers=officer)
            self.canary.search("its police", answer.content, digests=True)

    async def files(self, tip: str, receipt: str) -> None:
        """Files that say who made them where, from the police and from the sender, and one that is taken away again."""
        mark, officer = self.canary.mark, self.token("commune_officer", COMMUNE)
        path, seen = f"{TIPS}/{tip}/attachments", set[str]()
        for door, write in files_with_notes().items():
            notes: list[bytes] = []

            def note(part: str, door: str = door, notes: list[bytes] = notes) -> bytes:
                noted = mark("note in a file", f"{door}, {part}").encode()
                notes.extend([] if "compressed" in part else [noted])
                return noted

            content = write(note)
            assert notes
            assert all(each in content for each in notes)
            removed = door == "PDF"
            name = mark("name of a removed file" if removed else "name of a file", door)
            form = {"file": (name, self.canary.sent(content, door))}
            added = (await self.send(path, 201, files=form, headers=officer)).json()
            # Beside it may lie what was made of it to look at.
            listed = (await self.send(path, 200, method="GET", headers=officer)).json()
            for each in (each for each in listed if each["id"] not in seen):
                seen.add(each["id"])
                kept = await self.send(f"{path}/{each['id']}", 200, method="GET", headers=officer)
                self.canary.search("a file as it is read", kept.content, digests=True)
            if removed:
                reason = {"reason": mark("reason of a removal", "a file")}
                await self.send(f"{path}/{added['id']}/remove", 200, json=reason, headers=officer)
        written = b"#!AMR\n" + b"\x3c" * 900
        form = {"file": (mark("name of a file", "a sender's file"), self.canary.sent(written, "a sender's file"))}
        await self.send(f"{TIPS}/by-receipt/attachments", 201, files=form, headers={"Antt-Receipt": receipt})
        form = {"file": (mark("something in the wrong place", "a refused file"), b"<html>")}
        await self.send(path, 422, files=form, headers=officer)

    async def police(self, tip: str) -> None:
        """Steps, looks and searches of those who may."""
        mark, officer = self.canary.mark, self.token("commune_officer", COMMUNE)
        look = {"reason": mark("reason of a look", "a look")}
        key = {"Idempotency-Key": mark("key of a request", "a look")}
        await self.send(f"{TIPS}/{tip}/informant", 200, json=look, headers=officer | key)
        step = {"officer": None, "reason": mark("reason of a step", "an assignment")}
        await self.send(f"{TIPS}/{tip}/assign", 200, json=step, headers=officer)
        for path in ("", "/count", "/export"):
            query = {
                "text": mark("words of a search", f"search{path}"),
                "officer": mark("words of a search", "officer"),
            }
            await self.send(f"{TIPS}{path}", 200, method="GET", params=query, headers=officer)
            query = {"text": mark("words of a search", "too long") * 900}
            await self.send(f"{TIPS}{path}", 422, 431, 414, 400, method="GET", params=query, headers=officer)
        draft = {"unit": COMMUNE, "content": mark("words of a search", "a draft")}
        await self.send(f"{TIPS}/duplicates/check", 200, json=draft, headers=officer)
        for path in ("/teams/v1/units", "/teams/v1/members", "/incidents/v1/places", "/stats/v1/counters"):
            word = mark("words of a search", path)
            query = {"name": word, "text": word, "unit": word, "q": word}
            await self.send(path, 200, 400, 401, 404, 422, method="GET", params=query, headers=officer)

    async def records(self) -> None:
        """Cases and activities."""
        mark, officer = self.canary.mark, self.token("commune_officer", COMMUNE)
        seized = {"kind": "other", "quantity": 1, "unit": "piece", "description": mark("words of a record", "a case")}
        await self.send("/incidents/v1/cases", 201, json=a_case(seized=[seized]), headers=officer)
        patrol = a_patrol(route=mark("words of a record", "a patrol"))
        await self.send("/incidents/v1/activities", 201, json=patrol, headers=officer)
        for kind in ("cases", "activities"):
            query = {"text": mark("words of a search", f"export of {kind}")}
            await self.send(f"/incidents/v1/{kind}/export", 200, 422, method="GET", params=query, headers=officer)

    async def registry(self) -> None:
        """Members of the force."""
        mark, operator = self.canary.mark, self.token("operator", PROVINCE)
        team = (await self.send("/teams/v1/teams", 201, json=a_team(), headers=operator)).json()["id"]
        named = {"full_name": mark("name of a member", "POST")}
        member = await self.send("/teams/v1/members", 201, json=a_member(team, **named), headers=operator)
        await self.send("/teams/v1/members", 409, json=a_member(team, **named), headers=operator)
        other = {"full_name": mark("name of a member", "PATCH")}
        path = f"/teams/v1/members/{member.json()['id']}"
        await self.send(path, 200, 428, method="PATCH", json=other, headers=operator)
        refused = a_member(team, full_name=mark("something in the wrong place", "a member"), born_on="x")
        await self.send("/teams/v1/members", 422, json=refused, headers=operator)
        answer = await self.send("/teams/v1/members", 200, method="GET", headers=operator)
        self.canary.search("its police", answer.content)

    async def oddities(self) -> None:
        """Addresses, headers and tokens that are none."""
        mark = self.canary.mark
        for path in (f"{TIPS}/", "/incidents/open311/v2/requests/", "/incidents/v1/", "/teams/v1/members/", "/stats/",
                     f"{TIPS}/acknowledgements/"):  # fmt: skip
            await self.send(path + mark("part of an address", path), 401, 404, 422, method="GET")
            await self.send(path + mark("part of an address", path), 401, 404, 405, 422)
        for header in ("User-Agent", "X-Request-Id", "Baggage", "Referer", "Cookie", "X-Forwarded-For", "Forwarded"):
            value = mark("header", header)
            said = f"a={value}" if header in ("Baggage", "Cookie") else value
            await self.send(TIPS, 201, json={"unit": COMMUNE, "content": "Gây rối"}, headers={header: said})
        for token in (f"Bearer {mark('token', 'no token')}", mark("token", "no scheme")):
            await self.send(TIPS, 401, json=self.tip("JSON, no token"), headers={"Authorization": token})
        basic = self.canary.mark("token", "a password")
        await self.send(TIPS, 401, 201, json=self.tip("JSON, a password"), auth=("nguyen", basic))

    async def read(self, tip: str) -> None:
        """What is read afterwards, by whom it is for and by others."""
        paths = [TIPS, f"{TIPS}/{tip}", f"{TIPS}/{tip}/steps", f"{TIPS}/{tip}/messages", f"{TIPS}/{tip}/attachments",
                 f"{TIPS}/{tip}/duplicates", f"{TIPS}/{tip}/informant/looks", IMPORTS, "/teams/v1/members",
                 *(f"{TIPS}/export?format={format}" for format in ("csv", "xlsx", "ndjson"))]  # fmt: skip
        callers: dict[str, list[dict[str, str]]] = {
            "its police": [self.token("commune_officer", COMMUNE), self.token("province_officer", PROVINCE)],
            "strangers": [
                {},
                self.token("commune_officer", FOREIGN_COMMUNE),
                *(self.token("system", PROVINCE, scope) for scope in ("records", "figures", "report")),
            ],
        }
        for who, tokens in callers.items():
            for token in tokens:
                for path in paths:
                    answer = await self.http.get(self.at(path), headers=token)
                    assert answer.status_code < 500
                    self.canary.search(who, _unpacked(answer.content))
                changes = await self.http.get(
                    self.at("/incidents/v1/changes"), params={"after": "start", "limit": 500}, headers=token
                )
                self.canary.search("changes", changes.content)
        for service in get_args(Service):
            answer = await self.send(f"/{service}/metrics", 200, method="GET")
            self.canary.search("metrics", answer.content)


def _unpacked(content: bytes) -> bytes:
    """The content, of a sheet what is packed in it."""
    if not content.startswith(b"PK"):
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        return b"\n".join(book.read(name) for name in book.namelist())


async def _search_tables(installation: Installation, canary: Canary) -> None:
    for service in get_args(Service):
        async with installation.connection(service) as connection:
            tables = await connection.fetch(
                """SELECT format('%I.%I', schemaname, tablename) AS name, tablename FROM pg_tables
                WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"""
            )
            for table in tables:
                rows = await connection.fetch(f"SELECT t::text AS row FROM {table['name']} t")
                text = "\n".join(row["row"] for row in rows)
                canary.search(f"{service}.{table['tablename']}", text.encode(), digests=True)


def _search_files(data: Path, canary: Canary) -> dict[str, bytes]:
    """Look into every file of an installation that has ended; the contents of the small places."""
    places: dict[str, bytes] = defaultdict(bytes)
    for path in data.rglob("*"):
        if path.is_file():
            top = path.relative_to(data).parts[0]
            place = {"postgres": "files of PostgreSQL", "run.log": "logs"}.get(top, top)
            content = path.read_bytes()
            canary.search(place, str(path.relative_to(data)).encode() + b"\n" + content)
            if top != "postgres":
                places[place] += content
    return places


@pytest.mark.slow
@pytest.mark.parametrize("log", ["embedded", "kafka"])
async def test_a_mark_in_every_field_is_found_only_where_it_belongs(
    log: Literal["embedded", "kafka"], tmp_path_factory: pytest.TempPathFactory
) -> None:
    data, canary = tmp_path_factory.mktemp("canary"), Canary()
    (data / "temporary").mkdir(mode=0o777)
    installation = Installation(data, log)
    with collecting() as (collector, spans):
        installation.environment |= {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "ANTT_LOG_LEVEL": "debug",
            "TMPDIR": str(data / "temporary"),
        }
        installation.start()
        try:
            await installation.ready()
            async with installation.connection("incidents") as connection:
                # Whole pages in the log of changes as they are, so that they can be searched.
                await connection.execute("ALTER SYSTEM SET wal_compression = off")
                await connection.execute("SELECT pg_reload_conf()")
            async with receiving() as receiver, httpx.AsyncClient(timeout=60) as http:
                doors = Doors(installation, canary, http)
                tip = await _come_in(doors, receiver)
            await _search_tables(installation, canary)
        finally:
            installation.end()
            shutil.rmtree((data / "postgres.socket").read_text().strip(), ignore_errors=True)
    for delivery in receiver.deliveries:
        canary.search("webhooks", repr(delivery.headers).encode() + delivery.body)
    canary.search("traces", b"\n".join(spans))
    places = _search_files(data, canary)

    assert canary.wrong == set()
    # All of it was there to be found.
    assert b"/incidents/v1/tips" in b"".join(spans)
    assert tip in "".join(receiver.subjects)
    assert places["logs"]
    assert log == "embedded" or tip.encode() in places["kafka"]
    for field, allowed in ALLOWED.items():
        assert {place for place in allowed if "." in place} - {"incidents.import_rejections"} <= canary.found[field], (
            field
        )


async def _come_in(doors: Doors, receiver: Receiver) -> str:
    """All that comes in, is worked with and is read; the id of a tip."""
    hook = {"url": receiver.url, "note": doors.canary.mark("note of a webhook", "a webhook")}
    made = await doors.send("/incidents/v1/webhooks", 201, json=hook, headers=doors.token("operator", PROVINCE))
    doors.canary.hold("secret of a webhook", "its answer", made.json()["secret"].removeprefix("whsec_"))
    tip, receipt = await doors.json()
    await doors.files(tip, receipt)
    await doors.by_receipt(tip, receipt)
    await doors.open311()
    await doors.imports()
    await doors.police(tip)
    await doors.records()
    await doors.registry()
    await doors.oddities()
    await doors.read(tip)
    query = {"unit": COMMUNE, "indicator": ["tips_received"], "from": "2025-07-01", "to": "2999-12-31"}
    officer = doors.token("commune_officer", COMMUNE)

    async def counted() -> bool:
        path = doors.at("/stats/v1/counters")
        said = {**query, "counted": ",".join(doors.position.values())}
        return (await doors.http.get(path, params=said, headers=officer)).status_code == 200

    await eventually(counted, seconds=PATIENCE)
    await eventually(lambda: tip in receiver.subjects, seconds=PATIENCE)
    return tip
