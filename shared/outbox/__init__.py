"""The record of what happened, written in the transaction of what it happened to (transactional outbox).

A command adds and changes rows and emits events in a `UnitOfWork`; nothing of it reaches the database before the `Writer`
commits it, with all that others have decided meanwhile.
"""

from shared.outbox.rows import Declared, after_create, instant, row_of, word
from shared.outbox.unit_of_work import START, Answer, Position, UnitOfWork
from shared.outbox.writer import Alone, Commits, Writer, dated_ahead, decide_and_commit, maintain

__all__ = [
    "START",
    "Alone",
    "Answer",
    "Commits",
    "Declared",
    "Position",
    "UnitOfWork",
    "Writer",
    "after_create",
    "dated_ahead",
    "decide_and_commit",
    "instant",
    "maintain",
    "row_of",
    "word",
]
