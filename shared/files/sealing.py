"""Files that lie sealed: AES-GCM block by block, so that one is written as it comes in and read from any place.

A cipher must be of one content alone, for a block's number is its nonce; who makes one takes the secret that is outside
every database and store (shared/access/secrets.py), so a stolen disk or bucket reveals nothing.
"""

from collections.abc import AsyncIterable, AsyncIterator

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from obstore.store import ObjectStore

from shared.files.store import StoreUnavailable, chunks_of

log = structlog.get_logger()

BLOCK = 1 << 20
# What a seal adds to each block.
TAG = 16


async def sealed(chunks: AsyncIterable[bytes], cipher: AESGCM, block: int = BLOCK) -> AsyncIterator[bytes]:
    """The blocks of a file as the store keeps them; of nothing, one empty block."""
    number, held = 0, bytearray()
    async for chunk in chunks:
        held += chunk
        # The last block is marked, so one more byte than a block must be there before it is known not to be.
        while len(held) > block:
            yield _seal(cipher, number, bytes(held[:block]), last=False)
            del held[:block]
            number += 1
    yield _seal(cipher, number, bytes(held), last=True)


def sealed_size(length: int) -> int:
    """How many bytes a file of that length has once it is sealed."""
    return length + max(-(-length // BLOCK), 1) * TAG


async def unsealed(
    store: ObjectStore, key: str, cipher: AESGCM, length: int, start: int, end: int
) -> AsyncIterator[bytes]:
    """The bytes from `start` to before `end` of a file that has `length` of them, at least one, a block at a time.

    Raises StoreUnavailable, also where what is under the key is not what was sealed.
    """
    number, last = start // BLOCK, (length - 1) // BLOCK
    beyond = min((end - 1) // BLOCK + 1, last + 1)
    held = bytearray()
    from_, to = number * (BLOCK + TAG), min(beyond * (BLOCK + TAG), sealed_size(length))
    async for chunk in chunks_of(store, key, from_, to):
        held += chunk
        while number < beyond and len(held) >= (whole := BLOCK + TAG if number < last else length - last * BLOCK + TAG):
            block = _open(cipher, number, bytes(held[:whole]), last=number == last)
            del held[:whole]
            yield block[max(start - number * BLOCK, 0) : end - number * BLOCK]
            number += 1
    if number < beyond:
        log.error("a sealed file is too short", key=key)
        raise StoreUnavailable()


def _open(cipher: AESGCM, number: int, content: bytes, *, last: bool) -> bytes:
    """What was sealed. Raises StoreUnavailable for anything else."""
    try:
        return cipher.decrypt(number.to_bytes(12), content, b"last" if last else b"")
    except InvalidTag:
        log.error("a sealed file was changed, or the secret was", block=number)
        raise StoreUnavailable() from None


def _seal(cipher: AESGCM, number: int, block: bytes, *, last: bool) -> bytes:
    return cipher.encrypt(number.to_bytes(12), block, b"last" if last else b"")
