"""What stands in the logs: one format for all, and what fails again and again is told once a minute."""

import json
import logging
import subprocess
import sys
import threading
from typing import Any

import pytest

from shared import logs
from shared.logs import SummedUp, kind_of

PROGRAM = """
import asyncio, logging, warnings
import structlog
from shared.logs import configure_logs

configure_logs("info")
configure_logs("info")
structlog.get_logger().info("counted", source="đội")
logging.getLogger("aiokafka").error("Unable connect to node with id %s", 1)
logging.getLogger("uvicorn.error").info("Started server process")
warnings.warn("old way")

async def main() -> None:
    async def fails() -> None:
        raise ValueError("two\\nlines")
    task = asyncio.create_task(fails())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
    for number in range(1000):
        structlog.get_logger().warning("relay begins again", source="teams", reason=f"try {number}")
    structlog.get_logger().warning("relay begins again", source="incidents", reason="another one")
    try:
        1 / 0
    except ZeroDivisionError:
        structlog.get_logger().exception("request failed")

asyncio.run(main())
"""


def test_ours_and_every_librarys_lines_are_json_and_a_failure_without_end_is_a_few_of_them() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    lines: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    assert all({"event", "level", "timestamp"} <= set(line) for line in lines)
    told = [line["event"].partition("\n")[0] for line in lines]
    assert told[:2] == ["counted", "Unable connect to node with id 1"]
    assert lines[0]["source"] == "đội"
    assert lines[1]["logger"] == "aiokafka"
    assert "Started server process" not in told
    assert any("old way" in line["event"] for line in lines)
    assert "ValueError" in next(line for line in lines if "never retrieved" in line["event"])["exception"]
    assert "ZeroDivisionError" in next(line for line in lines if line["event"] == "request failed")["exception"]
    again = [line for line in lines if line["event"] == "relay begins again"]
    # The first at once, another's by itself, and at the end how many more there were.
    assert [(line["source"], line.get("repeated"), line["reason"]) for line in again] == [
        ("teams", None, "try 0"),
        ("incidents", None, "another one"),
        ("teams", 999, "try 999"),
    ]


def test_what_ends_a_process_is_a_line_of_json_too() -> None:
    program = "from shared.logs import configure_logs; configure_logs('info'); [][0]"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    line = json.loads(done.stdout)
    assert (line["event"], line["level"]) == ("process failed", "critical")
    assert line["exception"].endswith("IndexError: list index out of range")


def test_what_a_library_numbers_is_of_one_kind_and_another_words_are_not() -> None:
    def kind(words: str) -> tuple[Any, ...]:
        return kind_of(logging.LogRecord("asyncio", logging.ERROR, "", 0, words, (), None))

    assert kind("<Task name='Task-1' at 0x7f1a>") == kind("<Task name='Task-23' at 0x8b2c>")
    assert kind("Unable connect to node 1") != kind("Unable update metadata from node 1")


class Kept(logging.Handler):
    """Keeps what passes its filters."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.told.append((record.getMessage(), getattr(record, "summed_up", None)))


def test_an_outage_is_told_at_its_beginning_each_minute_and_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    # Here the test looks, not a clock.
    monkeypatch.setattr(threading.Timer, "start", lambda _: None)
    kept = Kept()
    summed_up = SummedUp(kept)
    kept.addFilter(summed_up)
    logger = logging.Logger("a library")
    logger.addHandler(kept)

    def fails(times: int) -> None:
        for number in range(times):
            logger.warning("no connection to %s", number)

    fails(100)
    logger.info("no failure")
    logger.info("no failure")
    assert kept.told == [("no connection to 0", None), ("no failure", None), ("no failure", None)]
    kept.told.clear()
    summed_up.look()
    fails(5)
    summed_up.look()
    assert kept.told == [("no connection to 99", {"repeated": 99}), ("no connection to 4", {"repeated": 5})]
    kept.told.clear()
    summed_up.look()
    summed_up.look()
    assert kept.told == [("no connection to 4", {"over": True, "repeated": 104})]
    kept.told.clear()
    # What happened once is not told to be over, and a new outage is told at once.
    fails(1)
    summed_up.look()
    assert kept.told == [("no connection to 0", None)]
    monkeypatch.setattr(logs, "_MOST_KINDS", 0)
    logger.warning("one kind too many")
    logger.warning("one kind too many")
    assert len(kept.told) == 3
