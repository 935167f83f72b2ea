"""Limits of what happens at once: exact however many come together, and fair to who sends little."""

import asyncio

import pytest

from shared.errors import Overloaded
from shared.limits import AtMost, InTurn, PerMinute, network_of


async def test_who_comes_beyond_the_places_is_refused_at_once() -> None:
    places, go_on = AtMost(2), asyncio.Event()

    async def hold() -> None:
        with places.place():
            await go_on.wait()

    holding = [asyncio.create_task(hold()) for _ in range(10)]
    done, pending = await asyncio.wait(holding, timeout=0.5)
    assert (len(pending), {type(task.exception()) for task in done}) == (2, {Overloaded})
    go_on.set()
    await asyncio.gather(*pending)
    assert places.taken == 0


async def test_who_sends_little_is_not_behind_who_sends_much() -> None:
    turns, served, go_on = InTurn(1, 100), list[str](), asyncio.Event()

    async def one(address: str, receipt: str) -> None:
        async with turns.turn(address, receipt):
            served.append(f"{address} {receipt}")
            await go_on.wait()

    many = [asyncio.create_task(one("flood", f"{n % 3}")) for n in range(9)]
    await asyncio.sleep(0)
    few = [asyncio.create_task(one("home", "a")), asyncio.create_task(one("farm", "b"))]
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(*many, *few)
    assert set(served[1:3]) == {"home a", "farm b"}


async def test_who_goes_away_leaves_the_turn_to_the_next_and_the_queue_is_bounded() -> None:
    turns, go_on = InTurn(1, 2), asyncio.Event()

    async def one() -> None:
        async with turns.turn("a"):
            await go_on.wait()

    tasks = [asyncio.create_task(one()) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await one()
    # In the same instant: the turn of one who has gone is nobody else's fault.
    tasks[1].cancel()
    tasks[0].cancel()
    await asyncio.wait(tasks[:2])
    go_on.set()
    await tasks[2]
    async with turns.turn("b"):
        pass


async def test_one_address_that_fills_the_queue_leaves_room_for_another_and_one_receipt_is_one_from_anywhere() -> None:
    turns, served, go_on = InTurn(1, 3), list[str](), asyncio.Event()

    async def one(*who: str) -> None:
        async with turns.turn(*who):
            served.append(" ".join(who))
            await go_on.wait()

    first = asyncio.create_task(one("flood", "0"))
    await asyncio.sleep(0)
    many = [asyncio.create_task(one(f"flood{n}", "R")) for n in range(3)]
    await asyncio.sleep(0)
    home = asyncio.create_task(one("home", "a"))
    await asyncio.sleep(0)
    go_on.set()
    outcomes = await asyncio.gather(first, *many, home, return_exceptions=True)
    assert [type(each) for each in outcomes] == [type(None)] * 3 + [Overloaded, type(None)]
    assert served[1:] == ["flood0 R", "home a", "flood1 R"]


def test_a_home_is_one_address() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") != network_of("2001:db8:0:1::1")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1")


def test_a_minutes_requests_come_at_once_or_evenly_and_no_more_than_so_many_names_are_kept() -> None:
    taken = PerMinute(60, names=2)
    assert [taken.take("a", 1_000_000.0) for _ in range(61)] == [0.0] * 60 + [1.0]
    assert [taken.take("a", 1_000_000.0 + second) for second in (0.5, 1, 1, 3, 3, 3)] == [0.5, 0, 1, 0, 0, 1]
    for name in "bcdef":
        taken.take(name, 1_000_003.0)
    assert len(taken) == 2
    assert [taken.take("b", 1_000_000.0 + minute * 60) for minute in range(1, 5)] == [0] * 4
    assert not any(PerMinute(0).take("a", 1.0) for _ in range(1_000))
