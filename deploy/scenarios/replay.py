"""Sends a plan through the REST APIs, many requests at a time, as separate clients would."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http.client import HTTPConnection, HTTPException
from typing import Any, NamedTuple, cast
from uuid import NAMESPACE_OID, uuid5

import msgspec
import tenacity

from deploy.scenarios.diary import Caller, Id, Request
from shared.access.permissions import TokenRole
from shared.settings import Service

# Answers by which a service asks to come again: it is busy or restarts, or has not heard of a new team yet.
COME_AGAIN = (409, 503)
TRIES = 20
SECONDS_TO_ANSWER = 30
# The services close a connection that is idle for 5 s.
SECONDS_KEPT = 3


class ServiceAnswer(NamedTuple):
    """What a service answered; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


# Sends one POST: address of the service, path, headers, body.
Post = Callable[[str, str, dict[str, str], bytes], Awaitable[ServiceAnswer]]
# One client, as long as it has something to send.
Connect = Callable[[], AbstractAsyncContextManager[Post]]


class RequestRefused(Exception):
    """A service refused a request of the plan."""


@asynccontextmanager
async def connect() -> AsyncIterator[Post]:
    """A client with a thread and connections of its own.

    On so many requests the client's own work decides how long they take: http.client spends 0.2 ms on one, httpx 0.9.
    """
    kept: dict[str, HTTPConnection] = {}
    used_at: dict[str, float] = {}
    loop = asyncio.get_running_loop()

    def post(address: str, path: str, headers: dict[str, str], body: bytes) -> ServiceAnswer:
        connection = kept.get(address) or kept.setdefault(
            address, HTTPConnection(address.removeprefix("http://"), timeout=SECONDS_TO_ANSWER)
        )
        if time.monotonic() - used_at.get(address, 0) > SECONDS_KEPT:
            connection.close()
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            used_at[address] = time.monotonic()
            answered = {name.lower(): value for name, value in answer.getheaders()}
            return ServiceAnswer(answer.status, answered, answer.read())
        except (OSError, HTTPException):
            # The next request opens it anew.
            connection.close()
            raise

    thread = ThreadPoolExecutor(1)
    try:
        yield lambda *request: loop.run_in_executor(thread, post, *request)
    finally:
        thread.shutdown(wait=False, cancel_futures=True)
        for connection in kept.values():
            connection.close()


class ScenarioReplay:
    """A plan on its way: what was sent, and up to where it is durable."""

    def __init__(
        self,
        plan: list[Request],
        name: str,
        addresses: Mapping[Service, str],
        token: Callable[[TokenRole, str, str], str],
    ) -> None:
        """`name` makes every Idempotency-Key: what was sent under it once is not done again.

        `addresses`: where each service is; `token(role, unit, team)` gives a caller's token.
        """
        self.plan = plan
        self.sent = 0
        self.retried = 0
        # The last write's time, and the last Antt-Position of each source.
        self.answered_at = 0.0
        self.positions: dict[str, tuple[int, int]] = {}
        self._name = name
        self._addresses = addresses
        self._token = token
        self._authorizations: dict[Caller, str] = {}
        self._ids: dict[str, str] = {}
        self._last: dict[str, asyncio.Future[None]] = {}

    async def run(self, connect: Connect = connect, together: int = 32) -> None:
        """Send the whole plan, `together` requests at a time; the first failure ends it and is raised."""
        numbered = iter(enumerate(self.plan))
        try:
            async with asyncio.TaskGroup() as senders:
                for _ in range(together):
                    senders.create_task(self._send_some(numbered, connect))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    @property
    def counted(self) -> str:
        """The positions of the last writes, as a reader of counters names them to have them counted first."""
        return ",".join(f"{source}:{generation}:{seq}" for source, (generation, seq) in sorted(self.positions.items()))

    async def _send_some(
        self,
        numbered: Iterator[tuple[int, Request]],
        connect: Connect,
    ) -> None:
        async with connect() as post:
            for number, request in numbered:
                # Senders take requests in the plan's order, so what one waits for is on its way already.
                done = asyncio.get_running_loop().create_future()
                earlier = [self._last[thing] for thing in _things(request) if thing in self._last]
                self._last[request.thing] = done
                for one in earlier:
                    await one
                await self._send(post, number, request)
                done.set_result(None)

    async def _send(self, post: Post, number: int, request: Request) -> None:
        service = cast(Service, request.path.split("/", 2)[1])
        makes = "{}" not in request.path
        path = request.path if makes else request.path.format(self._ids[request.thing])
        body = msgspec.json.encode(self._filled(request.body))
        headers = {
            "Authorization": self._authorization(request.caller),
            "Content-Type": "application/json",
            "Idempotency-Key": str(uuid5(NAMESPACE_OID, f"{self._name}-{number}")),
        }
        async for attempt in tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type((OSError, HTTPException, _ComeAgain)),
            stop=tenacity.stop_after_attempt(TRIES),
            wait=_as_asked,
            reraise=True,
        ):
            with attempt:
                self.retried += attempt.retry_state.attempt_number > 1
                answer = await post(self._addresses[service], path, headers, body)
                if answer.status in COME_AGAIN and "retry-after" in answer.headers:
                    raise _ComeAgain(f"{path}: {answer.body.decode()}", float(answer.headers["retry-after"]))
        if answer.status >= 300:
            raise RequestRefused(f"{answer.status} {path} {body.decode()}: {answer.body.decode()}")
        if makes:
            self._ids[request.thing] = msgspec.json.decode(answer.body)["id"]
        source, generation, seq = answer.headers["antt-position"].split(":")
        position = int(generation), int(seq)
        self.positions[source] = max(self.positions.get(source, position), position)
        self.answered_at = time.perf_counter()
        self.sent += 1

    def _authorization(self, caller: Caller) -> str:
        known = self._authorizations.get(caller)
        if known is None:
            team = self._ids[caller.team] if caller.team else ""
            known = self._authorizations[caller] = f"Bearer {self._token(caller.role, caller.unit, team)}"
        return known

    def _filled(self, body: Any) -> Any:
        """The body with the ids that the system gave."""
        if isinstance(body, dict):
            return {name: self._filled(value) for name, value in body.items()}
        return self._ids[body] if isinstance(body, Id) else body


class _ComeAgain(RequestRefused):
    """A service asks to come again after some seconds."""

    def __init__(self, words: str, seconds: float) -> None:
        super().__init__(words)
        self.seconds = seconds


def _as_asked(state: tenacity.RetryCallState) -> float:
    """The seconds until the next attempt: those of Retry-After, or a little more each time a connection fails."""
    error = state.outcome.exception() if state.outcome else None
    return error.seconds if isinstance(error, _ComeAgain) else min(0.2 * state.attempt_number, 2)


def _things(request: Request) -> Iterator[str]:
    """What a request is about, and what its body and its caller name."""
    yield request.thing
    if request.caller.team:
        yield request.caller.team
    waiting = [request.body]
    while waiting:
        for value in waiting.pop().values():
            if isinstance(value, dict):
                waiting.append(value)
            elif isinstance(value, Id):
                yield value
