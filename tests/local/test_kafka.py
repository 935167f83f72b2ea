"""The Kafka of a local run: one real broker from locked jars, never left behind."""

import os
import shutil
import signal
import uuid
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from jgo.maven import Artifact

from deploy.local import AlreadyRunning, NotStarted, kafka
from deploy.local.jars import jars
from tests.conftest import eventually
from tests.local.conftest import children_of, gone, parent_of

TOPIC = TopicPartition("kept", 0)


async def publish(bootstrap: str, word: bytes) -> None:
    """A record that the broker has acknowledged, on a topic made for it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(TOPIC.topic, num_partitions=1, replication_factor=1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    await producer.send_and_wait(TOPIC.topic, word, partition=TOPIC.partition)
    await producer.stop()


async def read(bootstrap: str) -> bytes:
    """The topic's first record."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([TOPIC])
    record: Any = await consumer.getone(TOPIC)
    await consumer.stop()
    word: bytes = record.value
    return word


async def test_an_acknowledged_record_outlives_the_killed_broker(folder: Path) -> None:
    others = set(children_of(os.getpid()))
    with kafka.running(folder) as bootstrap:
        await publish(bootstrap, "còn".encode())
        [broker] = set(children_of(os.getpid())) - others
        with pytest.raises(AlreadyRunning, match="already serves"):
            kafka.await_end_of_others(folder / "kafka", seconds=0.1)
        broker.send_signal(signal.SIGKILL)
        with kafka.running(folder) as again:
            assert again == bootstrap
            assert (await read(again)).decode() == "còn"


async def test_a_storage_whose_identity_begins_with_a_dash_is_formatted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(bytes=b"\xf8" * 16))
    with kafka.running(folder) as bootstrap:
        await publish(bootstrap, "có".encode())


async def test_no_broker_outlives_its_killed_parent(folder: Path) -> None:
    with parent_of("kafka", folder) as parent:
        brokers = children_of(parent.pid)
        assert brokers
        parent.kill()
        await eventually(lambda: gone(brokers), seconds=60)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[Path, Path]:
    """A Maven repository of this test's own: each jar there, and where its original lies."""
    originals = jars(kafka.LOCK, "Apache Kafka")
    root = Path(os.path.commonpath(originals))
    copies = {tmp_path / original.relative_to(root): original for original in originals}
    monkeypatch.setenv("M2_REPO", str(tmp_path))
    for copy, original in copies.items():
        copy.parent.mkdir(parents=True)
        copy.symlink_to(original)
    return copies


def test_a_jar_that_is_not_what_the_lock_says_is_fetched_again(
    repository: dict[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = next(iter(repository))
    damaged.unlink()
    damaged.write_bytes(b"half a jar")
    fetched = []

    def resolve(artifact: Artifact) -> None:
        fetched.append(artifact.filename)
        shutil.copy(repository[damaged], damaged)

    monkeypatch.setattr(Artifact, "resolve", resolve)
    assert set(jars(kafka.LOCK, "Apache Kafka")) == set(repository)
    assert fetched == [damaged.name]


def test_a_jar_that_is_still_wrong_when_fetched_is_not_run(
    repository: dict[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    forged = next(iter(repository))
    forged.unlink()
    monkeypatch.setattr(Artifact, "resolve", lambda artifact: forged.write_bytes(b"another jar"))
    with pytest.raises(NotStarted, match="checksum"):
        jars(kafka.LOCK, "Apache Kafka")
