"""The receipt of a tip: 16 digits that its sender can use and nobody can guess.

It is an HMAC over the tip's id with a key outside the database. So a repeated answer gives it again,
and a stolen table gives none: the table holds only a second keyed hash, by which a receipt is found.

Who guesses is stopped by address, in all processes together: each look-up is reserved before anything is looked at, in
the statement that looks, and given back when the receipt was right. So of a thousand guesses at once ten are looked up.
"""

import asyncio
import hashlib
from uuid import UUID

from services.incidents.tips.models import Tip
from shared.access.secrets import keyed, secret_for
from shared.database import Database
from shared.errors import NotFound, Problem
from shared.limits import network_of
from shared.outbox import row_of
from shared.service import Service

# Of 10^16 receipts a million may be in use: who tries ten a minute finds one in two thousand years.
WRONG_RECEIPTS_A_MINUTE = 10

# $1: address, $2: address with receipt, $3: receipt. Who used this receipt from there rightly before reserves nothing.
_LOOK = f"""
WITH used AS (SELECT FROM receipts_used WHERE pair = $2),
reserved AS (
    INSERT INTO receipt_tries AS tried (address, tries, until)
    SELECT $1, 1, clock_timestamp() + interval '1 minute' WHERE NOT EXISTS (SELECT FROM used)
    ON CONFLICT (address) DO UPDATE SET
        tries = CASE WHEN tried.until < clock_timestamp() THEN 1 ELSE tried.tries + 1 END,
        until = CASE WHEN tried.until < clock_timestamp() THEN excluded.until ELSE tried.until END
    WHERE tried.until < clock_timestamp() OR tried.tries < {WRONG_RECEIPTS_A_MINUTE}
    RETURNING 1
)
SELECT looked.may, looked.first, tips.* FROM (
    SELECT EXISTS (SELECT FROM used) OR EXISTS (SELECT FROM reserved) AS may, EXISTS (SELECT FROM reserved) AS first
) looked LEFT JOIN tips ON looked.may AND tips.receipt_hash = $3
"""
_WAS_RIGHT = """
WITH given_back AS (UPDATE receipt_tries SET tries = greatest(tries - 1, 0) WHERE address = $1)
INSERT INTO receipts_used (pair) VALUES ($2) ON CONFLICT DO NOTHING
"""


class TooManyWrongReceipts(Problem):
    status, name = 429, "too-many-wrong-receipts"
    vi, en = (
        "Đã nhập sai mã biên nhận nhiều lần; hãy thử lại sau một phút.",
        "Too many wrong receipts; try again in a minute.",
    )
    headers = {"Retry-After": "60"}  # noqa: RUF012


def receipt_of(tip_id: UUID) -> str:
    """The tip's receipt."""
    number = int.from_bytes(keyed(b"receipt", tip_id.bytes)[:16])
    return f"{number % 10**16:016d}"


def receipt_hash(receipt: str) -> bytes:
    """What the table keeps of a receipt."""
    return hashlib.blake2b(receipt.encode(), key=secret_for(b"receipt hash"), digest_size=32).digest()


async def tip_of_receipt(database: Database, receipt: str, client: str) -> Tip:
    """The tip of a receipt. NotFound for a wrong one; TooManyWrongReceipts for an address that has tried too many,
    whatever it tries next, but for a receipt that was used rightly from there before."""
    network, hashed = network_of(client), receipt_hash(receipt)
    address, pair = _hash(network.encode()), _hash(network.encode() + b"\0" + hashed)
    looked = await database.fetchrow(_LOOK, address, pair, hashed)
    assert looked is not None
    if not looked["may"]:
        raise TooManyWrongReceipts()
    if looked["id"] is None:
        raise NotFound()
    if looked["first"]:
        await database.fetch(_WAS_RIGHT, address, pair)
    return row_of(Tip, looked)


async def forget(service: Service) -> None:
    """Forget, each hour, the addresses that may try again, and what was used from where a quarter ago; a job."""
    while True:
        await service.database.fetch("DELETE FROM receipt_tries WHERE until < clock_timestamp()")
        await service.database.fetch("DELETE FROM receipts_used WHERE used_at < now() - interval '90 days'")
        await asyncio.sleep(3_600)


def _hash(said: bytes) -> bytes:
    return hashlib.blake2b(said, key=secret_for(b"receipt addresses"), digest_size=16).digest()
