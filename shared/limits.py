"""How often and how much at once: limits that hold for whoever asks."""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from typing import Generic, TypeVar

from shared.access.tokens import Tokens
from shared.errors import Overloaded, Problem, TooManyRequests
from shared.settings import Settings

Result = TypeVar("Result")


@lru_cache(maxsize=10_000)
def network_of(client: str) -> str:
    """Where a request comes from, as limits count it: an IPv4 address, or the /64 of an IPv6 one, which one home has whole.

    An IPv4 address written as an IPv6 one (`::ffff:…`) is the same; what is no address stands for itself.
    """
    try:
        address = ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_address(int(address) >> 64 << 64))


class AtMost:
    """At most so many at once. Whoever comes beyond them is refused at once, never queued.

    A place is taken before anything is awaited, or everybody who comes meanwhile would find it free.
    """

    def __init__(self, most: int) -> None:
        self.most, self.taken = most, 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold one of the places. Raises Overloaded when all are taken."""
        if self.taken >= self.most:
            raise Overloaded()
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1


@dataclass(eq=False)
class _Waiter:
    who: tuple[str, ...]
    turn: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class InTurn:
    """At most so many at once, the others in turn: who was served longest ago comes first, by the name that was served last.

    So one who sends a hundred files holds up another's only by those that are being looked into. Once `waiting` wait,
    room is made by the last of those of whose names most wait; that is Overloaded, and so is who would be that one.
    """

    def __init__(self, most: int, waiting: int) -> None:
        self._free, self._most_waiting = most, waiting
        self._waiting: list[_Waiter] = []
        self._served: dict[str, int] = {}
        self._turns = 0

    @asynccontextmanager
    async def turn(self, *who: str) -> AsyncIterator[None]:
        """Wait for a turn of this address, receipt or person, and hold it."""
        if self._free:
            self._free -= 1
            self._serve(who)
        else:
            mine = _Waiter(who)
            self._waiting.append(mine)
            if len(self._waiting) > self._most_waiting:
                self._make_room()
            try:
                await mine.turn
            except asyncio.CancelledError:
                if mine in self._waiting:
                    self._waiting.remove(mine)
                elif mine.turn.done() and not mine.turn.cancelled():
                    # The turn had come in the same instant.
                    self._pass_on()
                raise
        try:
            yield
        finally:
            self._pass_on()

    def _make_room(self) -> None:
        waiting = Counter(name for each in self._waiting for name in each.who)
        out = max(reversed(self._waiting), key=lambda each: max(waiting[name] for name in each.who))
        self._waiting.remove(out)
        out.turn.set_exception(Overloaded())

    def _pass_on(self) -> None:
        # Who has just gone away is still in the list until its task runs.
        self._waiting = [each for each in self._waiting if not each.turn.done()]
        if not self._waiting:
            self._free += 1
            # Nobody is behind another now.
            self._served.clear()
            return
        following = min(self._waiting, key=lambda each: max(self._served.get(name, 0) for name in each.who))
        self._waiting.remove(following)
        self._serve(following.who)
        following.turn.set_result(None)

    def _serve(self, who: tuple[str, ...]) -> None:
        self._turns += 1
        self._served |= dict.fromkeys(who, self._turns)


class PerMinute:
    """So many a minute for each name: all of them at once, or evenly, but never more in a minute and its beginning.

    A name is a number: the time until which what it took is spread evenly (the generic cell rate algorithm). Of more
    than `names` at once those that were seen longest ago are forgotten.
    """

    def __init__(self, most: int, names: int = 1) -> None:
        self._most, self._pause, self._names = most, 60 / most if most else 0.0, names
        self._spread_until: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._spread_until)

    def take(self, name: str, at: float) -> float:
        """Take one at this second: 0 when it was free, else how many seconds it is too early; then nothing is taken."""
        if not self._most:
            return 0
        until = max(self._spread_until.get(name, at), at) + self._pause
        # A thousandth of one more, for what adding up makes of fractions.
        if until - at > 60 + self._pause / 1_000:
            return until - at - 60
        self._spread_until[name] = until
        self._spread_until.move_to_end(name)
        if len(self._spread_until) > self._names:
            self._spread_until.popitem(last=False)
        return 0


class Together(Generic[Result]):
    """Reads once for all who ask the same at the same time.

    Whoever asks while the same is being read waits for the next reading, which begins when that one is over: so an
    answer is never older than its question, and a question that many ask costs the database one statement at a time.
    """

    def __init__(self) -> None:
        self._reading: dict[Hashable, asyncio.Task[Result]] = {}
        self._next: dict[Hashable, asyncio.Task[Result]] = {}

    async def read(self, question: Hashable, read: Callable[[], Awaitable[Result]]) -> Result:
        """What `read` gives when it is called after this question came."""
        waiting = self._next.get(question)
        if waiting is None:
            waiting = self._next[question] = asyncio.create_task(self._read(question, read))
        # Who goes away does not take the answer from the others.
        return await asyncio.shield(waiting)

    async def _read(self, question: Hashable, read: Callable[[], Awaitable[Result]]) -> Result:
        if before := self._reading.get(question):
            await asyncio.wait({before})
        mine = self._reading[question] = self._next.pop(question)
        try:
            return await read()
        finally:
            if self._reading[question] is mine:
                del self._reading[question]


class Strangers:
    """Limits requests without a valid token, by address and all together, in this process.

    A bad token is none: whoever sends it is counted. Each process counts for itself, for what is bounded is its work.
    """

    MOST_ADDRESSES = 20_000

    def __init__(self, settings: Settings, tokens: Tokens) -> None:
        self._tokens = tokens
        self._by_address = PerMinute(settings.anonymous_per_minute, self.MOST_ADDRESSES)
        self._in_all = PerMinute(settings.anonymous_per_minute_in_all)
        self._loopback_counts = "anonymous_per_minute" in settings.model_fields_set or not settings.local

    async def let_in(self, client: str, authorization: str | None) -> None:
        """Count a request unless its token holds. Raises TooManyRequests."""
        if authorization is not None:
            try:
                await self._tokens.identity(authorization)
                return
            except Problem:
                # It is answered where the caller is asked for.
                pass
        network, now = network_of(client), time.monotonic()
        if not self._loopback_counts and is_loopback(network):
            return
        if early := self._by_address.take(network, now) or self._in_all.take("", now):
            raise TooManyRequests(early)


def is_loopback(client: str) -> bool:
    """Whether a request comes from this machine."""
    try:
        return ip_address(client).is_loopback
    except ValueError:
        return False
