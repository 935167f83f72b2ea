"""A receiver of webhooks: a real HTTP server that keeps what it was sent and answers as a test wants."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

import msgspec
from standardwebhooks import Webhook as Signed

OK = b"HTTP/1.1 204 No Content\r\n\r\n"


class Delivery(NamedTuple):
    """One request that came."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = msgspec.json.decode(self.body)
        return event

    def signed_by(self, secret: str) -> bool:
        """Whether a receiver that has this secret believes it, by the library that receivers use."""
        with suppress(Exception):
            Signed(secret).verify(self.body, self.headers)
            return True
        return False


def answer(status: int, *headers: str) -> bytes:
    """A whole answer without a body."""
    return "\r\n".join([f"HTTP/1.1 {status} X", *headers, "content-length: 0", "", ""]).encode()


class Receiver:
    """What came, and by `answers` what is answered to each delivery: bytes, or what writes them by itself."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.answers: Callable[[Delivery], bytes | Callable[[asyncio.StreamWriter], Any]] = lambda _: OK
        self.url = ""
        self.connections = 0

    @property
    def subjects(self) -> list[str]:
        """The records that events came of, each delivery."""
        return [delivery.event["subject"] for delivery in self.deliveries]

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
                delivery = Delivery(headers, await reader.readexactly(int(headers["content-length"])))
                self.deliveries.append(delivery)
                said = self.answers(delivery)
                if isinstance(said, bytes):
                    writer.write(said)
                    await writer.drain()
                else:
                    await said(writer)
        with suppress(Exception):
            writer.close()


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver that listens."""
    receiver, connections = Receiver(), set[asyncio.Task[None]]()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        receiver.connections += 1
        try:
            await receiver.handle(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    receiver.url = f"http{'s' if tls else ''}://localhost:{server.sockets[0].getsockname()[1]}/antt"
    try:
        yield receiver
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
