"""What may happen to an activity: entered by a team → confirmed or returned by the commune police → corrected."""

from datetime import date, timedelta

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
# Within how many days what a team entered is confirmed in time, from which day on.
CONFIRM_WITHIN: dict[date, int] = {date.min: 3}


def confirm_by(entered_on: date) -> date:
    """The last day on which what a team entered on a day is confirmed in time."""
    return entered_on + timedelta(days=[days for since, days in CONFIRM_WITHIN.items() if since <= entered_on][-1])


# What the police have confirmed a team no longer changes.
CORRECT_BY_TEAM = Step(("entered", "returned"), "entered", "enter_activity", "ActivityCorrected", needs_reason=True)
