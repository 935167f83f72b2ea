"""Two relays, two consumers, a broker without its disk: the log still brings each event, in order, to be counted once."""

import asyncio
import shutil

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.stats import counting
from shared.database import Database
from shared.log import EmbeddedLog, Mark
from shared.log.kafka import KafkaLog, topic_of
from shared.settings import Service, settings
from tests.conftest import COMMUNE, INCIDENTS, Antt, eventually
from tests.faults.conftest import Installation

# Sessions that wait for, or hold, the lock of a relay (7303) or of a consumer (7304) in this database.
LOCKS = """
SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database
WHERE datname = current_database() AND locktype = 'advisory' AND $1 IN (classid::int, objid::int) AND granted = $2
"""


async def sessions(installation: Installation, service: Service, lock: int, *, granted: bool) -> set[int]:
    """The database's sessions that hold a lock, or those that wait for it."""
    async with installation.connection(service) as connection:
        return {row["pid"] for row in await connection.fetch(LOCKS, lock, granted)}


async def topic_since(installation: Installation, offset: int) -> list[int]:
    """The seqs of all records that the topic of incidents holds from an offset on."""
    partition = TopicPartition(topic_of(installation.settings, INCIDENTS), 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=installation.settings.kafka_bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([partition])
        consumer.seek(partition, offset)
        end = (await consumer.end_offsets([partition]))[partition]
        found: list[int] = []
        while await consumer.position(partition) < end:
            for message in (await consumer.getmany(timeout_ms=1_000)).get(partition, ()):
                found.append(int(dict(message.headers)["ce_sequence"]))
        return found
    finally:
        await consumer.stop()


async def outbox_after(installation: Installation, seq: int) -> list[int]:
    """The seqs of the outbox of incidents."""
    async with installation.connection("incidents") as connection:
        return [row["seq"] for row in await connection.fetch("SELECT seq FROM outbox WHERE seq > $1 ORDER BY seq", seq)]


async def more_tips_counted(installation: Installation) -> None:
    """More tips, and each of them counted once."""
    async with installation.tips_coming_in():
        await installation.more_acknowledged()
    await installation.require_each_counted_once()


async def test_commands_beside_a_run_over_kafka_find_its_broker_and_know_its_log(
    kafka_installation: Installation,
) -> None:
    await more_tips_counted(kafka_installation)
    for command in (["rebuild"], ["verify"]):
        with kafka_installation.beside(*command) as beside:
            await eventually(lambda: beside.poll() is not None, seconds=120)
            assert beside.returncode == 0, command


async def test_a_second_relay_waits_and_goes_on_when_the_first_is_killed(kafka_installation: Installation) -> None:
    await more_tips_counted(kafka_installation)
    written, seq = len(await topic_since(kafka_installation, 0)), kafka_installation.position
    with kafka_installation.beside("relay", "incidents"):
        second = await eventually(lambda: sessions(kafka_installation, "incidents", 7303, granted=False), seconds=60)
        await more_tips_counted(kafka_installation)
        kafka_installation.kill("relay-incidents")
        await more_tips_counted(kafka_installation)
        assert await sessions(kafka_installation, "incidents", 7303, granted=True) == second
        assert await topic_since(kafka_installation, written) == await outbox_after(kafka_installation, seq)
    # Now the supervisor's is the only one again.
    await more_tips_counted(kafka_installation)


async def test_a_second_consumer_waits_and_goes_on_when_the_first_is_killed(kafka_installation: Installation) -> None:
    async def both_wait() -> set[int]:
        waiting = await sessions(kafka_installation, "stats", 7304, granted=False)
        return waiting if len(waiting) == 2 else set()

    with kafka_installation.beside("count"):
        second = await eventually(both_wait, seconds=60)
        async with kafka_installation.tips_coming_in():
            await kafka_installation.more_acknowledged()
            kafka_installation.kill("count")
            await kafka_installation.more_acknowledged()
        await kafka_installation.require_each_counted_once()
        assert await sessions(kafka_installation, "stats", 7304, granted=True) == second
    await more_tips_counted(kafka_installation)


async def test_a_zombie_consumer_is_fenced_and_changes_nothing(antt: Antt, databases: dict[str, str]) -> None:
    answer = await antt.post("/incidents/v1/tips", {"unit": COMMUNE, "content": "Mất xe máy"})
    before = await antt.counters(answer.headers["antt-position"])
    batches = EmbeddedLog(settings()).follow(INCIDENTS, Mark(), 1_000)
    batch = await anext(batches)
    await batches.aclose()
    assert len(batch.records) == 1
    database = Database(databases["stats"], 1, 10)
    await database.open()
    async with database.connection() as connection:
        counters = await counting.serving_set(connection, [INCIDENTS])
        with pytest.raises(counting.ConsumerFenced):
            await counting.apply(connection, counters, INCIDENTS, Mark(), batch, 20)
    await database.close()
    assert await antt.counters(answer.headers["antt-position"]) == before


async def test_a_broker_that_lost_its_disk_gets_every_event_again(kafka_installation: Installation) -> None:
    async with kafka_installation.tips_coming_in():
        await kafka_installation.more_acknowledged()
        await asyncio.to_thread(kafka_installation.stop, "kafka")
        shutil.rmtree(kafka_installation.data / "kafka" / "log")
        # A consumer that starts now finds no topic, and must not make an empty one for the relay to go on in.
        kafka_installation.kill("count")
        await asyncio.to_thread(kafka_installation.start_again, "kafka")
        await kafka_installation.more_acknowledged()
    await kafka_installation.require_each_counted_once()
    written = await topic_since(kafka_installation, 0)
    # A relay that is interrupted once more may write an event again, which readers pass over, but leaves none out.
    assert list(dict.fromkeys(written)) == await outbox_after(kafka_installation, 0)
    await kafka_installation.ready()


async def test_a_reader_waits_for_a_topic_and_makes_none(kafka_installation: Installation) -> None:
    elsewhere = kafka_installation.settings.model_copy(update={"kafka_topics": "nobodys"})
    batches = KafkaLog(elsewhere).follow(INCIDENTS, Mark(), 1_000)
    assert [(await anext(batches)).watermark for _ in range(3)] == [None, None, None]
    await batches.aclose()
    # The relay that comes later finds no topic, so it knows that nothing was written yet.
    consumer = AIOKafkaConsumer(bootstrap_servers=elsewhere.kafka_bootstrap)
    await consumer.start()
    topics = await consumer.topics()
    await consumer.stop()
    assert topic_of(kafka_installation.settings, INCIDENTS) in topics
    assert topic_of(elsewhere, INCIDENTS) not in topics
