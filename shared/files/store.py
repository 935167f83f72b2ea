"""Where files are kept: a folder, or any S3-compatible store. obstore is the one interface to both.

A content has one key, so putting it twice is putting it once, and it is put before the row that names it commits. A store
that is down, refuses or is full is StoreUnavailable, and nothing half-written stays.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import ClassVar, NamedTuple, cast

import obstore
import structlog
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from shared.days import now
from shared.errors import BodyTooLarge, Problem
from shared.settings import Settings

log = structlog.get_logger()

# A part of an upload; two are in flight at a time, so an upload of any size holds some 15 MB.
_PART = 5 * 1024 * 1024
# What is read at once: enough to keep a disk busy, little enough for many downloads at a time.
_CHUNK = 256 * 1024


class StoreUnavailable(Problem):
    """The store is down, refuses, or is full. What was being put is not there, not even in part."""

    status, name = 503, "store-unavailable"
    vi, en = (
        "Kho lưu tệp tạm thời không sẵn sàng hoặc đã đầy; tệp chưa được lưu, hãy gửi lại sau ít phút.",
        "The store of files is unavailable or full for now; the file was not kept, try again in a few minutes.",
    )
    headers: ClassVar = {"Retry-After": "30"}


class Stored(NamedTuple):
    """What was put: the SHA-256 of its bytes in hexadecimal, and how many they are."""

    sha256: str
    bytes: int


def open_store(settings: Settings) -> ObjectStore:
    """The store that ANTT_STORE names; a folder `store` below the data folder when it names none.

    Credentials, region and endpoint of an S3 store come from the variables AWS_… that every such client reads.
    Raises what obstore says of an address that names no store; an S3 store is not asked anything yet.
    """
    if settings.store and not settings.store.startswith("file:"):
        # A store that is down is reported within seconds, and the client comes again; obstore would try for minutes.
        return from_url(
            settings.store,
            client_options={"connect_timeout": "3s", "timeout": "60s", "allow_http": True},
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=10)},
        )
    if settings.store:
        # The operator makes this folder: one made here would lie below the mount point of a disk that is missing.
        return from_url(settings.store)
    folder = (settings.data / "store").resolve()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return from_url(folder.as_uri())


def store_of(settings: Settings) -> ObjectStore:
    """The store of a running service, opened once. Raises StoreUnavailable while it cannot be, as an unmounted folder."""
    key = (settings.store, settings.data)
    if key not in _opened:
        try:
            _opened[key] = open_store(settings)
        except (BaseError, OSError, ValueError) as error:
            raise StoreUnavailable() from error
    return _opened[key]


_opened: dict[tuple[str, Path], ObjectStore] = {}


async def put_capped(store: ObjectStore, key: str, chunks: AsyncIterable[bytes], most: int) -> Stored:
    """Put what `chunks` gives under `key`, whole or not at all; when this returns it survives a power cut.

    It is streamed, some 15 MB of it in memory at a time. Raises BodyTooLarge as soon as more than `most` bytes have
    come, StoreUnavailable, or what `chunks` raises; then there is nothing new under the key.
    """
    sha256, length = hashlib.sha256(), 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal length
        async for chunk in chunks:
            length += len(chunk)
            if length > most:
                raise BodyTooLarge(most_bytes=most)
            sha256.update(chunk)
            yield chunk

    with _as_unavailable():
        await obstore.put_async(store, key, counted(), chunk_size=_PART, max_concurrency=2)
        if isinstance(store, LocalStore):
            await asyncio.to_thread(_flush, store, key)
    return Stored(sha256.hexdigest(), length)


async def chunks_of(store: ObjectStore, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
    """The bytes under `key`, from `start` to before `end`, a quarter of a megabyte at a time.

    Raises StoreUnavailable, also where nothing is under the key: what we have put must be there.
    """
    with _as_unavailable():
        found = await obstore.get_async(
            store, key, options={"range": {"offset": start} if end is None else (start, end)}
        )
        async for chunk in found.stream(min_chunk_size=_CHUNK):
            yield bytes(chunk)


async def size_of(store: ObjectStore, key: str) -> int | None:
    """How many bytes are under `key`; None where there is nothing. Raises StoreUnavailable."""
    with _as_unavailable():
        try:
            return (await obstore.head_async(store, key))["size"]
        except FileNotFoundError:
            return None


def read_range(store: ObjectStore, key: str, start: int, end: int) -> bytes:
    """The bytes from `start` to before `end`, for a thread that reads a file here and there. Raises StoreUnavailable."""
    with _as_unavailable():
        return bytes(obstore.get_range(store, key, start=start, end=end))


async def kept_under(store: ObjectStore, prefix: str) -> AsyncIterator[tuple[str, datetime]]:
    """Each key that begins with the prefix, which ends with `/`, and when it was put. Raises StoreUnavailable."""
    with _as_unavailable():
        async for found in obstore.list(store, prefix):
            for each in found:
                yield each["path"], each["last_modified"]


async def delete(store: ObjectStore, key: str) -> None:
    """Leave nothing under `key`, whether there was something or not. Raises StoreUnavailable."""
    with _as_unavailable():
        try:
            await obstore.delete_async(store, key)
        except FileNotFoundError:
            return


async def remove_half_written(store: ObjectStore, older: timedelta) -> None:
    """Remove what a process that was killed has left of an upload in a folder, if it is older than that.

    In S3 such parts are invisible to us; a rule of the bucket (AbortIncompleteMultipartUpload) removes them.
    """
    if not isinstance(store, LocalStore):
        return

    def remove() -> None:
        before = (now() - older).timestamp()
        # object_store writes beside the key, under its name and a number.
        for path in Path(cast(Path, store.prefix)).rglob("*#*"):
            if path.name.rpartition("#")[2].isdigit() and path.stat().st_mtime < before:
                path.unlink(missing_ok=True)

    with _as_unavailable():
        await asyncio.to_thread(remove)


@contextmanager
def _as_unavailable() -> Iterator[None]:
    """Turn what a store raises into StoreUnavailable; the log has its words, which may name keys but no content."""
    try:
        yield
    except (BaseError, OSError) as error:
        log.warning("store failed", reason=f"{type(error).__name__}: {error}".partition("\n")[0][:300])
        raise StoreUnavailable() from error


def _flush(store: LocalStore, key: str) -> None:
    """Have the file and the folders that lead to it on the disk; object_store leaves that to the operating system."""
    folder = Path(cast(Path, store.prefix))
    file = folder / PurePosixPath(key)
    for path in (file, *(parent for parent in file.parents if parent.is_relative_to(folder))):
        opened = os.open(path, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
