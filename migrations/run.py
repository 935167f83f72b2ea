"""Brings the services' databases to the newest version of their tables."""

import asyncio
import time
from pathlib import Path

import asyncpg
import structlog
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.settings import Service, Settings

log = structlog.get_logger()

FOLDER = Path(__file__).parent

# `transaction_timeout` ends a writer that hangs; an older server has none.
OLDEST_POSTGRESQL = 170_000
# Whoever comes after a statement that waits for a table waits behind it: it gives up soon, and comes again.
LOCK_MILLISECONDS = 300
_PATIENCE_SECONDS = 300
_PAUSE_SECONDS = 1


class NotMigrated(Exception):
    """Why a database was left as it is, in words."""


def configuration(service: Service) -> Config:
    """Alembic's configuration for one service's folder of versions."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("version_locations", str(FOLDER / service))
    config.set_main_option("path_separator", "os")
    return config


def newest(service: Service) -> str | None:
    """The newest version that this code has of a service's tables."""
    return ScriptDirectory.from_config(configuration(service)).get_current_head()


def migrate(settings: Settings, service: Service, patience_seconds: float = _PATIENCE_SECONDS) -> None:
    """Bring one service's database to the newest version; several at once wait for each other.

    All of it is one transaction, tried again while others hold its tables. Raises NotMigrated.
    """
    until = time.monotonic() + patience_seconds
    while True:
        try:
            asyncio.run(_upgrade(settings.database_url(service), service))
            return
        except DBAPIError as error:
            # SQLAlchemy wraps what asyncpg says twice.
            reason = getattr(error.orig, "__cause__", None) or error.orig
            if not isinstance(reason, asyncpg.LockNotAvailableError):
                raise NotMigrated(f"{service}: {type(reason).__name__}: {reason}") from error
            if time.monotonic() > until:
                raise NotMigrated(f"{service}: others hold its tables: {reason}") from error
            log.warning("migration waits for others", service=service, reason=str(reason))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, CommandError, ValueError) as error:
            told = f"{service}: {type(error).__name__}: {error}"
            # A script of several statements goes to asyncpg itself, which does not wrap what the server says.
            if not isinstance(error, asyncpg.LockNotAvailableError) or time.monotonic() > until:
                raise NotMigrated(told) from error
            log.warning("migration waits for others", service=service, reason=str(error))
        time.sleep(_PAUSE_SECONDS)


async def _upgrade(url: str, service: Service) -> None:
    def upgrade(connection: Connection) -> None:
        number = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one())
        if number < OLDEST_POSTGRESQL:
            raise NotMigrated(
                f"{service}: PostgreSQL {number // 10_000}.{number % 10_000}; {OLDEST_POSTGRESQL // 10_000} or newer is needed"
            )
        # Its end is the connection's: to unlock after a failure would hide what failed.
        connection.exec_driver_sql("SELECT pg_advisory_lock(7301)")
        connection.exec_driver_sql(f"SET lock_timeout = {LOCK_MILLISECONDS}")
        connection.commit()
        config = configuration(service)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()

    # asyncpg reads the address itself, as the services do: sslmode, several hosts, either scheme.
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url, timeout=10), poolclass=NullPool
    )
    try:
        async with engine.connect() as connection:
            await connection.run_sync(upgrade)
    finally:
        await engine.dispose()
