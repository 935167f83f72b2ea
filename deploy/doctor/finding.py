"""What a check looks at, and what it finds."""

from collections.abc import AsyncIterator, Callable
from typing import NamedTuple, get_args

from shared.settings import Service, Settings, is_served

SERVICES = get_args(Service)


class Finding(NamedTuple):
    """What was found: `good` is None for what only informs; `do_…` is how to mend what is wrong."""

    good: bool | None
    vi: str
    en: str
    do_vi: str = ""
    do_en: str = ""


class Installation(NamedTuple):
    """What is looked at: the settings, and the port at which `antt run` would serve or serves."""

    settings: Settings
    port: int

    @property
    def running(self) -> bool:
        """Whether an `antt run` holds the data folder."""
        return is_served(self.settings.data)


Check = Callable[[Installation], AsyncIterator[Finding]]
