"""What happens to a request, in this order. Each step is plain ASGI and sees every request, and all that is added beside it.

`Application` puts these around its fixed paths and FastAPI: our middlewares → commands and questions at fixed paths →
FastAPI's own stack, routing and validation. So what is added by `add_middleware` is never passed by.
"""

import asyncio
import time
from urllib.parse import parse_qs

import structlog
from anyio import CancelScope
from fastapi import Request
from prometheus_client import Histogram
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import EncodingUnsupported, Problem, ProcessEnded
from shared.http.problems import render
from shared.http.reader import client_of, service_of
from shared.settings import settings

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


class Guarded:
    """Adds how browsers and caches may keep an answer, where its route has not said so itself.

    Nothing is stored but what anyone may read and a tag is given for; a route that keeps figures says `private`.
    """

    def __init__(self, app: ASGIApp, https: bool) -> None:
        self.app = app
        self.always = [*_GUARDS, *([(b"strict-transport-security", b"max-age=31536000")] if https else [])]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        open_read = scope["method"] in ("GET", "HEAD") and not any(name in _CREDENTIALS for name, _ in scope["headers"])

        async def guarded_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                said = {name.lower(): value for name, value in headers}
                keeps = said.get(b"cache-control")
                if keeps is None:
                    if not (open_read and b"etag" in said and message["status"] < 400):
                        headers.append(_NO_STORE)
                elif not open_read and not (b"private" in keeps or b"no-store" in keeps):
                    # FastAPI's streams say `no-cache`, which lets a cache keep what they sent.
                    headers = [pair for pair in headers if pair[0].lower() != b"cache-control"] + [_NO_STORE]
                headers += [pair for pair in self.always if pair[0] not in said]
                # A route's own Vary stands beside it.
                headers.append(_VARY_OF_A_PROBLEM if message["status"] >= 400 else _VARY)
                message = {**message, "headers": headers}
            await send(message)

        await self.app(scope, receive, guarded_send)


_CREDENTIALS = {b"authorization", b"antt-receipt"}
_NO_STORE = (b"cache-control", b"no-store")
_VARY = (b"vary", b"Authorization, Antt-Receipt")
# A problem is rendered in the client's language.
_VARY_OF_A_PROBLEM = (b"vary", b"Authorization, Antt-Receipt, Accept-Language")
_GUARDS = [
    (b"x-content-type-options", b"nosniff"),
    # Some addresses hold a code or a receipt.
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    # What is no page of ours does nothing in a browser, whatever it is taken for; `page` says what ours may do.
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]


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
        except asyncio.CancelledError:
            # The process ends, and has waited for it long enough.
            if not begun:
                await render(Request(scope), ProcessEnded())(scope, receive, send)
            raise
        except Exception as error:
            problem = error if isinstance(error, Problem) else Problem()
            if not isinstance(error, Problem):
                log.exception("request failed", route=getattr(scope.get("route"), "path", "unknown"))
            if not begun:
                await render(Request(scope), problem)(scope, receive, send)


class Bodiless:
    """Answers HEAD as GET without its body, and 304 for what If-None-Match names: once for every GET and every ETag."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; what would have followed an answer without its body is not read."""
        known = _said(scope, b"if-none-match") if scope["type"] == "http" and scope["method"] in ("GET", "HEAD") else ""
        if not known and scope.get("method") != "HEAD":
            await self.app(scope, receive, send)
            return
        asked = {**scope, "method": "GET"}
        silent, ended = scope["method"] == "HEAD", False

        async def bare_send(message: Message) -> None:
            nonlocal silent, ended
            if message["type"] == "http.response.start":
                if message["status"] in (200, 206) and _is_known(_said(message, b"etag"), known):
                    kept = [(name, value) for name, value in message["headers"] if name.lower() not in _OF_A_BODY]
                    message, silent = {**message, "status": 304, "headers": kept}, True
                await send(message)
            elif not silent:
                await send(message)
            elif not ended:
                ended = True
                await send({"type": "http.response.body", "body": b""})
                if message.get("more_body"):
                    rest.cancel()

        with CancelScope() as rest:
            try:
                await self.app(asked, receive, bare_send)
            finally:
                scope["route"] = asked.get("route")


class Bounded:
    """Refuses who asks too often without a valid token (429), before anything of the body is read or looked up.

    Probes and scrapes are no strangers. A form of Open311 may hold its key: its own edge counts it, once it has read it.
    """

    def __init__(self, app: ASGIApp, service: str) -> None:
        self.app, self.around = app, (f"/{service}/health/", f"/{service}/metrics")
        self.forms = f"/{service}/open311/v2/requests."

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or raise TooManyRequests."""
        if scope["type"] == "http" and not scope["path"].startswith(self.around):
            named = _said(scope, b"authorization") or (_key_of_open311(scope) if "/open311/" in scope["path"] else "")
            if not named and scope["method"] == "POST" and scope["path"].startswith(self.forms):
                scope["antt.uncounted"] = True
            else:
                await service_of(scope).strangers.let_in(client_of(scope), named or None)
        await self.app(scope, receive, send)


def _key_of_open311(scope: Scope) -> str:
    found = parse_qs(scope["query_string"].decode("latin-1")).get("api_key")
    return f"Bearer {found[0]}" if found else ""


class Plain:
    """Refuses a body in a Content-Encoding, which nothing here unpacks, when somebody begins to read it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and _said(scope, b"content-encoding").strip().lower() not in ("", "identity"):
            receive = _refuse_encoding
        await self.app(scope, receive, send)


async def _refuse_encoding() -> Message:
    # Raised where the body is read, so that each standard answers in its own shape.
    raise EncodingUnsupported()


# Headers that speak of a body, which a 304 does not have.
_OF_A_BODY = {b"content-length", b"content-type", b"content-disposition", b"content-range", b"accept-ranges"}


def _is_known(etag: str, known: str) -> bool:
    """Whether an If-None-Match names the tag: `*`, or in a list, where a weak tag is as good (RFC 9110, 13.1.2)."""
    tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
    return bool(etag) and ("*" in tags or etag.removeprefix("W/") in tags)


def _said(of: Scope | Message, name: bytes) -> str:
    """A header's value, of several lines joined; empty without one."""
    return ", ".join([value.decode("latin-1") for key, value in of["headers"] if key == name])


def middlewares(service: str) -> list[Middleware]:
    """What happens to each request of a service, the first one outermost."""
    return [
        Middleware(Measured, service=service),
        Middleware(Guarded, https=settings().public_url.startswith("https://")),
        Middleware(Bodiless),
        Middleware(Answered),
        Middleware(Bounded, service=service),
        Middleware(Plain),
    ]
