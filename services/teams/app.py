"""The teams service: the registry of units, teams, members and training."""

from fastapi import FastAPI

from services.teams import imports, recount
from services.teams.files import FILES
from services.teams.members import routes as members
from services.teams.teams import routes as teams
from services.teams.training import routes as training
from services.teams.units import routes as units
from shared import application, importing, news, outbox, subscriptions
from shared.events import asyncapi
from shared.files import routes as files
from shared.files.sweep import sweep_hourly
from shared.jobs import in_turn
from shared.service import Task
from shared.settings import settings

# Each job by its name, run for ever; a row here is all that a new one needs.
JOBS: dict[str, Task] = {
    "imports": importing.work_off(imports.IMPORTS),
    "webhooks": subscriptions.deliver,
    "attachments sweep": sweep_hourly(FILES),
}


def create_app() -> FastAPI:
    """The application, configured by the environment. Embedded it does its jobs by itself; elsewhere `antt work` does."""
    return application.create_app(
        "teams",
        "Tổ bảo vệ ANTT · teams",
        rooms=[
            units.queries,
            teams.router,
            teams.queries,
            members.router,
            members.queries,
            training.router,
            training.queries,
            *files.rooms(FILES),
            *subscriptions.rooms("teams"),
            *importing.rooms(imports.IMPORTS),
            recount.router,
            asyncapi.router,
        ],
        tasks={
            "writer": lambda service: service.writer.run(),
            "housekeeping": lambda service: outbox.maintain(service.database),
            "news": lambda service: news.listen(service, "outbox"),
            **(jobs() if settings().log == "embedded" else {}),
        },
        unit_of_team="SELECT unit FROM teams WHERE id = $1",
    )


def jobs() -> dict[str, Task]:
    """What teams does beside answering requests, in whichever process has its turn."""
    return in_turn(JOBS)
