"""How others follow what happens in a service: `/changes`, read at their own pace, and webhooks, which are sent to them.

Both hand on the events of the outbox that concern the reader's area, in the order of the commits, and take nothing back
silently after a recovery. The service whose events they are is a parameter (`rooms`); migrations/parts/webhooks.py makes
the tables.
"""

from shared.subscriptions.delivering import run as deliver
from shared.subscriptions.routes import rooms

__all__ = ["deliver", "rooms"]
