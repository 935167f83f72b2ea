"""What may happen to a case: open → resolved, and back when it is taken up again."""

from services.incidents.steps import Step

STEPS: dict[str, Step] = {
    "resolve": Step(("open",), "resolved", "handle_case", "CaseResolved"),
    "reopen": Step(("resolved",), "open", "handle_case", "CaseReopened", needs_reason=True),
    "correct": Step(("open", "resolved"), None, "handle_case", "CaseCorrected", needs_reason=True),
}
