"""The events of stats: none yet. With the first one stats is a source as the others are, and needs an outbox."""

from typing import Never

Fact = Never

EVENTS: dict[str, type[Fact]] = {}
