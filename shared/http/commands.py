"""How a command comes in and is answered.

`CommandRoute` is the edge. FastAPI documents a command's route from its signature as it does any
other; at run time this class reads the body, finds the caller, runs the command, commits its unit of
work and only then answers.
"""

import inspect
import re
from codecs import BOM_UTF8
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import msgspec
from fastapi import Depends
from fastapi.params import Form
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.types import Receive, Scope, Send

from shared.access import Identity
from shared.access.tokens import caller_of
from shared.errors import (
    BodyTooLarge,
    Conflict,
    InvalidInput,
    KeyInFlight,
    KeyReused,
    MethodNotAllowed,
    PreconditionFailed,
    PreconditionRequired,
    Problem,
    WrongMediaType,
)
from shared.http.keys import FIRST_ANSWER, GUESSABLE, Key, is_unguessable
from shared.http.paging import position_text
from shared.http.problems import answers_of, invalid_input
from shared.http.reader import address_of, client_of, reader_from, reader_of, service_of
from shared.http.schemas import Input
from shared.outbox import Answer, Position, UnitOfWork, decide_and_commit
from shared.service import Service


def _work() -> UnitOfWork:
    raise RuntimeError("a unit of work comes from CommandRoute")


# The unit of work of one request: commands add, change and emit; the edge commits.
Work = Annotated[UnitOfWork, Depends(_work)]

Headers = dict[bytes, bytes]
_JSON = re.compile(rb"\s*application/json\s*(;|$)", re.IGNORECASE)


class CommandRoute(APIRoute):
    """A route whose function is a command: `(path values, headers, body, caller or reader, client, work) -> answer`."""

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
        service = service_of(scope)
        headers: Headers = dict(scope["headers"])
        body = await _read(receive, headers, service.settings.body_bytes)
        if body is None:
            return
        caller = await self._caller(service, scope, headers, body)
        arguments = self._arguments(service, scope, headers, body, caller)
        text = headers.get(b"idempotency-key") if self.keeps_answers else None
        key = self._key(scope, headers, caller, arguments, text) if text is not None else None
        answer = self._run if key is None else self._once
        try:
            status, content, extra = await answer(service, scope, arguments, key)
        except Conflict:
            # Another process was first, with this key or this reference: now that can be seen and answered.
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
        self, service: Service, scope: Scope, arguments: dict[str, Any], key: "Key | None"
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
        self, service: Service, scope: Scope, arguments: dict[str, Any], key: "Key | None"
    ) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        """Run the command unless its Idempotency-Key was seen; then give the first answer again."""
        assert key is not None
        if key.key in service.keys_in_flight:
            raise KeyInFlight()
        service.keys_in_flight.add(key.key)
        try:
            first = await service.database.fetchrow(FIRST_ANSWER, key.key, key.old_key)
            if first is None:
                return await self._run(service, scope, arguments, key)
            # An empty one is from before fingerprints had a key: whatever it was of, what is sent again is still one.
            if first["fingerprint"] not in (b"", key.fingerprint):
                raise KeyReused()
            extra = [(b"idempotency-replayed", b"true")]
            if first["seq"] is not None:
                position = Position(first["generation"], first["seq"])
                extra.append((b"antt-position", position_text(service.name, position).encode()))
            return first["status"], key.open(first["key"], first["body"]), extra
        finally:
            service.keys_in_flight.discard(key.key)

    def _key(self, scope: Scope, headers: Headers, caller: Identity, arguments: dict[str, Any], text: bytes) -> "Key":
        """What the request's Idempotency-Key names: whose it is, where, and by what input it was first used."""
        if not 1 <= len(text) <= 255:
            raise InvalidInput(errors=[{"at": "Idempotency-Key", "code": "length", "message": "1 to 255 characters"}])
        # Without a token nothing but the key says who asks, and the first answer holds a receipt.
        if caller.role == "anyone" and not is_unguessable(text.decode("latin-1")):
            raise InvalidInput(errors=[{"at": "Idempotency-Key", "code": "guessable", "message": GUESSABLE}])
        kinds = self._parameters or ()
        said = [_header(headers, name) or "" for name, kind, _ in kinds if kind == "header"]
        # A step on a record may see what is left out apart from null; who sends something new, and says it otherwise, says the same.
        inputs = [
            of.dump_python(arguments[name], mode="json", exclude_unset=bool(self.param_convertors), warnings="none")
            for name, kind, of in kinds
            if kind == "body"
        ]
        return Key(
            [caller.role, caller.subject, caller.unit, caller.team, *said, scope["method"], scope["path"].lower()],
            [caller.subject, *said, scope["method"], scope["path"]],
            msgspec.json.encode(inputs, order="sorted"),
            text,
        )

    def _arguments(
        self, service: Service, scope: Scope, headers: Headers, body: bytes, caller: Identity
    ) -> dict[str, Any]:
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
                elif kind == "reader":
                    arguments[name] = reader_from(service, caller)
        except ValidationError as error:
            raise invalid_input(error.errors(include_url=False, include_context=False, include_input=False)) from None
        return arguments

    # What another standard does in its own way (services/incidents/open311/edge.py).

    async def _caller(self, service: Service, scope: Scope, headers: Headers, body: bytes) -> Identity:
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
    bodies = [field for field in declared.body_params if not isinstance(field.field_info, Form)]
    is_command = isinstance(edge, CommandRoute)
    taken = set(_TAKEN_AS) if is_command else {reader_of}
    foreign = [each.call for each in declared.dependencies if each.call not in taken]
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
        "the bare request": declared.request_param_name,
    }
    if found := [what for what, is_there in refused.items() if is_there]:
        raise TypeError(f"{sorted(route.methods)} {route.path}: its edge can't honour {', '.join(found)}")


_TAKEN_AS: dict[Any, str] = {_work: "work", caller_of: "caller", reader_of: "reader", address_of: "client"}
_CHOICES = (
    "response_model_include",
    "response_model_exclude",
    "response_model_exclude_unset",
    "response_model_exclude_defaults",
    "response_model_exclude_none",
)


def _parameters(route: CommandRoute) -> list[tuple[str, str, Any]]:
    """What each parameter of a command takes, as FastAPI has understood its signature: the unit of work, the caller, who
    may be a reader as well, and where they are, a header, a value of the path, or the body."""
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
    said = route.responses
    answers = {str(status): answer for status, answer in answers_of(*own).items() if status not in said}
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
