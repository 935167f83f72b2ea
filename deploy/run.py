"""`antt run`: everything on one machine. supervisord starts the programs, restarts what dies, and ends them all.

What runs is the table `programs()`. Each program is a child that the kernel ends when supervisord dies, writes to
DATA/logs, and is started again however often it ends. `migrate` runs until it succeeds once; services come after it.
"""

import fcntl
import os
import shlex
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from math import ceil
from pathlib import Path
from typing import Any, NoReturn, get_args
from xmlrpc.client import Error, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from deploy import starting
from deploy.local import AlreadyRunning, NotStarted, child, postgres
from deploy.local.sockets import becomes_free, private_folder
from shared.access.issuer import make_issuer
from shared.access.secrets import make_secret
from shared.ending import ENDING_SECONDS
from shared.events import REPORTING
from shared.settings import SERVED_AS, Service, Settings, settings

ANTT = [sys.executable, "-m", "deploy.cli"]

SUPERVISOR = """\
; Written by `antt run` at every start.
[supervisord]
logfile=%(ENV_ANTT_DATA)s/logs/supervisord.log
pidfile=%(ENV_ANTT_DATA)s/supervisord.pid

; The one door: a socket that only this user may use, beside PostgreSQL's.
[unix_http_server]
file={socket}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[group:services]
programs={services}
priority=3
"""

# A program that dies within its first second is tried again after 1, 2, 3 … seconds, one that dies later at once;
# supervisord would give up after `startretries`, so that is for ever.
PROGRAM = """
[program:{name}]
command={command}
priority={stage}
autostart={autostart}
autorestart={autorestart}
startsecs={startsecs}
startretries=1000000000
stopsignal={ending}
stopwaitsecs={seconds_to_end}
redirect_stderr=true
stdout_logfile=%(ENV_ANTT_DATA)s/logs/{name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""


@dataclass
class Program:
    """What runs, and how it ends. A lower stage starts earlier and ends later; stage 3 waits for `migrate`."""

    name: str
    command: list[str]
    stage: int = 3
    ending: str = "TERM"
    # What has not ended by then is killed.
    seconds_to_end: float = 4
    once: bool = False


def programs(ports: dict[Service, int], kafka_port: int, settings: Settings) -> list[Program]:
    """What runs. A database or a broker that the settings name is somebody else's, and so is not among it."""
    table = [Program("migrate", [sys.executable, "-m", "deploy.run"], stage=2, once=True)]
    if not all(getattr(settings, f"{service}_database_url") for service in get_args(Service)):
        # Its last checkpoint may take a while; without it the next start takes longer.
        table += [Program("postgres", [*ANTT, "postgres"], stage=1, ending="INT", seconds_to_end=20)]
    # What nobody waits for ends at once; a request in flight is given its time, and then its tasks theirs.
    to_answer = settings.drain_seconds + ENDING_SECONDS + 5
    if settings.log == "embedded":
        command = [*ANTT, "serve", "all", "--port", str(ports["teams"])]
        return [*table, Program("all", command, seconds_to_end=to_answer)]
    if kafka_port:
        table += [Program("kafka", [*ANTT, "kafka", "--port", str(kafka_port)], stage=1)]
    for service, port in ports.items():
        command = [*ANTT, "serve", service, "--port", str(port)]
        table += [Program(service, command, seconds_to_end=to_answer)]
    return [
        *table,
        *(Program(f"relay-{service}", [*ANTT, "relay", service]) for service in REPORTING),
        Program("count", [*ANTT, "count"]),
        Program("work", [*ANTT, "work"]),
    ]


def run(port: int) -> NoReturn:
    """Become the supervisor of this data folder. Raises NotStarted."""
    began = time.monotonic()
    data = settings().data.resolve()
    starting.require_settings(settings())
    (data / "logs").mkdir(parents=True, exist_ok=True)
    hold(data / "run.lock")
    # The settings of an earlier run are nothing to this one.
    (data / SERVED_AS).unlink(missing_ok=True)
    settings.cache_clear()
    if settings().local:
        make_secret(settings())
        make_issuer(settings())
    one_port = settings().log == "embedded"
    ports = {service: port if one_port else port + offset for offset, service in enumerate(get_args(Service))}
    for taken in ports.values():
        if not becomes_free(taken):
            raise NotStarted(f"port {taken} is in use: choose another with --port")
    kafka_port = 0
    if settings().log == "kafka" and not settings().kafka_bootstrap:
        from deploy.local.kafka import port_of

        kafka_port = port_of(data)
    table = programs(ports, kafka_port, settings())
    # The programs find each other through the environment, as they do wherever else they run.
    os.environ |= {"ANTT_DATA": str(data), "ANTT_LOG": settings().log}
    if kafka_port:
        os.environ["ANTT_KAFKA_BOOTSTRAP"] = f"127.0.0.1:{kafka_port}"
    # Where the ports are reached otherwise, behind an ingress say, whoever runs it knows that.
    for name, service in (("TEAMS", "teams"), ("INCIDENTS", "incidents"), ("PUBLIC", "incidents")):
        os.environ.setdefault(f"ANTT_{name}_URL", f"http://localhost:{ports[service]}")
    settings.cache_clear()
    settings().tell_beside()
    sockets = private_folder(data / "postgres.socket", postgres.server_user())
    configuration = data / "supervisord.conf"
    configuration.write_text(describe(table, sockets))
    # supervisord takes a closed terminal for the wish to start everything anew; watch() ends it then.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    supervisor = os.getpid()
    if os.fork() == 0:
        clean_up_after(supervisor, sockets)
        watch(supervisor, data, ports, began)
    os.execv(sys.executable, [sys.executable, "-m", "supervisor.supervisord", "-ns", "-c", str(configuration)])


def hold(lock: Path, seconds: float = 5) -> None:
    """Lock the data folder as long as this process lives, whatever program it becomes. Raises AlreadyRunning."""
    deadline = time.monotonic() + seconds
    held = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    while True:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            # One that is just ending is given a moment.
            if time.monotonic() > deadline:
                holder = lock.read_text().strip()
                raise AlreadyRunning(f"{lock.parent} is already served: stop process {holder} first") from None
        time.sleep(0.05)
    os.set_inheritable(held, True)
    os.truncate(held, 0)
    os.write(held, f"{os.getpid()}\n".encode())


def clean_up_after(supervisor: int, sockets: Path) -> None:
    """When supervisord has gone, remove the folder of sockets, which nothing else would; until then live on.

    This process shares supervisord's lock, so the next run of the data folder finds all of it done.
    """

    def clean_up(*_: object) -> None:
        shutil.rmtree(sockets, ignore_errors=True)
        os._exit(0)

    signal.signal(signal.SIGUSR1, clean_up)
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: say("Ending …"))
    child.end_with(supervisor, "USR1")


def describe(table: list[Program], sockets: Path) -> str:
    """supervisord's configuration for these programs."""
    services = ",".join(program.name for program in table if program.stage == 3)
    sections = [SUPERVISOR.format(socket=sockets / "supervisor", services=services)]
    for program in table:
        command = child.command(program.command, parent=os.getpid(), ending=program.ending)
        sections += PROGRAM.format(
            name=program.name,
            # A percent sign begins a substitution there.
            command=shlex.join(command).replace("%", "%%"),
            stage=program.stage,
            autostart=program.stage < 3,
            autorestart="unexpected" if program.once else "true",
            startsecs=0 if program.once else 1,
            ending=program.ending,
            seconds_to_end=ceil(program.seconds_to_end),
        )
    return "".join(sections)


@contextmanager
def supervisor(data: Path) -> Iterator[Any]:
    """The functions that supervisord offers on its socket."""
    sockets = (data / "postgres.socket").read_text().strip()
    transport = SupervisorTransport(serverurl=f"unix://{sockets}/supervisor")
    with ServerProxy("http://localhost", transport=transport) as proxy:
        yield proxy.supervisor


def pids(data: Path) -> dict[str, int]:
    """The processes of a running `antt run`, by the names of its programs."""
    with supervisor(data) as its:
        return {program["name"]: program["pid"] for program in its.getAllProcessInfo() if program["pid"]}


def open_services() -> None:
    """Migrate the databases once they answer, then have the services started."""
    from migrations.run import migrate

    data = settings().data
    with supervisor(data) as its:
        started = {program["name"] for program in its.getAllProcessInfo()}
    if "postgres" in started:
        postgres.await_ready(data)
    if "kafka" in started:
        from deploy.local import kafka

        kafka.await_ready(settings().bootstrap, data / "logs" / "kafka.log")
    for service in get_args(Service):
        migrate(settings(), service)
    with supervisor(data) as its:
        its.startProcessGroup("services", False)


def watch(parent: int, data: Path, ports: dict[Service, int], began: float) -> NoReturn:
    """Say to the person at the terminal when all is ready, and which program died, with its last words if it keeps dying."""
    # Asked before anything is printed, for who reads it may close the terminal at once.
    ready, terminal = False, os.isatty(2)
    say(f"Starting in {data}")
    deaths: Counter[str] = Counter()
    stopped: dict[str, int] = {}
    while True:
        time.sleep(0.5)
        if terminal and not os.isatty(2):
            os.kill(parent, signal.SIGTERM)
        if not ready and all(is_ready(service, port) for service, port in ports.items()):
            ready = True
            say(f"Ready after {time.monotonic() - began:.1f} s")
            for service, port in ports.items():
                say(f"  {service:10} http://localhost:{port}/{service}/v1/docs")
        try:
            with supervisor(data) as its:
                if its.getState()["statename"] != "RUNNING":
                    continue
                found = its.getAllProcessInfo()
        except (OSError, Error, HTTPException):
            continue
        for program in found:
            name, stop = program["name"], program["stop"]
            done = program["statename"] == "EXITED" and program["exitstatus"] == 0
            if stop == stopped.get(name, 0) or done:
                continue
            stopped[name] = stop
            deaths[name] += 1
            log = data / "logs" / f"{name}.log"
            say(f"{name} ended and is started again; see {log}")
            # At the 2nd, 4th, 8th … time: enough to be read, too little to hide the rest.
            if deaths[name] > 1 and deaths[name].bit_count() == 1:
                say(*(f"  | {line}" for line in log.read_text(errors="replace").splitlines()[-15:]))


def is_ready(service: Service, port: int) -> bool:
    """Whether a service says that it can do its work."""
    connection = HTTPConnection("localhost", port, timeout=1)
    try:
        connection.request("GET", f"/{service}/health/ready")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def say(*lines: str) -> None:
    """Print for the person at the terminal, if that is still there."""
    with suppress(OSError):
        print(*lines, sep="\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    open_services()
