"""What follows when a tip comes in or takes a step, in the same unit of work.

Tips know no room that does more about them: services/incidents/app.py states here which do.
"""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import NamedTuple

from services.incidents.tips.models import Tip
from shared.outbox import UnitOfWork


class Follows(NamedTuple):
    """What another room does when a tip has come in, and when it has taken a step.

    A step is given as the tip before and after it, the command, and the day on which what it records was done, where
    that is another than today.
    """

    on_received: Callable[[UnitOfWork, Tip], None]
    on_step: Callable[[UnitOfWork, Tip, Tip, str, date | None], Awaitable[None]]


_stated: list[Follows] = []


def follow(*rooms: Follows) -> None:
    """State all that follows from tips."""
    _stated[:] = rooms


def follows() -> list[Follows]:
    """What follows. Raises where nothing was stated: a tip without its deadlines would look like any other."""
    if not _stated:
        raise RuntimeError("what follows from tips is stated in services/incidents/app.py, which was not loaded")
    return _stated
