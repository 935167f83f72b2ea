"""Secrets of webhooks and what they sign, by the Standard Webhooks specification."""

import os
import secrets
from base64 import b64encode
from datetime import datetime
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from standardwebhooks import Webhook as Signer

from shared.auth import secret_for


def new_secret() -> str:
    """A secret as a receiver's library takes it: `whsec_` and 32 random bytes in base64."""
    return "whsec_" + b64encode(secrets.token_bytes(32)).decode()


def seal(webhook_id: UUID, secret: str) -> bytes:
    """The secret as the table keeps it: of no use without the deployment's secret, nor for another webhook."""
    nonce = os.urandom(12)
    return nonce + _cipher().encrypt(nonce, secret.encode(), webhook_id.bytes)


def unseal(webhook_id: UUID, sealed: bytes) -> str:
    """The secret that was sealed for this webhook."""
    return _cipher().decrypt(sealed[:12], sealed[12:], webhook_id.bytes).decode()


def headers(secrets: list[str], event_id: str, at: datetime, body: bytes) -> list[tuple[str, str]]:
    """The three headers of a delivery: the event's id, the time of this attempt, a signature by each secret."""
    signatures = [Signer(secret).sign(event_id, at, body.decode()) for secret in secrets]
    return [
        ("webhook-id", event_id),
        ("webhook-timestamp", str(int(at.timestamp()))),
        ("webhook-signature", " ".join(signatures)),
    ]


def _cipher() -> AESGCM:
    return AESGCM(secret_for(b"webhooks"))
