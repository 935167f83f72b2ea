"""Webhooks: events sent, signed and in order, to receivers that may be slow, broken, gone or hostile."""

import asyncio
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.incidents.app import jobs
from shared import units
from shared.days import now
from shared.service import Service
from shared.settings import Settings, settings
from shared.subscriptions import sending
from tests.conftest import COMMUNE, PROVINCE, Antt, eventually
from tests.incidents.conftest import CASES, a_case, kind_of, opened
from tests.incidents.test_changes import OTHER_COMMUNE, TIPS, a_tip, changes, step
from tests.receiver import Receiver, answer, receiving

WEBHOOKS = "/incidents/v1/webhooks"
QUICK = "[0.05, 0.05, 0.05]"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTT_WEBHOOK_RETRY_SECONDS", QUICK)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


def operator(antt: Antt) -> dict[str, str]:
    return antt.token("operator", PROVINCE)


async def a_webhook(antt: Antt, url: str, caller: dict[str, str] | None = None, **values: Any) -> dict[str, Any]:
    """A webhook of the whole province, with its secret."""
    made = await antt.post(WEBHOOKS, {"url": url, **values}, caller or operator(antt))
    assert made.status_code == 201, made.text
    webhook: dict[str, Any] = made.json()
    return webhook


async def standing(antt: Antt, webhook: dict[str, Any]) -> dict[str, Any]:
    """How the webhook stands now."""
    read = await antt.get(f"{WEBHOOKS}/{webhook['id']}", operator(antt))
    assert read.status_code == 200, read.text
    now: dict[str, Any] = read.json()
    return now


async def do(antt: Antt, webhook: dict[str, Any], verb: str, **body: Any) -> dict[str, Any]:
    """One of the webhook's verbs."""
    told = await antt.post(f"{WEBHOOKS}/{webhook['id']}/{verb}", body, operator(antt))
    assert told.status_code == 200, told.text
    done: dict[str, Any] = told.json()
    return done


async def change(antt: Antt, webhook: dict[str, Any], **values: Any) -> None:
    headers = {**operator(antt), "If-Match": "*"}
    changed = await antt.http.patch(f"{WEBHOOKS}/{webhook['id']}", json=values, headers=headers)
    assert changed.status_code == 200, changed.text


async def test_events_come_signed_in_order_and_as_changes_tells_them(antt: Antt, receiver: Receiver) -> None:
    webhook = await a_webhook(antt, receiver.url, note="Hệ thống của Sở")
    tip = await a_tip(antt)
    await opened(antt, CASES, a_case(tip_id=tip["id"]))
    await step(antt, f"{TIPS}/{tip['id']}/report")
    await eventually(lambda: len(receiver.deliveries) == 3)
    assert [delivery.event for delivery in receiver.deliveries] == (await changes(antt))["items"]
    for delivery in receiver.deliveries:
        assert delivery.id == delivery.event["id"]
        assert delivery.headers["content-type"] == "application/cloudevents+json"
        assert delivery.signed_by(webhook["secret"])
    now = await standing(antt, webhook)
    assert webhook["secret"].startswith("whsec_")
    assert "secret" not in now
    await eventually(lambda: _caught_up(antt, webhook))


async def _caught_up(antt: Antt, webhook: dict[str, Any]) -> bool:
    return bool((await standing(antt, webhook))["delivery"]["behind"] == 0)


async def test_a_stolen_database_gives_no_secret(antt: Antt, receiver: Receiver, databases: dict[str, str]) -> None:
    webhook = await a_webhook(antt, receiver.url)
    connection = await asyncpg.connect(databases["incidents"])
    row = await connection.fetchrow("SELECT w::text AS text, secret FROM webhooks w")
    await connection.close()
    assert row is not None
    assert webhook["secret"] not in row["text"]
    assert webhook["secret"].encode() not in row["secret"]


async def test_only_the_types_and_units_asked_for_come(antt: Antt, receiver: Receiver) -> None:
    await a_tip(antt)
    await a_webhook(antt, receiver.url, types=["TipReceived"], unit=COMMUNE, after="start")
    await a_tip(antt, OTHER_COMMUNE)
    await opened(antt, CASES, a_case())
    last = await a_tip(antt)
    await eventually(lambda: last["id"] in receiver.subjects)
    assert {(d.event["type"], d.event["data"]["after"]["unit"]) for d in receiver.deliveries} == {
        ("TipReceived", COMMUNE)
    }
    assert len(receiver.deliveries) == 2


async def test_what_fails_is_sent_again_with_its_id_before_what_comes_after_it_and_holds_nobody_else_back(
    antt: Antt, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([answer(500), answer(503, "retry-after: 0"), b"nonsense\r\n\r\n"])
    receiver.answers = lambda _: next(failures, answer(200))
    async with receiving() as silent:
        silent.answers = lambda _: lambda writer: asyncio.sleep(60)
        await a_webhook(antt, silent.url)
        webhook = await a_webhook(antt, receiver.url)
        tips = [(await a_tip(antt))["id"] for _ in range(3)]
        await eventually(lambda: receiver.subjects[3:] == tips)
        assert receiver.subjects == [tips[0]] * 3 + tips
        assert len({(d.id, d.body) for d in receiver.deliveries[:4]}) == 1
        assert all(delivery.signed_by(webhook["secret"]) for delivery in receiver.deliveries)
        await eventually(lambda: silent.deliveries)
        assert silent.subjects[0] == tips[0]


async def test_after_the_last_attempt_an_event_is_a_dead_letter_and_the_next_ones_come(
    antt: Antt, receiver: Receiver
) -> None:
    poison = [OTHER_COMMUNE]
    receiver.answers = lambda delivery: answer(400 if delivery.event["data"]["after"]["unit"] in poison else 200)
    webhook = await a_webhook(antt, receiver.url)
    poisoned = await a_tip(antt, OTHER_COMMUNE)
    after = await a_tip(antt)
    await eventually(lambda: after["id"] in receiver.subjects)
    assert receiver.subjects == [poisoned["id"]] * 4 + [after["id"]]
    letters = (await antt.get(f"{WEBHOOKS}/{webhook['id']}/dead-letters", operator(antt))).json()["items"]
    assert [(x["event_id"], x["type"], x["attempts"], x["reason"]) for x in letters] == [
        (receiver.deliveries[0].id, "TipReceived", 4, "HTTP 400")
    ]

    async def dead_letters() -> int:
        return int((await standing(antt, webhook))["delivery"]["dead_letters"])

    await do(antt, webhook, "dead-letters/replay")
    await eventually(lambda: len(receiver.deliveries) == 6)
    assert await dead_letters() == 1
    poison.clear()
    await do(antt, webhook, "dead-letters/replay")
    await eventually(lambda: _is(dead_letters, 0))
    assert receiver.deliveries[-1].body == receiver.deliveries[0].body
    assert receiver.deliveries[-1].id == receiver.deliveries[0].id


async def _is(question: Any, value: Any) -> bool:
    return bool(await question() == value)


async def test_the_next_attempt_is_written_down_and_a_changed_webhook_is_tried_at_once(
    databases: dict[str, str], antt: Antt, receiver: Receiver
) -> None:
    # The service read its settings at its start; the pauses of this test are its own.
    webhook_pauses = settings().webhook_retry_seconds
    webhook_pauses[:] = [1_000.0]
    receiver.answers = lambda _: answer(500)
    webhook = await a_webhook(antt, "http://localhost:1/nobody")
    tip = await a_tip(antt)

    async def failed() -> bool:
        return bool((await standing(antt, webhook))["delivery"]["attempts"] == 1)

    await eventually(failed)
    delivery = (await standing(antt, webhook))["delivery"]
    wait = datetime.fromisoformat(delivery["next_attempt_at"]) - now()
    assert timedelta(seconds=780) < wait < timedelta(seconds=1_200)
    assert delivery["last_failure"].startswith("ConnectError")
    receiver.answers = lambda _: answer(200)
    await change(antt, webhook, url=receiver.url)
    await eventually(lambda: receiver.subjects == [tip["id"]])


async def test_a_receiver_that_is_gone_disables_its_webhook_until_a_person_enables_it(
    antt: Antt, receiver: Receiver
) -> None:
    receiver.answers = lambda _: answer(410)
    webhook = await a_webhook(antt, receiver.url)
    tips = [(await a_tip(antt))["id"] for _ in range(2)]

    async def state() -> str:
        return str((await standing(antt, webhook))["state"])

    await eventually(lambda: _is(state, "disabled"))
    assert (await standing(antt, webhook))["disabled_because"] == "gone"
    assert receiver.subjects == tips[:1]
    receiver.answers = lambda _: answer(200)
    await change(antt, webhook, state="enabled")
    await eventually(lambda: receiver.subjects[1:] == tips)


async def test_while_a_secret_is_rotated_both_sign(antt: Antt, receiver: Receiver) -> None:
    webhook = await a_webhook(antt, receiver.url)
    second = (await do(antt, webhook, "rotate"))["secret"]
    await do(antt, webhook, "ping")
    third = (await do(antt, webhook, "rotate", overlap_hours=0))["secret"]
    await do(antt, webhook, "ping")
    assert [[d.signed_by(s) for s in (webhook["secret"], second, third)] for d in receiver.deliveries] == [
        [True, True, False],
        [False, False, True],
    ]
    assert {delivery.event["type"] for delivery in receiver.deliveries} == {"Ping"}


async def test_a_replay_sends_everything_since_a_cursor_once_more_with_the_same_ids(
    antt: Antt, receiver: Receiver
) -> None:
    webhook = await a_webhook(antt, receiver.url)
    await a_tip(antt)
    cursor = (await changes(antt))["next"]
    for _ in range(2):
        await a_tip(antt)
    await eventually(lambda: len(receiver.deliveries) == 3)
    await do(antt, webhook, "replay", after=cursor)
    await eventually(lambda: len(receiver.deliveries) == 5)
    first = [(delivery.id, delivery.body) for delivery in receiver.deliveries[:3]]
    assert [(delivery.id, delivery.body) for delivery in receiver.deliveries[3:]] == first[1:]


async def test_after_a_recovery_a_receiver_is_told_and_sent_what_came_after_the_last_event_in_common(
    antt: Antt, receiver: Receiver, databases: dict[str, str]
) -> None:
    webhook = await a_webhook(antt, receiver.url)
    tips = [(await a_tip(antt))["id"] for _ in range(3)]
    await eventually(lambda: receiver.subjects == tips)
    connection = await asyncpg.connect(databases["incidents"])
    await connection.execute("INSERT INTO outbox_generations (generation, after_seq) VALUES (2, 1)")
    await connection.close()
    await change(antt, webhook, note="Sau khi khôi phục")
    await eventually(lambda: receiver.subjects[4:] == tips[1:])
    told = receiver.deliveries[3].event
    assert (told["type"], told["data"]) == ("EventsTakenBack", {"generation": 2, "after_seq": 1})
    assert {delivery.event["position"].split(":")[1] for delivery in receiver.deliveries[4:]} == {"2"}
    # Once is enough, also for who begins anew.
    await do(antt, webhook, "replay", after="start")
    await eventually(lambda: receiver.subjects[6:] == tips)


def _endless(writer: asyncio.StreamWriter) -> Any:
    async def write() -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    return write()


def _drop_by_drop(writer: asyncio.StreamWriter) -> Any:
    async def write() -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"x-slow: 1\r\n")
            await writer.drain()
            await asyncio.sleep(0.1)

    return write()


def _close(writer: asyncio.StreamWriter) -> Any:
    writer.close()
    return writer.wait_closed()


async def test_a_hostile_receiver_costs_a_second_and_gets_nothing(
    antt: Antt, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiving() as elsewhere:
        webhook = await a_webhook(antt, receiver.url, types=["CaseReopened"])
        for said, failure in (
            (answer(307, f"location: {elsewhere.url}"), "HTTP 307"),
            (answer(200), None),
            (_endless, None),
            (_drop_by_drop, "timeout"),
            (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 300_000 + b"\r\n\r\n", "RemoteProtocolError"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n", "RemoteProtocolError"),
            (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nbomb", None),
            (answer(503, "retry-after: " + "9" * 5_000), "HTTP 503"),
            (_close, "RemoteProtocolError"),
        ):
            receiver.answers = lambda _, said=said: said  # type: ignore[misc]
            # Only what is timed is hurried: in a second the loop that both share may stand still.
            monkeypatch.setattr(settings(), "webhook_seconds", 1 if failure == "timeout" else 10)
            began = time.monotonic()
            pinged = await do(antt, webhook, "ping")
            assert (pinged["failure"], pinged["delivered"]) == (failure, failure is None), said
            assert time.monotonic() - began < 5
        assert elsewhere.deliveries == []


async def test_a_receiver_that_hangs_up_at_once_has_failed(antt: Antt, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    connected: list[httpcore.AsyncNetworkStream] = []
    connect = httpcore.AnyIOBackend.connect_tcp

    async def and_be_hung_up_on(*arguments: Any) -> httpcore.AsyncNetworkStream:
        stream = await connect(*arguments)
        connection, _ = listener.accept()
        # Closed so, it is reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        await eventually(lambda: stream.get_extra_info("server_addr") is None)
        connected.append(stream)
        return stream

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", and_be_hung_up_on)
    with listener:
        webhook = await a_webhook(antt, f"http://127.0.0.1:{listener.getsockname()[1]}/antt")
        await a_tip(antt)

        async def dead_letters() -> list[Any]:
            return list((await antt.get(f"{WEBHOOKS}/{webhook['id']}/dead-letters", operator(antt))).json()["items"])

        (letter,) = await eventually(dead_letters)
    assert (letter["type"], letter["attempts"]) == ("TipReceived", 4)
    assert letter["reason"].startswith("ReadError")
    assert [stream.get_extra_info("socket").fileno() for stream in connected] == [-1] * 4


async def test_a_certificate_that_nobody_vouches_for_is_refused(antt: Antt, tmp_path: Path) -> None:
    async with receiving(_self_signed(tmp_path)) as receiver:
        webhook = await a_webhook(antt, receiver.url)
        assert "CERTIFICATE_VERIFY_FAILED" in (await do(antt, webhook, "ping"))["failure"]
        assert receiver.deliveries == []


def _self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now() - timedelta(days=1))
        .not_valid_after(now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    file = folder / "certificate.pem"
    file.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def test_only_operators_and_a_system_its_own_keep_webhooks(
    antt: Antt, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, other = antt.token("system", COMMUNE), antt.token("system", PROVINCE)
    assert kind_of(await antt.post(WEBHOOKS, {"url": receiver.url}, system)) == (422, "host-not-allowed")
    # Where the operator has named no hosts, another system does not choose one.
    monkeypatch.setenv("ANTT_WEBHOOK_HOSTS", "localhost")
    settings.cache_clear()
    assert kind_of(await antt.post(WEBHOOKS, {"url": "http://inner.vn/"}, system)) == (422, "host-not-allowed")
    mine = await a_webhook(antt, receiver.url, system)
    assert mine["unit"] == COMMUNE
    path = f"{WEBHOOKS}/{mine['id']}"
    assert kind_of(await antt.post(WEBHOOKS, {"url": receiver.url})) == (401, "unauthenticated")
    assert kind_of(await antt.post(WEBHOOKS, {"url": receiver.url}, antt.token())) == (403, "forbidden")
    foreign = await antt.post(WEBHOOKS, {"url": receiver.url, "unit": OTHER_COMMUNE}, system)
    assert kind_of(foreign) == (403, "foreign-area")
    for refused in (await antt.get(path, other), await antt.post(f"{path}/ping", {}, other)):
        assert kind_of(refused) == (404, "not-found")
    assert (await antt.get(WEBHOOKS, other)).json()["items"] == []
    assert [item["id"] for item in (await antt.get(WEBHOOKS, operator(antt))).json()["items"]] == [mine["id"]]
    assert (await antt.http.delete(path, headers=system)).json()["state"] == "deleted"
    assert kind_of(await antt.get(path, system)) == (404, "not-found")
    await a_tip(antt)
    assert receiver.deliveries == []


async def test_addresses_that_are_no_receivers_are_refused(
    antt: Antt, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url in ("ftp://a.vn", "http://u:p@a.vn/", "http://a.vn/#x", "//a.vn", "javascript:1", "http://", "file:///etc"):
        assert kind_of(await antt.post(WEBHOOKS, {"url": url}, operator(antt))) == (422, "invalid-input"), url
    webhook = await a_webhook(antt, receiver.url)
    refused = (
        "169.254.169.254", "fe80::1%eth0", "::ffff:169.254.169.254", "224.0.0.1", "::", "0.0.0.0", "0.1.2.3",
        "255.255.255.255", "240.0.0.1", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1",
    )  # fmt: skip
    assert all(map(sending.refused_address, refused))
    assert not any(map(sending.refused_address, ("127.0.0.1", "::1", "10.1.2.3", "203.0.113.9")))
    # A name is looked up once, and what it leads to is looked at before anything is sent there.
    with monkeypatch.context() as patched:
        patched.setattr(sending, "refused_address", lambda address: address in ("127.0.0.1", "::1"))
        assert (await do(antt, webhook, "ping"))["failure"].startswith("RefusedAddress")
    assert (receiver.deliveries, receiver.connections) == ([], 0)
    allowed = Settings(webhook_hosts="hook.so.vn, .bca.vn")
    assert [sending.allowed_host(allowed, f"https://{h}/x") for h in ("HOOK.so.vn", "a.bca.vn", "bca.vn", "so.vn")] == [
        True, True, False, False,
    ]  # fmt: skip


async def test_the_webhooks_of_communes_leave_room_for_the_provinces(antt: Antt, receiver: Receiver) -> None:
    async def made(unit: str) -> tuple[int, str]:
        answer = await antt.post(WEBHOOKS, {"url": receiver.url, "unit": unit}, operator(antt))
        return (201, "") if answer.status_code == 201 else kind_of(answer)

    full = (409, "too-many-webhooks")
    communes = [unit for unit in units.children("2025:79") if unit in units.area(PROVINCE)]
    assert [await made(communes[0]) for _ in range(3)] == [(201, ""), (201, ""), full]
    assert [await made(unit) for unit in communes[1:12]] == [(201, "")] * 10 + [full]
    assert [await made(PROVINCE) for _ in range(9)] == [(201, "")] * 8 + [full]


async def test_over_kafka_each_event_comes_once_and_in_order(antt_on_kafka: Antt, receiver: Receiver) -> None:
    antt = antt_on_kafka
    before = await a_tip(antt)
    service = Service("incidents", settings())
    await service.database.open()
    job = asyncio.create_task(jobs()["webhooks"](service))
    try:
        await a_webhook(antt, receiver.url, after="start")
        tips = [before["id"], *[(await a_tip(antt))["id"] for _ in range(5)]]
        await eventually(lambda: len(receiver.deliveries) >= 6)
        assert receiver.subjects == tips
    finally:
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
        await service.database.close()
