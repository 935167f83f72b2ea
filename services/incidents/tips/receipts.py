"""The receipt of a tip: 16 digits that its sender can use and nobody can guess.

It is an HMAC over the tip's id with a key outside the database. So a repeated answer gives it again,
and a stolen table gives none: the table holds only a second keyed hash, by which a receipt is found.
"""

import hashlib
import hmac
from functools import lru_cache
from uuid import UUID

from shared.auth import ensure_secret
from shared.settings import settings


@lru_cache
def _key(purpose: bytes) -> bytes:
    return hmac.digest(ensure_secret(settings()), purpose, hashlib.sha256)


def receipt_of(tip_id: UUID) -> str:
    """The tip's receipt."""
    number = int.from_bytes(hmac.digest(_key(b"receipt"), tip_id.bytes, hashlib.sha256)[:16])
    return f"{number % 10**16:016d}"


def receipt_hash(receipt: str) -> bytes:
    """What the table keeps of a receipt."""
    return hashlib.blake2b(receipt.encode(), key=_key(b"receipt hash"), digest_size=32).digest()
