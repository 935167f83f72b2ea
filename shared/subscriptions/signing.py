"""Secrets of webhooks and what they sign, by the Standard Webhooks specification."""

import secrets
from base64 import b64encode
from datetime import datetime
from uuid import UUID

from standardwebhooks import Webhook as Signer

from shared.access import secrets as envelopes


def new_secret() -> str:
    """A secret as a receiver's library takes it: `whsec_` and 32 random bytes in base64."""
    return "whsec_" + b64encode(secrets.token_bytes(32)).decode()


def seal(webhook_id: UUID, secret: str) -> bytes:
    """The secret as the table keeps it: of no use without the deployment's secret, nor for another webhook."""
    return envelopes.seal(b"webhooks", webhook_id.bytes, secret.encode())


def unseal(webhook_id: UUID, sealed: bytes) -> str:
    """The secret that was sealed for this webhook."""
    return envelopes.unseal(b"webhooks", webhook_id.bytes, sealed).decode()


def headers(secrets: list[str], event_id: str, at: datetime, body: bytes) -> list[tuple[str, str]]:
    """The three headers of a delivery: the event's id, the time of this attempt, a signature by each secret."""
    signatures = [Signer(secret).sign(event_id, at, body.decode()) for secret in secrets]
    return [
        ("webhook-id", event_id),
        ("webhook-timestamp", str(int(at.timestamp()))),
        ("webhook-signature", " ".join(signatures)),
    ]
