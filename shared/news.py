"""Notifies whoever waits that the database has something new: one connection of a process listens for all of them.

So a stream, or a reader that waits for a write, holds no connection of the database meanwhile.
"""

import asyncio

import asyncpg

from shared.service import Service


class News:
    """What is new, as it happens. Take `next` before you look, and wait for it when what you saw is not enough."""

    def __init__(self) -> None:
        self.next = asyncio.Event()

    def arrived(self) -> None:
        """Wake all who wait."""
        self.next.set()
        self.next = asyncio.Event()


def news_of(service: Service) -> News:
    """The news of this process."""
    news: News = service.state.setdefault("news", News())
    return news


async def listen(service: Service, channel: str) -> None:
    """Pass on what a channel of the service's database says at each commit; a background task of the service."""
    news, ended = news_of(service), asyncio.Event()
    connection = await asyncpg.connect(service.database.url)
    try:
        connection.add_termination_listener(lambda *_: ended.set())
        await connection.add_listener(channel, lambda *_: news.arrived())
        # Something may have happened while nobody listened.
        news.arrived()
        await ended.wait()
        raise ConnectionError("the database ended the connection")
    finally:
        connection.terminate()
