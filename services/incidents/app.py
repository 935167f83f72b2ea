"""The incidents service: the intake of tips, cases and activities."""

from fastapi import FastAPI

from services.incidents import imports, known_teams, recount
from services.incidents.activities import routes as activities
from services.incidents.attachments import routes as attachments
from services.incidents.attachments.records import FILES
from services.incidents.cases import routes as cases
from services.incidents.deadlines import commands as deadline_commands
from services.incidents.deadlines import routes as deadlines
from services.incidents.deadlines import rules
from services.incidents.open311 import routes as open311
from services.incidents.places import routes as places
from services.incidents.tips import acknowledgement, following, receipts
from services.incidents.tips import routes as tips
from shared import application, importing, news, outbox, subscriptions
from shared.events import asyncapi
from shared.files import routes as files
from shared.files.sweep import sweep_hourly
from shared.jobs import in_turn
from shared.listing import sort_words_in
from shared.service import Task
from shared.settings import settings

# What else changes when a tip comes in or takes a step; a row here is all that a new one needs.
following.follow(deadline_commands.FOLLOWS)

# Each job by its name, run for ever; a row here is all that a new one needs.
JOBS: dict[str, Task] = {
    "imports": importing.work_off(imports.IMPORTS),
    "words": sort_words_in("tips_by_words"),
    "webhooks": subscriptions.deliver,
    "deadlines": deadline_commands.record_missed,
    "attachments sweep": sweep_hourly(FILES),
    "receipts": receipts.forget,
}


def create_app() -> FastAPI:
    """The application, configured by the environment. Embedded it does its jobs by itself; elsewhere `antt work` does."""
    # Broken deadlines are found at the start, not at the first tip.
    rules.check(settings())
    app = application.create_app(
        "incidents",
        "Tin báo, vụ việc và hoạt động · incidents",
        rooms=[
            tips.router,
            tips.lookups,
            tips.queries,
            cases.router,
            cases.queries,
            activities.router,
            activities.queries,
            attachments.router,
            *files.rooms(FILES),
            *subscriptions.rooms("incidents"),
            places.router,
            *importing.rooms(imports.IMPORTS),
            acknowledgement.router,
            deadlines.router,
            deadlines.queries,
            recount.router,
            asyncapi.router,
        ],
        tasks={
            "writer": lambda service: service.writer.run(),
            "housekeeping": lambda service: outbox.maintain(service.database),
            "known teams": known_teams.follow,
            "news": lambda service: news.listen(service, "outbox"),
            **(jobs() if settings().log == "embedded" else {}),
        },
        unit_of_team=known_teams.UNIT_OF_TEAM,
    )
    app.include_router(open311.router)
    app.include_router(open311.queries)
    return app


def jobs() -> dict[str, Task]:
    """What incidents does beside answering requests, in whichever process has its turn."""
    return in_turn(JOBS)
