"""What a person sees of it: the counters as they climb, the published figures beside them, and where to look."""

import asyncio
import sys
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from statistics import median

from rich import box
from rich.console import Console, Group
from rich.progress_bar import ProgressBar
from rich.table import Table

from deploy.demo.counted import Demo, query
from deploy.demo.formats import day, in_seconds, number
from deploy.scenarios.published import Figure, Period, Scenario
from shared.settings import Service

# Without a terminal a line reports each of these parts of the plan.
PARTS = 5


async def print_parts(demo: Demo) -> None:
    """Without a terminal: a line for each part of the plan that is done."""
    while not demo.console.is_terminal:
        await asyncio.sleep(0.1)
        sent, total = demo.replay.sent, len(demo.replay.plan)
        if sent * PARTS // total > demo.parts_shown:
            demo.parts_shown = sent * PARTS // total
            seconds = time.perf_counter() - demo.began
            most = max(demo.figures, key=lambda figure: figure.value)
            demo.console.print(
                f"  {demo.parts_shown * 100 // PARTS:3} % · {in_seconds(seconds)} · đến ngày {day(reached(demo))}"
                f" · đã đếm {number(round(most.counted(demo.counters)))} {most.vietnamese}"
            )


def reached(demo: Demo) -> date:
    """The day of the period that the replay has come to."""
    at = demo.replay.plan[min(demo.replay.sent, len(demo.replay.plan) - 1)].at.date()
    return min(max(at, demo.scenario.period.first), demo.scenario.period.last)


def picture(demo: Demo) -> Group:
    """What is seen while it runs: how far the plan is, and the unit's counters as they climb."""
    sent, total, seconds = demo.replay.sent, len(demo.replay.plan), time.perf_counter() - demo.began
    head = Table.grid(padding=(0, 2))
    head.add_row(
        f"[bold]{day(reached(demo))}[/]",
        ProgressBar(total, sent, width=24),
        f"{number(sent)}/{number(total)}",
        in_seconds(seconds),
        f"{number(round(sent / seconds))} yêu cầu/s",
    )
    table = _figures_table(demo, "Đang đếm")
    for figure in demo.figures:
        now = figure.counted(demo.counters)
        bar = "" if figure.kind == "percent" else ProgressBar(figure.value, min(now, figure.value), width=12)
        table.add_row(_words(figure), _published(figure), _value(figure, now), figure.unit, bar, figure.counts)
    return Group(head, table, force(demo.counters.get(demo.scenario.period, {})))


def force(counters: Mapping[str, int]) -> str:
    """How large the force is that does all this."""
    teams, members = (number(counters.get(name, 0)) for name in ("teams", "members"))
    return f" {teams} Tổ bảo vệ ANTT, {members} thành viên [dim]· teams, members[/]"


def result(demo: Demo, counted: dict[Period, dict[str, int]]) -> Table:
    """The published figures beside those that stats has counted."""
    table = _figures_table(demo, "Đếm được")
    for figure in demo.figures:
        now = figure.counted(counted)
        verdict = "[green]✓ khớp[/]" if figure.agrees(now) else f"[red]✗ lệch {now - figure.value:+g}[/]"
        words = _words(figure)
        if figure.kind == "percent":
            # What the change comes from.
            years = [f"{period.first.year}: {number(counted[period][figure.counts])}" for period in figure.periods]
            words = f"{words} [dim]({', '.join(years)})[/]"
        table.add_row(words, _published(figure), _value(figure, now), figure.unit, verdict, figure.counts)
    return table


def _words(figure: Figure) -> str:
    """What a figure counts, as its source words it; a level names its day."""
    if figure.period.first == figure.period.last:
        return f"{figure.vietnamese} [dim]({day(figure.period.last)})[/]"
    return figure.vietnamese


def _published(figure: Figure) -> str:
    return f"{figure.wording} {_value(figure, figure.value)}".strip()


def _value(figure: Figure, value: float) -> str:
    """A number, or a change in the words of reports: tăng, giảm."""
    if figure.kind != "percent":
        return number(round(value))
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


def print_speed(demo: Demo, seconds: float) -> None:
    sent, retried = demo.replay.sent, demo.replay.retried
    demo.console.print(
        f"\nGửi lại trong [bold]{in_seconds(seconds)}[/]: {number(sent)} yêu cầu,"
        f" {number(round(sent / seconds))} mỗi giây, {number(retried)} lần gửi lại [dim]· replayed, retries[/]"
    )
    if demo.lags:
        demo.console.print(
            f"Số liệu chậm nhất [bold]{in_seconds(max(demo.lags))}[/], thường {in_seconds(median(demo.lags))} sau khi ghi"
            f" ({len(demo.lags)} lần đo) [dim]· counters behind writes: worst, median[/]"
        )


def print_addresses(
    console: Console, scenario: Scenario, addresses: dict[Service, str], folder: Path, stays: bool
) -> None:
    """The addresses that a person may open, as long as the services run."""
    period = "&".join(f"{name}={value}" for name, value in query(scenario, scenario.period).items())
    console.print(
        f"\n[bold]Xem tại[/] [dim]· look at{'' if stays else ', while it is served (make demo on a terminal)'}[/]"
    )
    # Public indicators of the province in whole months need no token; anything else needs the token that is printed below.
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
