"""Another time than this machine's, set in one place: the clock of `shared/days.py`, which every service asks."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from unittest.mock import patch

from shared import days
from shared.outbox import writer


class Clock:
    """A clock that stands where it was set, until a test sets it anew."""

    def __init__(self, instant: datetime) -> None:
        self.instant = instant


@contextmanager
def at(instant: datetime) -> Iterator[Clock]:
    """It is this instant in all of this process, and stays so. The database has a clock of its own, and takes it for ours."""
    clock = Clock(instant)
    with patch.object(writer, "now", days._clock), patch.object(days, "_clock", lambda: clock.instant):
        yield clock
