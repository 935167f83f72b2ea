"""What the rooms of teams share of what crosses HTTP: days."""

from datetime import date
from typing import Annotated

from pydantic import Field

# A civil day. Nothing is counted of the time before 1900, so no fact may lie there.
Day = Annotated[date, Field(ge=date(1900, 1, 1))]
