"""Kafka: its brokers and topics."""

import asyncio
from collections.abc import AsyncIterator

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from deploy.doctor.finding import Finding, Installation
from deploy.local.kafka import is_ready
from shared.log import sources_of
from shared.log.kafka import topic_of


async def brokers(installation: Installation) -> AsyncIterator[Finding]:
    """The broker and the topics, where events travel over Kafka."""
    settings = installation.settings
    if settings.log != "kafka":
        return
    bootstrap = settings.bootstrap
    if not settings.kafka_bootstrap and not installation.running:
        yield Finding(None, "Kafka: chưa chạy", "embedded: `antt run --log kafka` starts it")
        return
    brokers = [broker.strip() for broker in bootstrap.split(",") if broker.strip()] or [""]
    answered = await asyncio.gather(*(asyncio.to_thread(is_ready, broker) for broker in brokers))
    there = ", ".join(broker for broker, answers in zip(brokers, answered, strict=True) if answers)
    gone = ", ".join(broker for broker, answers in zip(brokers, answered, strict=True) if not answers)
    if there:
        yield Finding(True, f"Kafka trả lời ở {there}", f"Kafka answers at {there}")
    if gone:
        # One of several may be down without harm: clients learn of all of them from any.
        yield Finding(
            None if there else False, f"Kafka không trả lời ở {gone}", f"Kafka does not answer at {gone}",
            "xem ANTT_KAFKA_BOOTSTRAP, mạng và máy chủ Kafka", "see ANTT_KAFKA_BOOTSTRAP, the network and the broker",
        )  # fmt: skip
    if not there:
        return
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5_000)
    try:
        await admin.start()
        for source in sources_of(settings):
            async for finding in topic(admin, topic_of(settings, source)):
                yield finding
    except KafkaError as error:
        yield Finding(False, "Kafka từ chối", f"Kafka refuses: {error}", "xem quyền truy cập", "see its access rules")
    finally:
        await admin.close()


async def topic(admin: AIOKafkaAdminClient, name: str) -> AsyncIterator[Finding]:
    """One source's topic: one partition keeps the order, and nothing is dropped for its age or size."""
    (described,) = await admin.describe_topics([name])
    if described["error_code"]:
        yield Finding(None, f"Chủ đề {name}: chưa có", f"topic {name} is not there yet: the relay makes it")
        return
    partitions = len(described["partitions"])
    yield Finding(
        partitions == 1,
        f"Chủ đề {name}: {partitions} phân vùng",
        f"topic {name} has {partitions} partitions",
        "phải đúng một phân vùng: xóa chủ đề, antt relay sẽ tạo và chép lại từ outbox",
        "it must have one: delete the topic, antt relay makes it anew from the outbox",
    )
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    kept = {entry[0]: entry[1] for entry in answer.resources[0][4]}
    for setting, wanted in (("retention.ms", "-1"), ("retention.bytes", "-1"), ("cleanup.policy", "delete")):
        if kept.get(setting) != wanted:
            yield Finding(
                False,
                f"Chủ đề {name}: {setting} = {kept.get(setting)}, sự kiện sẽ bị xóa",
                f"topic {name}: {setting} is {kept.get(setting)}; events will be dropped",
                f"đặt {setting}={wanted}",
                f"set {setting}={wanted}",
            )
