"""How a problem looks: as an answer (RFC 9457, in the client's language), and in the documentation of a route."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Scope

from shared.errors import BodyTooLarge, InvalidInput, MethodNotAllowed, NotFound, Problem


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
    return answers_of(InvalidInput, *kinds)


def answers_of(*kinds: type[Problem]) -> dict[int | str, dict[str, Any]]:
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
        # HEAD is answered wherever GET is (middlewares.py).
        if any(
            route.matches({**asked, "method": method.replace("HEAD", "GET")})[0] == Match.FULL for route in app.routes
        )
    ]
