"""The last lines of a run say what it left out and why, so that green is not taken for more than it is."""

from collections import Counter

import pytest
from _pytest.terminal import TerminalReporter

_SLOW = pytest.StashKey[int]()


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Count the tests that are slow, where they are left out: with workers each of them leaves out the same."""
    for item in items:
        if item.get_closest_marker("slow") and "slow" in item.config.option.markexpr:
            item.config.stash[_SLOW] = item.config.stash.get(_SLOW, 0) + 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker sends its count with its farewell."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out_slow"] = session.config.stash.get(_SLOW, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Take a worker's count."""
    stash: pytest.Stash = node.config.stash  # type: ignore[attr-defined]
    stash[_SLOW] = max(stash.get(_SLOW, 0), getattr(node, "workeroutput", {}).get("left_out_slow", 0))


def pytest_unconfigure(config: pytest.Config) -> None:
    """After pytest's own last line, in words."""
    reporter: TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(config, "workerinput"):
        return
    why = Counter(reason_of(report) for report in reporter.stats.get("skipped", []))
    if slow := config.stash.get(_SLOW, 0):
        why["slow: make test-all runs them"] = slow
    for reason, number in why.items():
        reporter.write_line(f"Left out: {number} test{'s' * (number > 1)}, {reason}")
    if not why:
        reporter.write_line("Left out: nothing")


def reason_of(report: pytest.TestReport) -> str:
    """Why a test was skipped."""
    words = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return words.removeprefix("Skipped: ")
