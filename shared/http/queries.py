"""The edge of reads that are asked all day: a question at a fixed path, answered without FastAPI's routing.

Most reads are plain FastAPI routes. `QueryRoute` is for those that dashboards repeat: FastAPI documents them
from their signature `(query, reader) -> response`; at run time the query string is checked once
and remembered, for the same questions come again and again.
"""

from collections.abc import Callable, Set
from functools import lru_cache
from typing import Any, get_origin
from urllib.parse import parse_qsl, unquote_plus

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from shared.errors import InvalidInput, MethodNotAllowed
from shared.http.commands import require_honoured
from shared.http.problems import invalid_input, repeated
from shared.http.reader import reader_from, service_of


class QueryRoute(APIRoute):
    """A GET whose function takes one query model and the reader."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        require_honoured(self)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; a Problem raised on the way is rendered by the application."""
        if scope["method"] not in (self.methods or ()):
            raise MethodNotAllowed()
        # FastAPI writes a model behind Query() as it is annotated: the first argument of Annotated.
        query = parsed(self.endpoint.__annotations__["query"].__origin__, scope["query_string"])
        service = service_of(scope)
        caller = await service.tokens.identity(Headers(scope=scope).get("authorization"))
        response = await self.endpoint(query=query, reader=reader_from(service, caller))
        await response(scope, receive, send)


def parsed(model: type[BaseModel], query_string: bytes) -> BaseModel:
    """The question that a query string asks. InvalidInput for one that the model refuses; the model is frozen."""
    # What is remembered is bounded in bytes too: nobody asks a longer question all day.
    return (_remembered if len(query_string) <= _REMEMBERED_BYTES else _parsed)(model, query_string)


def _parsed(model: type[BaseModel], query_string: bytes) -> BaseModel:
    try:
        pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        raise InvalidInput(errors=[{"at": "query", "code": "too-many-fields", "message": "at most 100"}]) from None
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in _lists(model):
            values.setdefault(name, []).append(value)
        elif name in values:
            raise repeated(name)
        else:
            values[name] = value
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise invalid_input(error.errors(include_url=False, include_context=False, include_input=False)) from None


_REMEMBERED_BYTES = 1_000
_remembered = lru_cache(maxsize=4_096)(_parsed)


def require_once(query_string: bytes, lists: Set[str]) -> None:
    """Raise InvalidInput for a parameter that a query string names more than once and that is no list."""
    seen: set[str] = set()
    for part in query_string.split(b"&"):
        name = unquote_plus(part.partition(b"=")[0].decode("latin-1"))
        if name in seen and name not in lists:
            raise repeated(name[:100])
        seen.add(name)


def lists_of(dependant: Dependant) -> set[str]:
    """The names of a route's query parameters that are lists."""
    found = set().union(*(lists_of(each) for each in dependant.dependencies))
    for field in dependant.query_params:
        annotated = field.field_info.annotation
        if isinstance(annotated, type) and issubclass(annotated, BaseModel):
            found |= _lists(annotated)
        elif get_origin(annotated) in (tuple, list, set):
            found.add(field.alias)
    return found


@lru_cache
def _lists(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(
        field.alias or name for name, field in model.model_fields.items() if get_origin(field.annotation) is tuple
    )
