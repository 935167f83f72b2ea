"""What happens to a request, in this order. Each step is plain ASGI and sees every request, and all that is added beside it.

`Application` puts these around its fixed paths and FastAPI: our middlewares → commands and questions at fixed paths →
FastAPI's own stack, routing and validation. So what is added by `add_middleware` is never passed by.
"""

import time

import structlog
from fastapi import Request
from prometheus_client import Histogram
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import Problem
from shared.http import render

log = structlog.get_logger()

REQUESTS = Histogram("antt_request_seconds", "Time to answer a request.", ["service", "method", "route", "status"])


class Measured:
    """Times each request by its route."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self.app, self.service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request and time it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def timed_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, timed_send)
        finally:
            # An unknown path is one label, whatever it was, so that nobody can fill the memory with names.
            path = getattr(scope.get("route"), "path", "unknown")
            REQUESTS.labels(self.service, scope["method"], path, status).observe(time.perf_counter() - started)


class Answered:
    """Renders what was raised on the way and not answered yet; what FastAPI answered itself stays as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever is raised."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def noting_send(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, noting_send)
        except Exception as error:
            problem = error if isinstance(error, Problem) else Problem()
            if not isinstance(error, Problem):
                log.exception("request failed", route=getattr(scope.get("route"), "path", "unknown"))
            if not begun:
                await render(Request(scope), problem)(scope, receive, send)


def middlewares(service: str) -> list[Middleware]:
    """What happens to each request of a service, the first one outermost."""
    return [
        Middleware(Measured, service=service),
        Middleware(Answered),
    ]
