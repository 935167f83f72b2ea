"""Who may add a file to a record and take one away, in which of its states: one table for each kind of record."""

from services.incidents.tips.workflow import CLOSED, OPEN
from shared.files.records import FileChange
from shared.workflow import Transition

_ANY_CASE = ("open", "resolved", "transferred")
_ANY_ACTIVITY = ("entered", "confirmed", "returned")
_NOT_CONFIRMED = ("entered", "returned")

# Evidence may come after a record was closed, but not to one that no longer stands.
TIPS: dict[FileChange, Transition[str]] = {
    "add": Transition((*OPEN, *CLOSED), None, "pass_on_tip", "AttachmentAdded"),
    "remove": Transition(
        (*OPEN, *CLOSED, "withdrawn", "merged"), None, "handle_tip", "AttachmentRemoved", needs_reason=True
    ),
}
CASES: dict[FileChange, Transition[str]] = {
    "add": Transition(_ANY_CASE, None, "handle_case", "AttachmentAdded"),
    "remove": Transition(_ANY_CASE, None, "handle_case", "AttachmentRemoved", needs_reason=True),
}
ACTIVITIES: dict[FileChange, Transition[str]] = {
    "add": Transition(_ANY_ACTIVITY, None, "enter_activity", "AttachmentAdded"),
    "remove": Transition(_ANY_ACTIVITY, None, "confirm_activity", "AttachmentRemoved", needs_reason=True),
}
# What the police have confirmed a team no longer changes; before, it may also take away what it has added.
ACTIVITIES_BY_TEAM: dict[FileChange, Transition[str]] = {
    "add": Transition(_NOT_CONFIRMED, None, "enter_activity", "AttachmentAdded"),
    "remove": Transition(_NOT_CONFIRMED, None, "enter_activity", "AttachmentRemoved", needs_reason=True),
}
