"""kill -9 in the middle of an upload, and a disk that is full: no half record, nothing lost, nothing that stays for ever."""

import asyncio
import resource
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from shared.access.issuer import issue_token
from shared.settings import settings
from tests.conftest import COMMUNE, Antt, eventually
from tests.faults.conftest import PATIENCE, Installation, installed
from tests.incidents.conftest import CASES, a_case, kind_of, opened
from tests.local.conftest import is_root
from tests.shared.files.made import a_wav, an_amr, an_ogg
from tests.shared.files.sending import attached, send


@pytest.fixture(scope="module")
def its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation of its own, for its outbox tells of more than tips."""
    with installed(tmp_path_factory.mktemp("attachments"), "embedded") as installation:
        yield installation


def contents(installation: Installation) -> list[str]:
    """The names of all files in its store, half-written ones too."""
    return sorted(path.name for path in (installation.data / "store").rglob("*") if path.is_file())


async def test_an_upload_that_is_killed_leaves_nothing_for_long_and_can_be_sent_again(its_own: Installation) -> None:
    await its_own.ready()
    officer = {"Authorization": f"Bearer {issue_token(its_own.settings, 'commune_officer', COMMUNE)}"}
    async with (
        httpx.AsyncClient(base_url=f"http://localhost:{its_own.port}", timeout=60, headers=officer) as http,
        its_own.connection("incidents") as rows,
    ):
        case = (await http.post(CASES, json=a_case())).json()["id"]
        files = f"{CASES}/{case}/attachments"

        async def post(content: bytes) -> httpx.Response:
            return await http.post(files, files={"file": ("a", content)})

        # Half of a form has come; of two others the objects are in the store, and their rows wait for a lock held here.
        half_sent, killed = asyncio.Event(), asyncio.Event()

        async def half() -> AsyncIterator[bytes]:
            yield (
                b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + a_wav() + bytes(5_000_000)
            )
            half_sent.set()
            await killed.wait()
            yield bytes(5_000_000)

        async with rows.transaction():
            await rows.execute("LOCK TABLE attachments IN EXCLUSIVE MODE")
            form = {"Content-Type": "multipart/form-data; boundary=x"}
            sending = [
                asyncio.create_task(http.post(files, content=half(), headers=form)),
                asyncio.create_task(post(an_ogg())),
                asyncio.create_task(post(an_amr())),
            ]
            await half_sent.wait()
            # Whole ones: what is half-written when its writer is killed lies there until it is old itself.
            await eventually(
                lambda: len([name for name in contents(its_own) if "#" not in name]) == 2, seconds=PATIENCE
            )
            its_own.kill("all")
            killed.set()
            for each in await asyncio.gather(*sending, return_exceptions=True):
                assert isinstance(each, httpx.TransportError)
        await its_own.ready()
        assert await rows.fetchval("SELECT count(*) FROM attachments") == 0
        assert len(contents(its_own)) == 2

        # Sent again one is there; the other, which nobody sends again, is swept when it is old, as the job begins.
        assert (await eventually(lambda: _sent(post, an_ogg()), seconds=PATIENCE)).status_code == 201
        await rows.execute("UPDATE attachment_contents SET touched_at = touched_at - interval '2 days'")
        its_own.kill("all")
        await eventually(lambda: len(contents(its_own)) == 1, seconds=PATIENCE)
        await its_own.ready()
        (attachment,) = (await http.get(files)).json()
        got = await http.get(f"{files}/{attachment['id']}")
        assert (got.status_code, got.content) == (200, an_ogg())
        told = await rows.fetch("SELECT subject FROM outbox WHERE type = 'AttachmentAdded'")
        assert [row["subject"] for row in told] == [attachment["id"]]


async def _sent(post: Any, content: bytes) -> httpx.Response | None:
    with suppress(httpx.TransportError):
        answer: httpx.Response = await post(content)
        return answer
    return None


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """The folder as a disk of two megabytes; skipped where only root could mount one."""
    mounted = is_root() and subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder]).returncode == 0
    if not mounted:
        pytest.skip("needs root and the right to mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@contextmanager
def small_files(folder: Path) -> Iterator[None]:
    """No file of this process may have more than two megabytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room", [small_disk, small_files])
@pytest.mark.parametrize("full", ["store", "TMPDIR"])
async def test_a_full_disk_is_told_and_leaves_no_half_record(
    full: str, room: Any, antt: Antt, databases: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    case = await opened(antt, CASES, a_case())
    files = f"{CASES}/{case['id']}/attachments"
    with room(folder):
        if full == "store":
            monkeypatch.setattr(settings(), "store", folder.as_uri())
        else:
            monkeypatch.setattr(tempfile, "tempdir", str(folder))
        answer = await send(antt, files, a_wav() + bytes(4_000_000))
        assert kind_of(answer) == (503, "store-unavailable")
        assert answer.headers["retry-after"]
        assert not [path for path in folder.rglob("*") if path.is_file()]
        assert (await antt.get(files, antt.token())).json() == []
        # What there is room for goes on.
        await attached(antt, files, a_wav())
        await opened(antt, CASES, a_case())
    connection = await asyncpg.connect(databases["incidents"])
    assert await connection.fetchval("SELECT count(*) FROM attachments") == 1
    assert await connection.fetchval("SELECT count(*) FROM outbox WHERE type = 'AttachmentAdded'") == 1
    await connection.close()
