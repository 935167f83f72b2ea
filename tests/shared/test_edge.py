"""The edge skips FastAPI's parsing, not its contract: what it can't honour is refused at import, what is added is seen."""

from collections.abc import Callable
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, BackgroundTasks, Body, Cookie, Depends, File, Query, Request, Response
from pydantic import BaseModel
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from shared import telemetry
from shared.access import Caller
from shared.application import Application
from shared.errors import Forbidden
from shared.http import CommandRoute, Input, QueryRoute, Reader, Step, Work


class Said(BaseModel):
    """An answer."""

    said: str = "yes"


class Asked(Input):
    """A question."""

    of: int = 1


def forbid() -> None:
    raise Forbidden()


async def plain(step: Step, caller: Caller, work: Work) -> Said:
    return Said()


async def asked(query: Annotated[Asked, Query()], reader: Reader) -> Response:
    return Response(b"yes")


async def queried(step: Step, work: Work, of: Annotated[int, Query()] = 1) -> Said:
    return Said()


async def unmarked(step: Step, work: Work, of: int = 1) -> Said:
    return Said()


async def baked(step: Step, work: Work, session: Annotated[str, Cookie()] = "") -> Said:
    return Said()


async def depending(step: Step, work: Work, allowed: Annotated[None, Depends(forbid)]) -> Said:
    return Said()


async def twice(step: Step, other: Asked, work: Work) -> Said:
    return Said()


async def embedded(step: Annotated[Step, Body(embed=True)], work: Work) -> Said:
    return Said()


async def uploaded(file: Annotated[bytes, File()], work: Work) -> Said:
    return Said()


async def bare(step: Step, work: Work, request: Request) -> Said:
    return Said()


async def later(step: Step, work: Work, tasks: BackgroundTasks) -> Said:
    return Said()


async def of_caller(query: Annotated[Asked, Query()], caller: Caller) -> Response:
    return Response(b"yes")


async def two_questions(query: Annotated[Asked, Query()], reader: Reader, also: int = 1) -> Response:
    return Response(b"yes")


REFUSED: dict[str, Callable[..., Any]] = {
    each.__name__: each for each in (queried, unmarked, baked, depending, twice, embedded, uploaded, bare, later)
}


@pytest.mark.parametrize("command", REFUSED)
def test_a_command_that_asks_for_what_its_edge_does_not_give_is_refused_at_import(command: str) -> None:
    with pytest.raises(TypeError, match="/there/it/is"):
        APIRouter(route_class=CommandRoute).post("/there/it/is")(REFUSED[command])


def test_a_question_takes_one_model_of_queries() -> None:
    router = APIRouter(route_class=QueryRoute)
    router.get("/right")(asked)
    with pytest.raises(TypeError, match="/wrong"):
        router.get("/wrong")(two_questions)
    with pytest.raises(TypeError, match="/wrong"):
        router.get("/wrong", dependencies=[Depends(forbid)])(asked)
    with pytest.raises(TypeError, match="/wrong"):
        router.get("/wrong")(of_caller)


def test_a_dependency_of_a_router_however_it_is_given_is_refused_and_never_passed_by() -> None:
    with pytest.raises(TypeError, match="/x"):
        APIRouter(route_class=CommandRoute, dependencies=[Depends(forbid)]).post("/x")(plain)
    with pytest.raises(TypeError, match="/x"):
        APIRouter(route_class=CommandRoute).post("/x", dependencies=[Depends(forbid)])(plain)
    room, outer = APIRouter(route_class=CommandRoute), APIRouter()
    room.post("/x")(plain)
    with pytest.raises(TypeError, match="/x"):
        Application().include_router(room, dependencies=[Depends(forbid)])
    outer.include_router(room, dependencies=[Depends(forbid)])
    with pytest.raises(TypeError, match="/x"):
        Application().include_router(outer)
    with pytest.raises(TypeError, match="/x"):
        Application(dependencies=[Depends(forbid)]).include_router(room)
    Application().include_router(room)


class Seen:
    """A middleware as anyone may add one."""

    def __init__(self, app: ASGIApp, paths: list[str]) -> None:
        self.app, self.paths = app, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.paths.append(scope["path"])
        await self.app(scope, receive, send)


@pytest.mark.parametrize("tracing", [False, True])
async def test_what_is_added_sees_every_request_traced_or_not(tracing: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "TRACING", tracing)
    first, added = list[str](), list[str]()
    app = Application(
        middleware=[Middleware(Seen, paths=first)], telemetry={"tracing": tracing, "metrics": False, "logs": False}
    )
    app.add_middleware(Seen, paths=added)
    room, reads = APIRouter(route_class=Direct), APIRouter()
    room.get("/fixed")(asked)

    @reads.get("/plain")
    async def read() -> Said:
        return Said()

    app.include_router(room, prefix="/v1")
    app.include_router(reads)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://antt") as http:
        answers = [await http.get(path) for path in ("/v1/fixed", "/plain", "/nowhere")]
    assert [answer.status_code for answer in answers] == [200, 200, 404]
    assert answers[0].headers["x-way"] == "direct"
    assert first == added == ["/v1/fixed", "/plain", "/nowhere"]


class Direct(QueryRoute):
    """A question that says which way its request took, and needs no service."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        way = "direct" if "router" not in scope else "FastAPI"
        await Response(b"yes", headers={"x-way": way})(scope, receive, send)


async def test_options_of_the_whole_server_is_no_fault(antt: Any) -> None:
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "OPTIONS", "path": "*",
        "raw_path": b"*", "query_string": b"", "headers": [], "scheme": "http", "server": ("antt", 80),
        "client": ("127.0.0.1", 1), "root_path": "",
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    await antt.app(scope, receive, send)
    assert sent[0]["status"] < 500
