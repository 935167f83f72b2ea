"""The application of one service: its rooms, its common routes, and the way of a request to them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import fastapi_offline
import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from shared import management, telemetry
from shared.errors import DatabaseUnavailable, MethodNotAllowed
from shared.http import (
    CommandRoute,
    QueryRoute,
    install_problems,
    json_response,
    lists_of,
    middlewares,
    page,
    render,
    require_honoured,
    require_once,
    service_of,
    with_named_schemas,
)
from shared.logs import configure_logs
from shared.service import Service, Task, reason_of, with_secret
from shared.settings import Service as ServiceName
from shared.settings import settings

log = structlog.get_logger()


def create_app(
    name: ServiceName,
    title: str,
    rooms: list[APIRouter],
    tasks: dict[str, Task],
    opened: Callable[[Service], Awaitable[None]] | None = None,
    unit_of_team: str = "",
    answerable: str = "",
) -> FastAPI:
    """The application of one service: its rooms under /{name}/v1, its documentation, health and metrics.

    `unit_of_team`: the SQL by which a service that knows teams compares a leader's token with them. `answerable`: the SQL
    that finds a row once the service has something to answer with.
    """
    configure_logs(settings().log_level)
    telemetry.configure_traces()
    telemetry.measure_machine(settings().folders)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        configuration = settings()
        service = Service(name, configuration, unit_of_team, answerable)
        app.state.service = service
        await service.database.open()
        try:
            # A server that refuses us, or a secret that is not the database's, ends the process with its reason; a server
            # that is not there yet is waited for.
            await service.require_usable()
            if opened is not None:
                await opened(service)
        except DatabaseUnavailable as error:
            log.warning("started without the database", service=name, reason=reason_of(error.__cause__ or error))
        if configuration.management_port:
            management.serve_status(configuration.host, configuration.management_port, name, service.status)
        running = [asyncio.create_task(service.supervise(label, task)) for label, task in with_secret(service, tasks)]
        try:
            yield
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            await service.database.close()

    app = Application(
        title=title,
        version="1",
        openapi_url=f"/{name}/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        middleware=middlewares(name),
        telemetry={
            "tracing": telemetry.TRACING,
            "metrics": False,
            "logs": False,
            "auto_configure": False,
            "exclude": untraced,
        },
    )
    for room in rooms:
        app.include_router(room, prefix=f"/{name}/v1")
    _common_routes(app, name)
    install_problems(app)
    return app


def untraced(scope: Scope) -> bool:
    """Whether a request leaves no span: Open311 puts what nobody else may know, receipts and keys, into addresses."""
    return "/open311/" in scope["path"]


class Application(FastAPI):
    """FastAPI, but commands and questions at a fixed path go from our middlewares straight to their route.

    FastAPI's way to a route costs more than what these do there (docs/decisions/0001-an-edge-for-commands.md), so they
    do not take it.
    """

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made once."""
        return self.openapi_schema or with_named_schemas(super().openapi())

    def include_router(self, router: APIRouter, **options: Any) -> None:
        """Include a router. TypeError for a command or a question that is to do what the edge can't honour."""
        super().include_router(router, **options)
        for context in iter_route_contexts(self.routes):
            if isinstance(context.original_route, CommandRoute | QueryRoute):
                require_honoured(context)

    def build_middleware_stack(self) -> ASGIApp:
        """Our middlewares → fixed paths → FastAPI."""
        ours, self.user_middleware = self.user_middleware, []
        fastapi = super().build_middleware_stack()
        self.user_middleware = ours
        direct: dict[tuple[str, str], APIRoute] = {}
        # An address that is written out is no record's, though a word where an id may stand looks so.
        written: dict[str, set[str]] = {}
        lists: set[str] = set()
        for context in iter_route_contexts(self.routes):
            route = context.original_route
            if not isinstance(route, APIRoute):
                continue
            lists |= lists_of(route.dependant)
            if not route.param_convertors:
                path, methods = str(context.path), context.methods or set()
                # HEAD is answered wherever GET is (middlewares.py).
                written.setdefault(path, set()).update(methods, {"HEAD"} if "GET" in methods else ())
                if isinstance(route, CommandRoute | QueryRoute):
                    direct |= dict.fromkeys(((method, path) for method in methods), route)

        async def fixed(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await fastapi(scope, receive, send)
                return
            route = direct.get((scope["method"], scope["path"]))
            if route is None:
                allowed = written.get(scope["path"])
                if allowed is not None and scope["method"] not in allowed:
                    answer = render(Request(scope), MethodNotAllowed())
                    answer.headers["Allow"] = ", ".join(sorted(allowed))
                    await answer(scope, receive, send)
                    return
                # FastAPI would take the last one. Open311 has a way of its own to read and to refuse.
                if b"&" in scope["query_string"] and "/open311/" not in scope["path"]:
                    require_once(scope["query_string"], lists)
                await fastapi(scope, receive, send)
                return
            scope.update(app=self, route=route, path_params={})
            telemetry.name_span(scope)
            await route.handle(scope, receive, send)

        stack: ASGIApp = fixed
        for middleware, args, options in reversed(ours):
            stack = middleware(stack, *args, **options)
        return stack


def _common_routes(app: FastAPI, name: ServiceName) -> None:
    # Only the files of Swagger UI are taken from that package: FastAPI's own page would fetch them from the internet.
    assets = Path(fastapi_offline.__file__).with_name("static")
    app.mount(f"/{name}/v1/docs/assets", StaticFiles(directory=assets))

    @app.get(f"/{name}/v1/docs", include_in_schema=False)
    async def docs() -> Response:
        base = f"/{name}/v1/docs/assets"
        swagger = get_swagger_ui_html(
            openapi_url=f"/{name}/v1/openapi.json",
            title=app.title,
            swagger_js_url=f"{base}/swagger-ui-bundle.js",
            swagger_css_url=f"{base}/swagger-ui.css",
            swagger_favicon_url=f"{base}/favicon.png",
        )
        return page(bytes(swagger.body).decode())

    @app.get(f"/{name}/health/live", tags=["health"])
    async def live() -> dict[str, str]:
        """The process answers; nothing else is asked."""
        return {"status": "live"}

    @app.get(f"/{name}/health/ready", tags=["health"], responses={503: {"description": "send requests elsewhere"}})
    async def ready(request: Request) -> Response:
        """Whether requests should be sent here: 503 while the database does not answer or nothing can be written.

        How far events are read is no part of it: the intake goes on while the log is gone. What of the service is down
        is shown to operators alone (`/{name}/health/status`).
        """
        down = await service_of(request.scope).readiness()
        return json_response({"status": "down" if down else "ready"}, 503 if down else 200)

    # Outside a local run strangers reach this port.
    if settings().local and not settings().management_port:

        async def status() -> dict[str, Any]:
            service: Service = app.state.service
            return await service.status()

        app.router.routes.extend(management.routes(name, status))
