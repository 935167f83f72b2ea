"""How a change of a fact is written down as an event's data, and read again."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec

from shared.events import incidents, stats, teams
from shared.settings import Service

DATA_VERSION = 1

Fact = teams.Fact | incidents.Fact | stats.Fact

# Which events each service reports, and which fact each of them changes. Several may list an event of the platform.
EVENTS_OF: Mapping[Service, Mapping[str, type[Fact]]] = {
    "teams": teams.EVENTS,
    "incidents": incidents.EVENTS,
    "stats": stats.EVENTS,
}
# The services whose events are read: those that list any.
REPORTING: tuple[Service, ...] = tuple(service for service, events in EVENTS_OF.items() if events)
# A consumer that meets a type that is not here stops: it is older than its source.
EVENTS: Mapping[str, type[Fact]] = {type: fact for events in EVENTS_OF.values() for type, fact in events.items()}

# States in which a record no longer stands: a subscriber that mirrors records takes it away.
GONE = frozenset({"withdrawn", "merged", "returned", "removed"})

AnyFact = TypeVar("AnyFact")


class Change(msgspec.Struct, Generic[AnyFact], frozen=True, omit_defaults=True):
    """The data of an event: the fact before and after it, and for subscribers identifiers, and the units that it concerns
    beside those of its facts: whose police handle the record, or are asked to."""

    before: AnyFact | None = None
    after: AnyFact | None = None
    links: dict[str, str] = {}
    concerns: tuple[str, ...] = ()


_encode = msgspec.json.Encoder().encode
_decoders = {of: msgspec.json.Decoder(Change[of]) for of in set(EVENTS.values())}  # type: ignore[valid-type]


class UnknownEvent(Exception):
    """An event of a type or version that this code does not know; it is never skipped."""


def encode(change: Change[Any]) -> str:
    """The event's data as it stands in the outbox and on the log: JSON."""
    return _encode(change).decode()


def decode(type: str, version: int, data: bytes) -> Change[Any]:
    """The change that an event reports. Raises UnknownEvent, or msgspec.DecodeError when the data is broken."""
    of = EVENTS.get(type)
    if of is None or version > DATA_VERSION:
        raise UnknownEvent(f"{type} version {version}")
    return _decoders[of].decode(data)
