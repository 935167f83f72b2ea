"""One clock: what asks for the time asks `shared/days.py`, so a test sets another in one place."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.access.issuer import issue_token
from shared.access.tokens import Tokens
from shared.days import Day, Instant, now, today
from shared.errors import Unauthenticated
from shared.files.store import open_store, remove_half_written
from shared.settings import settings
from tests.clock import at
from tests.conftest import COMMUNE

MIDNIGHT = datetime(2027, 12, 31, 17, tzinfo=UTC)  # of Viet Nam, as 2028 begins


def test_a_day_begins_at_midnight_in_viet_nam() -> None:
    with at(MIDNIGHT - timedelta(seconds=1)) as clock:
        assert today().isoformat() == "2027-12-31"
        clock.instant += timedelta(seconds=1)
        assert today().isoformat() == "2028-01-01"
    assert abs(now() - datetime.now(UTC)) < timedelta(minutes=1)  # noqa: TID251


async def test_tokens_begin_and_end_by_the_one_clock(data: Path) -> None:
    tokens = Tokens(settings())
    with at(MIDNIGHT) as clock:
        bearer = f"Bearer {issue_token(settings(), 'commune_officer', COMMUNE, valid=timedelta(hours=1))}"
        assert (await tokens.identity(bearer)).unit == COMMUNE
        clock.instant += timedelta(hours=2)
        # Also what was found good before.
        with pytest.raises(Unauthenticated):
            await tokens.identity(bearer)


async def test_what_is_old_in_the_store_is_so_by_the_one_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTT_STORE", tmp_path.as_uri())
    settings.cache_clear()
    (tmp_path / "a#1").write_bytes(b"")
    store = open_store(settings())
    settings.cache_clear()
    await remove_half_written(store, timedelta(days=1))
    assert (tmp_path / "a#1").exists()
    with at(now() + timedelta(days=2)):
        await remove_half_written(store, timedelta(days=1))
    assert not (tmp_path / "a#1").exists()


NUMBERS = ["20261128", "45598", "0", "1732752000", "-1", "45598.5", "1e5", "20241103T083000Z", "2024-W44-7", "2024-308"]


@pytest.mark.parametrize(
    "given", [*NUMBERS, "2024-1-3", "2024-13-01", "2024-02-30", "٢٠٢٤-١١-٠٣", "2024-11-03T00:00:00"]
)
def test_a_day_is_iso_8601_in_its_extended_form_and_no_number(given: str) -> None:
    for as_json in (f'"{given}"', given):
        with pytest.raises(ValidationError):
            TypeAdapter(Day).validate_json(as_json)
    with pytest.raises(ValidationError):
        TypeAdapter(Day).validate_python(given)


@pytest.mark.parametrize(
    "given", [*NUMBERS, "2024-11-03", "2024-11-03T08:30:00", "2024-11-03T25:00Z", "2024-11-03T0830Z"]
)
def test_an_instant_is_iso_8601_in_its_extended_form_and_no_number(given: str) -> None:
    for as_json in (f'"{given}"', given):
        with pytest.raises(ValidationError):
            TypeAdapter(Instant).validate_json(as_json)
    with pytest.raises(ValidationError):
        TypeAdapter(Instant).validate_python(given)


@pytest.mark.parametrize("given", ["2024-11-03T08:30+07:00", "2024-11-03 08:30:00+07:00", "2024-11-03t01:30:00.000z"])
def test_a_blank_for_the_t_and_missing_seconds_are_accepted(given: str) -> None:
    meant = datetime(2024, 11, 3, 1, 30, tzinfo=UTC)
    assert TypeAdapter(Instant).validate_json(f'"{given}"') == TypeAdapter(Instant).validate_python(given) == meant
