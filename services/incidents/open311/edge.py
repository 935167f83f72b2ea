"""The standard's conventions, once: its two formats, its errors, its keys, its jurisdictions."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any
from xml.etree import ElementTree

import structlog
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.types import Message, Receive, Scope, Send

from services.incidents.open311.schemas import Created, Format, api_key_of, posted
from shared import units
from shared.access import Identity
from shared.errors import InvalidInput, NotFound, Problem
from shared.http import (
    CommandRoute,
    Headers,
    Reader,
    client_of,
    invalid_input,
    json_response,
    language_of,
    reader_from,
    service_of,
)
from shared.service import Service
from shared.settings import settings
from shared.validity import served
from shared.words import in_vietnamese

log = structlog.get_logger()

MEDIA_TYPES: dict[str, str] = {"json": "application/json", "xml": "text/xml; charset=utf-8"}
# A list in JSON is elements in XML, and these are their names.
_ITEMS = {
    "services": "service",
    "attributes": "attribute",
    "values": "value",
    "service_requests": "request",
    "errors": "error",
    "endpoints": "endpoint",
    "formats": "format",
}
# The standard knows 404, 403 for keys, and 400 for whatever else the client did; 5xx and 429 are ours.
_STATUS = {401: 403, 415: 400, 422: 400}


class JurisdictionUnknown(NotFound):
    vi, en = "jurisdiction_id không thuộc hệ thống này.", "The jurisdiction_id is not served here."


class ServiceUnknown(NotFound):
    vi, en = "Không có service_code này.", "There is no such service_code."


def answer(format: Format, root: str, content: object, status: int = 200) -> Response:
    """The content in either format: a list or an object in JSON, elements below `root` in XML."""
    if format == "json":
        return json_response(content, status)
    return Response(xml(root, content), status, media_type="text/xml")


def xml(root: str, content: object) -> bytes:
    """The same content as an XML document."""
    written: bytes = ElementTree.tostring(_element(root, content), encoding="utf-8", xml_declaration=True)
    return written


def _element(name: str, content: object) -> ElementTree.Element:
    element = ElementTree.Element(name)
    if isinstance(content, Mapping):
        element.extend(_element(key, value) for key, value in content.items())
    elif isinstance(content, list):
        element.extend(_element(_ITEMS[name], value) for value in content)
    elif isinstance(content, bool):
        element.text = str(content).lower()
    elif content is not None:
        element.text = str(content)
    return element


def render(request: Request, problem: Problem) -> Response:
    """A problem in the standard's shape: a list of codes and descriptions, which never repeat the input."""
    status = _STATUS.get(problem.status, problem.status)
    in_english = language_of(request) == "en"
    title = problem.en if in_english else problem.vi
    errors = problem.members.get("errors") if isinstance(problem, InvalidInput) else None
    descriptions = [
        f"{error['at']}: {error['message'] if in_english else in_vietnamese(error['message'])}"
        for error in errors or ()
    ] or [f"{title} ({problem.name})"]
    listed = [{"code": status, "description": description} for description in descriptions]
    # The standard's own format where an address names none.
    format: Format = "json" if request.path_params.get("format") == "json" else "xml"
    response = answer(format, "errors", listed, status)
    response.headers.update({name: value for name, value in problem.headers.items() if name == "Retry-After"})
    return response


class Open311Route(APIRoute):
    """A read whose problems are rendered in the standard's shape."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler that FastAPI runs."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except Problem as problem:
                return render(request, problem)
            except (RequestValidationError, ValidationError) as error:
                return render(request, invalid_input(error.errors()))
            except Exception:
                log.exception("request failed", route=self.path)
                return render(request, Problem())

        return handle


class Open311Command(CommandRoute):
    """A command whose input is a form, whose key may be a field of it, and whose answer has either format."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. What its address says beside its form is part of the form: a key, a jurisdiction."""
        beside = scope["query_string"]

        async def with_query() -> Message:
            message = await receive()
            if beside and message["type"] == "http.request" and not message.get("more_body"):
                body = message.get("body", b"")
                message = {**message, "body": body + b"&" + beside}
            return message

        try:
            await super().handle(scope, with_query, send)
        except Problem as problem:
            await render(Request(scope), problem)(scope, receive, send)
        except Exception:
            log.exception("request failed", route=self.path)
            await render(Request(scope), Problem())(scope, receive, send)

    async def _caller(self, service: Service, scope: Scope, headers: Headers, body: bytes) -> Identity:
        strangers, client = service.strangers, client_of(scope)
        try:
            key, header = api_key_of(body), headers.get(b"authorization", b"").decode("latin-1")
        except InvalidInput:
            await strangers.let_in(client, None)
            raise
        if key and header and header.partition(" ")[2].strip() != key.strip():
            raise InvalidInput(errors=[{"at": "api_key", "code": "repeated", "message": "two keys that differ"}])
        named = f"Bearer {key}" if key else header or None
        # Who named no key before the form is counted here.
        if scope.get("antt.uncounted"):
            await strangers.let_in(client, named)
        caller: Identity = await service.tokens.identity(named)
        return caller

    def _input(self, of: TypeAdapter[object], headers: Headers, body: bytes) -> object:
        if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != b"application/x-www-form-urlencoded":
            raise InvalidInput(
                errors=[{"at": "Content-Type", "code": "not-a-form", "message": "application/x-www-form-urlencoded"}]
            )
        return of.validate_python(posted(body))

    def _content(self, scope: Scope, result: Created) -> bytes:
        listed = [result.model_dump(mode="json")]
        if scope["path_params"]["format"] == "json":
            return bytes(json_response(listed).body)
        return xml("service_requests", listed)

    def _media_type(self, scope: Scope) -> bytes:
        return MEDIA_TYPES[scope["path_params"]["format"]].encode()


async def keyed_reader(request: Request) -> Reader:
    """Who asks: whom the token in `api_key` or in the Authorization header names, or anyone."""
    key = api_key_of(request.scope["query_string"])
    named = f"Bearer {key}" if key else request.headers.get("authorization")
    service = service_of(request.scope)
    return reader_from(service, await service.tokens.identity(named))


def require_jurisdiction(named: str | None) -> None:
    """Raise for a jurisdiction that is not this installation's: the province by its id in any edition."""
    ours = {id for id in served() if (unit := units.get(id)) is not None and unit.level == "province"}
    if named is not None and named not in {*ours, settings().province}:
        raise JurisdictionUnknown()
