"""What may be read of imports: who sent a file sees it, and so do those who oversee that area."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from shared.errors import NotFound
from shared.http import Reader
from shared.importing.models import Import
from shared.importing.schemas import (
    ImportOut,
    ImportPage,
    LeftOutOut,
    LeftOutPage,
    ListImports,
    ListRejected,
    RejectedOut,
    RejectedPage,
)
from shared.importing.workflow import ENDED, overseen
from shared.outbox import row_of

# How often a stream looks how far an import is.
_LOOK_SECONDS = 0.5


async def list_imports(reader: Reader, query: ListImports) -> ImportPage:
    """A page of the imports that the caller may see."""
    reader.caller.require_role("import_records")
    rows = await reader.database.fetch(
        """SELECT * FROM imports
        WHERE ($1::uuid IS NULL OR id > $1) AND (subject = $2 OR unit = ANY($3::text[]))
          AND ($4::text IS NULL OR "of" = $4) AND ($5::text IS NULL OR state = $5)
        ORDER BY id LIMIT $6""",
        query.after,
        reader.caller.subject,
        overseen(reader.caller),
        query.of,
        query.state,
        query.limit,
    )
    return ImportPage(items=[ImportOut.of_row(row_of(Import, row)) for row in rows])


async def read_import(reader: Reader, import_id: UUID) -> ImportOut:
    """One import; NotFound for one that the caller may not see."""
    reader.caller.require_role("import_records")
    row = await reader.database.fetchrow("SELECT * FROM imports WHERE id = $1", import_id)
    if row is None or (row["subject"] != reader.caller.subject and row["unit"] not in overseen(reader.caller)):
        raise NotFound(id=import_id)
    return ImportOut.of_row(row_of(Import, row))


async def progress(reader: Reader, import_id: UUID) -> AsyncIterator[ImportOut]:
    """The import now and after each change, until it has ended."""
    seen = None
    while True:
        found = await read_import(reader, import_id)
        if found.version != seen:
            seen = found.version
            yield found
        if found.state in ENDED:
            return
        await asyncio.sleep(_LOOK_SECONDS)


async def rejected_rows(
    reader: Reader, import_id: UUID, query: ListRejected, language: str
) -> tuple[RejectedPage, int | None]:
    """A page of the rows that were not taken, and where the next one begins."""
    found, after = await _rows(reader, import_id, query, "errors")
    for error in (error for row in found for error in row["errors"]):
        vietnamese = error.pop("vi", error["message"])
        error["message"] = vietnamese if language == "vi" else error["message"]
    return RejectedPage(items=[RejectedOut(**row) for row in found]), after


async def left_out_rows(reader: Reader, import_id: UUID, query: ListRejected) -> tuple[LeftOutPage, int | None]:
    """A page of the rows of which something was left out, and where the next one begins."""
    found, after = await _rows(reader, import_id, query, "left_out")
    return LeftOutPage(items=[LeftOutOut(**row) for row in found]), after


async def _rows(
    reader: Reader, import_id: UUID, query: ListRejected, which: str
) -> tuple[list[dict[str, Any]], int | None]:
    await read_import(reader, import_id)
    rows = await reader.database.fetch(
        """SELECT line, why FROM import_rejections WHERE import_id = $1 AND line > $2 AND why ? $4
        ORDER BY line LIMIT $3""",
        import_id,
        query.after,
        query.limit,
        which,
    )
    after = rows[-1]["line"] if len(rows) == query.limit else None
    return [{"line": row["line"], **row["why"]} for row in rows], after
