"""Who calls, what they may do, and what is kept from everybody else.

`permissions.py` is the one table of rights and `identity.py` asks it; `tokens.py` checks who calls, `issuer.py` gives tokens in
a local run. `secrets.py` holds the deployment's secret and the one envelope that seals with it.
"""

from shared.access.identity import ANYONE, Identity, Seen
from shared.access.tokens import Caller

__all__ = ["ANYONE", "Caller", "Identity", "Seen"]
