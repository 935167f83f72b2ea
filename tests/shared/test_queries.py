"""Reading once for all who ask the same."""

import asyncio

from shared.limits import Together


async def test_whoever_asks_while_the_same_is_being_read_gets_the_next_reading() -> None:
    together, begun, may_end = Together[int](), 0, asyncio.Event()
    first_begun = asyncio.Event()

    async def read() -> int:
        nonlocal begun
        begun += 1
        mine = begun
        first_begun.set()
        await may_end.wait()
        return mine

    first = asyncio.create_task(together.read("tips", read))
    await first_begun.wait()
    later = [asyncio.create_task(together.read("tips", read)) for _ in range(5)]
    other = asyncio.create_task(together.read("patrols", read))
    await asyncio.sleep(0)
    may_end.set()
    assert await first == 1
    assert sorted({*await asyncio.gather(*later), await other}) == [2, 3]


async def test_who_goes_away_does_not_take_the_answer_from_the_others() -> None:
    together, may_end = Together[str](), asyncio.Event()

    async def read() -> str:
        await may_end.wait()
        return "answer"

    gone, stays = (asyncio.create_task(together.read("tips", read)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    may_end.set()
    assert await stays == "answer"
