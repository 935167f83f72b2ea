"""How the tests of files send one, and look where it lies."""

from typing import Any
from uuid import UUID

import asyncpg
import httpx

from shared.files.store import open_store
from shared.settings import settings
from tests.conftest import Antt


async def send(
    antt: Antt, path: str, content: bytes, caller: dict[str, str] | None = None, name: str = "ảnh.jpg"
) -> httpx.Response:
    """A form as a browser sends it."""
    return await antt.http.post(
        path,
        files={"file": (name, content, "application/x-whatever")},
        headers=caller if caller is not None else antt.token(),
    )


async def attached(antt: Antt, path: str, content: bytes, caller: dict[str, str] | None = None) -> dict[str, Any]:
    """The attachment that a form makes."""
    answer = await send(antt, path, content, caller)
    assert answer.status_code == 201, answer.text
    attachment: dict[str, Any] = answer.json()
    return attachment


async def contents() -> set[str]:
    """The names of what the store has."""
    return {found["path"].rpartition("/")[2] for found in await open_store(settings()).list().collect_async()}


async def content_of(attachment: dict[str, Any]) -> str:
    """Under which name the store has an attachment's content."""
    connection = await asyncpg.connect(settings().database_url("incidents"))
    name = await connection.fetchval("SELECT content FROM attachments WHERE id = $1", UUID(attachment["id"]))
    await connection.close()
    return str(name)
