"""How often and how much at once: limits that hold for whoever asks."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address

from shared.errors import Overloaded


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
class _Waiting:
    who: tuple[str, ...]
    turn: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class InTurn:
    """At most so many at once, the others in turn: who was served longest ago comes first, by the name that was served last.

    So one who sends a hundred files holds up another's only by those that are being looked into. Once `waiting` wait,
    room is made by the last of those of whose names most wait; that is Overloaded, and so is who would be that one.
    """

    def __init__(self, most: int, waiting: int) -> None:
        self._free, self._most_waiting = most, waiting
        self._waiting: list[_Waiting] = []
        self._served: dict[str, int] = {}
        self._turns = 0

    @asynccontextmanager
    async def turn(self, *who: str) -> AsyncIterator[None]:
        """Wait for a turn of this address, receipt or person, and hold it."""
        if self._free:
            self._free -= 1
            self._serve(who)
        else:
            mine = _Waiting(who)
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
