"""What may happen to a tip, as DOMAIN.md says: from which states a step leads to which, and who may take it."""

from services.incidents.tips.models import Tip
from shared import units
from shared.access import Seen
from shared.events.incidents import TipState
from shared.workflow import Transition

OPEN: tuple[TipState, ...] = ("received", "reported", "classified", "verifying", "forwarded")
CLOSED: tuple[TipState, ...] = ("resolved", "rejected", "notified")

# By the area of its unit, by that of whose police handle it, and by that which it waits for; by its team.
SEEN = Seen("read_tips", ("unit", "handled_by", "forwarded_to"))

# A team can only report; every other step is the police's: of the commune that handles the tip, or of the province.
STEPS: dict[str, Transition[TipState]] = {
    "report": Transition(("received",), "reported", "pass_on_tip", "TipReported"),
    "classify": Transition(("reported", "classified", "verifying"), "classified", "handle_tip", "TipClassified"),
    "assign": Transition(OPEN, None, "handle_tip", "TipAssigned"),
    "ask": Transition(OPEN, None, "handle_tip", "InformantAsked"),
    "verify": Transition(("classified",), "verifying", "handle_tip", "TipVerificationStarted"),
    # Forwarded to an agency, which acknowledges it, or to another commune, which takes it over or sends it back.
    "forward": Transition(("reported", "classified", "verifying"), "forwarded", "handle_tip", "TipForwarded"),
    # An agency may acknowledge it after the informant was notified that it has it; not once it was decided here.
    "acknowledge": Transition(("forwarded", "notified"), None, "handle_tip", "TipForwardingAcknowledged"),
    "take_over": Transition(("forwarded",), "reported", "handle_tip", "TipTakenOver"),
    "send_back": Transition(("forwarded",), "verifying", "handle_tip", "TipSentBack", needs_reason=True),
    "resolve": Transition(("classified", "verifying", "forwarded"), "resolved", "handle_tip", "TipResolved"),
    "reject": Transition(
        ("reported", "classified", "verifying"), "rejected", "handle_tip", "TipRejected", needs_reason=True
    ),
    "notify": Transition(("forwarded", "resolved", "rejected"), "notified", "handle_tip", "InformantNotified"),
    "merge": Transition(("received", "reported", "classified", "verifying"), "merged", "handle_tip", "TipMerged"),
    "split": Transition(("merged",), "reported", "handle_tip", "TipSplit", needs_reason=True),
    "withdraw": Transition(OPEN, "withdrawn", "handle_tip", "TipWithdrawn", needs_reason=True),
    "correct": Transition((*OPEN, *CLOSED), None, "handle_tip", "TipCorrected", needs_reason=True),
    "reopen": Transition((*CLOSED, "withdrawn"), "verifying", "handle_tip", "TipReopened", needs_reason=True),
}
# Who holds the receipt may write as long as the tip that stands, theirs or the one it was merged into, may be worked on.
WRITE: Transition[TipState] = Transition(OPEN, None, "report_tip", "InformantWrote")
# A system that relayed a tip corrects it until the police have classified it.
CORRECT_BY_SENDER: Transition[TipState] = Transition(
    ("received", "reported"), None, "pass_on_tip", "TipCorrected", needs_reason=True
)


def also_concerned(*as_it_was_and_is: Tip) -> tuple[str, ...]:
    """The units beside its own whose police handle a tip, or are asked to."""
    named = {unit for tip in as_it_was_and_is for unit in (tip.handled_by, tip.forwarded_to) if unit}
    others = named.difference(tip.unit for tip in as_it_was_and_is)
    return tuple(sorted(unit for unit in others if units.get(unit) is not None))
