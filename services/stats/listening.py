"""Status of stats: whether the consumer, in whichever process it runs, still has news of every source."""

import asyncio

from shared.days import now
from shared.log import NEVER, sources_of
from shared.service import Service

_HEARD = """
SELECT p.source, p.generation, p.seq, p.watermark
FROM positions p JOIN counter_sets s ON s.id = p.set_id WHERE s.serving
"""


async def listen(service: Service) -> None:
    """Note each second how lately the consumer has heard of each source; a background task of the service."""
    for source in sources_of(service.settings):
        service.hear(source.label, NEVER)
    counted: dict[str, tuple[int, int]] = {}
    while True:
        for source, generation, seq, watermark in await service.database.fetch(_HEARD):
            if counted.get(source, (generation, seq)) != (generation, seq):
                # A consumer that has much to catch up with gets no watermark for long, and is not deaf.
                watermark = now()
            service.hear(source, watermark or NEVER)
            counted[source] = (generation, seq)
        await asyncio.sleep(1)
