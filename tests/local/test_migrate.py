"""antt migrate: any address that the services take, words for what fails, and no waiting in others' way."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from deploy import cli
from deploy.local import NotStarted
from migrations import run
from migrations.run import NotMigrated, migrate, newest
from shared.settings import Settings, settings
from tests.fresh import Databases


@pytest.fixture
async def empty(fresh: Databases, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """The address of a database without tables, which is that of incidents meanwhile."""
    await fresh.as_admin(["DROP DATABASE IF EXISTS empty"], ["CREATE DATABASE empty TEMPLATE template0"])
    use(monkeypatch, fresh.url("empty"))
    yield fresh.url("empty")
    await fresh.as_admin(["DROP DATABASE empty WITH (FORCE)"])


def use(monkeypatch: pytest.MonkeyPatch, url: str) -> Settings:
    monkeypatch.setenv("ANTT_INCIDENTS_DATABASE_URL", url)
    settings.cache_clear()
    return settings()


async def value(url: str, sql: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def migrated(patience_seconds: float = 30) -> None:
    await asyncio.to_thread(migrate, settings(), "incidents", patience_seconds)


@pytest.mark.parametrize("kind", ["postgres://", "sslmode", "several hosts"])
async def test_an_address_that_the_services_take_is_taken(
    empty: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = empty.partition("host=")[2].partition("&")[0]
    url = {
        "postgres://": empty.replace("postgresql://", "postgres://"),
        "sslmode": f"{empty}&sslmode=prefer",
        "several hosts": empty.replace(f"host={host}", f"host=/nowhere,{host}"),
    }[kind]
    use(monkeypatch, url)
    await migrated()
    assert await value(empty, "SELECT version_num FROM alembic_version") == newest("incidents")


async def test_what_fails_is_told_in_words_and_not_what_failed_after_it(
    empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await value(empty, "CREATE TABLE tips (id int)")
    with pytest.raises(NotMigrated, match='relation "tips" already exists'):
        await migrated()
    with pytest.raises(NotStarted, match='relation "tips" already exists'):
        await asyncio.to_thread(cli.migrate)
    use(monkeypatch, "postgresql://127.0.0.1:1/antt")
    with pytest.raises(NotMigrated, match="incidents: "):
        await migrated()


async def test_extensions_that_are_there_already_are_taken(empty: str) -> None:
    for extension in ("unaccent", "pg_trgm", "btree_gist"):
        await value(empty, f"CREATE EXTENSION {extension}")
    await migrated()


async def test_a_migration_that_waits_for_a_table_lets_readers_pass(
    empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await asyncpg.connect(empty)
    await connection.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    gave_up = asyncio.Event()
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(run.log, "warning", lambda *_, **__: loop.call_soon_threadsafe(gave_up.set), raising=False)
    async with connection.transaction():
        await connection.execute("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
        migrating = asyncio.create_task(migrated())
        await asyncio.wait_for(gave_up.wait(), 20)
        assert not migrating.done()
    await migrating
    assert await connection.fetchval("SELECT version_num FROM alembic_version") == newest("incidents")
    await connection.close()


async def test_an_older_postgresql_is_refused_in_words(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "OLDEST_POSTGRESQL", 990_000)
    with pytest.raises(NotMigrated, match="99 or newer is needed"):
        await migrated()
    assert await value(empty, "SELECT to_regclass('alembic_version')") is None
