"""The load generator: a process of its own, so that it works on the other core.

Closed loop: each connection sends its next request as soon as it has the answer, which finds the throughput.
Open loop: requests fall due at a fixed rate, and the time an answer took is counted from the moment at which
its request was due, so that a server that stalls cannot hide the requests that nobody sent meanwhile.
"""

import asyncio
import gc
import os
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from itertools import cycle
from typing import cast

import httptools
import msgspec
import uvloop


class Load(msgspec.Struct):
    """What to send: these requests in turn, for some seconds after a warm-up that does not count."""

    port: int
    requests: list[bytes]
    connections: int
    seconds: float
    warm_up: float = 1.0
    # Requests a second in an open loop; None: a closed loop.
    rate: float | None = None


class Outcome(msgspec.Struct):
    """What came back within the seconds that count, and how long it took."""

    statuses: dict[int, int]
    per_second: float
    p50_ms: float
    p99_ms: float
    worst_ms: float


def request(method: str, path: str, body: bytes = b"") -> bytes:
    """The bytes of one HTTP/1.1 request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: antt\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


async def run(load: Load) -> Outcome:
    """Put the load on the server from a process of its own; RuntimeError when an answer is not a success."""
    generator = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.load", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    answer, _ = await generator.communicate(msgspec.msgpack.encode(load))
    if generator.returncode != 0:
        raise RuntimeError("the load generator failed")
    outcome = msgspec.msgpack.decode(answer, type=Outcome)
    if any(status >= 300 for status in outcome.statuses):
        raise RuntimeError(f"answers that are no success: {outcome.statuses}")
    return outcome


class Connection(asyncio.Protocol):
    """One connection with one request on its way at a time."""

    def __init__(self, answered: Callable[["Connection", int], None]) -> None:
        self._answered = answered
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.WriteTransport
        self.due_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for the requests to come."""
        self._transport = cast(asyncio.WriteTransport, transport)

    def send(self, request: bytes, due_at: float) -> None:
        """Send a request that was due at this time."""
        self.due_at = due_at
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Hand what came to the parser."""
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """The parser has a whole answer."""
        self._answered(self, self._parser.get_status_code())

    def connection_lost(self, error: Exception | None) -> None:
        """A server that hangs up makes the measurement worthless; our own ending is none."""
        if not self._transport.is_closing():
            sys.exit(f"the server closed a connection: {error}")

    def close(self) -> None:
        """Hang up."""
        self._transport.close()


async def generate(load: Load) -> Outcome:
    """Send the load and gather what it gives."""
    requests = cycle(load.requests)
    latencies: list[float] = []
    statuses: Counter[int] = Counter()
    free: deque[Connection] = deque()
    waiting: deque[float] = deque()
    clock = time.perf_counter
    sending, all_answered = False, asyncio.Event()

    def answered(connection: Connection, status: int) -> None:
        now = clock()
        # What counts in a closed loop are the answers of these seconds, in an open loop the requests due in them.
        if counts_from <= (connection.due_at if load.rate else now) < counts_until:
            latencies.append(now - connection.due_at)
            statuses[status] += 1
        if sending and not load.rate:
            connection.send(next(requests), now)
        elif waiting:
            connection.send(next(requests), waiting.popleft())
        else:
            free.append(connection)
            if not sending and len(free) == load.connections:
                all_answered.set()

    loop = asyncio.get_running_loop()
    for _ in range(load.connections):
        _, connection = await loop.create_connection(lambda: Connection(answered), "127.0.0.1", load.port)
        free.append(connection)
    # A pause of the collector would look like one of the server.
    gc.disable()
    started = clock()
    counts_from = started + load.warm_up
    counts_until = counts_from + load.seconds
    sending = True
    if load.rate:
        due_at, interval = started, 1 / load.rate

        def send_what_is_due() -> None:
            nonlocal due_at
            while due_at <= clock():
                if free:
                    free.popleft().send(next(requests), due_at)
                else:
                    waiting.append(due_at)
                due_at += interval

        ended = _tick(loop, send_what_is_due, started, interval)
        await asyncio.sleep(counts_until - clock())
        ended.set()
    else:
        for connection in [free.popleft() for _ in range(load.connections)]:
            connection.send(next(requests), clock())
        await asyncio.sleep(counts_until - clock())
    sending = False
    if len(free) < load.connections:
        await asyncio.wait_for(all_answered.wait(), 30)
    for connection in free:
        connection.close()
    latencies.sort()
    if not latencies:
        sys.exit("no answer came in the seconds that count")
    return Outcome(
        dict(statuses),
        len(latencies) / load.seconds,
        latencies[len(latencies) // 2] * 1000,
        latencies[len(latencies) * 99 // 100] * 1000,
        latencies[-1] * 1000,
    )


def _tick(loop: asyncio.AbstractEventLoop, due: Callable[[], None], started: float, interval: float) -> threading.Event:
    """Call `due` in the loop whenever a request falls due, until the event is set.

    A thread sleeps to the microsecond; the timers of the loop only know whole milliseconds.
    """
    ended, bell = threading.Event(), os.eventfd(0)

    def ring() -> None:
        next_at = started
        while not ended.is_set():
            os.eventfd_write(bell, 1)
            next_at = max(next_at + interval, time.perf_counter() - 0.001)
            time.sleep(max(0.0, next_at - time.perf_counter()))

    def rung() -> None:
        os.eventfd_read(bell)
        if not ended.is_set():
            due()

    loop.add_reader(bell, rung)
    threading.Thread(target=ring, daemon=True).start()
    return ended


if __name__ == "__main__":
    asked = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Load)
    sys.stdout.buffer.write(msgspec.msgpack.encode(uvloop.run(generate(asked))))
