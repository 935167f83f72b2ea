"""The command `antt`: a thin list. Each command imports what does its work when it is called, so that help is fast.

Every setting is an environment variable ANTT_…; an option sets it for this one command and all that it starts.
"""

import os
import sys
from collections.abc import Callable, Coroutine
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer

from deploy.local import NotStarted
from shared.events import REPORTING
from shared.settings import Service

# A service that reports events, and so has an outbox.
if TYPE_CHECKING:
    Reporting = Service
else:
    Reporting = Literal[REPORTING]


class CommandLine(typer.Typer):
    """A command line that says in a line what a person can mend, without a traceback."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().__call__(*args, **options)
        except NotStarted as error:
            sys.exit(f"antt: {error}")


app = CommandLine(
    help="Counts what the grassroots security-and-order force achieves, from every report as it comes in.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def show_version(asked: bool) -> None:
    """What `--version` does."""
    if asked:
        typer.echo(f"antt {version('antt')}")
        raise typer.Exit()


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version and end")
    ] = False,
) -> None:
    """Counts what the grassroots security-and-order force achieves, from every report as it comes in."""


def sets(variable: str) -> Callable[[Any], Any]:
    """An option's callback: the value goes into the environment, where shared/settings.py reads it."""

    def write(value: Any) -> Any:
        if value is not None:
            os.environ[variable] = str(value)
        return value

    return write


Data = Annotated[
    Path | None,
    typer.Option(help="Folder of databases, broker, keys and logs [ANTT_DATA]", callback=sets("ANTT_DATA")),
]
Host = Annotated[str | None, typer.Option(help="Address to listen on [ANTT_HOST]", callback=sets("ANTT_HOST"))]
Log = Annotated[
    Literal["embedded", "kafka"] | None,
    typer.Option(help="How events travel between services [ANTT_LOG]", callback=sets("ANTT_LOG")),
]


@app.command()
def run(data: Data = None, port: int = 8000, log: Log = None, host: Host = None) -> None:
    """Serve everything on this machine, until Ctrl-C or SIGTERM."""
    from deploy.run import run

    run(port)


@app.command()
def serve(
    service: Literal["teams", "incidents", "stats", "all"],
    data: Data = None,
    port: int = 8000,
    log: Log = None,
    host: Host = None,
    drain_seconds: Annotated[
        float | None,
        typer.Option(
            help="At SIGTERM not ready for so long before it stops listening [ANTT_DRAIN_SECONDS]",
            callback=sets("ANTT_DRAIN_SECONDS"),
        ),
    ] = None,
) -> None:
    """Serve one service, or all three on one port, in this process."""
    from deploy import serving
    from deploy.starting import require
    from shared.settings import settings

    require(settings(), *(get_args(Service) if service == "all" else [service]))
    application = "deploy.embedded:create_app" if service == "all" else f"services.{service}.app:create_app"
    serving.serve(application, settings(), port)


@app.command()
def migrate(data: Data = None) -> None:
    """Bring the three databases to the newest version of their tables."""
    from migrations.run import NotMigrated, migrate
    from shared.settings import settings

    for service in get_args(Service):
        try:
            migrate(settings(), service)
        except (NotMigrated, FileNotFoundError) as error:
            raise NotStarted(str(error)) from error


def observed() -> None:
    """Logs, traces and metrics of a process that serves no HTTP."""
    from shared import management, telemetry
    from shared.logs import configure_logs
    from shared.settings import settings

    configure_logs(settings().log_level)
    telemetry.configure_traces()
    telemetry.measure_machine(settings().folders)
    if port := settings().management_port:
        management.serve(settings().host, port)


async def until_ended(work: Coroutine[Any, Any, None]) -> None:
    """Do this until SIGTERM, then let it close what it has open: a container's first process is not ended by default."""
    import asyncio
    import signal

    working = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, working.cancel)
    try:
        await working
    except asyncio.CancelledError:
        # Ctrl-C cancels us, not only the work.
        if not working.cancelled() or (us := asyncio.current_task()) is None or us.cancelling():
            raise


@app.command()
def relay(service: Reporting, data: Data = None) -> None:
    """Copy a service's outbox to its Kafka topic, until Ctrl-C or SIGTERM."""
    import uvloop

    from deploy.starting import require
    from shared.log import source_of
    from shared.log.kafka import relay_for_ever
    from shared.settings import settings

    require(settings(), service, tokens=False, secret=False)

    observed()
    uvloop.run(until_ended(relay_for_ever(settings(), source_of(settings(), service))))


@app.command()
def count(data: Data = None, log: Log = None) -> None:
    """Count events into the counters of stats, until Ctrl-C or SIGTERM."""
    import uvloop

    from deploy.starting import require
    from services.stats.counting import count_for_ever
    from shared.settings import settings

    require(settings(), "stats", tokens=False)

    observed()
    uvloop.run(until_ended(count_for_ever(settings())))


@app.command()
def work(data: Data = None, log: Log = None) -> None:
    """Do what the services do beside answering requests, until Ctrl-C or SIGTERM."""
    import uvloop

    from deploy.starting import require
    from services.incidents import app as incidents
    from services.teams import app as teams
    from shared.service import work
    from shared.settings import settings

    require(settings(), "incidents", "teams", tokens=False)
    observed()
    uvloop.run(until_ended(work({"incidents": incidents.jobs(), "teams": teams.jobs()})))


@app.command()
def rebuild(data: Data = None, log: Log = None) -> None:
    """Count everything anew from the log beside the serving counters, print what differs, and swap."""
    from deploy.proof import rebuild

    rebuild()


@app.command()
def verify(data: Data = None, log: Log = None) -> None:
    """Compare every counter with the services' own recounts; ends with 1 if one differs."""
    from deploy.proof import verify

    sys.exit(verify())


@app.command()
def recover(
    service: Annotated[Reporting, typer.Option(help="Whose database was restored")],
    force: Annotated[bool, typer.Option("--force", help="Also where nothing was restored")] = False,
    redate: Annotated[
        bool, typer.Option("--redate", help="Not restored: its clock ran ahead, and is right again")
    ] = False,
    data: Data = None,
    log: Log = None,
) -> None:
    """Go on in a new generation after a service's database was restored to an earlier time, or its clock ran ahead."""
    from deploy.proof import recover

    recover(service, force, redate)


letters = typer.Typer(help="Events that could not be counted.", no_args_is_help=True)
app.add_typer(letters, name="dead-letters")


@letters.command("list")
def list_letters(data: Data = None) -> None:
    """Print which events could not be counted, where they stand, and why."""
    from deploy.proof import list_letters

    list_letters()


@letters.command("replay")
def replay_letters(
    all: Annotated[bool, typer.Option("--all", help="Every one")] = False,
    source: Annotated[Reporting | None, typer.Option(help="Those of this service")] = None,
    seq: Annotated[int | None, typer.Option(help="The one at this position in its service's outbox")] = None,
    data: Data = None,
) -> None:
    """Count them after all; ends with 1 if one fails again."""
    from deploy.proof import replay_letters

    if all == (source is not None) or (seq is not None and source is None):
        raise typer.BadParameter("--all, or --source with or without --seq")
    sys.exit(replay_letters(source, seq))


places = typer.Typer(help="Where things happen: boundaries of communes, hamlets.", no_args_is_help=True)
app.add_typer(places, name="places")
PlacesFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]


@places.command("boundaries")
def load_boundaries(file: PlacesFile, data: Data = None) -> None:
    """Replace the boundaries of one edition by those of a GeoJSON file; ends with 1 if something in it is wrong."""
    from deploy.places import load

    sys.exit(load("boundaries", file, None, None))


@places.command("hamlets")
def load_hamlets(
    file: PlacesFile,
    edition: Annotated[str | None, typer.Option(help="Of the units in a CSV file; today's unless given")] = None,
    decision: Annotated[str | None, typer.Option(help="What the list in a CSV file rests on")] = None,
    data: Data = None,
) -> None:
    """Replace the hamlets of one edition by those of a CSV file (code, name, unit) or a JSON file."""
    from deploy.places import load

    sys.exit(load("hamlets", file, edition, decision))


@app.command()
def postgres(data: Data = None) -> None:
    """Serve the data folder's PostgreSQL alone, until Ctrl-C."""
    from deploy.local.postgres import serve
    from shared.settings import settings

    serve(settings().data)


@app.command()
def kafka(
    data: Data = None,
    port: Annotated[int, typer.Option(help="0: the port it had last, or else a free one")] = 0,
) -> None:
    """Serve the data folder's Kafka alone, until Ctrl-C."""
    from deploy.local.kafka import serve
    from shared.settings import settings

    serve(settings().data, port)


@app.command()
def demo(
    scenario: Annotated[
        Literal["binh-duong", "bac-lieu", "buon-ho"], typer.Option(help="Whose published figures")
    ] = "binh-duong",
    port: int = 8000,
    log: Annotated[Literal["embedded", "kafka"], typer.Option(help="How events travel between services")] = "embedded",
    data: Annotated[Path | None, typer.Option(help="A folder to keep; a temporary one by default")] = None,
    then_exit: Annotated[bool, typer.Option("--exit", help="End after the table of figures")] = False,
) -> None:
    """Replay what a province's force did, and compare the counters with the published figures."""
    from deploy.demo import demo

    sys.exit(demo(scenario, port, log, data, then_exit))


@app.command()
def doctor(
    data: Data = None,
    port: Annotated[int | None, typer.Option(help="Of `antt run`; by default where it serves, or 8000")] = None,
    log: Log = None,
) -> None:
    """Say in words what is wrong with this set-up, and what to do; ends with 1 if something is."""
    from deploy.doctor import doctor

    sys.exit(doctor(port))


@app.command()
def token(
    role: Annotated[
        Literal["operator", "province_officer", "commune_officer", "team_leader", "system"], typer.Option()
    ],
    unit: Annotated[str, typer.Option(help="The caller's unit, as 2024:74")],
    team: Annotated[str, typer.Option(help="The leader's team, by its id")] = "",
    scope: Annotated[
        # Typer takes no list of literals; who issues the token refuses a scope that there is not.
        list[str] | None,
        typer.Option(
            help="What another system may do (report, records, registry, figures); may be repeated. Without one: nothing"
        ),
    ] = None,
    days: Annotated[int, typer.Option(help="How long it is valid")] = 30,
    data: Data = None,
) -> None:
    """Print an access token of the embedded issuer."""
    from datetime import timedelta

    from shared.access.issuer import issue_token
    from shared.settings import settings

    try:
        typer.echo(issue_token(settings(), role, unit, team, timedelta(days=days), scope or ()))
    except ValueError as error:
        raise NotStarted(str(error)) from None


if __name__ == "__main__":
    app()
