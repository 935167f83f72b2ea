"""What incidents does beside answering requests. Of the processes that could do a job, one does it at a time."""

from services.incidents.attachments import sweep
from services.incidents.deadlines.commands import tell_missed
from services.incidents.imports import job as imports
from services.incidents.tips import receipts
from services.incidents.webhooks import delivering
from shared.database import one_at_a_time
from shared.listing import sort_words_in
from shared.service import Service, Task

# Each job by its name, run for ever; a row here is all that a new one needs.
JOBS: dict[str, Task] = {
    "imports": imports.work_off,
    "words": sort_words_in("tips_by_words"),
    "webhooks": delivering.run,
    "deadlines": tell_missed,
    "attachments sweep": sweep.run,
    "receipts": receipts.forget,
}


def in_turn(name: str) -> Task:
    """The job as a background task that first waits until no other process does it."""

    async def run(service: Service) -> None:
        async with one_at_a_time(service.database.url, f"7305, hashtext('{name}')"):
            await JOBS[name](service)

    return run
