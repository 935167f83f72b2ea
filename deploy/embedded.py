"""The three services on one port, in one process: what `antt run` serves unless Kafka is asked for."""

from contextlib import AsyncExitStack

from fastapi import FastAPI
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from services.incidents.app import create_app as incidents
from services.stats.app import create_app as stats
from services.teams.app import create_app as teams
from shared.http import middlewares


def create_app() -> ASGIApp:
    """One application that hands each request to the service its path names."""
    services: dict[str, FastAPI] = {"teams": teams(), "incidents": incidents(), "stats": stats()}
    # What is no service's: a browser is shown the documents. It is a request as any other, of stats for whoever counts.
    elsewhere: ASGIApp = RedirectResponse("/stats/v1/docs")
    for middleware, args, options in reversed(middlewares("stats")):
        elsewhere = middleware(elsewhere, *args, **options)

    async def lifespan(receive: Receive, send: Send) -> None:
        await receive()
        async with AsyncExitStack() as stack:
            try:
                for app in services.values():
                    await stack.enter_async_context(app.router.lifespan_context(app))
            except BaseException as error:
                await send({"type": "lifespan.startup.failed", "message": repr(error)})
                raise
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def one_port(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
        else:
            # `OPTIONS *` asks about the server, not about a path.
            name = scope["path"].removeprefix("/").partition("/")[0]
            app: ASGIApp | None = services.get(name)
            if app is None:
                app, scope["app"] = elsewhere, services["stats"]
            await app(scope, receive, send)

    return one_port
