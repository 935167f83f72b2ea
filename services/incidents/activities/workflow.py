"""What may happen to an activity: entered by a team → confirmed or returned by the commune police → corrected."""

from datetime import date, datetime

from shared.access import Seen
from shared.days import day_of
from shared.events.incidents import ActivityState
from shared.workflow import Transition
from shared.working_days import last_day, working_days_later

SEEN = Seen("read_records")

# In which state an entry begins: what a team enters waits for the police, what anyone else enters is confirmed.
BEGINS: dict[str, ActivityState] = {"team_leader": "entered"}
BEGINS_CONFIRMED: ActivityState = "confirmed"

STEPS: dict[str, Transition[ActivityState]] = {
    "confirm": Transition(("entered",), "confirmed", "confirm_activity", "ActivityConfirmed"),
    "return": Transition(
        ("entered", "confirmed"), "returned", "confirm_activity", "ActivityReturned", needs_reason=True
    ),
    "correct": Transition(
        ("entered", "confirmed", "returned"), "confirmed", "confirm_activity", "ActivityCorrected", needs_reason=True
    ),
}
# Within how many working days what a team entered is confirmed in time: for entries from which day on, the latest last.
CONFIRM_WITHIN: dict[date, int] = {date.min: 3}


def confirm_by(entered_at: datetime) -> date:
    """The last day on which what a team entered then is confirmed in time."""
    within = [days for since, days in CONFIRM_WITHIN.items() if since <= day_of(entered_at)][-1]
    return last_day(working_days_later(entered_at, within))


# What the police have confirmed a team no longer changes.
CORRECT_BY_TEAM: Transition[ActivityState] = Transition(
    ("entered", "returned"), "entered", "enter_activity", "ActivityCorrected", needs_reason=True
)
# A system corrects what it has sent itself; it is confirmed, as it was when it came.
CORRECT_BY_SYSTEM: Transition[ActivityState] = Transition(
    ("entered", "confirmed", "returned"), "confirmed", "enter_activity", "ActivityCorrected", needs_reason=True
)
