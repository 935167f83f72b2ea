"""A decision (quyết định): what the registry and the handling of cases rest on."""

from typing import Any

from shared.days import Day
from shared.http import Input
from shared.text import Line
from shared.validity import require_not_future


class Decision(Input):
    """A decision (quyết định): number, the day it was signed, who signed it."""

    number: Line
    # Read back from JSON columns too, where a day is a text.
    signed_on: Day
    signer: Line

    def columns(self, name: str) -> dict[str, Any]:
        """The three columns of a record that keep it as its decision called `name`. Raises DayInTheFuture."""
        require_not_future(self.signed_on)
        return {f"{name}_number": self.number, f"{name}_on": self.signed_on, f"{name}_signer": self.signer}


def decision_of(row: object, name: str) -> dict[str, object] | None:
    """The decision that a record keeps under `name`; None while there is none."""
    number, signed_on, signer = (getattr(row, f"{name}_{column}") for column in ("number", "on", "signer"))
    if number is None:
        return None
    return {"number": number, "signed_on": signed_on, "signer": signer}
