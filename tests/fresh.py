"""Fresh databases for each test: copied from the migrated ones, and emptied for the next test instead of dropped.

Emptying takes a fraction of the time of copying, and PostgreSQL keeps what it has read of the tables. A database of
which a test changed more than rows is dropped.
"""

import asyncio
from typing import NamedTuple, get_args
from uuid import uuid4

import asyncpg

from shared.settings import Service

# What a database consists of beside its rows; a copy has the same numbers as what it was copied from.
_STRUCTURE = """
SELECT md5(string_agg(part, ';' ORDER BY part)) FROM (
    SELECT concat_ws(' ', 'class', oid, relname, relkind) AS part FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws(' ', 'trigger', oid, tgenabled) FROM pg_trigger
    UNION ALL SELECT concat_ws(' ', 'function', oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws(' ', 'constraint', oid) FROM pg_constraint
    UNION ALL SELECT concat_ws(' ', 'setting', setconfig::text) FROM pg_db_role_setting
        WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
) AS parts
"""
_WRITTEN = """
SELECT relname FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0 ORDER BY relname
"""
_TABLES = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
_SEQUENCES = "SELECT relname FROM pg_class WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace"
_END_OTHERS = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


class Migrated(NamedTuple):
    """A database as the migrations leave it: its structure, its tables, the rows of those that have some, its sequences."""

    structure: str
    tables: set[str]
    rows: dict[str, str]
    sequences: dict[str, tuple[int, bool]]


class Databases:
    """The databases of a test session on one server."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._migrated: dict[str, Migrated] = {}
        self._spare: list[dict[str, str]] = []

    def url(self, name: str) -> str:
        """The address of a database."""
        return f"postgresql:///{name}?{self._server}"

    async def take(self) -> dict[str, str]:
        """The names of three databases as the migrations left them, by service."""
        if not self._migrated:
            self._migrated = {service: await self._look_at(service) for service in get_args(Service)}
        if self._spare:
            return self._spare.pop()
        names = {service: f"{service}_{uuid4().hex[:12]}" for service in get_args(Service)}
        # Copying files takes a fifth of the time that PostgreSQL's default takes, which writes every page to its log.
        await self.as_admin([f"CREATE DATABASE {n} TEMPLATE {s} STRATEGY FILE_COPY" for s, n in names.items()])
        return names

    async def give_back(self, names: dict[str, str]) -> None:
        """Keep them for the next test, emptied; drop them if they are no longer what they were."""
        if all(await asyncio.gather(*(self._emptied(service, name) for service, name in names.items()))):
            self._spare.append(names)
        else:
            await self.as_admin([f"DROP DATABASE IF EXISTS {name} WITH (FORCE)" for name in names.values()])

    async def as_admin(self, *together: list[str]) -> None:
        """Run the statements of each list at the same time, one list after the other."""

        async def run(statement: str) -> None:
            connection = await asyncpg.connect(self.url("postgres"))
            await connection.execute(statement)
            await connection.close()

        for statements in together:
            await asyncio.gather(*map(run, statements))

    async def _look_at(self, service: str) -> Migrated:
        connection = await asyncpg.connect(self.url(service))
        try:
            return Migrated(
                await connection.fetchval(_STRUCTURE),
                {row[0] for row in await connection.fetch(_TABLES)},
                {row[0]: await _rows(connection, row[0]) for row in await connection.fetch(_WRITTEN)},
                {
                    row[0]: tuple((await connection.fetch(f"SELECT last_value, is_called FROM {row[0]}"))[0])
                    for row in await connection.fetch(_SEQUENCES)
                },
            )
        finally:
            await connection.close()

    async def _emptied(self, service: str, name: str) -> bool:
        structure, tables, rows, sequences = self._migrated[service]
        try:
            connection = await asyncpg.connect(self.url(name))
        except asyncpg.PostgresError:
            return False
        try:
            await connection.execute(_END_OTHERS)
            # The counters' tables are made by the service that counts.
            for row in await connection.fetch(_TABLES):
                if row[0] not in tables:
                    await connection.execute(f"DROP TABLE IF EXISTS {row[0]} CASCADE")
            if await connection.fetchval(_STRUCTURE) != structure:
                return False
            # So that no trigger forbids it.
            await connection.execute("SET session_replication_role = replica")
            written = {row[0] for row in await connection.fetch(_WRITTEN)}
            same = {table for table in rows if await _rows(connection, table) == rows[table]}
            if written - same:
                await connection.execute(f"TRUNCATE {', '.join(sorted(written - same))} CASCADE")
            for table in rows.keys() - same:
                await connection.execute(
                    f"INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, $1)", rows[table]
                )
            for sequence, state in sequences.items():
                await connection.fetchval("SELECT setval($1::text::regclass, $2, $3)", sequence, *state)
            return True
        finally:
            await connection.close()


async def _rows(connection: asyncpg.Connection, table: str) -> str:
    rows: str = await connection.fetchval(f"SELECT coalesce(json_agg(t ORDER BY t::text), '[]')::text FROM {table} t")
    return rows
