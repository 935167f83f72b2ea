"""What the tests of the contract share: the three services behind a real server on a real port."""

import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from deploy.local.sockets import free_port
from shared.settings import settings


@pytest.fixture
def served(databases: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server with the three services on fresh databases; it runs in a thread with a loop of its own."""
    port = free_port()
    # Whatever address is made up for a webhook, nothing is sent out of this machine.
    monkeypatch.setenv("ANTT_WEBHOOK_HOSTS", "localhost")
    settings.cache_clear()
    server = uvicorn.Server(
        uvicorn.Config("deploy.embedded:create_app", factory=True, port=port, log_config=None, access_log=False)
    )
    running = threading.Thread(target=server.run)
    running.start()
    try:
        while not server.started:
            assert running.is_alive(), "the server ended at its start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        running.join()
