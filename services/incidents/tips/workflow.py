"""What may happen to a tip, as DOMAIN.md tells it: from which states a step leads to which, and who may take it."""

from services.incidents.steps import Step
from shared.events import TipState

OPEN: tuple[TipState, ...] = ("received", "reported", "classified", "verifying", "forwarded")

# A team can only report; every other step is the police's.
STEPS: dict[str, Step] = {
    "report": Step(("received",), "reported", "pass_on_tip", "TipReported"),
    "classify": Step(("reported", "classified"), "classified", "handle_tip", "TipClassified"),
    "verify": Step(("classified",), "verifying", "handle_tip", "TipVerificationStarted"),
    "forward": Step(("classified", "verifying"), "forwarded", "handle_tip", "TipForwarded"),
    "resolve": Step(("classified", "verifying", "forwarded"), "resolved", "handle_tip", "TipResolved"),
    "reject": Step(("reported", "classified", "verifying"), "rejected", "handle_tip", "TipRejected", needs_reason=True),
    "notify": Step(("forwarded", "resolved", "rejected"), "notified", "handle_tip", "InformantNotified"),
    "withdraw": Step(OPEN, "withdrawn", "handle_tip", "TipWithdrawn", needs_reason=True),
    "correct": Step((*OPEN, "resolved", "rejected", "notified"), None, "handle_tip", "TipCorrected", needs_reason=True),
    "reopen": Step(
        ("resolved", "rejected", "notified", "withdrawn"),
        "verifying",
        "handle_tip",
        "TipReopened",
        needs_reason=True,
    ),
}
