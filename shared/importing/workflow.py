"""What may happen to an import, and who sees it beside who sent it: queued → running → done, failed or cancelled."""

from shared.access import Identity
from shared.importing.models import State
from shared.jurisdiction import area as area_of

# In these an import stays as it is.
ENDED: tuple[State, ...] = ("done", "failed", "cancelled")


def overseen(caller: Identity) -> list[str]:
    """The units whose imports a caller sees, and may cancel, beside the own."""
    return sorted(area_of(caller.unit)) if caller.may("handle_imports") else []
