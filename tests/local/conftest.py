"""What the tests of local servers share."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with a path that careless code stumbles over, below one that only its owner may enter."""
    return tmp_path / "dữ liệu, thử"


@contextmanager
def parent_of(server: str, data: Path) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that has a server of deploy/local as its child, ready; killed at the end."""
    program = f"""
from pathlib import Path
from deploy.local.{server} import running
with running(Path({str(data)!r})):
    print("ready", flush=True)
    input()
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout
        assert parent.stdout.readline() == "ready\n"
        yield parent
    finally:
        parent.kill()
        parent.communicate()


def children_of(pid: int) -> list[psutil.Process]:
    """All that a process has started, and what those have."""
    return psutil.Process(pid).children(recursive=True)


def gone(processes: list[psutil.Process]) -> bool:
    """Whether none of these lives any more; one that nobody has buried yet counts as gone."""
    return not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes)


def is_root() -> bool:
    """Whether the tests run as root."""
    return os.geteuid() == 0
