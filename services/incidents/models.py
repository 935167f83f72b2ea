"""The tables of incidents have a registry of their own, since other services have tables of the same names."""

from sqlalchemy.orm import registry

from shared.outbox import Declared


class IncidentsModel(Declared, registry=registry()):
    """What every table of incidents derives from."""
