"""Whose events a log carries: a service of a province."""

from typing import NamedTuple
from zlib import crc32

from shared.events import REPORTING
from shared.settings import Service, Settings


class Source(NamedTuple):
    """A service of a province: its outbox is one order of events, with one relay and one position of each reader.

    `own`: of the reader's own province, whose services need no further name.
    """

    province: str
    service: Service
    own: bool = False

    @property
    def label(self) -> str:
        """What positions, cursors, metrics and logs call it: `incidents`; of another province `2025:79/incidents`."""
        return self.service if self.own else f"{self.province}/{self.service}"

    @property
    def uri(self) -> str:
        """The `source` of its events; with an event's `id` it names that event in the whole nation."""
        return f"/antt/{self.province}/{self.service}"

    @property
    def lock_key(self) -> int:
        """Its part of an advisory lock's key, a number of 32 bits: who counts different sources never waits."""
        return crc32(self.label.encode()) - 2**31


def source_of(settings: Settings, service: Service) -> Source:
    """A service of the deployment's own province as a source."""
    return Source(settings.province, service, own=True)


def sources_of(settings: Settings) -> tuple[Source, ...]:
    """The sources that the deployment reads: the services of its province that report events."""
    return tuple(source_of(settings, service) for service in REPORTING)
