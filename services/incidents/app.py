"""The incidents service: the intake of tips, cases and activities."""

from fastapi import FastAPI

from services.incidents import known_teams, recount
from services.incidents.activities import routes as activities
from services.incidents.cases import routes as cases
from services.incidents.tips import routes as tips
from shared import outbox, service


def create_app() -> FastAPI:
    """The application, configured by the environment (shared/settings.py)."""
    return service.create_app(
        "incidents",
        "Tin báo, vụ việc và hoạt động · incidents",
        rooms=[tips.router, tips.reads, cases.router, cases.reads, activities.router, activities.reads, recount.router],
        tasks={
            "writer": lambda service: service.writer.run(),
            "housekeeping": lambda service: outbox.keep_house(service.database),
            "known teams": known_teams.follow,
        },
    )
