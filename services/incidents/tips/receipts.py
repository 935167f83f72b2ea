"""The receipt of a tip: 16 digits that its sender can use and nobody can guess.

It is an HMAC over the tip's id with a key outside the database. So a repeated answer gives it again,
and a stolen table gives none: the table holds only a second keyed hash, by which a receipt is found.
"""

import hashlib
import hmac
from uuid import UUID

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from shared.auth import secret_for
from shared.database import Database, Row
from shared.errors import NotFound, Problem

# Of 10^16 receipts a million may be in use: who tries ten a minute finds one in two thousand years.
WRONG_RECEIPTS = RateLimitItemPerMinute(10)
_wrong = MovingWindowRateLimiter(MemoryStorage())


class TooManyWrongReceipts(Problem):
    status, name = 429, "too-many-wrong-receipts"
    vi, en = (
        "Đã nhập sai mã biên nhận nhiều lần; hãy thử lại sau một phút.",
        "Too many wrong receipts; try again in a minute.",
    )
    headers = {"Retry-After": "60"}  # noqa: RUF012


def receipt_of(tip_id: UUID) -> str:
    """The tip's receipt."""
    number = int.from_bytes(hmac.digest(secret_for(b"receipt"), tip_id.bytes, hashlib.sha256)[:16])
    return f"{number % 10**16:016d}"


def receipt_hash(receipt: str) -> bytes:
    """What the table keeps of a receipt."""
    return hashlib.blake2b(receipt.encode(), key=secret_for(b"receipt hash"), digest_size=32).digest()


async def tip_of_receipt(database: Database, receipt: str, client: str) -> Row:
    """The tip of a receipt. NotFound for a wrong one, after the same single look-up; TooManyWrongReceipts for an address
    that has tried too many, whatever it tries next."""
    if not _wrong.test(WRONG_RECEIPTS, client):
        raise TooManyWrongReceipts()
    row = await database.fetchrow("SELECT * FROM tips WHERE receipt_hash = $1", receipt_hash(receipt))
    if row is None:
        _wrong.hit(WRONG_RECEIPTS, client)
        raise NotFound()
    return dict(row)
