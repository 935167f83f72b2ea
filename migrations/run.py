"""Brings the services' databases to the newest version of their tables."""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from shared.settings import Service, Settings

FOLDER = Path(__file__).parent


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


def migrate(settings: Settings, service: Service) -> None:
    """Bring one service's database to the newest version; several at once wait for each other."""

    def upgrade(connection: Connection) -> None:
        config = configuration(service)
        config.attributes["connection"] = connection
        connection.exec_driver_sql("SELECT pg_advisory_lock(7301)")
        try:
            command.upgrade(config, "head")
            connection.commit()
        finally:
            connection.exec_driver_sql("SELECT pg_advisory_unlock(7301)")

    async def run() -> None:
        engine = create_async_engine(settings.database_url(service).replace("postgresql://", "postgresql+asyncpg://"))
        try:
            async with engine.connect() as connection:
                await connection.run_sync(upgrade)
        finally:
            await engine.dispose()

    asyncio.run(run())
