"""The event log: how the events of one service reach whoever reads them.

`log.py` says what a reader stands on and reads outboxes in place, `kafka.py` carries them over Kafka, `opening.py` picks
the one that a deployment has. `cloudevents.py` is an event as another system receives it; `follower.py` takes another
service's events in.
"""

from shared.log.cloudevents import cloud_event, outline, ping_event, taken_back_event
from shared.log.follower import follow_events
from shared.log.log import (
    NEVER,
    Batch,
    CountedBeyondRecovery,
    EmbeddedLog,
    GapInLog,
    Log,
    Mark,
    Record,
    SourceWentBack,
    newest_mark,
    raise_gc_threshold,
    read_generations,
    read_once,
)
from shared.log.opening import open_log
from shared.log.source import Source, source_of, sources_of

__all__ = [
    "NEVER",
    "Batch",
    "CountedBeyondRecovery",
    "EmbeddedLog",
    "GapInLog",
    "Log",
    "Mark",
    "Record",
    "Source",
    "SourceWentBack",
    "cloud_event",
    "follow_events",
    "newest_mark",
    "open_log",
    "outline",
    "ping_event",
    "raise_gc_threshold",
    "read_generations",
    "read_once",
    "source_of",
    "sources_of",
    "taken_back_event",
]
