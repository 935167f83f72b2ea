"""A client says its request in bounded time and size, or its connection ends; whoever is only slow is waited for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from shared import protocol
from tests.conftest import eventually

Talk = Callable[..., Awaitable[bytes]]


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the length of the body; 499 is never seen, for the client has gone."""
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    body = b"%d" % length
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def talk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Talk]:
    """Send pieces over one connection, with what is to happen between them; what came back until it ended."""
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    monkeypatch.setattr(protocol, "BODY_SECONDS", 0.3)
    server = uvicorn.Server(
        uvicorn.Config(echo, port=0, lifespan="off", log_config=None, http=protocol.BoundedProtocol)
    )
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]

    async def send(*pieces: bytes, apart: float = 0) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(apart)
            async with asyncio.timeout(5):
                return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()

    yield send
    server.should_exit = True
    await serving


TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
HEAD = b"POST / HTTP/1.1\r\nhost: antt\r\nconnection: close\r\n"


async def test_headers_without_end_are_431_and_not_kept(talk: Talk) -> None:
    # Who still sends when the connection ends may find it reset instead of an answer.
    assert await talk(HEAD, *[b"x-%d: %s\r\n" % (n, b"y" * 1_000) for n in range(80)]) in (TOO_LARGE, b"")
    assert await talk(HEAD + b"x: ", *[b"y" * 8_000] * 10) in (TOO_LARGE, b"")
    assert await talk(HEAD + b"x: " + b"y" * protocol.HEAD_BYTES) == TOO_LARGE


async def test_a_request_whose_headers_never_end_is_408_and_one_that_says_nothing_is_ended(talk: Talk) -> None:
    assert (await talk(HEAD)).startswith(b"HTTP/1.1 408")
    assert (await talk(b"")).startswith(b"HTTP/1.1 408")


async def test_a_body_that_stands_still_ends_the_connection(talk: Talk) -> None:
    assert await talk(HEAD + b"content-length: 10\r\n\r\n", b"12") == b""


async def test_a_body_that_goes_on_is_waited_for_however_long_it_takes(talk: Talk) -> None:
    answer = await talk(HEAD + b"content-length: 5000\r\n\r\n", *[b"y" * 500] * 10, apart=0.06)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"5000")


async def test_a_request_in_one_piece_is_answered_and_the_next_on_its_connection_too(talk: Talk) -> None:
    one = b"POST / HTTP/1.1\r\nhost: antt\r\ncontent-length: 2\r\n\r\nab"
    answer = await talk(one + one.replace(b"host", b"connection: close\r\nhost"))
    assert answer.count(b"HTTP/1.1 200") == 2
