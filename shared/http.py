"""The HTTP conventions, once: how a command comes in and is answered, how a problem looks, how a list is paged.

`CommandRoute` is the edge. FastAPI documents a command's route from its signature as it does any
other; at run time this class reads the body, finds the caller, runs the command, commits its unit of
work and only then answers.
"""

import base64
import hashlib
import inspect
import re
from codecs import BOM_UTF8
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, ClassVar, TypeVar
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.params import Form
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from shared.access import Identity, secrets
from shared.access.tokens import caller_of
from shared.errors import (
    BodyTooLarge,
    Conflict,
    InvalidInput,
    KeyInFlight,
    KeyReused,
    MethodNotAllowed,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
    Problem,
    WrongMediaType,
)
from shared.outbox import Answer, Position, UnitOfWork, decide_and_commit
from shared.text import Line


class Input(BaseModel):
    """What crosses HTTP inwards: unknown fields are refused, text is NFC without control characters."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Output(BaseModel):
    """What crosses HTTP outwards, made of a row of its table or of what a query gives."""

    model_config = ConfigDict(from_attributes=True)


class LeftOut(BaseModel):
    """What of a record that was taken could not be kept: the field, why, in a stable code and in words. Never the value."""

    at: str
    code: str
    message: str


class Page(Input):
    """A keyset page: at most `limit` rows after the one named by `after`, which a `Link: rel="next"` gives."""

    limit: Annotated[int, Query(ge=1, le=500)] = 50
    after: UUID | None = None


class Step(Input):
    """The input of a step that needs no more than, maybe, a reason."""

    reason: Line | None = None


def _work() -> UnitOfWork:
    raise RuntimeError("a unit of work comes from CommandRoute")


def _address(request: Request) -> str:
    return client_of(request.scope)


def client_of(scope: Scope) -> str:
    """Where a request comes from; empty for a socket of this machine."""
    client = scope.get("client")
    return client[0] if client else ""


# Where a request comes from, as the ingress tells it (FORWARDED_ALLOW_IPS); it limits how often one may guess.
ClientAddress = Annotated[str, Depends(_address)]

# The unit of work of one request: commands add, change and emit; the edge commits.
Work = Annotated[UnitOfWork, Depends(_work)]

Headers = dict[bytes, bytes]
_JSON = re.compile(rb"\s*application/json\s*(;|$)", re.IGNORECASE)


class CommandRoute(APIRoute):
    """A route whose function is a command: `(path values, headers, body, caller, client, work) -> answer`."""

    # Whether the answer is kept for whoever repeats the request under its Idempotency-Key.
    keeps_answers: ClassVar[bool] = True
    # What its parameters take is made ready at the first request.
    _parameters: list[tuple[str, str, Any]] | None = None

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        require_honoured(self)
        self.openapi_extra = self.openapi_extra or _edge_documented(self)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; a Problem raised on the way changes nothing and is rendered by the application."""
        if self._parameters is None:
            self._parameters = _parameters(self)
        if scope["method"] not in (self.methods or ()):
            raise MethodNotAllowed()
        service = scope["app"].state.service
        headers: Headers = dict(scope["headers"])
        body = await _read(receive, headers, service.settings.body_bytes)
        if body is None:
            return
        caller = await self._caller(service, scope, headers, body)
        arguments = self._arguments(scope, headers, body, caller)
        text = headers.get(b"idempotency-key") if self.keeps_answers else None
        key = self._key(scope, headers, caller, arguments, text) if text is not None else None
        answer = self._run if key is None else self._once
        try:
            status, content, extra = await answer(service, scope, arguments, key)
        except Conflict:
            # Another process was first, with this key or this reference: now that can be seen, and told.
            status, content, extra = await answer(service, scope, arguments, key)
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    (b"content-type", self._media_type(scope)),
                    (b"content-length", b"%d" % len(content)),
                    *extra,
                ],
            }
        )
        await send({"type": "http.response.body", "body": content})

    async def _run(
        self, service: Any, scope: Scope, arguments: dict[str, Any], key: "_Key | None"
    ) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        # Several lines of a list are one list.
        if_match = b",".join([value for name, value in scope["headers"] if name == b"if-match"]).strip()
        if not if_match and scope["method"] in ("PATCH", "PUT"):
            raise PreconditionRequired()
        status = self.status_code or 200

        async def decide(work: UnitOfWork) -> tuple[Any, bytes]:
            result = await self.endpoint(
                **arguments, **{name: work for name, kind, _ in self._parameters or () if kind == "work"}
            )
            content = self._content(scope, result)
            if key is not None:
                work.answer = Answer(key.key, key.fingerprint, status, key.seal(content))
            return result, content

        (result, content), position = await decide_and_commit(
            service.writer, decide, if_match.decode("latin-1") if if_match else None
        )
        extra = []
        if position is not None:
            extra.append((b"antt-position", position_text(service.name, position).encode()))
        # The version that the answer shows, for a command may change other records beside its own.
        version = getattr(result, "version", None)
        if version is not None:
            extra.append((b"etag", b'"%d"' % version))
        return status, content, extra

    async def _once(
        self, service: Any, scope: Scope, arguments: dict[str, Any], key: "_Key | None"
    ) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        """Run the command unless its Idempotency-Key was seen; then give the first answer again."""
        assert key is not None
        if key.key in service.keys_in_flight:
            raise KeyInFlight()
        service.keys_in_flight.add(key.key)
        try:
            first = await service.database.fetchrow(_FIRST_ANSWER, key.key, key.old_key)
            if first is None:
                return await self._run(service, scope, arguments, key)
            # An empty one is from before fingerprints had a key: whatever it was of, a retried tip is still one tip.
            if first["fingerprint"] not in (b"", key.fingerprint):
                raise KeyReused()
            extra = [(b"idempotency-replayed", b"true")]
            if first["seq"] is not None:
                position = Position(first["generation"], first["seq"])
                extra.append((b"antt-position", position_text(service.name, position).encode()))
            return first["status"], key.open(first["key"], first["body"]), extra
        finally:
            service.keys_in_flight.discard(key.key)

    def _key(self, scope: Scope, headers: Headers, caller: Identity, arguments: dict[str, Any], text: bytes) -> "_Key":
        """What the request's Idempotency-Key names: whose it is, where, and by what input it was first used."""
        if not 1 <= len(text) <= 255:
            raise InvalidInput(errors=[{"at": "Idempotency-Key", "code": "length", "message": "1 to 255 characters"}])
        # Without a token nothing but the key says who asks, and the first answer holds a receipt.
        if caller.role == "anyone" and not is_unguessable(text.decode("latin-1")):
            raise InvalidInput(errors=[{"at": "Idempotency-Key", "code": "guessable", "message": _GUESSABLE}])
        kinds = self._parameters or ()
        said = [_header(headers, name) or "" for name, kind, _ in kinds if kind == "header"]
        # A step on a record may tell what is left out from null; who sends something new, and says it otherwise, says the same.
        inputs = [
            of.dump_python(arguments[name], mode="json", exclude_unset=bool(self.param_convertors), warnings="none")
            for name, kind, of in kinds
            if kind == "body"
        ]
        return _Key(
            [caller.role, caller.subject, caller.unit, caller.team, *said, scope["method"], scope["path"].lower()],
            [caller.subject, *said, scope["method"], scope["path"]],
            msgspec.json.encode(inputs, order="sorted"),
            text,
        )

    def _arguments(self, scope: Scope, headers: Headers, body: bytes, caller: Identity) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        try:
            for name, kind, of in self._parameters or ():
                if kind == "body":
                    arguments[name] = self._input(of, headers, body)
                elif kind == "path":
                    arguments[name] = of.validate_strings(scope["path_params"][name])
                elif kind == "header":
                    arguments[name] = of.validate_strings(_header(headers, name))
                elif kind == "client":
                    arguments[name] = client_of(scope)
                elif kind == "caller":
                    arguments[name] = caller
        except ValidationError as error:
            raise invalid_input(error.errors(include_url=False, include_context=False, include_input=False)) from None
        return arguments

    # What another standard does in its own way (services/incidents/open311/edge.py).

    async def _caller(self, service: Any, scope: Scope, headers: Headers, body: bytes) -> Identity:
        caller: Identity = await service.tokens.identity(_header(headers, "authorization"))
        return caller

    def _input(self, of: TypeAdapter[Any], headers: Headers, body: bytes) -> Any:
        if body and not _JSON.match(headers.get(b"content-type", b"")):
            raise WrongMediaType()
        # Some clients begin JSON with a byte order mark, which RFC 8259 lets a reader ignore.
        return of.validate_json(body.removeprefix(BOM_UTF8) or b"{}")

    def _content(self, scope: Scope, result: Any) -> bytes:
        content: bytes = result.__pydantic_serializer__.to_json(result)
        return content

    def _media_type(self, scope: Scope) -> bytes:
        return b"application/json"


class ReadingCommand(CommandRoute):
    """A command that only reads, or reads and keeps who read: its answer is never kept, and no Idempotency-Key heeded.

    What is asked again is decided again: by the rights that the caller has then, and as one more look.
    """

    keeps_answers = False


def require_honoured(route: Any) -> None:
    """Raise TypeError at import for a command or a question that is declared to take or do what its edge does not.

    The edge skips FastAPI's parsing, not FastAPI's contract: so what it can't honour is refused, and names the route.
    """
    declared, edge = route.dependant, getattr(route, "original_route", route)
    foreign = [each.call for each in declared.dependencies if each.call not in _TAKEN_AS]
    bodies = [field for field in declared.body_params if not isinstance(field.field_info, Form)]
    is_command = isinstance(edge, CommandRoute)
    refused = {
        "dependencies of others": foreign,
        "cookies": declared.cookie_params,
        "forms and files": len(declared.body_params) - len(bodies),
        "a second body": len(bodies) > 1 or route._embed_body_fields,
        "background tasks or a response to change": declared.background_tasks_param_name
        or declared.response_param_name,
        "a choice of the answer's fields": any(getattr(route, name, None) for name in _CHOICES),
        "queries" if is_command else "anything but one model of queries": declared.query_params
        if is_command
        else bodies or declared.header_params or declared.path_params or len(declared.query_params) != 1,
        "the bare request": is_command and declared.request_param_name,
    }
    if found := [what for what, is_there in refused.items() if is_there]:
        raise TypeError(f"{sorted(route.methods)} {route.path}: its edge can't honour {', '.join(found)}")


_TAKEN_AS: dict[Any, str] = {_work: "work", caller_of: "caller", _address: "client"}
_CHOICES = (
    "response_model_include",
    "response_model_exclude",
    "response_model_exclude_unset",
    "response_model_exclude_defaults",
    "response_model_exclude_none",
)


def _parameters(route: CommandRoute) -> list[tuple[str, str, Any]]:
    """What each parameter of a command takes, as FastAPI has understood its signature: the unit of work, the caller and
    where they are, a header, a value of the path, or the body."""
    declared, annotated = route.dependant, inspect.signature(route.endpoint).parameters
    found: list[tuple[str, str, Any]] = [
        (each.name or "", _TAKEN_AS[each.call], None) for each in declared.dependencies
    ]
    for kind, fields in (
        ("path", declared.path_params),
        ("header", declared.header_params),
        ("body", declared.body_params),
    ):
        found += [(field.name, kind, TypeAdapter(annotated[field.name].annotation)) for field in fields]
    return found


def _header(headers: Headers, name: str) -> str | None:
    value = headers.get(name.replace("_", "-").encode())
    return value.decode("latin-1") if value is not None else None


async def _read(receive: Receive, headers: Headers, most: int) -> bytes | None:
    """The whole body; BodyTooLarge as soon as more than `most` bytes are announced or have come.

    None when the client has gone: half of a body is no body, and an empty one would be a command.
    """
    if int(headers.get(b"content-length", b"0")) > most:
        raise BodyTooLarge(most_bytes=most)
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > most:
            raise BodyTooLarge(most_bytes=most)
        if not message.get("more_body"):
            return body


# What is kept under the key, or by a process from before keys named role, unit and team.
_FIRST_ANSWER = "SELECT * FROM answers WHERE key = $1 OR key = $2 AND fingerprint = ''"
_GUESSABLE = "without a token: a UUID, or 128 random bits (22 characters of base64url, 32 of hex)"
# How many bits a character is worth, by the smallest alphabet that holds all of them.
_ALPHABETS = [
    (re.compile(r"[0-9]+"), 3.3),
    (re.compile(r"[0-9a-f]+|[0-9A-F]+"), 4),
    (re.compile(r"[0-9a-z_+/=.~-]+|[0-9A-Z_+/=.~-]+"), 5.1),
    (re.compile(r"[0-9A-Za-z_+/=.~-]+"), 5.9),
]
_DASHED = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def is_unguessable(text: str) -> bool:
    """Whether an Idempotency-Key is nobody else's by chance: a UUID (RFC 9562, but the nil and the max one), or as long
    as 128 random bits are, and not of the same few characters."""
    if _DASHED.fullmatch(text):
        return UUID(text).version is not None
    worth = next((bits for characters, bits in _ALPHABETS if characters.fullmatch(text)), 0)
    return worth * len(text) >= 128 and len(set(text)) >= 8


class _Key:
    """An Idempotency-Key of one caller at one address, and the seal on its answer.

    All that is kept of it and of the input is keyed: who steals the database can try out neither.
    """

    def __init__(self, place: list[str], old_place: list[str], said: bytes, text: bytes) -> None:
        self.key = secrets.keyed(b"answer keys", "\0".join(place).encode() + b"\0" + text)
        self.old_key = hashlib.sha256("\0".join(old_place).encode() + b"\0" + text).digest()
        self.fingerprint = secrets.keyed(b"answer fingerprints", said)

    def seal(self, content: bytes) -> bytes:
        return secrets.seal(b"answers", self.key, content)

    def open(self, key: bytes, sealed: bytes) -> bytes:
        return secrets.unseal(b"answers", key, sealed)


def position_text(source: str, position: Position) -> str:
    """A position as headers and queries carry it: `incidents:1:1234` (source, generation, seq)."""
    return f"{source}:{position.generation}:{position.seq}"


def invalid_input(errors: Sequence[Any]) -> InvalidInput:
    """One problem for all that pydantic found; it never repeats the input."""
    return InvalidInput(
        errors=[
            {
                "at": ".".join(str(part) for part in error["loc"]),
                "code": error["type"],
                # Pydantic's own words for an unknown kind would repeat it.
                "message": "none of the known kinds" if error["type"] == "union_tag_invalid" else error["msg"],
            }
            for error in errors
        ]
    )


def repeated(name: str) -> InvalidInput:
    """The problem of a parameter that is given twice but taken once: neither value is silently the last one."""
    return InvalidInput(errors=[{"at": name, "code": "repeated", "message": "given more than once"}])


def language_of(request: Request) -> str:
    """`en` when the client prefers it to Vietnamese, else `vi`."""
    best, language = 0.0, "vi"
    for part in request.headers.get("accept-language", "").split(","):
        tag, _, quality = part.replace(" ", "").partition(";q=")
        try:
            weight = float(quality or 1)
        except ValueError:
            continue
        if weight > best and tag.lower()[:2] in ("vi", "en"):
            best, language = weight, tag.lower()[:2]
    return language


def render(request: Request, problem: Problem) -> Response:
    """The problem as application/problem+json in the client's language."""
    return Response(
        problem.body(language_of(request)),
        status_code=problem.status,
        media_type="application/problem+json",
        headers={**problem.headers, "Content-Language": language_of(request)},
    )


class _ProblemOut(BaseModel):
    """RFC 9457: `type` is stable, `title` is for a person; further members name what it was about."""

    model_config: ClassVar = ConfigDict(extra="allow", title="Problem")
    type: str
    title: str
    status: int


_SCHEMAS = "#/components/schemas/"


def with_named_schemas(document: dict[str, Any]) -> dict[str, Any]:
    """An OpenAPI document in which each schema that is not FastAPI's own stands under its name, as generators of clients need it."""
    schemas = document["components"]["schemas"]
    schemas["Problem"] = _ProblemOut.model_json_schema()

    def named(part: Any) -> Any:
        if isinstance(part, list):
            return [named(item) for item in part]
        if not isinstance(part, dict):
            return part
        if "$defs" in part:
            schemas.update(named(part["$defs"]))
        return {
            key: value.replace("#/$defs/", _SCHEMAS) if key == "$ref" else named(value)
            for key, value in part.items()
            if key != "$defs"
        }

    document["paths"] = named(document["paths"])
    return document


def problems(*kinds: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """The documented error answers of a route or a router."""
    return _documented(InvalidInput, *kinds)


def _documented(*kinds: type[Problem]) -> dict[int | str, dict[str, Any]]:
    answers: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        named = answers.setdefault(
            kind.status,
            {
                "description": "",
                "content": {"application/problem+json": {"schema": {"$ref": f"{_SCHEMAS}Problem"}}},
            },
        )
        named["description"] = ", ".join(filter(None, (named["description"], kind.name)))
    return answers


def _edge_documented(route: CommandRoute) -> dict[str, Any]:
    """What CommandRoute adds to the documentation of a command: the headers it reads and gives, and its own problems."""
    changes_one = bool(route.param_convertors)
    needs_version = not {"PATCH", "PUT"}.isdisjoint(route.methods or ())
    own: list[type[Problem]] = [BodyTooLarge, WrongMediaType]
    parameters: list[dict[str, Any]] = []
    if route.keeps_answers:
        parameters.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "Makes it safe to send this again: the same key and input get the first answer again. "
                "Without a token it is a UUID, or 128 random bits (22 characters of base64url, 32 of hex).",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            }
        )
    if changes_one:
        own += [PreconditionFailed, *([PreconditionRequired] if needs_version else [])]
        parameters.append(
            {
                "name": "If-Match",
                "in": "header",
                "description": "The ETag of the version that was read; a record that has moved on is left as it is.",
                "required": needs_version,
                "schema": {"type": "string"},
            }
        )
    text = {"schema": {"type": "string"}}
    headers = {
        "Antt-Position": {"description": "Where the event stands; `counted=` waits for it.", **text},
        "ETag": {"description": "The version of the record.", **text},
    }
    told = route.responses
    answers = {str(status): answer for status, answer in _documented(*own).items() if status not in told}
    documented: dict[str, Any] = {
        "parameters": parameters,
        "responses": {str(route.status_code or 200): {"headers": headers}, **answers},
    }
    if _may_be_empty(route.endpoint):
        documented["requestBody"] = {"required": False}
    return documented


def _may_be_empty(endpoint: Callable[..., Any]) -> bool:
    """Whether a command's body has no field that must be given, so that none at all says as much."""
    inputs = [p.annotation for p in inspect.signature(endpoint).parameters.values()]
    models = [of for of in inputs if isinstance(of, type) and issubclass(of, Input)]
    return not any(field.is_required() for of in models for field in of.model_fields.values()) and bool(models)


def install_problems(app: FastAPI) -> None:
    """Render whatever is raised as a problem."""

    async def problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        answer = render(request, error)
        if error.status == 405:
            answer.headers["Allow"] = ", ".join(_methods_of(app, request.scope))
        return answer

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return render(request, invalid_input(error.errors()))

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        known: dict[int, type[Problem]] = {404: NotFound, 405: MethodNotAllowed, 413: BodyTooLarge}
        return await problem(request, known.get(error.status_code, InvalidInput)())

    async def failed(request: Request, error: Exception) -> Response:
        return render(request, Problem())

    handlers: list[tuple[type[Exception], Callable[[Request, Exception], Awaitable[Response]]]] = [
        (Problem, problem),
        (RequestValidationError, invalid),
        (HTTPException, refused),
        (Exception, failed),
    ]
    for kind, handler in handlers:
        app.add_exception_handler(kind, handler)


def _methods_of(app: FastAPI, scope: Scope) -> list[str]:
    """The methods that the path of a request takes, which RFC 9110 has a 405 name."""
    asked = {key: scope[key] for key in ("type", "path", "root_path", "headers") if key in scope}
    return [
        method
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
        # HEAD is answered wherever GET is (shared/middlewares.py).
        if any(
            route.matches({**asked, "method": method.replace("HEAD", "GET")})[0] == Match.FULL for route in app.routes
        )
    ]


Item = TypeVar("Item", bound=BaseModel)


def _id_of(item: Any) -> str:
    return str(item.id)


def link_next(
    request: Request, response: Response, items: Sequence[Any], limit: int, cursor: Callable[[Any], str] = _id_of
) -> None:
    """Name the next page in a `Link: rel="next"`, unless this page is the last; `cursor`: what `after` is for an item."""
    if len(items) == limit:
        query = urlencode(
            [(k, v) for k, v in request.query_params.multi_items() if k != "after"] + [("after", cursor(items[-1]))]
        )
        response.headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'


def page(written: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A page that may do what is written in it and load what lies beside it, and nothing else, whatever gets into it."""
    allowed = {
        kind: "".join(
            f" 'sha256-{base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()}'"
            for inline in re.findall(rf"<{kind}>(.*?)</{kind}>", written, re.DOTALL)
        )
        for kind in ("script", "style")
    }
    policy = (
        f"default-src 'none'; script-src 'self'{allowed['script']}; style-src 'self'{allowed['style']}; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Response(written, status, {"Content-Security-Policy": policy, **(headers or {})}, "text/html")


def json_response(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer of plain values, as JSON."""
    return Response(msgspec.json.encode(content), status, headers, "application/json")
