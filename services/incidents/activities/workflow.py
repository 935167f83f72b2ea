"""What may happen to an activity: entered by a team → confirmed or returned by the commune police → corrected."""

from services.incidents.steps import Step
from shared.events import ActivityState

# In which state an entry begins: what a team enters waits for the police, what anyone else enters is confirmed.
BEGINS: dict[str, ActivityState] = {"team_leader": "entered"}
BEGINS_CONFIRMED: ActivityState = "confirmed"

STEPS: dict[str, Step] = {
    "confirm": Step(("entered",), "confirmed", "confirm_activity", "ActivityConfirmed"),
    "return": Step(("entered", "confirmed"), "returned", "confirm_activity", "ActivityReturned", needs_reason=True),
    "correct": Step(
        ("entered", "confirmed", "returned"), "confirmed", "confirm_activity", "ActivityCorrected", needs_reason=True
    ),
}
# What the police have confirmed a team no longer changes.
CORRECT_BY_TEAM = Step(("entered", "returned"), "entered", "enter_activity", "ActivityCorrected", needs_reason=True)
