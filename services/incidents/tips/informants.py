"""Who reported a tip: sealed with a key outside the database, opened only for who is entitled, each time with a reason.

Law 30/2023/QH15 and the Law on Denunciations keep it secret: it is in no event, log, counter, list or export.
"""

import os
from functools import lru_cache
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.incidents.tips.schemas import InformantOut, ReportedBy
from shared.auth import secret_for


@lru_cache
def _cipher() -> AESGCM:
    return AESGCM(secret_for(b"informant"))


def seal(tip_id: UUID, informant: ReportedBy) -> bytes:
    """The identity as the database keeps it; it opens for this tip alone."""
    nonce = os.urandom(12)
    return nonce + _cipher().encrypt(nonce, informant.model_dump_json(exclude_none=True).encode(), tip_id.bytes)


def unseal(tip_id: UUID, sealed: bytes) -> InformantOut:
    """The identity that was sealed for this tip."""
    return InformantOut.model_validate_json(_cipher().decrypt(sealed[:12], sealed[12:], tip_id.bytes))
