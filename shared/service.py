"""One running service: its database, its writer, its tokens, its background tasks, and whether it is ready."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from shared import outbox, telemetry
from shared.access import secrets
from shared.access.tokens import Tokens
from shared.database import CLOCKS_MAY_DIFFER, UNAVAILABLE, Database, clocks_apart
from shared.days import now
from shared.ending import ENDING
from shared.errors import DatabaseUnavailable
from shared.limits import Strangers, Together
from shared.log import NEVER
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
    """One running service. A room reaches it through its reader (shared/http/reader.py)."""

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
        """Run a background task for ever; while it is down, the status says why."""
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
                self.down[name] = reason_of(error)[:300]
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
            return {"database": reason_of(error)}

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


def reason_of(error: BaseException) -> str:
    """What failed, in words; of tasks that failed together, each."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(map(reason_of, error.exceptions))
    return f"{type(error).__name__}: {error}"


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
            log.warning("waiting for the database", service=name, reason=reason_of(error.__cause__ or error))
            await asyncio.sleep(1)
    try:
        await asyncio.gather(*[service.supervise(label, task) for label, task in with_secret(service, tasks)])
    finally:
        await service.database.close()


def with_secret(service: Service, tasks: dict[str, Task]) -> list[tuple[str, Task]]:
    """The background tasks of a service, and of one that keeps secrets the look at its own."""
    return [*tasks.items(), *([("secret", Service.watch_secret)] if service.protected else [])]
