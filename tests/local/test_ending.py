"""Processes that serve no HTTP end in order at SIGTERM."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shared.secrets import make_secret
from shared.settings import settings
from tests.conftest import eventually


def handles(pid: int, number: signal.Signals) -> bool:
    """Whether a process does something of its own at a signal; of a container's first process others are dropped."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


@pytest.mark.parametrize("command", [["relay", "incidents"], ["count"], ["work"]], ids=lambda command: command[0])
async def test_a_consumer_handles_sigterm_itself_and_ends_without_a_failure(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTT_DATA", str(tmp_path))
    monkeypatch.setenv("ANTT_LOG", "kafka")
    # Nothing answers there: it ends also while it waits for what it needs.
    monkeypatch.setenv("ANTT_KAFKA_BOOTSTRAP", "127.0.0.1:9")
    (tmp_path / "postgres.socket").write_text(str(tmp_path))
    settings.cache_clear()
    make_secret(settings())
    process = subprocess.Popen([sys.executable, "-m", "deploy.cli", *command])  # noqa: ASYNC220
    try:
        await eventually(lambda: process.poll() is not None or handles(process.pid, signal.SIGTERM), seconds=60)
        process.terminate()
        await eventually(lambda: process.poll() is not None, seconds=60)
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()
