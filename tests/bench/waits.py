"""`python -m tests.bench.waits [RATE]`: what a tip costs and what it waits for, at a rate or as fast as 64 connections go.

Of the processor it prints what the service and each of PostgreSQL's processes took for a tip; of the write-ahead log its
bytes and records; how many works shared a batch; and what the backends that write were doing, looked at each
millisecond: `Client` is a backend that has nothing to do, `running` one that works or waits for a core.
"""

import asyncio
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import asyncpg
import httpx
import psutil
import uvloop

from tests.bench import intake, load, stage
from tests.bench.stage import Stage

SECONDS = 8.0
_LOOK = """
SELECT CASE WHEN state = 'idle' THEN 'Client' ELSE coalesce(wait_event_type || ' ' || wait_event, 'running') END AS doing
FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'WITH inserted%'
"""


async def waits(on: Stage, rate: float | None) -> None:
    """Put the load on and print what was seen."""
    environment = await on.databases()
    async with stage.service("incidents", **environment) as (port, pid):
        looking = await asyncpg.connect(environment["ANTT_INCIDENTS_DATABASE_URL"])
        await load.run(load.Load(port, intake.full_requests(), intake.CONNECTIONS, 1.0))
        before = await _state(looking, port, pid)
        seen: Counter[str] = Counter()
        watching = asyncio.create_task(_watch(looking, seen))
        asked = load.Load(port, intake.full_requests(), intake.CONNECTIONS, SECONDS, rate=rate)
        outcome = await load.run(asked)
        watching.cancel()
        await asyncio.wait({watching})
        after = await _state(looking, port, pid)
        await looking.close()
    spent = {name: value - before.get(name, 0) for name, value in after.items()}
    tips, batches = spent.pop("tips"), spent.pop("batches")
    print(f"{outcome.per_second:,.0f} tips/s, p50 {outcome.p50_ms:.2f} ms, p99 {outcome.p99_ms:.2f} ms")
    print(f"{tips / batches:.1f} tips a batch")
    for name, value in sorted(spent.items(), key=lambda each: -each[1]):
        if name.startswith("WAL"):
            print(f"{value / tips:10.1f} {name} a tip")
        elif value > 0:
            print(f"{value / tips * 1e6:10.1f} µs a tip: {name}")
    for doing, times in seen.most_common():
        print(f"{times / sum(seen.values()):10.1%} {doing}")


async def _watch(connection: asyncpg.Connection, seen: Counter[str]) -> None:
    while True:
        seen.update(row["doing"] for row in await connection.fetch(_LOOK))
        await asyncio.sleep(0.001)


async def _state(connection: asyncpg.Connection, port: int, pid: int) -> dict[str, float]:
    """Seconds of processor by process, the log's bytes and records, tips and batches, so far."""
    wal = await connection.fetchrow("SELECT wal_bytes, wal_records FROM pg_stat_wal")
    assert wal is not None
    async with httpx.AsyncClient() as client:
        metrics = (await client.get(f"http://127.0.0.1:{port}/incidents/metrics")).text
    service = psutil.Process(pid)
    return {
        "service": sum(service.cpu_times()[:2]),
        **_postgres(),
        "WAL bytes": float(wal["wal_bytes"]),
        "WAL records": float(wal["wal_records"]),
        "tips": _metric(metrics, "antt_intake_batch_sum"),
        "batches": _metric(metrics, "antt_intake_batch_count"),
    }


def _metric(metrics: str, name: str) -> float:
    return sum(float(line.split()[-1]) for line in metrics.splitlines() if line.startswith(name))


def _postgres() -> dict[str, float]:
    """Seconds of processor of PostgreSQL's processes, by what they are."""
    spent: defaultdict[str, float] = defaultdict(float)
    for each in psutil.Process().children(recursive=True):
        if each.name().startswith("postgres"):
            spent[" ".join(each.cmdline()).partition(" [")[0].partition(" -D")[0].strip()] += sum(each.cpu_times()[:2])
    return spent


def main() -> None:
    """Start what is needed, and end it."""
    rate = float(sys.argv[1]) if len(sys.argv) > 1 else None
    Path("var").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=Path("var").resolve()) as folder:
        Path(folder).chmod(0o755)
        with Stage(Path(folder), quick=False) as on:
            uvloop.run(waits(on, rate))


if __name__ == "__main__":
    main()
