"""The tables of incidents have a registry of their own, since other services have tables of the same names."""

from typing import Any

from sqlalchemy import Column, DateTime
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel


class IncidentsModel(SQLModel, registry=registry()):
    """What every table of incidents derives from."""


def instant(**options: Any) -> Any:
    """A column for an instant, kept with its time zone."""
    return Field(sa_column=Column(DateTime(timezone=True), **options))
