"""The incidents service: the intake of tips, cases and activities."""

from fastapi import FastAPI

from services.incidents import jobs, known_teams, recount
from services.incidents.activities import routes as activities
from services.incidents.attachments import routes as attachments
from services.incidents.cases import routes as cases
from services.incidents.changes import routes as changes
from services.incidents.deadlines import routes as deadlines
from services.incidents.deadlines import rules
from services.incidents.imports import routes as imports
from services.incidents.open311 import routes as open311
from services.incidents.places import routes as places
from services.incidents.tips import acknowledgement
from services.incidents.tips import routes as tips
from services.incidents.webhooks import routes as webhooks
from shared import asyncapi, news, outbox, service
from shared.settings import settings


def create_app() -> FastAPI:
    """The application, configured by the environment. Embedded it does its jobs by itself; elsewhere `antt work` does."""
    # Broken deadlines are told at the start, not at the first tip.
    rules.check(settings())
    app = service.create_app(
        "incidents",
        "Tin báo, vụ việc và hoạt động · incidents",
        rooms=[
            tips.router,
            tips.asks,
            tips.reads,
            cases.router,
            cases.reads,
            activities.router,
            activities.reads,
            attachments.router,
            attachments.commanded,
            changes.router,
            webhooks.router,
            webhooks.reads,
            places.router,
            imports.router,
            imports.reads,
            acknowledgement.router,
            deadlines.router,
            deadlines.reads,
            recount.router,
            asyncapi.room,
        ],
        tasks={
            "writer": lambda service: service.writer.run(),
            "housekeeping": lambda service: outbox.maintain(service.database),
            "known teams": known_teams.follow,
            "news": lambda service: news.listen(service, "outbox"),
            **(tasks() if settings().log == "embedded" else {}),
        },
        unit_of_team=known_teams.UNIT_OF_TEAM,
    )
    app.include_router(open311.router)
    app.include_router(open311.reads)
    return app


def tasks() -> dict[str, service.Task]:
    """The jobs of incidents as background tasks, for whichever process has its turn."""
    return {name: jobs.in_turn(name) for name in jobs.JOBS}


async def work() -> None:
    """Do the jobs of incidents in a process of their own, for ever."""
    await service.work("incidents", {"writer": lambda service: service.writer.run(), **tasks()})
