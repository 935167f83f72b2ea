"""Contents that no record names are deleted: of uploads that were killed half-way, and of attachments taken away."""

import asyncio
import re
from datetime import timedelta

import structlog

from services.incidents.attachments.receiving import key_of
from shared.database import Database
from shared.errors import Problem
from shared.service import Service
from shared.store import delete, kept_under, remove_half_written, store_of

log = structlog.get_logger()

_EVERY_SECONDS = 3600
_TOGETHER = 1000
_CONTENT = re.compile(r"attachments/[0-9a-f]{2}/([0-9a-f]{64})")

# Nobody names it, nobody has touched it for the grace, and nobody named it within the grace.
_ORPHAN = """touched_at < now() - $1::interval AND NOT EXISTS (
    SELECT FROM attachments a WHERE a.sha256 = attachment_contents.sha256
    AND (a.removed_at IS NULL OR a.removed_at > now() - $1::interval))"""


async def run(service: Service) -> None:
    """Sweep each hour, for ever. A store that is down is tried again the next time; nothing else waits for it."""
    while True:
        try:
            deleted = await sweep(service)
            if deleted:
                log.info("contents swept", deleted=deleted)
        except Problem as problem:
            log.warning("sweep put off", reason=problem.name)
        await asyncio.sleep(_EVERY_SECONDS)


async def sweep(service: Service) -> int:
    """Delete every content that no record names and that is older than the grace; how many there were."""
    grace = timedelta(hours=service.settings.attachment_grace_hours)
    store, database = store_of(service.settings), service.database
    await remove_half_written(store, grace)
    # What the store has and the database has never heard of, as after a backup was restored, is told to it first and
    # deleted a whole grace later: the log that brings the rows back may come after the backup.
    unknown: list[str] = []
    async for key, _ in kept_under(store, "attachments/"):
        if found := _CONTENT.fullmatch(key):
            unknown.append(found[1])
        if len(unknown) == _TOGETHER:
            await _adopt(database, unknown)
            unknown.clear()
    await _adopt(database, unknown)
    orphans = await database.fetch(f"SELECT sha256 FROM attachment_contents WHERE {_ORPHAN}", grace)
    return sum([await _delete(service, row["sha256"], grace) for row in orphans])


async def _adopt(database: Database, contents: list[str]) -> None:
    await database.fetch(
        """INSERT INTO attachment_contents (sha256, touched_at) SELECT sha256, now() FROM unnest($1::text[]) AS sha256
        ON CONFLICT DO NOTHING""",
        contents,
    )


async def _delete(service: Service, sha256: str, grace: timedelta) -> bool:
    """Delete one content, unless somebody came for it meanwhile.

    The deleted row is held until the object is gone too. An upload of the same content touches that row before it looks
    for the object: it either came first, and then the row is young and stays, or it waits here and finds no object.
    """
    async with service.database.connection() as connection, connection.transaction():
        mine = await connection.fetchval(
            f"DELETE FROM attachment_contents WHERE sha256 = $2 AND {_ORPHAN} RETURNING true", grace, sha256
        )
        if mine:
            await delete(store_of(service.settings), key_of(sha256))
    return bool(mine)
