"""The events of the services: the facts that may ever be counted, and what changes them.

An event carries the fact `before` and `after` it happened, and never personal data: no content, no name, no receipt.
`links` holds identifiers that subscribers follow and that no counter looks at. A field may be added with a default; none
is renamed or removed, for the outbox keeps events for ever.

Each service lists its facts and events in a file of its own (`teams.py`, `incidents.py`, `stats.py`), those of the
platform stand beside them (`files.py`), and `codec.py` writes and reads them; `asyncapi.py` documents them for subscribers.
"""

from shared.events.codec import (
    DATA_VERSION,
    EVENTS,
    EVENTS_OF,
    GONE,
    REPORTING,
    Change,
    Fact,
    UnknownEvent,
    decode,
    encode,
)
from shared.events.files import Attachment
from shared.events.incidents import Activity, Case, Deadline, Handled, Item, Seized, Tip
from shared.events.teams import Certificate, MemberTerm, Team, TrainingClass

__all__ = [
    "DATA_VERSION",
    "EVENTS",
    "EVENTS_OF",
    "GONE",
    "REPORTING",
    "Activity",
    "Attachment",
    "Case",
    "Certificate",
    "Change",
    "Deadline",
    "Fact",
    "Handled",
    "Item",
    "MemberTerm",
    "Seized",
    "Team",
    "Tip",
    "TrainingClass",
    "UnknownEvent",
    "decode",
    "encode",
]
