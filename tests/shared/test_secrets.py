"""The deployment's secret: envelopes, what was sealed before them, and databases that know the secret they were written with."""

import asyncio
import os
import secrets as random
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import get_args
from uuid import uuid4

import asyncpg
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from deploy.local import NotStarted
from deploy.starting import refusals, require
from services.incidents.tips import informants
from services.incidents.tips.schemas import ReportedBy
from shared.access import secrets
from shared.access.issuer import NoIssuer, issue_token
from shared.service import Service
from shared.settings import Service as ServiceName
from shared.settings import Settings, settings
from tests.conftest import COMMUNE, Antt

RECORD = uuid4().bytes


def test_an_envelope_opens_for_its_purpose_and_its_record_alone(data: Path) -> None:
    sealed = secrets.seal(b"informant", RECORD, b"Nguyen Van An")
    assert secrets.unseal(b"informant", RECORD, sealed) == b"Nguyen Van An"
    assert sealed[:1] == b"\x01"
    assert sealed != secrets.seal(b"informant", RECORD, b"Nguyen Van An")
    for purpose, record in ((b"informant", uuid4().bytes), (b"webhooks", RECORD)):
        with pytest.raises(InvalidTag):
            secrets.unseal(purpose, record, sealed)
    for at in range(len(sealed)):
        with pytest.raises(InvalidTag):
            secrets.unseal(b"informant", RECORD, sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :])


@pytest.mark.parametrize("purpose", [b"informant", b"webhooks", b"answers"])
def test_what_was_sealed_before_there_were_envelopes_is_read(data: Path, purpose: bytes) -> None:
    of_old = {b"answers": secrets.old_file_cipher(b"answers", b"")}
    nonce = os.urandom(12)
    cipher = of_old.get(purpose) or AESGCM(secrets.secret_for(purpose))
    assert secrets.unseal(purpose, RECORD, nonce + cipher.encrypt(nonce, b"An", RECORD)) == b"An"


def test_an_informant_that_was_sealed_before_there_were_envelopes_is_read(data: Path) -> None:
    tip, nonce = uuid4(), os.urandom(12)
    said = ReportedBy(full_name="Nguyễn Văn An").model_dump_json(exclude_none=True).encode()
    old = nonce + AESGCM(secrets.secret_for(b"informant")).encrypt(nonce, said, tip.bytes)
    assert informants.unseal(tip, old).full_name == "Nguyễn Văn An"


def other_secret(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the settings name another secret."""
    (folder / "other").write_bytes(random.token_bytes(32))
    monkeypatch.setenv("ANTT_SECRET_KEY_FILE", str(folder / "other"))
    settings.cache_clear()


async def test_a_service_with_another_secret_than_its_databases_does_not_start(
    antt: Antt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_secret(tmp_path, monkeypatch)
    for name in get_args(ServiceName):
        service = Service(name, settings())
        await service.database.open()
        if name == "stats":
            await service.require_usable()
        else:
            with pytest.raises(secrets.SecretUnusable, match=f"the database of {name} was written"):
                await service.require_usable()
        await service.database.close()


async def test_a_secret_that_is_exchanged_under_a_running_service_makes_it_unready(
    antt: Antt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Service("incidents", settings())
    await service.database.open()
    await service.require_usable()
    monkeypatch.setattr(service, "settings", Settings(secret_key_file=str(tmp_path / "other")))
    (tmp_path / "other").write_bytes(random.token_bytes(32))
    with pytest.raises(secrets.SecretUnusable, match="was written"):
        await service.watch_secret()
    await service.database.close()


async def test_a_database_from_before_its_check_value_knows_its_secret_by_an_answer(
    antt: Antt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = str(uuid4())
    answer = await antt.post("/incidents/v1/tips", {"unit": COMMUNE, "content": "Đánh bạc"}, idempotency_key=key)
    assert answer.status_code == 201
    connection = await asyncpg.connect(settings().database_url("incidents"))
    await connection.execute("DELETE FROM secret_check")
    await connection.execute("UPDATE answers SET body = substring(body, 1, 20) || sha256(body)")
    with pytest.raises(secrets.SecretUnusable):
        await secrets.require_same(connection, "incidents", settings())
    assert await connection.fetchval("SELECT count(*) FROM secret_check") == 0
    await connection.close()


@pytest.mark.parametrize("command", [["serve", "all"], ["work"]])
def test_a_process_that_needs_the_secret_ends_with_the_reason_where_it_is_another(
    command: list[str], databases: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "other").write_bytes(random.token_bytes(32))
    require(settings(), "teams", "incidents")
    ended = antt_ends(*command, ANTT_SECRET_KEY_FILE=str(tmp_path / "other"))
    assert ended.returncode == 1
    assert "is not the one with which the database of" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_no_process_makes_a_secret_or_an_issuer_but_a_local_run(tmp_path: Path) -> None:
    for command in (["serve", "incidents"], ["token", "--role", "operator", "--unit", "2024:74"]):
        ended = antt_ends(*command, ANTT_DATA=str(tmp_path))
        assert ended.returncode == 1, command
        assert "Traceback" not in ended.stderr
    assert "antt run" in ended.stderr
    assert list(tmp_path.iterdir()) == []


async def test_a_process_that_does_not_need_the_secret_does_not_read_it(databases: dict[str, str]) -> None:
    nowhere = settings().model_copy(update={"secret_key_file": "/nowhere/secret"})
    Service("stats", nowhere)
    # In a thread, for it has an event loop of its own.
    await asyncio.to_thread(require, nowhere, "stats")
    await asyncio.to_thread(partial(require, nowhere, "teams", secret=False))
    with pytest.raises(secrets.SecretUnusable):
        Service("incidents", nowhere)


def antt_ends(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=200,
    )


FOREIGN = "postgresql://antt@127.0.0.1:1/teams"
PRODUCTION = {"jwks": "/etc/jwks.json", "issuer": "https://id", "audience": "antt", "secret_key_file": "/etc/secret"}


@pytest.mark.parametrize(
    "outside", [{"host": "0.0.0.0"}, {"teams_database_url": FOREIGN}, {"stats_database_url": FOREIGN}]
)
@pytest.mark.parametrize("lacking", PRODUCTION)
def test_outside_a_local_run_nothing_starts_with_keys_taken_for_granted(
    outside: dict[str, str], lacking: str, databases: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    whole = Settings(**{**PRODUCTION, **outside})  # type: ignore[arg-type]
    assert list(refusals(whole)) == []
    lacks = Settings(**{name: value for name, value in {**PRODUCTION, **outside}.items() if name != lacking})  # type: ignore[arg-type]
    assert any(f"ANTT_{lacking.upper()}" in reason for reason in refusals(lacks))
    with pytest.raises(secrets.SecretUnusable, match=f"ANTT_{lacking.upper()}"):
        Service("incidents", lacks)


def test_outside_a_local_run_nothing_runs_as_root(monkeypatch: pytest.MonkeyPatch, databases: dict[str, str]) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert list(refusals(settings())) == [], "a local run may be root's"
    (reason,) = refusals(Settings(**PRODUCTION, host="0.0.0.0"))  # type: ignore[arg-type]
    assert "as root" in reason


def test_outside_a_local_run_no_superuser_of_the_database_serves(
    monkeypatch: pytest.MonkeyPatch, databases: dict[str, str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    outside = Settings(**{**PRODUCTION, "secret_key_file": str(settings().keys / "secret")}, host="0.0.0.0")  # type: ignore[arg-type]
    with pytest.raises(NotStarted, match="superuser"):
        require(outside, "incidents")
    require(settings(), "incidents")


@pytest.mark.parametrize("set_", [{"jwks": "/etc/jwks.json"}, {"host": "0.0.0.0"}])
def test_tokens_are_given_by_a_local_runs_issuer_alone(set_: dict[str, str], databases: dict[str, str]) -> None:
    with pytest.raises(NoIssuer, match="ANTT_JWKS"):
        issue_token(Settings(**set_), "operator", "2024:74")  # type: ignore[arg-type]
    assert issue_token(settings(), "operator", "2024:74")
