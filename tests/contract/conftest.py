"""What the tests of the contract share: the three services behind a real server on a real port."""

import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from deploy.local.sockets import free_port


@pytest.fixture
def served(databases: dict[str, str]) -> Iterator[str]:
    """The address of a server with the three services on fresh databases; it runs in a thread with a loop of its own."""
    port = free_port()
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
