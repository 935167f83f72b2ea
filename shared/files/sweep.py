"""Contents that no record names are deleted: of uploads that were killed half-way, and of attachments taken away."""

import asyncio
import re
from datetime import timedelta

import structlog

from shared.database import Database
from shared.errors import Problem
from shared.files.contents import OLD, cipher_of, key_of, name_now
from shared.files.records import Files
from shared.files.sealing import sealed, sealed_size, unsealed
from shared.files.store import delete, kept_under, put_capped, remove_half_written, size_of, store_of
from shared.service import Service, Task

log = structlog.get_logger()

_EVERY_SECONDS = 3600
_TOGETHER = 1000

# Nobody names it, nobody has touched it for the grace, and nobody named it within the grace.
_ORPHAN = """touched_at < now() - $1::interval AND NOT EXISTS (
    SELECT FROM attachments a WHERE a.content = attachment_contents.content
    AND (a.removed_at IS NULL OR a.removed_at > now() - $1::interval))"""


def sweep_hourly(files: Files) -> Task:
    """The job that sweeps a service's files, for ever. A store that is down is tried again; nothing else waits for it."""

    async def run(service: Service) -> None:
        while True:
            try:
                deleted = await sweep(service, files.folder)
                if deleted:
                    log.info("contents swept", deleted=deleted)
            except Problem as problem:
                log.warning("sweep put off", reason=problem.name)
            await asyncio.sleep(_EVERY_SECONDS)

    return run


async def sweep(service: Service, folder: str) -> int:
    """Delete every content of the folder that no record names and that is older than the grace; how many there were."""
    grace = timedelta(hours=service.settings.attachment_grace_hours)
    store, database = store_of(service.settings), service.database
    await remove_half_written(store, grace)
    await rename_old(service, folder)
    # What the store has and the database has never heard of, as after a backup was restored, is entered there first and
    # deleted a whole grace later: the log that brings the rows back may come after the backup.
    unknown: list[str] = []
    content = re.compile(rf"{re.escape(folder)}/[0-9a-f]{{2}}/([0-9a-f]{{64}})")
    async for key, _ in kept_under(store, f"{folder}/"):
        if found := content.fullmatch(key):
            unknown.append(found[1])
        if len(unknown) == _TOGETHER:
            await _adopt(database, unknown)
            unknown.clear()
    await _adopt(database, unknown)
    orphans = await database.fetch(f"SELECT content FROM attachment_contents WHERE {_ORPHAN}", grace)
    return sum([await _delete(service, folder, row["content"], grace) for row in orphans])


async def rename_old(service: Service, folder: str) -> None:
    """Seal what lies under its bare hash anew, under a name that only the secret gives. Raises StoreUnavailable.

    Each is safe to do again: the new object is whole before a row names it, and the old one goes last. A name that is
    given twice, by rows that had the same hash before and after, stays one attachment.
    """
    store, database = store_of(service.settings), service.database
    rows = await database.fetch(
        """SELECT content, max(bytes) AS bytes FROM (
            SELECT content, bytes FROM attachments UNION ALL SELECT content, NULL FROM attachment_contents
        ) named WHERE starts_with(content, $1) GROUP BY content""",
        OLD,
    )
    for row in rows:
        old, length = row["content"], row["bytes"]
        new = name_now(old)
        if length is not None and await size_of(store, key_of(folder, old)) == sealed_size(length):
            opened = unsealed(store, key_of(folder, old), cipher_of(old), length, 0, length)
            await put_capped(store, key_of(folder, new), sealed(opened, cipher_of(new)), sealed_size(length))
        async with database.connection() as connection, connection.transaction():
            await connection.execute(
                "INSERT INTO attachment_contents (content, touched_at) VALUES ($1, now()) ON CONFLICT DO NOTHING", new
            )
            await connection.execute("UPDATE attachments SET content = $2 WHERE content = $1", old, new)
            await connection.execute("DELETE FROM attachment_contents WHERE content = $1", old)
        await delete(store, key_of(folder, old))


async def _adopt(database: Database, contents: list[str]) -> None:
    await database.fetch(
        """INSERT INTO attachment_contents (content, touched_at) SELECT content, now() FROM unnest($1::text[]) AS content
        ON CONFLICT DO NOTHING""",
        contents,
    )


async def _delete(service: Service, folder: str, content: str, grace: timedelta) -> bool:
    """Delete one content, unless somebody came for it meanwhile.

    The deleted row is held until the object is gone too. An upload of the same content touches that row before it looks
    for the object: it either came first, and then the row is young and stays, or it waits here and finds no object.
    """
    async with service.database.connection() as connection, connection.transaction():
        mine = await connection.fetchval(
            f"DELETE FROM attachment_contents WHERE content = $2 AND {_ORPHAN} RETURNING true", grace, content
        )
        if mine:
            await delete(store_of(service.settings), key_of(folder, content))
    return bool(mine)
