"""Counting: from events to counters, each event exactly once.

`vectors.py` holds many counts in one integer, `measuring.py` says what events add, `sets.py` keeps the tables that it
is added to, `consuming.py` follows the log and commits what a batch adds with the position behind it.
"""

from services.stats.counting.consuming import ConsumerFenced, add, apply, bury, count_for_ever, run, wake_readers
from services.stats.counting.measuring import Cells, Counted, Dead, TooManyDeadLetters, count, measure, spread
from services.stats.counting.sets import CountingSet, make_set, progress_of, serving_set, tables, write
from services.stats.counting.vectors import lane, lanes_of

__all__ = [
    "Cells",
    "ConsumerFenced",
    "Counted",
    "CountingSet",
    "Dead",
    "TooManyDeadLetters",
    "add",
    "apply",
    "bury",
    "count",
    "count_for_ever",
    "lane",
    "lanes_of",
    "make_set",
    "measure",
    "progress_of",
    "run",
    "serving_set",
    "spread",
    "tables",
    "wake_readers",
    "write",
]
