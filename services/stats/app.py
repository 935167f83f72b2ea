"""The stats service: counters of every unit and period, kept current from events."""

from fastapi import FastAPI

from services.stats import counting, listening
from services.stats.counters import routes as counters
from services.stats.counters.permissions import public_indicators
from shared import application, news
from shared.log import sources_of
from shared.service import Service, Task
from shared.settings import settings


def create_app() -> FastAPI:
    """The application. Embedded it counts by itself; beside Kafka `antt count` does."""
    public_indicators()  # a name that is none fails the start, not the first reader
    tasks: dict[str, Task] = {
        "listening": listening.listen,
        "news": lambda service: news.listen(service, "counted"),
    }
    if settings().log == "embedded":
        tasks["counting"] = lambda service: counting.run(service.settings, service.database)
    return application.create_app(
        "stats",
        "Thống kê · stats",
        rooms=[counters.router, counters.streams],
        tasks=tasks,
        opened=make_first_counters,
        answerable="SELECT id FROM counter_sets WHERE serving",
    )


async def make_first_counters(service: Service) -> None:
    """An empty installation answers with zeros from its first second on."""
    async with service.database.connection() as connection:
        await counting.serving_set(connection, sources_of(service.settings))
