"""How long and how much a client may take to say one request: what comes before the application, and so before any limit there.

uvicorn waits for ever for a request that doesn't end and keeps headers without end in memory; an ingress guards against
both, this holds where there is none.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Some proxies add headers of a few KiB; a token has two or three.
HEAD_BYTES = 64 * 1024
# From a connection, or the first byte of a further request, to the end of its headers.
HEAD_SECONDS = 20.0
# A body that has not come by then goes on only as fast as the slowest phone sends.
BODY_SECONDS = 30.0
BODY_BYTES_A_SECOND = 1_000


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol that ends a connection whose headers are too many, or whose request comes too slowly."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._whole = False
        self._in_head = True
        self._received = 0
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give the first request its time."""
        super().connection_made(transport)
        self._begun_at = self.loop.time()
        self._watch = self.loop.call_later(HEAD_SECONDS, self._look)

    def on_message_begin(self) -> None:
        """A further request has its own time and size."""
        super().on_message_begin()
        self._whole, self._in_head, self._received, self._begun_at = False, True, 0, self.loop.time()

    def on_headers_complete(self) -> None:
        """What comes from now on is the body, which the application limits."""
        self._in_head, self._received, self._begun_at = False, 0, self.loop.time()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Nothing more is waited for."""
        self._whole = True
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Take what has come, unless it is more of headers than anybody needs."""
        super().data_received(data)
        if self._whole:
            if self._watch is not None:
                self._watch.cancel()
                self._watch = None
            return
        self._received += len(data)
        if self._in_head and self._received > HEAD_BYTES:
            self._end(b"431 Request Header Fields Too Large")
        elif self._watch is None:
            # Most requests come in one piece and need no clock.
            self._watch = self.loop.call_later(HEAD_SECONDS if self._in_head else BODY_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the clock."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """End what has no end of its own, a stream of events; any other answer is given to its end."""
        super().shutdown()
        cycle = self.cycle
        if cycle is None or cycle.response_complete or not cycle.response_started:
            return
        if getattr(cycle.scope.get("route"), "is_sse_stream", False):
            if cycle.chunked_encoding:
                self.transport.write(b"0\r\n\r\n")
            cycle.disconnected = True
            cycle.message_event.set()
            self.transport.close()

    def _look(self) -> None:
        self._watch = None
        elapsed = self.loop.time() - self._begun_at
        # While the application reads no further, it is not the client that is slow.
        slow = not self.flow.read_paused and self._received < BODY_BYTES_A_SECOND * elapsed
        if (elapsed >= HEAD_SECONDS) if self._in_head else (elapsed >= BODY_SECONDS and slow):
            self._end(b"408 Request Timeout")
        else:
            self._watch = self.loop.call_later(HEAD_SECONDS / 4, self._look)

    def _end(self, status: bytes) -> None:
        if not self.transport.is_closing():
            if self._in_head:
                self.transport.write(b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            self.transport.close()
