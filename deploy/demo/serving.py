"""The services that the demonstration is a client of: `antt run` beside it, in a folder of its own."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import httpx
from rich.console import Console

from deploy.demo.formats import in_seconds
from deploy.local import NotStarted, child
from deploy.local.sockets import becomes_free
from shared.settings import Service

# The first start with Kafka fetches its jars.
SECONDS_TO_START = 300
SECONDS_TO_END = 60


@contextmanager
def own_folder(data: Path | None, name: str) -> Iterator[Path]:
    """A folder of this scenario alone: a temporary one, or one that an earlier demonstration of it made."""
    if data is None:
        with tempfile.TemporaryDirectory(prefix="antt-demo-", ignore_cleanup_errors=True) as temporary:
            yield Path(temporary)
        return
    data.mkdir(parents=True, exist_ok=True)
    mark = data / "demo"
    if any(data.iterdir()) and not (mark.exists() and mark.read_text() == name):
        raise NotStarted(f"{data} holds other data: choose an empty folder, for the demo's records are invented")
    mark.write_text(name)
    yield data.resolve()


@contextmanager
def served(
    console: Console, addresses: dict[Service, str], folder: Path, port: int, log: str
) -> Iterator[subprocess.Popen[bytes]]:
    """`antt run` beside this process, ready; ended in order at the end, and by the kernel if this process dies."""
    for address in set(addresses.values()):
        if not becomes_free(taken := int(address.rpartition(":")[2])):
            raise NotStarted(f"port {taken} is in use: choose another with --port (make demo PORT=8100)")
    words = folder / "run.log"
    run = [sys.executable, "-m", "deploy.cli", "run", "--data", str(folder), "--port", str(port), "--log", log]
    with words.open("wb") as output:
        # In its own group, so that Ctrl-C reaches this process alone and the rest is ended in order.
        server = subprocess.Popen(
            child.command(run, parent=os.getpid()), stdout=output, stderr=subprocess.STDOUT, process_group=0
        )
    try:
        _await_ready(console, addresses, server, words, log)
        yield server
    finally:
        console.print("[dim]Đang dừng mọi dịch vụ … · stopping[/]")
        server.terminate()
        try:
            server.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _await_ready(
    console: Console, addresses: dict[Service, str], server: subprocess.Popen[bytes], words: Path, log: str
) -> None:
    """Wait until each service says that it is ready, and print what is waited for. Raises NotStarted."""
    parts = "PostgreSQL, Apache Kafka" if log == "kafka" else "PostgreSQL"
    console.print(f"Khởi động {parts} và ba dịch vụ … [dim]· starting {parts} and three services[/]")
    began, printed = time.monotonic(), 0.0
    waiting = console.status("") if console.is_terminal else nullcontext()
    with waiting as status, httpx.Client(timeout=2, trust_env=False) as client:
        while missing := _missing(client, addresses):
            seconds = time.monotonic() - began
            if server.poll() is not None or seconds > SECONDS_TO_START:
                last_words = words.read_text(errors="replace").strip()[-2_000:]
                raise NotStarted(f"the services did not become ready in {seconds:.0f} s:\n{last_words}")
            if status:
                status.update(f"{seconds:.0f} s, chờ {missing} [dim]· waiting[/]")
            elif seconds > printed + 10:
                printed = seconds
                console.print(f"  {seconds:.0f} s, chờ {missing} · waiting")
            time.sleep(0.2)
    console.print(f"  Cả ba sẵn sàng sau {in_seconds(time.monotonic() - began)} [dim]· all ready[/]")


def _missing(client: httpx.Client, addresses: dict[Service, str]) -> str:
    """Which services are not ready and what of them is not, in words; nothing when all are."""
    missing = []
    for service, address in addresses.items():
        try:
            if down := client.get(f"{address}/{service}/health/status").json()["down"]:
                missing.append(f"{service} ({', '.join(down)})")
        except httpx.TransportError:
            missing.append(service)
    return ", ".join(missing)
