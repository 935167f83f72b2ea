"""`antt demo`: starts everything, replays what a province's force did through the REST APIs, and shows it counted.

It is a client like any other: nothing here touches a database, an event or a counter.
"""

import asyncio
import os
import signal
import sys
import time
from contextlib import nullcontext, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Literal, get_args

import httpx
from rich.console import Console
from rich.live import Live

from deploy.demo.counted import Demo, follow_streams, probe, read_counted, token_for
from deploy.demo.formats import days, number
from deploy.demo.screen import force, picture, print_addresses, print_parts, print_speed, result
from deploy.demo.serving import own_folder, served
from deploy.scenarios.published import SCENARIOS, Scenario
from deploy.scenarios.replay import RequestRefused
from shared.settings import Service, settings


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
    with suppress(KeyboardInterrupt), own_folder(data, name) as folder:
        os.environ |= {"ANTT_DATA": str(folder), "ANTT_PROVINCE": scenario.province}
        settings.cache_clear()
        addresses = {
            service: f"http://localhost:{port if log == 'embedded' else port + offset}"
            for offset, service in enumerate(get_args(Service))
        }
        with served(console, addresses, folder, port, log) as server:
            right = asyncio.run(_show(console, scenario, name, addresses))
            stays = console.is_terminal and not then_exit
            print_addresses(console, scenario, addresses, folder, stays)
            if stays:
                server.wait()
    return 0 if right else 1


async def _show(console: Console, scenario: Scenario, name: str, addresses: dict[Service, str]) -> bool:
    """Replay the scenario before the eyes of whoever watches; whether every figure came out as published."""
    reader = {"Authorization": f"Bearer {token_for('province_officer', scenario.province, '')}"}
    async with httpx.AsyncClient(trust_env=False, timeout=30, headers=reader) as client:
        demo = Demo(console, scenario, name, addresses, client)
        total = len(demo.replay.plan)
        console.print(
            f"\n[bold]{scenario.title}, {days(scenario.period)}[/]: gửi lại {number(total)} yêu cầu qua REST API"
            f" [dim]· replaying {total:,} requests[/]"
        )
        screen = Live(console=console, get_renderable=lambda: picture(demo), refresh_per_second=5, transient=True)
        watching = [asyncio.create_task(watch) for watch in (follow_streams(demo), probe(demo), print_parts(demo))]
        demo.began = time.perf_counter()
        try:
            with screen if console.is_terminal else nullcontext():
                await demo.replay.run()
                seconds = time.perf_counter() - demo.began
                counted = await read_counted(demo)
        except (RequestRefused, OSError, HTTPException, httpx.HTTPError) as failure:
            console.print("[red bold]Không gửi lại được[/] · the replay stopped:")
            console.print(repr(failure), markup=False)
            return False
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
    console.print(result(demo, counted), force(counted[scenario.period]))
    print_speed(demo, seconds)
    wrong = [figure.vietnamese for figure in demo.figures if not figure.agrees(figure.counted(counted))]
    if wrong:
        console.print(f"[red bold]Không khớp: {', '.join(wrong)}[/] · these figures differ")
    return not wrong
