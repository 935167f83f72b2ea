"""import_activities: a file of activities taken by `antt work`, beside a bare COPY of the rows and events it became.

`memory_import_*`: the most that `antt work` held while it took a file of a million. `tips_beside_import`: the slowest
hundredth of tips while a file is taken, beside none being taken.
"""

import asyncio
import io
import json
import random
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import xlsxwriter

from shared import units
from shared.access import Identity
from shared.days import VIETNAM, now
from shared.importing.commands import start_import
from shared.importing.job import ATOMIC_ROWS
from shared.importing.models import Format
from shared.importing.schemas import NewImport
from shared.service import Service
from shared.settings import Settings
from tests.bench import intake, load, stage
from tests.bench.memory import figure as memory_figure
from tests.bench.stage import Figure, Stage
from tests.conftest import eventually

CALLER = Identity("system", "system:bench", "2024:74", "", frozenset({"report"}))
A_MILLION = 1_000_000
MOST_MEGABYTES = 300.0
TIPS_PER_SECOND = 300.0


def activities(number: int) -> Iterator[dict[str, Any]]:
    """What the force of the served province did in the last year, each with the reference of the sending system."""
    chance = random.Random(1)
    served = [units.get(id) for id in sorted(units.served("2024:74"))]
    communes = [unit.id for unit in served if unit and unit.level == "commune" and unit.edition == "2025"]
    newest = now().astimezone(VIETNAM).replace(microsecond=0)
    for count in range(number):
        began = newest - timedelta(minutes=chance.randint(300, 500_000))
        kind = chance.choice(("patrol", "patrol", "traffic_control", "security_duty"))
        yield {
            "kind": kind,
            "unit": chance.choice(communes),
            "started_at": began.isoformat(),
            "ended_at": (began + timedelta(hours=3)).isoformat(),
            "members": chance.randint(2, 9),
            "reference": f"HT-{count:08}",
            **({"turns": chance.randint(1, 90)} if kind == "traffic_control" else {}),
        }


COLUMNS = ("kind", "unit", "started_at", "ended_at", "members", "reference", "turns")


def write_file(path: Path, format: Format, number: int) -> None:
    """A file of so many activities."""
    if format == "ndjson":
        with path.open("w") as file:
            file.writelines(json.dumps(row) + "\n" for row in activities(number))
    elif format == "csv":
        with path.open("w") as file:
            file.write(",".join(COLUMNS) + "\n")
            file.writelines(",".join(str(row.get(c, "")) for c in COLUMNS) + "\n" for row in activities(number))
    else:
        # Its texts apart, as a spreadsheet program writes them: for the reader that is the hardest.
        with xlsxwriter.Workbook(path) as book:
            sheet = book.add_worksheet()
            sheet.write_row(0, 0, COLUMNS)
            for line, row in enumerate(activities(number), 1):
                sheet.write_row(line, 0, [row.get(c, "") for c in COLUMNS])


async def send(environment: dict[str, str], path: Path, format: Format) -> str:
    """Send a file, as the route does; the import's id."""
    service = Service("incidents", Settings(incidents_database_url=environment["ANTT_INCIDENTS_DATABASE_URL"]))

    async def chunks() -> AsyncIterator[bytes]:
        with path.open("rb") as file:
            while chunk := file.read(1 << 18):
                yield chunk

    await service.database.open()
    writing = asyncio.create_task(service.writer.run())
    try:
        asked = NewImport(of="activities")
        started, _ = await start_import(service, "imports", CALLER, asked, format, chunks(), None)
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await service.database.close()
    return str(started.id)


@asynccontextmanager
async def database(environment: dict[str, str]) -> AsyncIterator[asyncpg.Connection]:
    """A look into the database of incidents."""
    connection = await asyncpg.connect(environment["ANTT_INCIDENTS_DATABASE_URL"])
    try:
        yield connection
    finally:
        await connection.close()


async def taken(environment: dict[str, str], id: str, number: int) -> float:
    """How many seconds the job took, once it has ended; RuntimeError unless it took every row."""
    async with database(environment) as connection:
        ended = "SELECT * FROM imports WHERE id = $1 AND state NOT IN ('queued', 'running')"
        row = await eventually(lambda: connection.fetchrow(ended, id), seconds=3_600)
    if (row["state"], row["created"]) != ("done", number):
        raise RuntimeError(f"the import ended as {dict(row)}")
    seconds: float = (row["ended_at"] - row["started_at"]).total_seconds()
    return seconds


TABLES = {"activities": None, "outbox": ["id", "type", "dataversion", "subject", "data", "traceparent"]}


async def import_activities(on: Stage) -> list[Figure]:
    """Rows a second of an import, beside COPY of the same rows into the two tables in one transaction."""
    number = 20_000 if on.quick else 100_000
    made: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory(dir=on.data) as folder:
        path = Path(folder) / "activities.ndjson"
        await asyncio.to_thread(write_file, path, "ndjson", number)

        async def ours() -> float:
            environment = await on.databases()
            id = await send(environment, path, "ndjson")
            async with stage.process("-m", "deploy.cli", "work", **environment):
                seconds = await taken(environment, id, number)
            async with database(environment) as connection:
                for table, columns in TABLES.items():
                    kept = io.BytesIO()
                    wanted = ", ".join(columns or ("*",))
                    await connection.copy_from_query(f"SELECT {wanted} FROM {table}", output=kept, format="binary")
                    made[table] = kept.getvalue()
            return number / seconds

        async def copy() -> float:
            async with database(await on.databases()) as connection:
                began = time.perf_counter()
                async with connection.transaction():
                    for table, columns in TABLES.items():
                        source = io.BytesIO(made[table])
                        await connection.copy_to_table(table, columns=columns, source=source, format="binary")
                return number / (time.perf_counter() - began)

        runs = await on.take_turns({"ours": ours, "baseline": copy})
    return [stage.figure("import_activities", runs, note=f"{number:,} activities with references, NDJSON")]


async def memory_import(on: Stage) -> list[Figure]:
    """The most that the job's process held while it took a million activities, in each format."""
    number, found = 20_000 if on.quick else A_MILLION, []
    formats: tuple[Format, ...] = ("ndjson", "csv", "xlsx")
    for format in formats:
        environment = await on.databases()
        with tempfile.TemporaryDirectory(dir=on.data) as folder:
            path = Path(folder) / f"activities.{format}"
            await asyncio.to_thread(write_file, path, format, number)
            megabytes = path.stat().st_size / 1_000_000
            id = await send(environment, path, format)
        async with stage.process("-m", "deploy.cli", "work", **environment) as running:
            seconds = await taken(environment, id, number)
            status = await asyncio.to_thread(Path(f"/proc/{running.pid}/status").read_text)
        held = int(status.split("VmHWM:")[1].split()[0]) / 1000
        kept = memory_figure(f"memory_import_{format}", held, MOST_MEGABYTES)
        kept.note = f"{number:,} activities in {megabytes:,.0f} MB, {number / seconds:,.0f}/s"
        found.append(kept)
    return found


async def tips_beside_import(on: Stage) -> list[Figure]:
    """The slowest hundredth of tips while `antt work` takes a file, beside the same without one."""
    number = 20_000 if on.quick else 400_000
    environment = await on.databases()
    outcomes: list[load.Outcome] = []
    async with AsyncExitStack() as servers:
        with tempfile.TemporaryDirectory(dir=on.data) as folder:
            path = Path(folder) / "activities.ndjson"
            await asyncio.to_thread(write_file, path, "ndjson", number)
            # It is first, so the job's turn is its; the service has only requests to answer.
            await servers.enter_async_context(stage.process("-m", "deploy.cli", "work", **environment))
            async with database(environment) as connection:
                held = "SELECT count(*) FROM pg_locks WHERE classid = 7305 AND granted"
                await eventually(lambda: connection.fetchval(held), seconds=60)
            port, _ = await servers.enter_async_context(stage.service("incidents", **environment))

            async def p99() -> float:
                outcome = await load.run(load.Load(port, intake.requests(), 32, on.seconds, rate=TIPS_PER_SECOND))
                outcomes.append(outcome)
                return outcome.p99_ms

            async def alone() -> float:
                return await p99()

            async def beside() -> float:
                id = await send(environment, path, "ndjson")
                async with database(environment) as connection:
                    begun = "SELECT rows_read > 0 FROM imports WHERE id = $1"
                    await eventually(lambda: connection.fetchval(begun, id), seconds=60)
                    found = await p99()
                    going_on = await connection.fetchval("SELECT state = 'running' FROM imports WHERE id = $1", id)
                    if not going_on and not on.quick:
                        raise RuntimeError("the file was taken before the tips were")
                    await connection.execute("UPDATE imports SET state = 'cancelled', version = version + 1")
                    await connection.execute("TRUNCATE activities CASCADE")
                return found

            runs = await on.take_turns({"ours": beside, "baseline": alone})
            # All or nothing: 10,000 rows are one transaction, so for a moment the outbox is theirs.
            whole = Path(folder) / "whole.ndjson"
            await asyncio.to_thread(write_file, whole, "ndjson", ATOMIC_ROWS)
            tips = asyncio.create_task(p99())
            await taken(environment, await send(environment, whole, "ndjson"), ATOMIC_ROWS)
            await tips
    p50s = [sorted(outcome.p50_ms for outcome in outcomes[:-1][first::2])[on.turns // 2] for first in (0, 1)]
    note = f"at {TIPS_PER_SECOND:,.0f} tips/s; p50 {p50s[0]:.2f} ms beside {p50s[1]:.2f} ms; "
    note += f"the slowest beside an atomic file of {ATOMIC_ROWS:,} rows {outcomes[-1].worst_ms:,.0f} ms"
    return [stage.figure("tips_beside_import", runs, "ms", note)]
