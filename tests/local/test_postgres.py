"""The PostgreSQL of a local run: durable, private, and never left behind."""

import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from deploy.local import AlreadyRunning, postgres
from tests.conftest import eventually
from tests.local.conftest import children_of, gone, is_root, parent_of


async def connect(data: Path) -> asyncpg.Connection:
    """A connection to the database of teams."""
    socket = (data / "postgres.socket").read_text().strip()
    return await asyncpg.connect(f"postgresql:///teams?host={socket}&user=antt")


async def remember(data: Path) -> None:
    """Commit a row."""
    connection = await connect(data)
    await connection.execute("CREATE TABLE kept (word text); INSERT INTO kept VALUES ('còn')")
    await connection.close()


async def recall(data: Path) -> str:
    """The committed row."""
    connection = await connect(data)
    word: str = await connection.fetchval("SELECT word FROM kept")
    await connection.close()
    return word


def server_of(data: Path) -> int:
    """The process that the pid file names."""
    return int((data / "postgres" / "postmaster.pid").read_text().splitlines()[0])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder whose server runs, for tests that only look."""
    data = tmp_path_factory.mktemp("served")
    with postgres.running(data):
        yield data


async def test_what_is_committed_is_on_the_disk(served: Path) -> None:
    connection = await connect(served)
    for setting in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
        assert await connection.fetchval("SELECT current_setting($1)", setting) == "on", setting
    await connection.close()


async def test_each_service_has_a_database_that_sorts_alike_on_every_machine(served: Path) -> None:
    connection = await connect(served)
    rows = await connection.fetch("SELECT datname, datlocprovider::text, datlocale FROM pg_database")
    await connection.close()
    assert {"teams", "incidents", "stats"} <= {row["datname"] for row in rows}
    assert {(row["datlocprovider"], row["datlocale"]) for row in rows} == {("b", "C.UTF-8")}


def test_only_the_server_and_root_may_enter_the_folder_of_its_socket(served: Path) -> None:
    socket = Path((served / "postgres.socket").read_text().strip())
    assert socket.stat().st_mode & 0o777 == 0o700
    assert (served / "postgres" / "postmaster.pid").read_text().splitlines()[5] == ""  # no address


@pytest.mark.skipif(not is_root(), reason="only root is replaced by another user")
def test_root_gives_the_server_to_a_user_that_may_do_little(served: Path) -> None:
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{server_of(served)}/status").read_text().splitlines())
    assert {int(uid) for uid in status["Uid"].split()} == {pwd.getpwnam(postgres.SERVER_USER).pw_uid}
    # One power at most: that of passing through folders which are closed to others.
    assert int(status["CapEff"], 16).bit_count() == 1
    assert status["Groups"].split() in ([], [status["Gid"].split()[0]])


@pytest.mark.skipif(not is_root(), reason="only root is replaced by another user")
def test_servers_that_start_together_on_a_fresh_machine_have_one_user(tmp_path: Path) -> None:
    name, begin = f"antt-test-{uuid4().hex[:8]}", tmp_path / "begin"
    program = f"""
import pwd, time
from pathlib import Path
from uuid import uuid4
from deploy.local.postgres import server_user
print("ready", flush=True)
while not Path({str(begin)!r}).exists():
    time.sleep(0.001)
print(pwd.getpwnam(server_user({name!r})).pw_uid)
"""
    try:
        servers = [
            subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(4)
        ]
        for server in servers:
            assert server.stdout
            assert server.stdout.readline() == "ready\n"
        begin.touch()
        numbers = {server.communicate(timeout=60)[0] for server in servers}
        assert numbers == {f"{pwd.getpwnam(name).pw_uid}\n"}
    finally:
        subprocess.run(["userdel", name], check=False)


def test_a_second_server_of_a_folder_is_refused_in_words(served: Path) -> None:
    with pytest.raises(AlreadyRunning, match=f"stop process {server_of(served)} first"):
        postgres.await_end_of_others(served / "postgres", seconds=0.1)


async def test_no_server_outlives_its_killed_parent(folder: Path) -> None:
    with parent_of("postgres", folder) as parent:
        await remember(folder)
        servers = children_of(parent.pid)
        assert server_of(folder) in {each.pid for each in servers}
        parent.kill()
        await eventually(lambda: gone(servers), seconds=60)
    with postgres.running(folder):
        assert await recall(folder) == "còn"


async def test_a_killed_server_comes_back_with_what_was_committed(folder: Path) -> None:
    with postgres.running(folder):
        await remember(folder)
        os.kill(server_of(folder), signal.SIGKILL)
        # At once: the dead server's backends may still be there.
        with postgres.running(folder):
            assert await recall(folder) == "còn"


async def test_a_pid_file_that_names_a_stranger_does_not_stop_the_start(folder: Path) -> None:
    with postgres.running(folder):
        await remember(folder)
        os.kill(server_of(folder), signal.SIGKILL)
        pid_file = folder / "postgres" / "postmaster.pid"
        _, _, rest = pid_file.read_text().partition("\n")
        pid_file.write_text(f"{os.getpid()}\n{rest}")
        with postgres.running(folder):
            assert await recall(folder) == "còn"


async def test_a_copied_data_folder_has_a_socket_of_its_own(folder: Path, tmp_path: Path) -> None:
    with postgres.running(folder):
        original = (folder / "postgres.socket").read_text()
        copy = tmp_path / "copy"
        copy.mkdir()
        (copy / "postgres.socket").write_text(original)
        with postgres.running(copy):
            assert (copy / "postgres.socket").read_text() != original


async def test_the_servers_log_tells_no_value_that_was_refused(data: Path) -> None:
    socket = (data / "postgres.socket").read_text().strip()
    connection = await asyncpg.connect(f"postgresql:///postgres?host={socket}&user=antt")
    await connection.execute("CREATE TEMPORARY TABLE said (reference text PRIMARY KEY CHECK (reference <> 'MARK-2'))")
    await connection.execute("INSERT INTO said VALUES ($1)", "MARK-1")
    for refused in ("MARK-1", "MARK-2"):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await connection.execute("INSERT INTO said VALUES ($1)", refused)
    await connection.close()
    log = (data / "logs" / "postgres.log").read_text()
    assert "said" in log
    assert "MARK" not in log
