"""memory_*: what each service holds when nothing happens. The consumer's share during a rebuild is measured with `rebuild`."""

from typing import get_args

import psutil

from shared.settings import Service
from tests.bench import stage
from tests.bench.stage import Figure, Stage

AT_REST, REBUILDING = 150.0, 400.0


def figure(name: str, megabytes: float, limit: float) -> Figure:
    """A figure whose baseline is the limit."""
    return Figure(name, None, limit, round(megabytes / limit, 3), "MB", round(megabytes, 1))


async def memory(on: Stage) -> list[Figure]:
    """Each service alone in its process, ready and at rest."""
    environment, found = await on.databases(), []
    for name in get_args(Service):
        async with stage.service(name, **environment) as (_, pid):
            held = sum(process.memory_info().rss for process in (psutil.Process(pid), *psutil.Process(pid).children()))
            found.append(figure(f"memory_{name}", held / 1_000_000, AT_REST))
    return found
