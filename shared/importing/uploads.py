"""Where a file waits for its job: in the store, sealed, since it may name whom the law protects.

A file is sealed block by block with a key of its own that comes from the secret outside every database and store, so
it is written as it comes in and read from any place without ever lying open.
"""

import io
from collections.abc import AsyncIterable, AsyncIterator, Collection
from datetime import timedelta
from uuid import UUID

from cryptography.exceptions import InvalidTag
from obstore.store import ObjectStore

from shared.access.secrets import file_cipher, old_file_cipher
from shared.days import now
from shared.files import sealing
from shared.files.sealing import TAG
from shared.files.store import delete, kept_under, read_range, store_of
from shared.service import Service

BLOCK = sealing.BLOCK


def path_of(folder: str, id: UUID) -> str:
    """Under which name the store keeps an import's file."""
    return f"{folder}/{id}"


def sealed(chunks: AsyncIterable[bytes], id: UUID) -> AsyncIterator[bytes]:
    """The blocks of a file as the store keeps them."""
    return sealing.sealed(chunks, file_cipher(b"imports", id.bytes), BLOCK)


class SealedFile(io.RawIOBase):
    """An import's file in the store, opened: readable from any byte on, a block of it in memory at a time.

    `kept`: how many bytes the store has under `path`. Raises StoreUnavailable, or InvalidTag for a file that was changed.
    """

    def __init__(self, store: ObjectStore, path: str, kept: int, id: UUID) -> None:
        self._store, self._path, self._import = store, path, id
        self._cipher = file_cipher(b"imports", id.bytes)
        self._blocks = -(-kept // (BLOCK + TAG))
        self._size = kept - self._blocks * TAG
        self._at = 0
        self._open: tuple[int, bytes] = (-1, b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """The offset of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to an offset."""
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        """Read on, to the end of a block at most."""
        number, offset = divmod(self._at, BLOCK)
        if self._at >= self._size:
            return 0
        if self._open[0] != number:
            self._open = (number, self._block(number))
        found = self._open[1][offset : offset + len(buffer)]
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)

    def _block(self, number: int) -> bytes:
        start, last = number * (BLOCK + TAG), number == self._blocks - 1
        end = start + (self._size - number * BLOCK if last else BLOCK) + TAG
        kept = read_range(self._store, self._path, start, end)
        nonce, bound = number.to_bytes(12), b"last" if last else b""
        try:
            return self._cipher.decrypt(nonce, kept, bound)
        except InvalidTag:
            # It may have waited for its job since keys were derived otherwise.
            return old_file_cipher(b"imports", self._import.bytes).decrypt(nonce, kept, bound)


async def sweep(service: Service, folder: str, open_ones: Collection[UUID]) -> None:
    """Delete the folder's files that no open import waits for; a younger one may be of an import not committed yet."""
    store, long_ago = store_of(service.settings), now() - timedelta(hours=1)
    wanted = {path_of(folder, id) for id in open_ones}
    async for path, modified_at in kept_under(store, f"{folder}/"):
        if path not in wanted and modified_at < long_ago:
            await delete(store, path)
