"""`antt run`: what is killed comes back, and nothing stays behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import httpx

from deploy.local.sockets import free_port
from deploy.run import is_ready, pids, programs
from shared.settings import Service, Settings
from tests.conftest import eventually
from tests.local.conftest import children_of, gone

# A start takes four seconds; a machine that does much else at the same time takes many times that.
PATIENCE = 120


@contextmanager
def antt_run(
    data: Path, port: int, terminal: int | None = None, beside: str = "told", **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """`antt run` as a process of its own, what it tells in DATA.told (or what `beside` says); ended at the end."""
    command = [sys.executable, "-m", "deploy.cli", "run", "--data", str(data), "--port", str(port)]
    with data.with_suffix(f".{beside}").open("wb") as told:
        run = subprocess.Popen(
            [*command, "--log", "embedded"], stderr=terminal or told, env={**os.environ, **environment}
        )
    try:
        yield run
    finally:
        run.terminate()
        run.wait(PATIENCE)


def told(data: Path, beside: str = "told") -> str:
    """What `antt run` has told the person at the terminal."""
    return data.with_suffix(f".{beside}").read_text()


async def test_all_that_is_killed_comes_back_and_all_that_is_asked_to_end_ends(folder: Path) -> None:
    port, expected = free_port(), {"postgres", "all"}

    def all_ready() -> bool:
        return all(is_ready(service, port) for service in get_args(Service))

    with antt_run(folder, port) as run:
        await eventually(all_ready, PATIENCE)
        await eventually(lambda: "Ready after" in told(folder), PATIENCE)
        await eventually(lambda: set(pids(folder)) == expected, PATIENCE)
        before = pids(folder)
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        await eventually(lambda: not set(pids(folder).items()) & set(before.items()), PATIENCE)
        await eventually(all_ready, PATIENCE)
        await eventually(lambda: all(f"{name} ended and" in told(folder) for name in expected), PATIENCE)
        everything = children_of(run.pid)
        sockets = Path((folder / "postgres.socket").read_text().strip())
        asked = time.monotonic()
        run.terminate()
        assert run.wait(PATIENCE) == 0
        assert time.monotonic() - asked < 30
        await eventually(lambda: gone(everything), PATIENCE)
        await eventually(lambda: not sockets.exists(), PATIENCE)


async def test_a_run_tells_its_own_port_everywhere_and_commands_beside_it_know_what_it_was_told(folder: Path) -> None:
    port, ours = free_port(), {name: value for name, value in os.environ.items() if not name.startswith("ANTT_")}

    def beside(*command: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-m", "deploy.cli", *command, "--data", str(folder)]
        return subprocess.run(program, env=ours, capture_output=True, text=True)

    with antt_run(folder, port, ANTT_TEAMS_URL="http://127.0.0.1:1", ANTT_SMALL_CELL="7", ANTT_TOKEN="a.b.c"):
        await eventually(lambda: all(is_ready(service, port) for service in get_args(Service)), PATIENCE)
        told = Settings(data=folder)
        assert (told.incidents_url, told.public_url, told.log) == (f"http://localhost:{port}",) * 2 + ("embedded",)
        assert (told.small_cell, told.teams_url) == (7, "http://127.0.0.1:1")
        async with httpx.AsyncClient() as http:
            found = await http.get(f"http://localhost:{port}/incidents/open311/v2/discovery.json")
        assert {e["url"] for e in found.json()["endpoints"]} == {f"http://localhost:{port}/incidents/open311/v2"}
        # What nobody but who runs it may know is not written down.
        assert "a.b.c" not in (folder / "run.json").read_text()
        # Of the two addresses that it reads one is not where the services are, and that it was told.
        assert "ANTT_TEAMS_URL" in beside("verify").stderr
        ours["ANTT_TEAMS_URL"] = told.incidents_url
        verified = beside("verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert f"incidents at {port} is ready" in beside("doctor").stdout
    await eventually(lambda: Settings(data=folder).incidents_url == "http://localhost:8000", PATIENCE)


async def test_a_closed_terminal_ends_it(folder: Path) -> None:
    ours, theirs = os.openpty()
    with antt_run(folder, free_port(), terminal=theirs) as run:
        os.close(theirs)
        assert b"Starting" in os.read(ours, 1000)
        os.close(ours)
        # So early it may be told to end before supervisord has taken over, and nothing is started yet.
        await eventually(lambda: run.poll() in (0, -signal.SIGTERM), PATIENCE)


async def test_nothing_outlives_a_killed_supervisor_and_the_next_run_is_fine(folder: Path) -> None:
    port = free_port()
    with antt_run(folder, port) as run:
        await eventually(lambda: is_ready("stats", port), PATIENCE)
        everything = children_of(run.pid)
        run.kill()
        # At once, while what the kernel has just told to end may still be ending.
        with antt_run(folder, port):
            await eventually(lambda: gone(everything), PATIENCE)
            await eventually(lambda: is_ready("stats", port), PATIENCE)


async def test_a_second_run_of_a_folder_is_refused_in_words(folder: Path) -> None:
    with antt_run(folder, free_port()) as first:
        await eventually(lambda: (folder / "supervisord.conf").exists(), PATIENCE)
        # The first has its own to tell meanwhile.
        with antt_run(folder, free_port(), beside="second") as second:
            assert second.wait(PATIENCE) == 1
            assert told(folder, "second") == f"antt: {folder} is already served: stop process {first.pid} first\n"


async def test_a_port_that_somebody_has_is_told_in_words(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = somebody.getsockname()[1]
        with antt_run(folder, port) as run:
            assert run.wait(PATIENCE) == 1
        assert told(folder) == f"antt: port {port} is in use: choose another with --port\n"


async def test_what_keeps_dying_shows_its_last_words(folder: Path) -> None:
    with antt_run(folder, free_port(), ANTT_DEADLINES="/nowhere.toml"):
        await eventually(lambda: "all ended and is started again" in told(folder), PATIENCE)
        await eventually(lambda: "/nowhere.toml" in told(folder), PATIENCE)


def names(log: str, kafka_port: int, **given: Any) -> list[str]:
    """The programs that run with these settings."""
    ports = dict.fromkeys(get_args(Service), 8000)
    return [program.name for program in programs(ports, kafka_port, Settings(log=log, **given))]


def test_what_the_environment_names_is_not_started() -> None:
    everywhere = {f"{service}_database_url": "postgresql://elsewhere/x" for service in get_args(Service)}
    services = ["teams", "incidents", "stats", "relay-teams", "relay-incidents", "count", "work"]
    assert names("embedded", 0) == ["migrate", "postgres", "all"]
    assert names("embedded", 0, **everywhere) == ["migrate", "all"]
    assert names("kafka", 9092) == ["migrate", "postgres", "kafka", *services]
    assert names("kafka", 0, kafka_bootstrap="elsewhere:9092", **everywhere) == ["migrate", *services]
