"""Logs: JSON lines on standard output, ours and those of every library alike, and what fails again and again summed up.

A failure is logged at once. While it goes on, a line a minute says how often it was `repeated`, and one says when it
is `over`: what is down for a night fills no disk.
"""

import atexit
import copy
import logging
import re
import sys
import threading
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.processors import JSONRenderer, TimeStamper, add_log_level, format_exc_info
from structlog.stdlib import ProcessorFormatter, add_logger_name
from structlog.typing import EventDict, WrappedLogger

SUMMED_UP_SECONDS = 60.0
# More kinds of failures at a time than these are logged one by one.
_MOST_KINDS = 1_000
# What differs each time that the same fails.
_VARIES = {"reason", "exception", "timestamp", "level"}
# A library may write numbers of tasks, nodes and places in memory into its words, where they belong beside them.
_NUMBERS = re.compile(r"0x[0-9a-f]+|\d+")


class SummedUp(logging.Filter):
    """Lets the first record of a kind of failure pass, and sums the others up in a record a minute."""

    def __init__(self, handler: logging.Handler) -> None:
        super().__init__()
        self._handler = handler
        self._lock = threading.Lock()
        # By kind: the last record, how many were not logged since the last look, and how many in all.
        self._kinds: dict[tuple[Any, ...], list[Any]] = {}
        self._clock: threading.Timer | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged now."""
        if record.levelno < logging.WARNING or hasattr(record, "summed_up"):
            return True
        kind = kind_of(record)
        with self._lock:
            seen = self._kinds.get(kind)
            if seen is not None:
                seen[:] = [record, seen[1] + 1, seen[2] + 1]
                return False
            if len(self._kinds) < _MOST_KINDS:
                self._kinds[kind] = [record, 0, 1]
                if self._clock is None:
                    self._begin()
            return True

    def look(self) -> None:
        """Tell what was repeated since the last look, and what no longer is."""
        with self._lock:
            due = []
            for kind, (record, since, in_all) in list(self._kinds.items()):
                if since:
                    self._kinds[kind][1] = 0
                    due.append((record, {"repeated": since}))
                else:
                    del self._kinds[kind]
                    if in_all > 1:
                        due.append((record, {"over": True, "repeated": in_all - 1}))
            self._clock = None
            if self._kinds:
                self._begin()
        for record, summed_up in due:
            again = copy.copy(record)
            again.summed_up = summed_up
            self._handler.handle(again)

    def end(self) -> None:
        """Log at once what waits to be logged."""
        if self._clock is not None:
            self._clock.cancel()
            self.look()

    def _begin(self) -> None:
        self._clock = threading.Timer(SUMMED_UP_SECONDS, self.look)
        self._clock.daemon = True
        self._clock.start()


def kind_of(record: logging.LogRecord) -> tuple[Any, ...]:
    """What records of the same failure have in common: all that they tell but why, when and how many."""
    if isinstance(record.msg, dict):
        said = (value for name, value in sorted(record.msg.items()) if name not in _VARIES and isinstance(value, str))
        # Of a traceback the last line begins with what was raised.
        raised = str(record.msg.get("exception", "")).rpartition("\n")[2].partition(":")[0]
        return (record.levelno, raised, *said)
    return (record.levelno, record.name, _NUMBERS.sub("0", str(record.msg)))


class _Standard(logging.StreamHandler[TextIO]):
    """Writes to whatever standard output is now."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        """Where lines go."""
        return sys.stdout

    @stream.setter
    def stream(self, stream: TextIO) -> None:
        raise AttributeError


def _add_summed_up(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    summed_up = getattr(event.get("_record"), "summed_up", None)
    if summed_up:
        # Why it failed is what the last one says; where, the first one has said.
        event.pop("exception", None)
        event.update(summed_up)
    return event


_handler = _Standard()
_summed_up = SummedUp(_handler)
_handler.addFilter(_summed_up)
_handler.setFormatter(
    ProcessorFormatter(
        foreign_pre_chain=[add_logger_name, add_log_level, TimeStamper(fmt="iso", utc=True), format_exc_info],
        processors=[
            _add_summed_up,
            ProcessorFormatter.remove_processors_meta,
            JSONRenderer(ensure_ascii=False, default=str),
        ],
    )
)
atexit.register(_summed_up.end)


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if isinstance(error, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
    else:
        structlog.get_logger().critical("process failed", exc_info=(kind, error, traceback))


def configure_logs(level: str) -> None:
    """One line of JSON for each record of this level; never a request's body, a receipt or a token.

    Libraries tell warnings and worse.
    """
    least = getattr(logging, level.upper())
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    ours, root = logging.getLogger("antt"), logging.getLogger()
    root.addHandler(_handler)
    root.setLevel(max(least, logging.WARNING))
    ours.setLevel(least)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            add_log_level,
            TimeStamper(fmt="iso", utc=True),
            format_exc_info,
            ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=lambda *_: ours,
        cache_logger_on_first_use=True,
    )
