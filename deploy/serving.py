"""One service, or all three, over HTTP: how a process that serves begins, and how it ends.

At SIGTERM it says first that it is not ready, for ANTT_DRAIN_SECONDS, while it goes on taking requests: a balancer needs
a moment to hear of it. Then it listens no more, streams end, and requests in flight have ENDING_SECONDS to be answered.
"""

import signal
import sys
from contextlib import suppress
from time import monotonic
from types import FrameType

import uvicorn

from shared.ending import ENDING, ENDING_SECONDS
from shared.settings import Settings


class Server(uvicorn.Server):
    """uvicorn's server, but whoever sends requests learns of its end before it comes."""

    def __init__(self, config: uvicorn.Config, drain_seconds: float) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds
        self._closes_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; a second signal, and Ctrl-C, wait for no balancer."""
        ENDING.set()
        if sig == signal.SIGTERM and self._drain_seconds and self._closes_at is None:
            self._captured_signals.append(sig)
            self._closes_at = monotonic() + self._drain_seconds
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Whether to end now; asked ten times a second."""
        if self._closes_at is not None and monotonic() >= self._closes_at:
            self.should_exit = True
        return await super().on_tick(counter)


def serve(application: str, settings: Settings, port: int) -> None:
    """Serve what this factory makes until SIGTERM or Ctrl-C."""
    server = Server(
        uvicorn.Config(
            application,
            factory=True,
            host=settings.host,
            port=port,
            loop="uvloop",
            http="shared.protocol:BoundedProtocol",
            # Each request is counted and timed in /metrics; a line for each would cost more than most of them.
            access_log=False,
            # The application decides how logs are written.
            log_config=None,
            timeout_graceful_shutdown=ENDING_SECONDS,
        ),
        settings.drain_seconds,
    )
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(3)
