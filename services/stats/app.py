"""The stats service: counters of every unit and period, kept current from events."""

from fastapi import FastAPI

from services.stats import counting
from services.stats.counters import routes as counters
from shared import service
from shared.settings import settings


def create_app() -> FastAPI:
    """The application. Embedded it counts by itself; beside Kafka `antt count` does."""
    tasks: dict[str, service.Task] = (
        {"counting": lambda service: counting.run(service.settings, service.database)}
        if settings().log == "embedded"
        else {}
    )
    return service.create_app("stats", "Thống kê · stats", rooms=[counters.router], tasks=tasks)
