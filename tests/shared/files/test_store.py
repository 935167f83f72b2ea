"""The store of files: the same promises over a folder and over a real S3 server."""

import asyncio
import hashlib
import os
import resource
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import obstore
import pytest
from obstore.store import ObjectStore

from deploy.local import s3
from shared.errors import BodyTooLarge
from shared.files.store import (
    Stored,
    StoreUnavailable,
    chunks_of,
    delete,
    open_store,
    put_capped,
    remove_half_written,
    size_of,
)
from shared.settings import Settings, settings
from tests.local.conftest import is_root

MEGABYTE = 1024 * 1024


@pytest.fixture
def store(stored_in: str) -> ObjectStore:
    """An empty store."""
    return open_store(settings())


async def parts(*contents: bytes) -> AsyncIterator[bytes]:
    """Contents as they come in."""
    for content in contents:
        yield content


async def content_of(store: ObjectStore, key: str, start: int = 0, end: int | None = None) -> bytes:
    """All that is under a key."""
    return b"".join([chunk async for chunk in chunks_of(store, key, start, end)])


async def keys(store: ObjectStore) -> list[str]:
    """What there is."""
    return [found["path"] for found in await store.list().collect_async()]


async def test_what_is_put_is_there_with_its_hash(store: ObjectStore) -> None:
    content = os.urandom(11 * MEGABYTE)
    stored = await put_capped(store, "a/b", parts(content[:100], content[100:]), len(content))
    assert stored == Stored(hashlib.sha256(content).hexdigest(), len(content))
    assert await size_of(store, "a/b") == len(content)
    assert await content_of(store, "a/b") == content
    assert await content_of(store, "a/b", 100, 200) == content[100:200]
    assert await content_of(store, "a/b", len(content) - 7) == content[-7:]
    await delete(store, "a/b")
    await delete(store, "a/b")
    assert await size_of(store, "a/b") is None
    with pytest.raises(StoreUnavailable):
        await content_of(store, "a/b")


async def test_nothing_has_a_hash_too(store: ObjectStore) -> None:
    assert await put_capped(store, "empty", parts(), 10) == Stored(hashlib.sha256().hexdigest(), 0)
    assert await size_of(store, "empty") == 0


@pytest.mark.parametrize("size", [100, 12 * MEGABYTE])
async def test_what_is_too_much_or_breaks_off_leaves_nothing(store: ObjectStore, size: int) -> None:
    async def breaks_off() -> AsyncIterator[bytes]:
        yield bytes(size)
        raise ConnectionResetError

    with pytest.raises(BodyTooLarge):
        await put_capped(store, "a", parts(bytes(size), b"1"), size)
    with pytest.raises(StoreUnavailable):  # an OSError, as a client's broken connection or a disk's failure is
        await put_capped(store, "a", breaks_off(), 2 * size)
    assert await keys(store) == []


@pytest.mark.slow
async def test_a_file_of_two_hundred_megabytes_is_streamed(store: ObjectStore) -> None:
    async def much() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield os.urandom(MEGABYTE)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    stored = await put_capped(store, "much", much(), 200 * MEGABYTE)
    seen = hashlib.sha256()
    async for chunk in chunks_of(store, "much"):
        seen.update(chunk)
    assert seen.hexdigest() == stored.sha256
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    assert grown < 60, f"{grown} MB"
    await delete(store, "much")


async def test_a_store_that_is_down_is_reported_and_comes_back(
    s3_server: s3.S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_server.variables.items():
        monkeypatch.setenv(name, value)
    store = open_store(Settings(store="s3://antt/down"))
    s3_server.stop()
    try:
        for call in (put_capped(store, "a", parts(b"a"), 1), size_of(store, "a"), delete(store, "a")):
            with pytest.raises(StoreUnavailable):
                await call
    finally:
        s3_server.start()
    assert (await put_capped(store, "a", parts(b"a"), 1)).bytes == 1


async def test_a_bucket_that_is_none_and_a_wrong_key_are_reported(
    s3_server: s3.S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_server.variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StoreUnavailable):
        await put_capped(open_store(Settings(store="s3://nobody/a")), "a", parts(b"a"), 1)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(StoreUnavailable):
        await put_capped(open_store(Settings(store="s3://antt/a")), "a", parts(b"a"), 1)


async def test_a_folder_that_refuses_is_reported(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    store = open_store(Settings(store=(tmp_path / "store").as_uri()))
    # Root may write wherever it likes, so a file stands where a folder would have to be.
    if is_root():
        (tmp_path / "store" / "a").write_bytes(b"")
    else:
        (tmp_path / "store").chmod(0o500)
    with pytest.raises(StoreUnavailable):
        await put_capped(store, "a/b", parts(b"a"), 1)


async def test_a_folder_that_is_missing_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(obstore.exceptions.BaseError):
        open_store(Settings(store=(tmp_path / "unmounted").as_uri()))
    assert not (tmp_path / "unmounted").exists()


async def test_what_a_killed_process_has_half_written_is_removed_once_it_is_old(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    setting = Settings(store=(tmp_path / "store").as_uri())
    program = f"""
import asyncio
from shared.settings import Settings
from shared.files.store import open_store, put_capped
async def slowly():
    for _ in range(20):
        yield bytes(1024 * 1024)
    print("half", flush=True)
    await asyncio.Event().wait()
asyncio.run(put_capped(open_store(Settings(store={setting.store!r})), "a/b", slowly(), 1 << 30))
"""
    writing = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=subprocess.PIPE)
    assert writing.stdout
    assert await writing.stdout.readline() == b"half\n"
    writing.kill()
    await writing.wait()
    (tmp_path / "store" / "a" / "no#number").write_bytes(b"")

    def there() -> list[str]:
        return sorted(path.name for path in (tmp_path / "store" / "a").iterdir())

    assert there() == ["b#1", "no#number"]
    store = open_store(setting)
    assert await keys(store) == ["a/no#number"]
    await remove_half_written(store, timedelta(hours=1))
    assert there() == ["b#1", "no#number"]
    await remove_half_written(store, timedelta(0))
    assert there() == ["no#number"]
