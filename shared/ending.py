"""How a process that serves ends: what its server, its readiness and who supervises it must agree on."""

import threading

# Set once it was asked to end: it is not ready any more, and takes requests for as long as it listens.
ENDING = threading.Event()

# Requests in flight have so long to be answered once it listens no more.
ENDING_SECONDS = 30
