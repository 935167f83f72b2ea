"""Idempotency-Key: what makes it safe to send a command again, and what is kept of the key and of the answer."""

import hashlib
import re
from uuid import UUID

from shared.access import secrets

# What is kept under the key, or by a process from before keys named role, unit and team.
FIRST_ANSWER = "SELECT * FROM answers WHERE key = $1 OR key = $2 AND fingerprint = ''"
GUESSABLE = "without a token: a UUID, or 128 random bits (22 characters of base64url, 32 of hex)"
# How many bits a character is worth, by the smallest alphabet that holds all of them.
_ALPHABETS = [
    (re.compile(r"[0-9]+"), 3.3),
    (re.compile(r"[0-9a-f]+|[0-9A-F]+"), 4),
    (re.compile(r"[0-9a-z_+/=.~-]+|[0-9A-Z_+/=.~-]+"), 5.1),
    (re.compile(r"[0-9A-Za-z_+/=.~-]+"), 5.9),
]
_DASHED = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def is_unguessable(text: str) -> bool:
    """Whether an Idempotency-Key is nobody else's by chance: a UUID (RFC 9562, but the nil and the max one), or as long
    as 128 random bits are, and not of the same few characters."""
    if _DASHED.fullmatch(text):
        return UUID(text).version is not None
    worth = next((bits for characters, bits in _ALPHABETS if characters.fullmatch(text)), 0)
    return worth * len(text) >= 128 and len(set(text)) >= 8


class Key:
    """An Idempotency-Key of one caller at one address, and the seal on its answer.

    All that is kept of it and of the input is keyed: who steals the database can try out neither.
    """

    def __init__(self, place: list[str], old_place: list[str], said: bytes, text: bytes) -> None:
        self.key = secrets.keyed(b"answer keys", "\0".join(place).encode() + b"\0" + text)
        self.old_key = hashlib.sha256("\0".join(old_place).encode() + b"\0" + text).digest()
        self.fingerprint = secrets.keyed(b"answer fingerprints", said)

    def seal(self, content: bytes) -> bytes:
        return secrets.seal(b"answers", self.key, content)

    def open(self, key: bytes, sealed: bytes) -> bytes:
        return secrets.unseal(b"answers", key, sealed)
