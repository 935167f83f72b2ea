"""report_tip and its p99: a durable POST of a tip beside an ordinary FastAPI POST that does nothing."""

import json
import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from itertools import count
from uuid import UUID

import psutil
from fastapi import FastAPI

from services.incidents.tips.schemas import ReportTip, TipReceived
from shared import units
from shared.days import now
from shared.outbox import Position, UnitOfWork, Writer
from tests.bench import foundation, load, stage
from tests.bench.stage import Figure, Stage

CONNECTIONS = 64
CONTENTS = (
    "Khoảng 22 giờ tối qua có nhóm thanh niên tụ tập nẹt pô, gây mất trật tự ở đầu đường vào khu nhà trọ.",
    "Nhà bên cạnh mấy hôm nay có nhiều người lạ ra vào ban đêm, nghi tổ chức đánh bạc, đề nghị kiểm tra giúp.",
    "Tôi bị mất một xe máy Wave màu xanh để trước cổng chợ lúc 6 giờ sáng, có camera của tiệm tạp hóa đối diện.",
)


def requests() -> list[bytes]:
    """Tips from anyone, of the communes that the served province became, as bytes."""
    chance = random.Random(1)
    served = [units.get(id) for id in sorted(units.served("2024:74"))]
    communes = [unit.id for unit in served if unit and unit.level == "commune" and unit.edition == "2025"]
    return [
        load.request(
            "POST",
            "/incidents/v1/tips",
            json.dumps(
                {"unit": chance.choice(communes), "content": chance.choice(CONTENTS)}, ensure_ascii=False
            ).encode(),
        )
        for _ in range(500)
    ]


WHO = (
    {"full_name": "Nguyễn Văn Hòa", "phone": "0912345678", "address": "Khu phố 3"},
    {"full_name": "Trần Thị Lan", "email": "lan@example.vn"},
    None,
    None,
)


def full_requests() -> list[bytes]:
    """Tips as people send them: with a topic and a time, half of them named, so that every check has its work."""
    chance = random.Random(2)
    occurred_at = (now() - timedelta(hours=3)).isoformat()
    sent = []
    for plain in requests():
        tip = json.loads(plain.split(b"\r\n\r\n", 1)[1])
        tip |= {"topic": chance.choice(("noise", "gambling", "theft")), "occurred_at": occurred_at, "channel": "app"}
        tip |= {"informant": chance.choice(WHO)}
        sent.append(load.request("POST", "/incidents/v1/tips", json.dumps(tip, ensure_ascii=False).encode()))
    return sent


def ordinary() -> FastAPI:
    """The baseline: what FastAPI alone needs for the same model in and the same shape out."""
    app = FastAPI()
    id, began = UUID("0199a3c0-0000-7000-8000-000000000000"), now()

    @app.post("/incidents/v1/tips", status_code=201)
    async def report_tip(tip: ReportTip) -> TipReceived:
        """Do nothing but answer."""
        return TipReceived(id=id, receipt="1234567890123456", unit=tip.unit, state="received", received_at=began)

    return app


def without_database() -> FastAPI:
    """The incidents service with a writer that answers at once: the same path of bytes, without what makes it durable."""
    from services.incidents.app import create_app

    seq = count(1)

    async def answer_at_once(self: Writer, work: UnitOfWork) -> Position:
        return Position(1, next(seq))

    Writer.commit = answer_at_once  # type: ignore[method-assign]
    return create_app()


def _put_on(
    port: int,
    seconds: float,
    rate: float | None,
    read: Callable[[load.Outcome], float],
    sent: Callable[[], list[bytes]] = requests,
) -> stage.Measure:
    async def measure() -> float:
        return read(await load.run(load.Load(port, sent(), CONNECTIONS, seconds, rate=rate)))

    return measure


async def report_tip(on: Stage) -> list[Figure]:
    """How many tips a second become durable in one worker, with their events."""
    async with AsyncExitStack() as servers:
        ports = {
            "ours": (await servers.enter_async_context(stage.service("incidents", **await on.databases())))[0],
            "baseline": await servers.enter_async_context(stage.app("tests.bench.intake:ordinary")),
            "without_database": await servers.enter_async_context(
                stage.app("tests.bench.intake:without_database", **await on.databases())
            ),
        }
        runs = await on.take_turns(
            {name: _put_on(port, on.seconds, None, lambda outcome: outcome.per_second) for name, port in ports.items()}
        )
    found = stage.figure("report_tip", runs)
    found.note = f"without the database {sorted(runs['without_database'])[on.turns // 2]:,.0f}/s"
    on.kept["tips_per_second"] = found.per_second
    return [found]


async def report_tip_full(on: Stage) -> list[Figure]:
    """How many tips with everything that may be told a second become durable, beside the foundation's durable POST."""
    async with AsyncExitStack() as servers:
        ours = (await servers.enter_async_context(stage.service("incidents", **await on.databases())))[0]
        first = await on.empty_database()
        await foundation.migrate(first)
        baseline = await servers.enter_async_context(
            stage.app("tests.bench.foundation:create_app", ANTT_INCIDENTS_DATABASE_URL=first)
        )
        runs = await on.take_turns(
            {
                "ours": _put_on(ours, on.seconds, None, lambda outcome: outcome.per_second, full_requests),
                "baseline": _put_on(baseline, on.seconds, None, lambda outcome: outcome.per_second),
                "plain": _put_on(ours, on.seconds, None, lambda outcome: outcome.per_second),
            }
        )
    plain = sorted(runs["plain"])[on.turns // 2]
    return [stage.figure("report_tip_full", runs, note=f"without topic, time and name {plain:,.0f}/s")]


async def report_tip_p99(on: Stage) -> list[Figure]:
    """The slowest hundredth at half the rate that report_tip reached."""
    if "tips_per_second" not in on.kept:
        await report_tip(on)
    rate = on.kept["tips_per_second"] / 2
    outcomes: list[load.Outcome] = []

    def keep(outcome: load.Outcome) -> float:
        outcomes.append(outcome)
        return outcome.p99_ms

    async with AsyncExitStack() as servers:
        ours, _ = await servers.enter_async_context(stage.service("incidents", **await on.databases()))
        baseline = await servers.enter_async_context(stage.app("tests.bench.intake:ordinary"))
        runs = await on.take_turns(
            {
                "ours": _put_on(ours, on.seconds, rate, keep),
                "baseline": _put_on(baseline, on.seconds, rate, keep),
            }
        )
    p50s = [sorted(outcome.p50_ms for outcome in outcomes[first::2])[on.turns // 2] for first in (0, 1)]
    note = f"at {rate:,.0f}/s; p50 {p50s[0]:.2f} ms beside {p50s[1]:.2f} ms"
    return [stage.figure("report_tip_p99", runs, "ms", note)]


async def report_tip_cpu(on: Stage) -> list[Figure]:
    """Processor time of the service and of PostgreSQL for each accepted tip: what other tenants of the machine hardly move."""
    async with AsyncExitStack() as servers:
        ours, pid = await servers.enter_async_context(stage.service("incidents", **await on.databases()))
        baseline = await servers.enter_async_context(stage.app("tests.bench.intake:ordinary"))
        [no_op] = [each for each in psutil.Process().children() if _listens(each, baseline)]

        def measure(port: int, spent: Callable[[], float]) -> stage.Measure:
            async def once() -> float:
                before, asked = spent(), load.Load(port, requests(), CONNECTIONS, on.seconds)
                outcome = await load.run(asked)
                return (spent() - before) / (outcome.per_second * (asked.seconds + asked.warm_up)) * 1_000_000

            return once

        service = psutil.Process(pid)
        runs = await on.take_turns(
            {
                "ours": measure(ours, lambda: _processor_of(service) + sum(map(_processor_of, _postgres()))),
                "baseline": measure(baseline, lambda: _processor_of(no_op)),
            }
        )
    return [stage.figure("report_tip_cpu", runs, "µs")]


def _processor_of(process: psutil.Process) -> float:
    """Seconds of processor that a process has had, and its children that have ended."""
    return sum(process.cpu_times()[:4])


def _postgres() -> list[psutil.Process]:
    return [each for each in psutil.Process().children(recursive=True) if each.name().startswith("postgres")]


def _listens(process: psutil.Process, port: int) -> bool:
    return any(each.laddr.port == port for each in process.net_connections() if each.status == "LISTEN")
