"""What a service does beside answering requests. Of the processes that could do a job, one does it at a time."""

from collections.abc import Mapping

from shared.database import one_at_a_time
from shared.service import Service, Task


def in_turn(jobs: Mapping[str, Task]) -> dict[str, Task]:
    """The jobs by their names as background tasks, each of which first waits until no other process does it."""
    return {name: _in_turn(name, job) for name, job in jobs.items()}


def _in_turn(name: str, job: Task) -> Task:
    async def run(service: Service) -> None:
        async with one_at_a_time(service.database.url, f"7305, hashtext('{name}')"):
            await job(service)

    return run
