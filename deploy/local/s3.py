"""An S3 server on one machine, for tests and trials: versitygw over a folder, in which each bucket is a folder.

Go builds it once from its module, beside the interpreter's programs; without Go there is none.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local import NotStarted, child
from deploy.local.sockets import free_port, is_free

VERSION = "1.8.0"
MODULE = f"github.com/versity/versitygw/cmd/versitygw@v{VERSION}"
PROGRAM = Path(sys.prefix) / "bin" / f"versitygw-{VERSION}"

ACCESS_KEY, SECRET_KEY = "antt-trial", "not-a-secret"


def missing() -> str:
    """Why there can be no S3 server here; empty when there can."""
    if PROGRAM.exists() or shutil.which("go"):
        return ""
    return f"needs an S3 server, and there is no Go to build versitygw {VERSION} with: https://go.dev/dl"


def program() -> Path:
    """The server's program; the first time Go fetches and builds it, which takes two minutes. Raises NotStarted."""
    with PROGRAM.with_name(".versitygw.lock").open("a") as lock:
        # Of processes that start together one builds it.
        fcntl.lockf(lock, fcntl.LOCK_EX)
        if not PROGRAM.exists():
            fresh = PROGRAM.with_name(".versitygw")
            environment = {**os.environ, "GOBIN": str(fresh), "CGO_ENABLED": "0"}
            built = subprocess.run(["go", "install", MODULE], env=environment, text=True, capture_output=True)
            if built.returncode != 0:
                raise NotStarted(f"versitygw could not be built:\n{built.stderr[-2_000:]}")
            (fresh / "versitygw").replace(PROGRAM)
            fresh.rmdir()
    return PROGRAM


class Server:
    """A running server: where it answers, and the folder of its buckets."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def variables(self) -> dict[str, str]:
        """The environment in which a client finds it."""
        return {
            "AWS_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }

    def start(self) -> None:
        """Run it until it answers. Raises NotStarted."""
        keys = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
        served = [str(program()), "--quiet", "--port", f"127.0.0.1:{self.port}", "posix", str(self.folder)]
        self._process = subprocess.Popen(
            child.command(served, parent=os.getpid()),
            env={**os.environ, **keys},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while is_free(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise NotStarted(f"versitygw does not answer at port {self.port}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it; its buckets stay."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextmanager
def running(folder: Path, *buckets: str) -> Iterator[Server]:
    """A server with these buckets, as our child; it is ended at the end."""
    for bucket in buckets:
        (folder / bucket).mkdir(parents=True, exist_ok=True)
    server = Server(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
