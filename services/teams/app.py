"""The teams service: the registry of units, teams, members and training."""

from fastapi import FastAPI

from services.teams.teams import routes as teams
from shared import outbox, service


def create_app() -> FastAPI:
    """The application, configured by the environment (shared/settings.py)."""
    return service.create_app(
        "teams",
        "Tổ bảo vệ ANTT · teams",
        rooms=[teams.router, teams.reads],
        tasks={
            "writer": lambda service: service.writer.run(),
            "housekeeping": lambda service: outbox.keep_house(service.database),
        },
    )
