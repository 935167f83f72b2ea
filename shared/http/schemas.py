"""What crosses HTTP, whatever the room: inputs, outputs, a page, a step."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict

from shared.text import Line


class Input(BaseModel):
    """What crosses HTTP inwards: unknown fields are refused, text is NFC without control characters."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Output(BaseModel):
    """What crosses HTTP outwards, made of a row of its table or of what a query gives."""

    model_config = ConfigDict(from_attributes=True)


class LeftOut(BaseModel):
    """What of a record that was taken could not be kept: the field, why, in a stable code and in words. Never the value."""

    at: str
    code: str
    message: str


class Page(Input):
    """A keyset page: at most `limit` rows after the one named by `after`, which a `Link: rel="next"` gives."""

    limit: Annotated[int, Query(ge=1, le=500)] = 50
    after: UUID | None = None


class Step(Input):
    """The input of a step that needs no more than, maybe, a reason."""

    reason: Line | None = None
