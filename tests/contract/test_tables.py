"""Tables are what their models declare: constraints, indexes, defaults and triggers included."""

from itertools import chain

import asyncpg
import pytest
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

import services.incidents.app
import services.incidents.places.models
import services.teams.app
import shared.outbox.tables
from services.incidents.tips.models import Tip
from services.stats.tables import CounterSet
from services.teams.tables.teams import Team
from shared.outbox.rows import table_of
from shared.subscriptions.models import Webhook

OWN = {"incidents": table_of(Tip).metadata, "teams": table_of(Team).metadata, "stats": table_of(CounterSet).metadata}
# What must be loaded for all tables to be declared.
DECLARING = (services.incidents.app, services.incidents.places.models, services.teams.app, shared.outbox.tables)
PLATFORM = table_of(Webhook).metadata

# Tables that nothing declares, and why a comparison would have no worth.
NOT_COMPARED = {
    "alembic_version": "Alembic makes it, and changes it as it likes",
}

# What a table consists of. That a column is not null stands at the column.
CATALOG = """
WITH tables AS (
    SELECT oid, relname AS "table", relpersistence, reloptions FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
)
SELECT "table", 'itself' AS what, concat_ws(' ', CASE relpersistence WHEN 'u' THEN 'UNLOGGED' END,
    'PARTITION BY ' || pg_get_partkeydef(oid), 'WITH ' || reloptions::text) AS definition
FROM tables
UNION ALL
SELECT "table", 'column ' || attname, concat_ws(' ', format_type(atttypid, atttypmod),
    CASE WHEN attnotnull THEN 'NOT NULL' END, CASE attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' END,
    CASE attgenerated WHEN '' THEN 'DEFAULT ' WHEN 's' THEN 'STORED ' ELSE 'VIRTUAL ' END || pg_get_expr(adbin, adrelid))
FROM tables JOIN pg_attribute ON attrelid = tables.oid AND attnum > 0 AND NOT attisdropped
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
UNION ALL
SELECT "table", 'constraint ' || conname, pg_get_constraintdef(pg_constraint.oid)
FROM tables JOIN pg_constraint ON conrelid = tables.oid AND contype <> 'n'
UNION ALL
SELECT "table", 'index ' || indexrelid::regclass, pg_get_indexdef(indexrelid)
FROM tables JOIN pg_index ON indrelid = tables.oid
UNION ALL
SELECT "table", 'trigger ' || tgname, pg_get_triggerdef(pg_trigger.oid)
FROM tables JOIN pg_trigger ON tgrelid = tables.oid AND NOT tgisinternal
"""

Catalog = dict[tuple[str, str], str]


def catalog(connection: Connection) -> Catalog:
    """What each table consists of."""
    return {(table, what): definition for table, what, definition in connection.exec_driver_sql(CATALOG)}


async def migrated_and_declared(url: str, service: str, *alterations: str) -> tuple[Catalog, Catalog]:
    """The tables as the migrations leave them and these statements alter them, and as their models make them.

    Both in one database, whose functions, extensions and text search configurations the migrations made; it stays as it was.
    """

    def compared(connection: Connection) -> tuple[Catalog, Catalog]:
        for alteration in alterations:
            connection.exec_driver_sql(alteration)
        migrated = catalog(connection)
        # Of the platform's tables a service has those of the rooms that it uses.
        there = {table for table, _ in migrated}
        platform = [table for table in PLATFORM.sorted_tables if table.name in there]
        for table in (*OWN[service].tables, *(table.name for table in platform)):
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {table} CASCADE")
        OWN[service].create_all(connection, checkfirst=False)
        PLATFORM.create_all(connection, platform, checkfirst=False)
        declared = catalog(connection)
        connection.rollback()
        return migrated, declared

    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url), poolclass=NullPool
    )
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(compared)
    finally:
        await engine.dispose()


def differences(migrated: Catalog, declared: Catalog) -> list[str]:
    """What differs, for people."""
    return [
        f"{table}, {what}:\n    declared: {declared.get((table, what), 'not there')}\n"
        f"    migrated: {migrated.get((table, what), 'not there')}"
        for table, what in sorted(migrated.keys() | declared.keys())
        if table not in NOT_COMPARED and migrated.get((table, what)) != declared.get((table, what))
    ]


@pytest.mark.parametrize("service", ["teams", "incidents", "stats"])
async def test_a_table_is_what_its_model_declares(databases: dict[str, str], service: str) -> None:
    migrated, declared = await migrated_and_declared(databases[service], service)
    found = differences(migrated, declared)
    assert not found, "\n".join(found)
    tables = {table for table, _ in migrated}
    assert tables.difference(PLATFORM.tables, NOT_COMPARED) == set(OWN[service].tables)


async def test_whatever_of_a_table_is_altered_is_found(databases: dict[str, str]) -> None:
    altered = {
        "ALTER TABLE tips ALTER named SET DEFAULT false": ["tips, column named"],
        "ALTER TABLE tips ALTER topic SET NOT NULL": ["tips, column topic"],
        "ALTER TABLE deadlines ALTER round TYPE int": ["deadlines, column round"],
        "ALTER TABLE deadlines ADD note text": ["deadlines, column note"],
        "ALTER TABLE cases ADD CHECK (version > 0)": ["cases, constraint cases_version_check"],
        "ALTER TABLE informants DROP CONSTRAINT informants_tip_id_fkey": [
            "informants, constraint informants_tip_id_fkey"
        ],
        "ALTER TABLE imports RENAME CONSTRAINT imports_key_key TO imports_key": [
            "imports, constraint imports_key",
            "imports, constraint imports_key_key",
            "imports, index imports_key",
            "imports, index imports_key_key",
        ],
        "DROP INDEX tips_by_time": ["tips, index tips_by_time"],
        "DROP TRIGGER webhooks_changed ON webhooks": ["webhooks, trigger webhooks_changed"],
        "ALTER TABLE tips RESET (autovacuum_vacuum_scale_factor)": ["tips, itself"],
        "ALTER TABLE outbox ALTER data DROP NOT NULL": ["outbox, column data"],
        "DROP TRIGGER outbox_is_for_ever ON outbox": ["outbox, trigger outbox_is_for_ever"],
        "ALTER TABLE receipts_used SET LOGGED": ["receipts_used, itself"],
        "DROP TABLE known_teams": [],
        """CREATE TABLE known_teams (id uuid PRIMARY KEY, unit text NOT NULL, withdrawn boolean NOT NULL)
        PARTITION BY HASH (id)""": ["known_teams, index known_teams_pkey", "known_teams, itself"],
    }
    migrated, declared = await migrated_and_declared(databases["incidents"], "incidents", *altered)
    found = differences(migrated, declared)
    assert [difference.split(":")[0] for difference in found] == sorted(chain.from_iterable(altered.values()))
