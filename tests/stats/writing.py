"""What tests of counting share: a client that writes, and hands that reach into a database as no program does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec

from shared.settings import Service, settings
from tests.conftest import COMMUNE, PROVINCE, Antt


async def report(antt: Antt, times: int = 1, unit: str = COMMUNE, **fields: str) -> str:
    """Report tips one after the other; the position of the last."""
    caller = antt.token("operator", PROVINCE) if fields else None
    for _ in range(times):
        answer = await antt.post("/incidents/v1/tips", {"unit": unit, "content": "Gây rối", **fields}, caller)
        assert answer.status_code == 201, answer.text
    return str(answer.headers["antt-position"])


class Reported:
    """How many tips a client has had acknowledged, and where the last one stands."""

    tips = 0
    position = ""


@asynccontextmanager
async def reporting(antt: Antt, clients: int = 2) -> AsyncIterator[Reported]:
    """Clients that report tips without a pause for as long as the block runs."""
    reported, ended = Reported(), asyncio.Event()

    async def client() -> None:
        while not ended.is_set():
            position = await report(antt)
            reported.tips += 1
            reported.position = max(
                reported.position, position, key=lambda text: int(text.split(":")[2] if text else 0)
            )
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())
        try:
            yield reported
        finally:
            ended.set()


async def sql(service: Service, statement: str, *arguments: Any) -> list[asyncpg.Record]:
    """Run one statement in a service's database."""
    connection = await asyncpg.connect(settings().database_url(service))
    try:
        rows: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
        return rows
    finally:
        await connection.close()


async def append(service: Service, type: str, data: Any, version: int = 1, times: int = 1) -> str:
    """Put events into an outbox that no command would emit; the position of the last."""
    text = data if isinstance(data, str) else msgspec.json.encode(data).decode()
    rows = await sql(
        service,
        """INSERT INTO outbox (id, type, dataversion, subject, data)
        SELECT gen_random_uuid(), $1, $2, $3, $4 FROM generate_series(1, $5) RETURNING seq""",
        type, version, str(uuid4()), text, times,
    )  # fmt: skip
    return f"{service}:1:{rows[-1]['seq']}"


def tip(unit: str = COMMUNE, day: str = "2025-11-02", **fields: str) -> dict[str, Any]:
    """The data of an event that tells of a new tip."""
    return {"after": {"unit": unit, "received_on": day, "state": "received", "supplied_by": "citizen", **fields}}


async def connect() -> asyncpg.Connection:
    """A connection to the database of stats, as counting has it."""
    connection = await asyncpg.connect(settings().database_url("stats"))
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=lambda v: msgspec.json.encode(v).decode(), decoder=msgspec.json.decode
    )
    return connection
