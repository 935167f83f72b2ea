"""What the rooms of teams share of what crosses HTTP: days, and the decisions that everything here rests on."""

from datetime import date
from typing import Annotated, Any

from pydantic import Field

from shared.http import Input
from shared.places import require_not_future
from shared.text import Line

# A civil day. Nothing is counted of the time before 1900, so no fact may lie there.
Day = Annotated[date, Field(ge=date(1900, 1, 1))]


class Decision(Input):
    """A decision (quyết định) of the commune's chairman: number, the day it was signed, who signed it."""

    number: Line
    signed_on: Day
    signer: Line

    def columns(self, name: str) -> dict[str, Any]:
        """The three columns of a record that keep it as its decision called `name`. Raises DayInTheFuture."""
        require_not_future(self.signed_on)
        return {f"{name}_number": self.number, f"{name}_on": self.signed_on, f"{name}_signer": self.signer}


def decision_of(row: Any, name: str) -> dict[str, Any] | None:
    """The decision that a record keeps under `name`; None while there is none."""
    if row.get(f"{name}_number") is None:
        return None
    return {"number": row[f"{name}_number"], "signed_on": row[f"{name}_on"], "signer": row[f"{name}_signer"]}
