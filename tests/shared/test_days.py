"""One clock: what asks for the time asks `shared/days.py`, so a test sets another in one place."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.auth import Tokens, issue_token
from shared.days import now, today
from shared.errors import Unauthenticated
from shared.settings import settings
from shared.store import open_store, remove_half_written
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
