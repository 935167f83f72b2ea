"""Who may add to a record and take away from it, in which of its states: one row for each kind of record."""

from services.incidents.activities.models import Activity
from services.incidents.attachments.models import Of
from services.incidents.cases.models import Case
from services.incidents.tips.models import Tip
from services.incidents.tips.workflow import CLOSED, OPEN
from shared.workflow import Step

RECORDS: dict[Of, type[Tip] | type[Case] | type[Activity]] = {"tips": Tip, "cases": Case, "activities": Activity}

_ANY_CASE = ("open", "resolved", "transferred")
_ANY_ACTIVITY = ("entered", "confirmed", "returned")

# Evidence may come after a record was closed, but not to one that no longer stands.
ADD: dict[str, Step[str]] = {
    "tips": Step((*OPEN, *CLOSED), None, "pass_on_tip", "AttachmentAdded"),
    "cases": Step(_ANY_CASE, None, "handle_case", "AttachmentAdded"),
    "activities": Step(_ANY_ACTIVITY, None, "enter_activity", "AttachmentAdded"),
}
REMOVE: dict[str, Step[str]] = {
    "tips": Step((*OPEN, *CLOSED, "withdrawn", "merged"), None, "handle_tip", "AttachmentRemoved", needs_reason=True),
    "cases": Step(_ANY_CASE, None, "handle_case", "AttachmentRemoved", needs_reason=True),
    "activities": Step(_ANY_ACTIVITY, None, "confirm_activity", "AttachmentRemoved", needs_reason=True),
}
# What the police have confirmed a team no longer changes; before, it may also take away what it has added.
BY_TEAM: dict[str, Step[str]] = {
    "AttachmentAdded": ADD["activities"]._replace(of=("entered", "returned")),
    "AttachmentRemoved": REMOVE["activities"]._replace(of=("entered", "returned"), may="enter_activity"),
}
