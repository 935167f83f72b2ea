"""The deployment's secret: one derivation of keys, one envelope for what is sealed, and how a database knows the secret.

The secret is 32 bytes in a file, outside every database and store. Nothing uses it as it is: each purpose has a key that
`secret_for` derives from it. Who needs it are the processes of teams and incidents; the others never read it.
"""

import hashlib
import hmac
import os
import secrets
from functools import lru_cache
from pathlib import Path

import asyncpg
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.settings import Service, Settings, settings

log = structlog.get_logger()

# The databases that hold what a key of the secret has sealed or hashed.
PROTECTED: tuple[Service, ...] = ("teams", "incidents")

# An envelope: version, id of the secret, nonce, then what AES-GCM gives. It was a nonce and that before.
_VERSION = b"\x01"
_KEY_ID, _NONCE = 4, 12


class SecretUnusable(Exception):
    """The secret is not there, is none, or is not the one with which the database was written."""


def secret_file(settings: Settings) -> Path:
    """Where the secret is."""
    return Path(settings.secret_key_file) if settings.secret_key_file else settings.keys / "secret"


def read_secret(settings: Settings) -> bytes:
    """The secret's 32 bytes. Raises SecretUnusable; it is never made here (`make_secret`)."""
    path = secret_file(settings)
    try:
        secret = path.read_bytes()
    except OSError as error:
        raise SecretUnusable(f"the secret {path} cannot be read: {error.strerror}; see ANTT_SECRET_KEY_FILE") from error
    if len(secret) != 32:
        raise SecretUnusable(f"the secret {path} must hold exactly 32 bytes")
    return secret


def make_secret(settings: Settings) -> None:
    """Make the secret of a local run at its first start; `antt run` alone does so."""
    if not settings.secret_key_file:
        write_once(settings.keys / "secret", secrets.token_bytes(32))


def write_once(path: Path, content: bytes) -> None:
    """Write a secret file unless it exists; of processes that start together the first one's content stays."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    draft.touch(mode=0o600)
    draft.write_bytes(content)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


@lru_cache
def secret_for(purpose: bytes) -> bytes:
    """32 bytes derived from the deployment's secret, others for each purpose."""
    return hmac.digest(_secret(), purpose, hashlib.sha256)


def keyed(purpose: bytes, said: bytes) -> bytes:
    """32 bytes by which the same is found again, and of which nobody can tell, without the secret, what it was."""
    return hmac.digest(secret_for(purpose), said, hashlib.sha256)


def seal(purpose: bytes, record: bytes, content: bytes) -> bytes:
    """An envelope that opens for this purpose and this record alone."""
    head, nonce = _head(), os.urandom(_NONCE)
    return head + nonce + _cipher(purpose).encrypt(nonce, content, _bound(head, purpose, record))


def unseal(purpose: bytes, record: bytes, sealed: bytes) -> bytes:
    """What is in the envelope, or in what was sealed before there were envelopes. Raises InvalidTag for anything else."""
    head, nonce = _head(), sealed[len(_head()) : len(_head()) + _NONCE]
    if sealed.startswith(head):
        try:
            return _cipher(purpose).decrypt(nonce, sealed[len(head) + _NONCE :], _bound(head, purpose, record))
        except InvalidTag:
            # One in 2^40 of the old ones begins like an envelope.
            pass
    return _old_cipher(purpose).decrypt(sealed[:_NONCE], sealed[_NONCE:], record)


def file_cipher(purpose: bytes, record: bytes) -> AESGCM:
    """What seals one record's file, block by block (shared/files/sealing.py)."""
    return AESGCM(keyed(b"file " + purpose, record))


def old_file_cipher(purpose: bytes, record: bytes) -> AESGCM:
    """What sealed a file before keys had one derivation."""
    return AESGCM(hashlib.sha256(purpose + _secret() + record).digest())


def check_value(secret: bytes) -> bytes:
    """What a database keeps to know the secret by; it reveals nothing of it."""
    return hmac.digest(secret, b"check value", hashlib.sha256)[:16]


async def require_same(connection: asyncpg.Connection, service: Service, settings: Settings) -> None:
    """Raise SecretUnusable unless the database was written with this secret; an empty one takes it on.

    A database that is older than its check value is asked for an answer that was sealed, if it has one.
    """
    value = check_value(read_secret(settings))
    known = await connection.fetchval("SELECT value FROM secret_check")
    if known is None:
        sealed = await connection.fetchrow("SELECT key, body FROM answers LIMIT 1")
        if sealed is None or _opens(sealed["key"], sealed["body"]):
            await connection.execute("INSERT INTO secret_check (value) VALUES ($1) ON CONFLICT DO NOTHING", value)
            known = await connection.fetchval("SELECT value FROM secret_check")
    if known != value:
        raise SecretUnusable(mismatch(service, settings))


def mismatch(service: Service, settings: Settings) -> str:
    """The reason that is given where secret and database do not belong together."""
    return (
        f"the secret {secret_file(settings)} is not the one with which the database of {service} was written: "
        "restore that one from its backup; with another, receipts, informants and webhooks are lost"
    )


def _opens(key: bytes, body: bytes) -> bool:
    try:
        unseal(b"answers", key, body)
    except InvalidTag:
        return False
    return True


@lru_cache
def _secret() -> bytes:
    return read_secret(settings())


@lru_cache
def _head() -> bytes:
    return _VERSION + secret_for(b"key id")[:_KEY_ID]


@lru_cache
def _cipher(purpose: bytes) -> AESGCM:
    return AESGCM(secret_for(b"sealed " + purpose))


@lru_cache
def _old_cipher(purpose: bytes) -> AESGCM:
    return old_file_cipher(purpose, b"") if purpose == b"answers" else AESGCM(secret_for(purpose))


def _bound(head: bytes, purpose: bytes, record: bytes) -> bytes:
    return head + len(purpose).to_bytes(1) + purpose + record
