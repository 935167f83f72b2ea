"""`make bench`: measures each figure beside its baseline and says what was reached. `python -m tests.bench NAME…` measures those."""

import argparse
import signal
import sys
import tempfile
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import uvloop
from rich.console import Console
from rich.table import Table

from tests.bench import freshness, imports, intake, log, memory, reading, rows, search
from tests.bench.stage import Figure, Stage

RESULTS = Path("var/bench.json")
DOCUMENT = Path("docs/contributor/performance.md")
BEGINS, ENDS = "<!-- figures: python -m tests.bench --write -->", "<!-- end of figures -->"


class Aim(NamedTuple):
    """What a figure's ratio is to reach, and what it aims at; whether more is better than less."""

    name: str
    more: bool
    reach: float
    aim: float


AIMS = {
    aim.name: aim
    for aim in (
        Aim("report_tip", True, 0.75, 1.0),
        # Beside the durable POST of the foundation.
        Aim("report_tip_full", True, 0.8, 1.0),
        Aim("report_tip_p99", False, 5, 2),
        Aim("report_tip_cpu", False, 1.8, 1.25),
        Aim("make_row", False, 3, 1),
        Aim("import_activities", True, 0.2, 0.5),
        Aim("tips_beside_import", False, 10, 3),
        Aim("relay_events", True, 0.5, 0.9),
        Aim("count_events", True, 0.22, 0.4),
        Aim("count_events_spread", True, 0.08, 0.2),
        Aim("freshness_p99_kafka", False, 5, 2),
        Aim("freshness_p99_embedded", False, 5, 2),
        Aim("read_counters", True, 0.6, 0.8),
        Aim("read_counters_history", False, 1.5, 1.1),
        Aim("search_tips_p99", False, 10, 5),
        Aim("suggest_duplicates_p99", False, 10, 5),
        Aim("rebuild", True, 0.8, 1.0),
        # The baseline is the limit.
        Aim("memory_teams", False, 1, 1),
        Aim("memory_incidents", False, 1, 1),
        Aim("memory_stats", False, 1, 1),
        Aim("memory_rebuild", False, 1, 1),
        Aim("memory_import_ndjson", False, 1, 1),
        Aim("memory_import_csv", False, 1, 1),
        Aim("memory_import_xlsx", False, 1, 1),
    )
}

# In the order in which they run: what needs no broker comes first, since a broker takes its share even when idle.
MEASUREMENTS: dict[str, Callable[[Stage], Awaitable[list[Figure]]]] = {
    "memory": memory.memory,
    "report_tip": intake.report_tip,
    "report_tip_full": intake.report_tip_full,
    "report_tip_p99": intake.report_tip_p99,
    "report_tip_cpu": intake.report_tip_cpu,
    "make_row": rows.make_row,
    "read_counters": reading.read_counters,
    "read_counters_history": reading.read_counters_history,
    "search_tips_p99": search.search_tips_p99,
    "suggest_duplicates_p99": search.suggest_duplicates_p99,
    "freshness_p99_embedded": freshness.freshness_p99_embedded,
    "import_activities": imports.import_activities,
    "tips_beside_import": imports.tips_beside_import,
    "memory_import": imports.memory_import,
    "relay_events": log.relay_events,
    "count_events": log.count_events,
    "count_events_spread": log.count_events_spread,
    "rebuild": log.rebuild,
    "freshness_p99_kafka": freshness.freshness_p99_kafka,
}

# Figures that are found on the way of another.
MEASURED_WITH = {
    "memory_rebuild": "rebuild",
    **{f"memory_import_{format}": "memory_import" for format in ("ndjson", "csv", "xlsx")},
}


async def measure(on: Stage, names: list[str]) -> tuple[list[Figure], list[str]]:
    """Measure these figures and keep each in var/bench.json; the figures, and the names that could not be measured."""
    console, figures, failed = Console(stderr=True), list[Figure](), list[str]()
    for name, run in MEASUREMENTS.items():
        if name not in names:
            continue
        console.print(f"measuring {name} …")
        try:
            found = await run(on)
        except Exception:
            # The other figures are still worth having.
            console.print(traceback.format_exc(), markup=False)
            failed.append(name)
            continue
        for figure in found:
            figure.quick = on.quick
        keep(found)
        figures += found
    return in_order(figures), failed


def in_order(figures: list[Figure]) -> list[Figure]:
    """The figures in the order of AIMS; of two of the same name the later one."""
    named = {figure.name: figure for figure in figures}
    return [named[name] for name in AIMS if name in named]


def kept() -> list[Figure]:
    """The figures of var/bench.json."""
    return msgspec.json.decode(RESULTS.read_bytes(), type=list[Figure]) if RESULTS.exists() else []


def keep(figures: list[Figure]) -> None:
    """Put the figures into var/bench.json in place of older ones of the same names."""
    ordered = in_order([*kept(), *figures])
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(ordered)) + b"\n")


def lines(figures: list[Figure]) -> list[list[str]]:
    """The table's lines as text: name, ours, baseline, ratio, reach, aim, whether they were reached, the rest."""
    found = []
    for figure in figures:
        aim = AIMS[figure.name]
        sign = "≥" if aim.more else "≤"
        reached = [figure.ratio is not None and (figure.ratio >= x if aim.more else figure.ratio <= x) for x in aim[2:]]
        found.append(
            [
                figure.name,
                amount(figure.ours, figure.unit, figure.runs.get("ours", [])),
                amount(figure.baseline, figure.unit, figure.runs.get("baseline", [])),
                f"{figure.ratio:.2f}",
                f"{sign} {aim.reach:g} {'✓' if reached[0] else '✗'}",
                f"{sign} {aim.aim:g} {'✓' if reached[1] else '✗'}",
                "; ".join(filter(None, (figure.note, "quick: no figure" if figure.quick else ""))),
            ]
        )
    return found


def amount(value: float | None, unit: str, runs: list[float]) -> str:
    """A median and, where there were several runs, the least and the most of them."""
    places = {"/s": ",.0f", "ms": ",.2f"}.get(unit, ",.0f")
    text = f"{value:{places}}{'' if unit == '/s' else ' '}{unit}"
    return text if len(runs) < 2 else f"{text} ({min(runs):{places}}–{max(runs):{places}})"


HEADINGS = ["name", "ours", "baseline", "ratio", "reach", "aim", "beside it"]


def show(figures: list[Figure]) -> None:
    """Print the table."""
    table = Table(*HEADINGS, title="Medians; least and most in brackets")
    for line in lines(figures):
        table.add_row(*line, style="" if "✓" in line[4] else "yellow")
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def write(figures: list[Figure]) -> None:
    """Put the table, each line with its command, between the two marks of docs/contributor/performance.md."""
    rows = [[*HEADINGS, "command"], ["---"] * (len(HEADINGS) + 1)]
    for figure, line in zip(figures, lines(figures), strict=True):
        measured_by = figure.name if figure.name in MEASUREMENTS else MEASURED_WITH.get(figure.name, "memory")
        rows.append([f"`{figure.name}`", *line[1:], f"`python -m tests.bench {measured_by}`"])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    before, rest = DOCUMENT.read_text(encoding="utf-8").split(BEGINS)
    _, after = rest.split(ENDS)
    DOCUMENT.write_text(f"{before}{BEGINS}\n{table}\n{ENDS}{after}", encoding="utf-8")


def main() -> None:
    """Read the command line and do what it asks."""
    arguments = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    arguments.add_argument(
        "names", nargs="*", metavar="NAME", help=f"any of {', '.join(MEASUREMENTS)}; all without one"
    )
    arguments.add_argument("--quick", action="store_true", help="small sizes and one run: whether it works, no figures")
    arguments.add_argument(
        "--write",
        action="store_true",
        help=f"put the figures of {RESULTS} into {DOCUMENT}; with no name nothing is measured",
    )
    asked = arguments.parse_args()
    if unknown := set(asked.names) - set(MEASUREMENTS):
        arguments.error(f"unknown: {', '.join(sorted(unknown))}")
    if asked.write and not asked.names:
        show(kept())
        write(kept())
        return
    # Asked to end, it ends as by Ctrl-C, so that its processes and its folder go with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    RESULTS.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=RESULTS.parent.resolve()) as folder:
        Path(folder).chmod(0o755)
        with Stage(Path(folder), asked.quick) as on:
            figures, failed = uvloop.run(measure(on, asked.names or list(MEASUREMENTS)))
    show(figures)
    if asked.write:
        write(kept())
    if failed:
        sys.exit(f"not measured: {', '.join(failed)}")


if __name__ == "__main__":
    main()
