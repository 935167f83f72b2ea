"""deadlines.toml: what it says holds, by day, class and area; a broken one is refused in words before anything starts."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

from services.incidents.app import create_app
from services.incidents.deadlines.rules import NATIONAL, Area, Time, read
from shared.events.incidents import TipClass
from shared.settings import settings
from shared.working_days import BadFile

RECEIVED_AT = datetime(2025, 11, 3, 1, tzinfo=UTC)
RULE = '[[deadline]]\nname = "decision"\nvi = "Giải quyết"\nen = "Decision"\nmet_by = ["resolve"]\n[[deadline.rule]]\n'


def written(folder: Path, text: str) -> Path:
    """A file of deadlines."""
    file = folder / "deadlines.toml"
    file.write_text(text, "utf-8")
    return file


def length(name: str, classified_as: str | None, area: Area, on: str) -> dict[str, int] | None:
    """How long the national deadline is for such a tip received that day."""
    (deadline,) = [d for d in read(NATIONAL).deadline if d.name == name]
    rule = deadline.rule_for(classified_as, area, date.fromisoformat(on))
    return rule.model_dump(include=set(Time.model_fields), exclude_none=True) if rule else None


def test_the_report_to_the_investigation_body_is_due_by_the_rules_of_the_day() -> None:
    for on, area, hours in (
        ("2024-08-01", "ordinary", 24),
        ("2024-08-01", "difficult", 48),
        ("2025-02-26", "ordinary", 24),
        ("2025-02-26", "difficult", 48),
        ("2025-02-27", "ordinary", 12),
        ("2025-02-27", "difficult", 24),
        ("2025-11-03", "ordinary", 12),
    ):
        for crime in ("denunciation_of_crime", "crime_report", "recommendation_to_prosecute"):
            assert length("report_to_investigators", crime, "difficult" if area == "difficult" else "ordinary", on) == {
                "hours": hours
            }
    for other in set(get_args(TipClass)) - {"denunciation_of_crime", "crime_report", "recommendation_to_prosecute"}:
        assert length("report_to_investigators", other, "ordinary", "2025-11-03") is None
    assert length("file_transfer", "crime_report", "ordinary", "2025-11-03") == {"days": 7}
    assert length("decision", "crime_report", "ordinary", "2025-11-03") == {"days": 20}
    assert length("decision", "feedback", "ordinary", "2025-11-03") == {"working_days": 15}
    assert length("decision", None, "ordinary", "2025-11-03") is None
    assert length("classification", None, "difficult", "2025-11-03") == {"hours": 24}


def test_a_first_day_keeps_older_tips_out(tmp_path: Path) -> None:
    (deadline,) = read(written(tmp_path, RULE + "from = 2026-01-01\ndays = 7\n")).deadline
    assert deadline.rule_for(None, "ordinary", date(2025, 12, 31)) is None
    rule = deadline.rule_for(None, "ordinary", date(2026, 1, 1))
    assert rule is not None
    assert rule.after(RECEIVED_AT) - RECEIVED_AT == timedelta(days=8, hours=-8)


BROKEN = {
    "[[deadline": "Expected",
    "x = 1\n" + RULE + "days = 20\n": "x: Extra inputs",
    RULE: "exactly one of hours, days, working_days, months",
    RULE + "days = 20\nhours = 2\n": "exactly one of",
    RULE + "days = 0\n": "days: Input should be greater",
    RULE + "dayz = 20\n": "dayz: Extra inputs",
    RULE + 'days = 20\nclasses = ["crime"]\n': "classes.0: Input should be",
    RULE + "days = 20\nclasses = []\n": "classes: List should have at least 1",
    RULE + 'days = 20\narea = "far"\n': "area: Input should be 'ordinary' or 'difficult'",
    RULE + "days = 20\nfrom = 2026-02-30\n": "deadlines.toml",
    RULE + "days = 20\ncomplex = { months = 2, days = 1 }\n": "complex: Value error, give exactly one",
    RULE + "days = 20\nextension = { asked_days_before = 5 }\n": "extension: Value error, give exactly one",
    RULE + 'days = 20\n[[deadline.rule]]\ndays = 30\narea = "difficult"\n': "two rules of decision from the same day",
    RULE + "days = 20\n" + RULE + "days = 20\n": "two deadlines are called decision",
    RULE.replace("resolve", "resolved") + "days = 20\n": "a tip has no step resolved; there are report, classify",
    RULE + 'days = 20\n[[difficult]]\nunits = ["2025:1"]\n': "there is no unit 2025:1",
}


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_wrong_with_a_file_is_said_in_words(text: str, tmp_path: Path) -> None:
    with pytest.raises(BadFile) as refused:
        read(written(tmp_path, text))
    assert str(tmp_path / "deadlines.toml") in str(refused.value)
    assert BROKEN[text] in str(refused.value)


@pytest.mark.parametrize("variable", ["ANTT_DEADLINES", "ANTT_SWAPS"])
def test_incidents_does_not_start_with_a_broken_file(
    variable: str, tmp_path: Path, databases: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(written(tmp_path, "[[deadlin]]")))
    settings.cache_clear()
    with pytest.raises(BadFile, match="deadlin"):
        create_app()
