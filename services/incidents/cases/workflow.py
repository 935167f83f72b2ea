"""What may happen to a case: open → resolved or transferred, and back when it is taken up again."""

from shared.access import Seen
from shared.events.incidents import CaseState
from shared.workflow import Transition

# A case is the police's: no team's leader sees one.
SEEN = Seen("read_records", team=None)

STANDING: tuple[CaseState, ...] = ("open", "resolved", "transferred")

# A link says through what the case was found, so it may be added or taken back whenever that is learnt.
STEPS: dict[str, Transition[CaseState]] = {
    "resolve": Transition(("open",), "resolved", "handle_case", "CaseResolved"),
    "transfer": Transition(("open",), "transferred", "handle_case", "CaseTransferred"),
    "withdraw": Transition(STANDING, "withdrawn", "handle_case", "CaseWithdrawn", needs_reason=True),
    "reopen": Transition(
        ("resolved", "transferred", "withdrawn"), "open", "handle_case", "CaseReopened", needs_reason=True
    ),
    "correct": Transition(STANDING, None, "handle_case", "CaseCorrected", needs_reason=True),
    "link": Transition(STANDING, None, "handle_case", "CaseLinked"),
    "unlink": Transition(STANDING, None, "handle_case", "CaseUnlinked", needs_reason=True),
}
