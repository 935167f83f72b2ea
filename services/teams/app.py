"""The teams service: the registry of units, teams, members and training."""

from fastapi import FastAPI

from services.teams import recount
from services.teams.members import routes as members
from services.teams.teams import routes as teams
from services.teams.training import routes as training
from services.teams.units import routes as units
from shared import asyncapi, outbox, service


def create_app() -> FastAPI:
    """The application, configured by the environment (shared/settings.py)."""
    return service.create_app(
        "teams",
        "Tổ bảo vệ ANTT · teams",
        rooms=[
            units.reads,
            teams.router,
            teams.reads,
            members.router,
            members.reads,
            training.router,
            training.reads,
            recount.router,
            asyncapi.room,
        ],
        tasks={
            "writer": lambda service: service.writer.run(),
            "housekeeping": lambda service: outbox.maintain(service.database),
        },
        unit_of_team="SELECT unit FROM teams WHERE id = $1",
    )
