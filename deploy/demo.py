"""`antt demo`: starts everything, replays what a province's force did through the REST APIs, and shows it counted.

It is a client like any other: nothing here touches a database, an event or a counter.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from datetime import date
from http.client import HTTPException
from pathlib import Path
from statistics import median
from typing import Literal, get_args

import httpx
import msgspec
import tenacity
from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from deploy.local import NotStarted, child
from deploy.local.sockets import becomes_free
from deploy.scenarios.published import SCENARIOS, Figure, Period, Scenario
from deploy.scenarios.replay import Refused, Replay
from shared.access.issuer import issue_token
from shared.access.permissions import TokenRole
from shared.settings import Service, settings

# The first start with Kafka fetches its jars.
SECONDS_TO_START = 300
SECONDS_TO_END = 60
SECONDS_TO_COUNT = 60
SECONDS_BETWEEN_PROBES = 0.25
# Without a terminal a line tells of each of these parts of the plan.
PARTS = 5


class Demo:
    """What is known while the plan is on its way: how much was sent, what is counted, and how late."""

    def __init__(
        self, console: Console, scenario: Scenario, name: str, addresses: dict[Service, str], client: httpx.AsyncClient
    ) -> None:
        self.console = console
        self.scenario = scenario
        self.client = client
        self.stats = f"{addresses['stats']}/stats/v1"
        self.figures = scenario.figures()
        self.periods = sorted({scenario.period, *(period for figure in self.figures for period in figure.periods)})
        self.replay = Replay(scenario.requests(), f"{name}-{scenario.seed}", addresses, token_for)
        # The counters of each period that a figure comes from.
        self.counters: dict[Period, dict[str, int]] = {}
        self.lags: list[float] = []
        self.began = time.perf_counter()
        self.parts_told = 0


def demo(name: str, port: int, log: Literal["embedded", "kafka"], data: Path | None, then_exit: bool) -> int:
    """Run the demonstration; 0 if every figure came out as published. Raises NotStarted.

    No setting of the environment reaches it: invented records never go into a database that somebody uses.
    """
    for name in [name for name in os.environ if name.startswith("ANTT_")]:
        del os.environ[name]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    scenario = SCENARIOS[name]
    # A file or a pipe has no width of its own.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    right = False
    with suppress(KeyboardInterrupt), _folder(data, name) as folder:
        os.environ |= {"ANTT_DATA": str(folder), "ANTT_PROVINCE": scenario.province}
        settings.cache_clear()
        addresses = {
            service: f"http://localhost:{port if log == 'embedded' else port + offset}"
            for offset, service in enumerate(get_args(Service))
        }
        with _served(console, addresses, folder, port, log) as server:
            right = asyncio.run(_show(console, scenario, name, addresses))
            stays = console.is_terminal and not then_exit
            _tell_where_to_look(console, scenario, addresses, folder, stays)
            if stays:
                server.wait()
    return 0 if right else 1


@contextmanager
def _folder(data: Path | None, name: str) -> Iterator[Path]:
    """A folder of this scenario alone: a temporary one, or one that an earlier demonstration of it made."""
    if data is None:
        with tempfile.TemporaryDirectory(prefix="antt-demo-", ignore_cleanup_errors=True) as temporary:
            yield Path(temporary)
        return
    data.mkdir(parents=True, exist_ok=True)
    mark = data / "demo"
    if any(data.iterdir()) and not (mark.exists() and mark.read_text() == name):
        raise NotStarted(f"{data} holds other data: choose an empty folder, for the demo's records are invented")
    mark.write_text(name)
    yield data.resolve()


@contextmanager
def _served(
    console: Console, addresses: dict[Service, str], folder: Path, port: int, log: str
) -> Iterator[subprocess.Popen[bytes]]:
    """`antt run` beside this process, ready; ended in order at the end, and by the kernel if this process dies."""
    for address in set(addresses.values()):
        if not becomes_free(taken := int(address.rpartition(":")[2])):
            raise NotStarted(f"port {taken} is in use: choose another with --port (make demo PORT=8100)")
    words = folder / "run.log"
    run = [sys.executable, "-m", "deploy.cli", "run", "--data", str(folder), "--port", str(port), "--log", log]
    with words.open("wb") as output:
        # In its own group, so that Ctrl-C reaches this process alone and the rest is ended in order.
        server = subprocess.Popen(
            child.command(run, parent=os.getpid()), stdout=output, stderr=subprocess.STDOUT, process_group=0
        )
    try:
        _await_ready(console, addresses, server, words, log)
        yield server
    finally:
        console.print("[dim]Đang dừng mọi dịch vụ … · stopping[/]")
        server.terminate()
        try:
            server.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _await_ready(
    console: Console, addresses: dict[Service, str], server: subprocess.Popen[bytes], words: Path, log: str
) -> None:
    """Wait until each service says that it is ready, and tell what is waited for. Raises NotStarted."""
    parts = "PostgreSQL, Apache Kafka" if log == "kafka" else "PostgreSQL"
    console.print(f"Khởi động {parts} và ba dịch vụ … [dim]· starting {parts} and three services[/]")
    began, told = time.monotonic(), 0.0
    waiting = console.status("") if console.is_terminal else nullcontext()
    with waiting as status, httpx.Client(timeout=2, trust_env=False) as client:
        while missing := _missing(client, addresses):
            seconds = time.monotonic() - began
            if server.poll() is not None or seconds > SECONDS_TO_START:
                last_words = words.read_text(errors="replace").strip()[-2_000:]
                raise NotStarted(f"the services did not become ready in {seconds:.0f} s:\n{last_words}")
            if status:
                status.update(f"{seconds:.0f} s, chờ {missing} [dim]· waiting[/]")
            elif seconds > told + 10:
                told = seconds
                console.print(f"  {seconds:.0f} s, chờ {missing} · waiting")
            time.sleep(0.2)
    console.print(f"  Cả ba sẵn sàng sau {_seconds(time.monotonic() - began)} [dim]· all ready[/]")


def _missing(client: httpx.Client, addresses: dict[Service, str]) -> str:
    """Which services are not ready and what of them is not, in words; nothing when all are."""
    missing = []
    for service, address in addresses.items():
        try:
            if down := client.get(f"{address}/{service}/health/status").json()["down"]:
                missing.append(f"{service} ({', '.join(down)})")
        except httpx.TransportError:
            missing.append(service)
    return ", ".join(missing)


async def _show(console: Console, scenario: Scenario, name: str, addresses: dict[Service, str]) -> bool:
    """Replay the scenario before the eyes of whoever watches; whether every figure came out as published."""
    reader = {"Authorization": f"Bearer {token_for('province_officer', scenario.province, '')}"}
    async with httpx.AsyncClient(trust_env=False, timeout=30, headers=reader) as client:
        demo = Demo(console, scenario, name, addresses, client)
        total = len(demo.replay.plan)
        console.print(
            f"\n[bold]{scenario.title}, {_days(scenario.period)}[/]: gửi lại {_number(total)} yêu cầu qua REST API"
            f" [dim]· replaying {total:,} requests[/]"
        )
        screen = Live(console=console, get_renderable=lambda: _picture(demo), refresh_per_second=5, transient=True)
        watching = [asyncio.create_task(watch) for watch in (_stream(demo), _probe(demo), _tell_parts(demo))]
        demo.began = time.perf_counter()
        try:
            with screen if console.is_terminal else nullcontext():
                await demo.replay.run()
                seconds = time.perf_counter() - demo.began
                counted = await _read_counted(demo)
        except (Refused, OSError, HTTPException, httpx.HTTPError) as failure:
            console.print("[red bold]Không gửi lại được[/] · the replay stopped:")
            console.print(repr(failure), markup=False)
            return False
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
    console.print(_result(demo, counted), _force(counted[scenario.period]))
    _tell_how_fast(demo, seconds)
    wrong = [figure.vietnamese for figure in demo.figures if not figure.agrees(figure.counted(counted))]
    if wrong:
        console.print(f"[red bold]Không khớp: {', '.join(wrong)}[/] · these figures differ")
    return not wrong


async def _stream(demo: Demo) -> None:
    """Keep the place's counters as the live streams tell them; come back to one that breaks off."""

    async def follow(period: Period) -> None:
        query = _query(demo.scenario, period)
        while True:
            with suppress(httpx.TransportError):
                async with demo.client.stream("GET", f"{demo.stats}/live", params=query, timeout=None) as answer:
                    async for line in answer.aiter_lines():
                        if line.startswith("data:"):
                            demo.counters[period] = msgspec.json.decode(line.removeprefix("data:"))["counters"]
            await asyncio.sleep(0.5)

    async with asyncio.TaskGroup() as streams:
        for period in demo.periods:
            streams.create_task(follow(period))


async def _probe(demo: Demo) -> None:
    """Time again and again how long after the answer to a write a reader finds it counted."""
    while True:
        await asyncio.sleep(SECONDS_BETWEEN_PROBES)
        answered_at = demo.replay.answered_at
        if demo.replay.counted:
            with suppress(httpx.HTTPError):
                await _read_counters(demo, demo.scenario.period)
                demo.lags.append(time.perf_counter() - answered_at)


async def _read_counted(demo: Demo) -> dict[Period, dict[str, int]]:
    """The counters of every period that a figure comes from, read when all that was written before is counted."""
    return {period: await _read_counters(demo, period) for period in demo.periods}


async def _read_counters(demo: Demo, period: Period) -> dict[str, int]:
    async for attempt in tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(httpx.HTTPError),
        stop=tenacity.stop_after_delay(SECONDS_TO_COUNT),
        wait=tenacity.wait_fixed(0.1),
        reraise=True,
    ):
        with attempt:
            query = {**_query(demo.scenario, period), "counted": demo.replay.counted}
            answer = (await demo.client.get(f"{demo.stats}/counters", params=query)).raise_for_status()
    counters: dict[str, int] = answer.json()["counters"]
    return counters


async def _tell_parts(demo: Demo) -> None:
    """Without a terminal: a line for each part of the plan that is done."""
    while not demo.console.is_terminal:
        await asyncio.sleep(0.1)
        sent, total = demo.replay.sent, len(demo.replay.plan)
        if sent * PARTS // total > demo.parts_told:
            demo.parts_told = sent * PARTS // total
            seconds = time.perf_counter() - demo.began
            most = max(demo.figures, key=lambda figure: figure.value)
            demo.console.print(
                f"  {demo.parts_told * 100 // PARTS:3} % · {_seconds(seconds)} · đến ngày {_day(_reached(demo))}"
                f" · đã đếm {_number(round(most.counted(demo.counters)))} {most.vietnamese}"
            )


def _reached(demo: Demo) -> date:
    """The day of the period that the replay has come to."""
    at = demo.replay.plan[min(demo.replay.sent, len(demo.replay.plan) - 1)].at.date()
    return min(max(at, demo.scenario.period.first), demo.scenario.period.last)


def _picture(demo: Demo) -> Group:
    """What is seen while it runs: how far the plan is, and the place's counters as they climb."""
    sent, total, seconds = demo.replay.sent, len(demo.replay.plan), time.perf_counter() - demo.began
    head = Table.grid(padding=(0, 2))
    head.add_row(
        f"[bold]{_day(_reached(demo))}[/]",
        ProgressBar(total, sent, width=24),
        f"{_number(sent)}/{_number(total)}",
        _seconds(seconds),
        f"{_number(round(sent / seconds))} yêu cầu/s",
    )
    table = _figures_table(demo, "Đang đếm")
    for figure in demo.figures:
        now = figure.counted(demo.counters)
        bar = "" if figure.kind == "percent" else ProgressBar(figure.value, min(now, figure.value), width=12)
        table.add_row(_words(figure), _published(figure), _value(figure, now), figure.unit, bar, figure.counts)
    return Group(head, table, _force(demo.counters.get(demo.scenario.period, {})))


def _force(counters: Mapping[str, int]) -> str:
    """How large the force is that does all this."""
    teams, members = (_number(counters.get(name, 0)) for name in ("teams", "members"))
    return f" {teams} Tổ bảo vệ ANTT, {members} thành viên [dim]· teams, members[/]"


def _result(demo: Demo, counted: dict[Period, dict[str, int]]) -> Table:
    """The published figures beside those that stats has counted."""
    table = _figures_table(demo, "Đếm được")
    for figure in demo.figures:
        now = figure.counted(counted)
        verdict = "[green]✓ khớp[/]" if figure.agrees(now) else f"[red]✗ lệch {now - figure.value:+g}[/]"
        words = _words(figure)
        if figure.kind == "percent":
            # What the change comes from.
            told = [f"{period.first.year}: {_number(counted[period][figure.counts])}" for period in figure.periods]
            words = f"{words} [dim]({', '.join(told)})[/]"
        table.add_row(words, _published(figure), _value(figure, now), figure.unit, verdict, figure.counts)
    return table


def _words(figure: Figure) -> str:
    """What a figure counts, as its source words it; a level tells its day."""
    if figure.period.first == figure.period.last:
        return f"{figure.vietnamese} [dim]({_day(figure.period.last)})[/]"
    return figure.vietnamese


def _published(figure: Figure) -> str:
    return f"{figure.wording} {_value(figure, figure.value)}".strip()


def _value(figure: Figure, value: float) -> str:
    """A number, or a change in the words of reports: tăng, giảm."""
    if figure.kind != "percent":
        return _number(round(value))
    share = f"{abs(value):.1f}".removesuffix(".0").replace(".", ",")
    return f"{'giảm' if value < 0 else 'tăng'} {share} %"


def _figures_table(demo: Demo, counted: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Chỉ tiêu")
    table.add_column("Công bố", justify="right")
    table.add_column(counted, justify="right", style="bold", min_width=8)
    # Its unit of count, and the name by which the API knows it, where there is room.
    room = None if demo.console.width >= 110 else 0
    table.add_column("", style="dim", no_wrap=True, max_width=room)
    table.add_column("", min_width=12)
    table.add_column("indicator", style="dim", no_wrap=True, max_width=room)
    return table


def _tell_how_fast(demo: Demo, seconds: float) -> None:
    sent, retried = demo.replay.sent, demo.replay.retried
    demo.console.print(
        f"\nGửi lại trong [bold]{_seconds(seconds)}[/]: {_number(sent)} yêu cầu,"
        f" {_number(round(sent / seconds))} mỗi giây, {_number(retried)} lần gửi lại [dim]· replayed, retries[/]"
    )
    if demo.lags:
        demo.console.print(
            f"Số liệu chậm nhất [bold]{_seconds(max(demo.lags))}[/], thường {_seconds(median(demo.lags))} sau khi ghi"
            f" ({len(demo.lags)} lần đo) [dim]· counters behind writes: worst, median[/]"
        )


def _tell_where_to_look(
    console: Console, scenario: Scenario, addresses: dict[Service, str], folder: Path, stays: bool
) -> None:
    """The addresses that a person may open, as long as the services run."""
    period = "&".join(f"{name}={value}" for name, value in _query(scenario, scenario.period).items())
    console.print(
        f"\n[bold]Xem tại[/] [dim]· look at{'' if stays else ', while it is served (make demo on a terminal)'}[/]"
    )
    # Public indicators of the province in whole months need no token; anything else needs the token that is told below.
    needs_token = "" if scenario.is_public else " [dim](cần mã truy cập · token)[/]"
    console.print(f"  Số liệu    {addresses['stats']}/stats/v1/counters?{period}{needs_token}")
    console.print(f"  Trực tiếp  {addresses['stats']}/stats/v1/live?{period}{needs_token}")
    for service, address in addresses.items():
        console.print(f"  Tài liệu   {address}/{service}/v1/docs")
    if stays:
        console.print(
            f"  Mã truy cập  {sys.argv[0]} token --data {folder} --role province_officer --unit {scenario.province}"
        )
        console.print("\n[bold]Đang phục vụ; Ctrl-C để dừng.[/] [dim]· serving until Ctrl-C[/]")


def _query(scenario: Scenario, period: Period) -> dict[str, str]:
    return {"unit": scenario.place, "from": period.first.isoformat(), "to": period.last.isoformat()}


def token_for(role: TokenRole, unit: str, team: str) -> str:
    # The only other system of a scenario passes on what teams tell by telephone.
    return issue_token(settings(), role, unit, team, scopes=("report",) if role == "system" else ())


def _number(value: int) -> str:
    return f"{value:,}".replace(",", ".")


def _seconds(value: float) -> str:
    return f"{value:.{1 if value >= 1 else 2}f} s".replace(".", ",")


def _day(day: date) -> str:
    return f"{day:%d/%m/%Y}"


def _days(period: Period) -> str:
    return f"{_day(period.first)} – {_day(period.last)}"
