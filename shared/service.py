"""What every service is made of: its database, its writer, its tokens, its background tasks, and its common routes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import fastapi_offline
import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from shared import management, outbox, telemetry
from shared.access import secrets
from shared.access.tokens import Tokens
from shared.database import CLOCKS_MAY_DIFFER, UNAVAILABLE, Database, clocks_apart
from shared.days import now
from shared.ending import ENDING
from shared.errors import DatabaseUnavailable
from shared.http import CommandRoute, install_problems, json_response, page, require_honoured, with_named_schemas
from shared.limits import Strangers
from shared.log import NEVER
from shared.logs import configure_logs
from shared.middlewares import middlewares
from shared.queries import QueryRoute, Together, lists_of, require_once
from shared.settings import Service as ServiceName
from shared.settings import Settings, settings

log = structlog.get_logger()

# The database's time to answer whether it is there.
_ANSWER_SECONDS = 2
# Without this background task nothing is accepted; all others, and the log, are no reason to send requests elsewhere.
_NEEDED = ("writer",)
_STARTING = "starting"

Task = Callable[["Service"], Coroutine[Any, Any, None]]


class Service:
    """One running service. Rooms reach it as `request.app.state.service`."""

    def __init__(self, name: ServiceName, settings: Settings, unit_of_team: str = "", answerable: str = "") -> None:
        self.name = name
        self._answerable = answerable
        self.settings = settings
        self.database = Database(
            settings.database_url(name), settings.database_connections, settings.transaction_seconds
        )
        self.writer = outbox.Writer(self.database, settings.intake_queue, settings.intake_batch)
        telemetry.INTAKE_WAITING.labels(name).set_function(lambda: self.writer.waiting)
        telemetry.CONNECTIONS_AWAITED.labels(name).set_function(lambda: self.database.waiting)
        telemetry.CONNECTIONS.labels(name, "open").set_function(lambda: self.database.connections()[0])
        telemetry.CONNECTIONS.labels(name, "idle").set_function(lambda: self.database.connections()[1])
        self.tokens = Tokens(settings, self._unit_of_team if unit_of_team else None)
        self._team_sql = unit_of_team
        # However many ask, the database is asked once at a time.
        self._looking = Together[dict[str, str]]()
        self.strangers = Strangers(settings, self.tokens)
        self.protected = name in secrets.PROTECTED
        # Also where the application was started by another server than `antt serve`, which gives the reason sooner.
        if missing := settings.missing(secret=self.protected):
            raise secrets.SecretUnusable(f"{name} is not started outside a local run without {', '.join(missing)}")
        if self.protected:
            secrets.read_secret(settings)
        self.keys_in_flight: set[bytes] = set()
        self.down: dict[str, str] = {}
        self.state: dict[str, Any] = {}
        # For each source whose events it needs, when the log last had news of it: an event or a watermark.
        self.heard_at: dict[str, datetime] = {}

    def hear(self, source: str, at: datetime) -> None:
        """Note that the log had news of a source at this instant."""
        self.heard_at[source] = max(self.heard_at.get(source, NEVER), at)
        telemetry.HEARD_AT.labels(self.name, source).set(self.heard_at[source].timestamp())

    async def _unit_of_team(self, team_id: UUID) -> str | None:
        row = await self.database.fetchrow(self._team_sql, team_id)
        return row["unit"] if row is not None else None

    async def require_usable(self) -> None:
        """Raise SecretUnusable where the database was written with another secret, DatabaseUnavailable without one."""
        await self.database.fetch("SELECT 1")
        if self.protected:
            # Before `antt migrate` there is no table; then readiness says so.
            with suppress(asyncpg.UndefinedTableError):
                await self.require_same_secret()

    async def require_same_secret(self) -> None:
        """Raise SecretUnusable unless the database was written with this process's secret."""
        async with self.database.connection() as connection:
            await secrets.require_same(connection, self.name, self.settings)

    async def watch_secret(self) -> None:
        """Look each minute, for ever, whether secret and database belong together: either may be restored meanwhile."""
        while True:
            await self.require_same_secret()
            await asyncio.sleep(60)

    async def supervise(self, name: str, task: Task) -> None:
        """Run a background task for ever; while it is down, the status tells why."""
        self.down[name] = _STARTING
        supervising = asyncio.current_task()
        assert supervising is not None
        while True:
            running = asyncio.ensure_future(task(self))
            try:
                await asyncio.wait({running}, timeout=1)
                if not running.done():
                    self.down.pop(name, None)
                await running
                self.down[name] = "ended"
            except asyncio.CancelledError:
                running.cancel()
                # It closes what it has opened.
                await asyncio.wait({running})
                raise
            except Exception as error:
                self.down[name] = _reason(error)[:300]
                log.exception("background task failed", service=self.name, task=name)
            if supervising.cancelling():
                # A task may answer its cancellation by failing or ending; it must not begin again for that.
                raise asyncio.CancelledError
            await asyncio.sleep(1)

    async def readiness(self) -> dict[str, str]:
        """What keeps requests from being accepted, and why; empty when they should be sent here."""
        failing = {name: self.down[name] for name in _NEEDED if self.down.get(name, _STARTING) != _STARTING}
        if ENDING.is_set():
            failing["process"] = "ending"
        return failing | await self._looking.read(None, self._looked_at_database)

    async def _looked_at_database(self) -> dict[str, str]:
        """What is wrong with the database, asked by a connection of its own: one that is busy is not down."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                connection = await asyncpg.connect(self.database.url)
                try:
                    return await self._found_in_database(connection)
                finally:
                    connection.terminate()
        except asyncpg.TooManyConnectionsError:
            # It answers. Who has connections goes on, and another process would get none either.
            return {}
        except (*UNAVAILABLE, TimeoutError):
            return {"database": "does not answer"}
        except secrets.SecretUnusable as error:
            return {"secret": str(error)}
        except asyncpg.UndefinedTableError:
            return {"database": "is not migrated"}
        except Exception as error:
            return {"database": _reason(error)}

    async def _found_in_database(self, connection: asyncpg.Connection) -> dict[str, str]:
        row = await connection.fetchrow("SELECT version_num, pg_is_in_recovery() AS standby FROM alembic_version")
        # Versions are numbered. A newer one is there while a deployment goes over to newer code.
        if row is None or row["version_num"] < _newest(self.name):
            return {"database": "is not migrated"}
        if self.protected:
            if row["standby"]:
                return {"database": "is a standby and takes nothing"}
            if (apart := await clocks_apart(connection)) > CLOCKS_MAY_DIFFER:
                return {"clock": f"differs from the database's by {apart.total_seconds():.0f} s"}
            await secrets.require_same(connection, self.name, self.settings)
        if self._answerable and not await connection.fetchval(self._answerable):
            return {"figures": "there are none yet"}
        return {}

    async def status(self) -> dict[str, Any]:
        """All that is down and why, a silent log too, and when each source that is followed was last heard of."""
        readiness = await self.readiness()
        down = self.down | readiness
        silence = timedelta(seconds=self.settings.log_silence_seconds)
        if silent := sorted(source for source, at in self.heard_at.items() if now() - at > silence):
            down["log"] = f"nothing is heard of {', '.join(silent)}"
        heard = {source: at.isoformat() for source, at in self.heard_at.items()}
        return {"status": "down" if readiness else "ready", "down": down, "heard_at": heard}


@cache
def _newest(name: ServiceName) -> str:
    from migrations.run import newest

    return newest(name) or ""


def _reason(error: BaseException) -> str:
    """What failed, in words; of tasks that failed together, each."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(map(_reason, error.exceptions))
    return f"{type(error).__name__}: {error}"


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
            log.warning("started without the database", service=name, reason=_reason(error.__cause__ or error))
        if configuration.management_port:
            management.serve_status(configuration.host, configuration.management_port, name, service.status)
        running = [asyncio.create_task(service.supervise(label, task)) for label, task in _with_secret(service, tasks)]
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


async def work(jobs: Mapping[ServiceName, dict[str, Task]]) -> None:
    """Run jobs of services, for ever, in a process that answers no requests."""
    writer: dict[str, Task] = {"writer": lambda service: service.writer.run()}
    await asyncio.gather(*[_work(name, writer | tasks) for name, tasks in jobs.items()])


async def _work(name: ServiceName, tasks: dict[str, Task]) -> None:
    service = Service(name, settings())
    await service.database.open()
    while True:
        try:
            await service.require_usable()
            break
        except DatabaseUnavailable as error:
            log.warning("waiting for the database", service=name, reason=_reason(error.__cause__ or error))
            await asyncio.sleep(1)
    try:
        await asyncio.gather(*[service.supervise(label, task) for label, task in _with_secret(service, tasks)])
    finally:
        await service.database.close()


def _with_secret(service: Service, tasks: dict[str, Task]) -> list[tuple[str, Task]]:
    return [*tasks.items(), *([("secret", Service.watch_secret)] if service.protected else [])]


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
        direct: dict[tuple[str, str], APIRoute] = {
            (method, str(context.path)): context.original_route
            for context in iter_route_contexts(self.routes)
            if isinstance(context.original_route, CommandRoute | QueryRoute)
            and not context.original_route.param_convertors
            for method in context.methods or ()
        }

        lists = {
            name
            for context in iter_route_contexts(self.routes)
            if isinstance(context.original_route, APIRoute)
            for name in lists_of(context.original_route.dependant)
        }

        async def fixed(scope: Scope, receive: Receive, send: Send) -> None:
            route = direct.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
            if route is None:
                # FastAPI would take the last one. Open311 has a way of its own to read and to refuse.
                if b"&" in scope.get("query_string", b"") and "/open311/" not in scope["path"]:
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

        How far events are read is no part of it: the intake goes on while the log is gone. What of the service is down is
        told to operators alone (`/{name}/health/status`).
        """
        down = await request.app.state.service.readiness()
        return json_response({"status": "down" if down else "ready"}, 503 if down else 200)

    # Outside a local run strangers reach this port.
    if settings().local and not settings().management_port:

        async def status() -> dict[str, Any]:
            told: dict[str, Any] = await app.state.service.status()
            return told

        app.router.routes.extend(management.routes(name, status))
