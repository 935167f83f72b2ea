"""What crosses HTTP about administrative units."""

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel

from shared.http import Input
from shared.text import UnitId
from shared.units import Edition, Level


class UnitOut(BaseModel):
    """A province, district or commune as one edition knows it."""

    id: str
    edition: str
    code: str
    name: str
    type: str
    level: Level
    parent: str | None


class UnitDetails(UnitOut):
    """A unit and what it is linked to.

    `ancestors`: nearest first; `successors`: in the next edition; `predecessors`: in the one before; `served`: facts of
    it are taken here; `partial`: the deployment serves only a part of it.
    """

    ancestors: list[UnitOut]
    successors: list[UnitOut]
    predecessors: list[UnitOut]
    served: bool
    partial: bool


class UnitPage(BaseModel):
    """A page of units, in the order of their ids."""

    items: list[UnitOut]


class ListUnits(Input):
    """Units by what is known of them; `name` in any spelling, with or without diacritics. `parent`: directly above."""

    name: Annotated[str, Query(max_length=100)] = ""
    code: Annotated[str, Query(max_length=5)] = ""
    parent: Annotated[UnitId | None, Query()] = None
    level: Annotated[Level | None, Query()] = None
    edition: Annotated[Edition | None, Query()] = None
    limit: Annotated[int, Query(ge=1, le=500)] = 50
    after: Annotated[UnitId | None, Query()] = None
