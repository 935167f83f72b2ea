"""What is not started, and why: production fails closed, and nothing works with a secret that isn't the database's.

A local run, with the data folder's own databases on loopback, may be root's and has an issuer and a secret of its own.
"""

import asyncio
import os
from collections.abc import Iterator

import asyncpg

from deploy.local import NotStarted
from shared.access import secrets
from shared.settings import Service, Settings

# A database that is down is waited for by who is started.
_SECONDS = 5
_DOWN = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError)


def require_settings(settings: Settings, *, tokens: bool = True, secret: bool = True) -> None:
    """Raise NotStarted outside a local run for whom is root, and for what must be set there and is not."""
    if found := list(refusals(settings, tokens=tokens, secret=secret)):
        raise NotStarted("; ".join(found))


def require(settings: Settings, *services: Service, tokens: bool = True, secret: bool = True) -> None:
    """Raise NotStarted with the reason unless these services may be started here.

    `tokens`: whether who is started checks tokens; `secret`: whether it opens what the secret has sealed.
    """
    secret = secret and bool(set(services) & set(secrets.PROTECTED))
    require_settings(settings, tokens=tokens, secret=secret)
    try:
        if secret:
            secrets.read_secret(settings)
        for service in services:
            asyncio.run(_require_database(settings, service, secret=secret and service in secrets.PROTECTED))
    except secrets.SecretUnusable as error:
        raise NotStarted(str(error)) from None


def refusals(settings: Settings, *, tokens: bool = True, secret: bool = True) -> Iterator[str]:
    """Why nothing is started outside a local run; nothing where this is one."""
    if settings.local:
        return
    if os.geteuid() == 0:
        yield "outside a local run nothing runs as root: start it as an ordinary user"
    missing = settings.missing(secret=secret)
    if missing := [name for name in missing if tokens or name == "ANTT_SECRET_KEY_FILE"]:
        yield f"outside a local run on loopback these must be set: {', '.join(missing)}"


async def _require_database(settings: Settings, service: Service, *, secret: bool) -> None:
    try:
        connection = await asyncpg.connect(settings.database_url(service), timeout=_SECONDS)
    except _DOWN:
        return
    try:
        if not settings.local and await is_superuser(connection):
            raise NotStarted(
                f"outside a local run no service connects as a superuser of PostgreSQL: "
                f"give ANTT_{service.upper()}_DATABASE_URL a role that owns its database and no more"
            )
        if secret:
            await secrets.require_same(connection, service, settings)
    except asyncpg.UndefinedTableError:
        # `antt migrate` comes; the service is not ready until then.
        pass
    finally:
        await connection.close()


async def is_superuser(connection: asyncpg.Connection) -> bool:
    """Whether the role of this connection may do everything."""
    return bool(await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"))
