"""What operators alone see: metrics, and in detail what of a process is down.

With ANTT_MANAGEMENT_PORT a process serves it there and nowhere else; without one it is nowhere, but that a service of a
local run has it on its own port.
"""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from functools import cache
from threading import Thread
from typing import Any

import structlog
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

log = structlog.get_logger()

Status = Callable[[], Coroutine[Any, Any, dict[str, Any]]]


async def metrics(_: Request) -> Response:
    """What Prometheus reads."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def routes(name: str, status: Status) -> list[Route]:
    """Metrics, and what of the service is down."""

    async def answer(_: Request) -> Response:
        return JSONResponse(await status())

    return [Route(f"/{name}/health/status", answer), Route(f"/{name}/metrics", metrics)]


@cache
def serve(host: str, port: int) -> Starlette:
    """Serve /metrics on this port in a thread of its own, for as long as the process lives, and what is added to it.

    A port that is taken stops nothing else.
    """
    app = Starlette(routes=[Route("/metrics", metrics)])
    try:
        bound = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        log.error("metrics and status are not served", port=port, reason=str(error))
        return app
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", access_log=False, log_config=None))
    Thread(target=server.run, args=([bound],), name="management", daemon=True).start()
    return app


def serve_status(host: str, port: int, name: str, status: Status) -> None:
    """Serve what of a service of this event loop is down, beside the metrics."""
    loop = asyncio.get_running_loop()

    async def from_there() -> dict[str, Any]:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(status(), loop))

    serve(host, port).router.routes.extend(routes(name, from_there))
