"""`antt doctor`: says what is wrong with a set-up and what to do about it, Vietnamese first, then English.

It looks and changes nothing. A check is a function that yields findings; what runs is the list CHECKS.
"""

import asyncio
from urllib.parse import urlsplit

from pydantic import ValidationError
from rich.console import Console

from deploy.doctor import configuration, databases, files, kafka, keys, machine
from deploy.doctor.finding import Check, Finding, Installation
from shared.settings import Settings

__all__ = ["CHECKS", "Finding", "Installation", "doctor", "findings"]


CHECKS: list[Check] = [
    # What is not started at all comes first.
    configuration.production,
    configuration.overlooked,
    configuration.province,
    configuration.deadlines,
    machine.time_zone,
    machine.folder,
    keys.secrets,
    keys.jwks,
    databases.every_database,
    kafka.brokers,
    files.store,
    machine.ports,
]


async def findings(port: int | None) -> list[Finding]:
    """All that is found; only the variables where these cannot be read."""
    found = configuration.variables()
    try:
        settings = Settings()
        installation = Installation(settings, port or urlsplit(settings.teams_url).port or 8000)
    except ValidationError:
        return found
    for check in CHECKS:
        found += [finding async for finding in check(installation)]
    return found


def doctor(port: int | None, console: Console | None = None) -> int:
    """Print all findings; 1 if something is wrong."""
    console = console or Console(highlight=False, soft_wrap=True)
    found = asyncio.run(findings(port))
    for finding in found:
        sign = {True: "[green]✓[/]", False: "[bold red]✗[/]", None: "[dim]·[/]"}[finding.good]
        console.print(sign, end=" ")
        console.print(finding.vi, style="bold" if finding.good is False else "", end=" ", markup=False)
        console.print(f"· {finding.en}", style="dim", markup=False)
        if finding.good is False:
            console.print(f"    → {finding.do_vi} · {finding.do_en}", style="yellow", markup=False)
    wrong = sum(finding.good is False for finding in found)
    if wrong:
        console.print(f"\n{wrong} điều cần sửa · {wrong} to mend", style="bold red")
    else:
        console.print("\nKhông thấy gì sai · Nothing is wrong", style="bold green")
    return 1 if wrong else 0
