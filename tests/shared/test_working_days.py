"""Working days and the ends of periods: Tết, holidays that fall on a weekend, days that the government swapped."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import working_days as calendar
from shared.days import VIETNAM, day_of
from shared.settings import settings
from shared.working_days import (
    days_later,
    hours_later,
    is_working_day,
    last_day,
    months_later,
    working_days_later,
)

INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def at(text: str) -> datetime:
    """An instant by the clock of Viet Nam."""
    return datetime.fromisoformat(text).replace(tzinfo=VIETNAM)


def days_off(first: str, last: str) -> list[str]:
    """The days without work between two days, both inclusive."""
    day, end = date.fromisoformat(first), date.fromisoformat(last)
    days = [day + timedelta(n) for n in range((end - day).days + 1)]
    return [d.strftime("%d/%m") for d in days if not is_working_day(d)]


def test_tet_is_as_long_as_the_government_announced() -> None:
    # Tết Giáp Thìn 8–14/2/2024, Ất Tỵ 25/1–2/2/2025, Bính Ngọ 14–22/2/2026, each with the weekends around it.
    assert days_off("2024-02-05", "2024-02-16") == ["08/02", "09/02", "10/02", "11/02", "12/02", "13/02", "14/02"]
    assert days_off("2025-01-20", "2025-02-07") == [
        "25/01", "26/01", "27/01", "28/01", "29/01", "30/01", "31/01", "01/02", "02/02",
    ]  # fmt: skip
    assert days_off("2026-02-09", "2026-02-27") == [
        "14/02", "15/02", "16/02", "17/02", "18/02", "19/02", "20/02", "21/02", "22/02",
    ]  # fmt: skip


def test_a_year_for_which_nothing_is_announced_yet_has_the_holidays_of_the_law() -> None:
    # Tết Mậu Thân begins on 26 January 2028.
    assert {"26/01", "27/01", "28/01"} <= set(days_off("2028-01-24", "2028-01-28"))
    assert days_off("2028-02-28", "2028-03-03") == []
    for year in range(2029, 2090):
        assert not is_working_day(date(year, 9, 2)), year


def test_days_that_the_government_swapped_are_worked_and_free_as_it_said() -> None:
    for off, worked in (
        ("2024-04-29", "2024-05-04"),
        ("2025-05-02", "2025-04-26"),
        ("2026-01-02", "2026-01-10"),
        ("2026-08-31", "2026-08-22"),
    ):
        assert not is_working_day(date.fromisoformat(off)), off
        assert is_working_day(date.fromisoformat(worked)), worked


def test_a_holiday_on_a_weekend_is_made_up_for_on_the_next_working_day() -> None:
    assert days_off("2026-04-24", "2026-04-28") == ["25/04", "26/04", "27/04"]  # Giỗ Tổ Hùng Vương on a Sunday
    assert days_off("2023-04-28", "2023-05-04") == ["29/04", "30/04", "01/05", "02/05", "03/05"]


def test_three_working_days_across_tet_end_when_the_offices_have_worked_three_days() -> None:
    assert working_days_later(at("2025-01-24T10:00"), 3) == at("2025-02-06T00:00")  # 3, 4, 5 February
    assert working_days_later(at("2025-01-28T10:00"), 3) == at("2025-02-06T00:00")  # entered on Tết's eve
    assert working_days_later(at("2026-02-12T10:00"), 3) == at("2026-02-25T00:00")  # 13, 23, 24 February
    assert working_days_later(at("2026-01-01T10:00"), 3) == at("2026-01-08T00:00")  # 2 January was swapped
    assert working_days_later(at("2026-01-07T23:59:59"), 3) == at("2026-01-11T00:00")  # 8, 9 and Saturday the 10th


def test_no_working_days_end_with_the_day_itself_or_the_first_working_day_after_it() -> None:
    assert working_days_later(at("2025-11-21T10:00"), 0) == at("2025-11-22T00:00")
    assert working_days_later(at("2025-11-22T10:00"), 0) == at("2025-11-25T00:00")


def test_days_and_months_end_at_24_00_and_never_on_a_day_off() -> None:
    assert days_later(at("2025-11-03T08:00"), 20) == at("2025-11-25T00:00")  # 23/11 is a Sunday: Monday the 24th
    assert days_later(at("2025-01-21T08:00"), 7) == at("2025-02-04T00:00")  # the 28th is Tết's eve: 3 February
    assert last_day(days_later(at("2025-01-21T08:00"), 7)) == date(2025, 2, 3)
    assert months_later(at("2025-12-31T08:00"), 2) == at("2026-03-03T00:00")  # 28/2 is a Saturday: 2 March
    assert months_later(at("2024-01-31T08:00"), 1) == at("2024-03-01T00:00")  # the last day of a leap February
    assert months_later(at("2025-11-17T08:00"), 2) == at("2026-01-20T00:00")  # 17/1/2026 is a Saturday


def test_hours_run_through_the_night_and_through_tet() -> None:
    assert hours_later(at("2026-02-16T20:00"), 12) == at("2026-02-17T08:00")
    assert last_day(at("2026-02-17T00:00")) == date(2026, 2, 16)
    assert last_day(at("2026-02-17T00:01")) == date(2026, 2, 17)


@given(INSTANTS, st.integers(0, 60))
def test_an_end_is_never_on_a_day_off_nor_before_its_beginning(instant: datetime, n: int) -> None:
    for later in (days_later, working_days_later, months_later):
        end = later(instant, n)
        assert is_working_day(last_day(end))
        assert end > instant
        assert end.astimezone(VIETNAM).time().isoformat() == "00:00:00"


@given(INSTANTS, st.timedeltas(timedelta(0), timedelta(days=40)), st.integers(0, 60), st.integers(0, 5))
def test_who_begins_later_or_has_more_time_never_ends_earlier(
    instant: datetime, later_by: timedelta, n: int, more: int
) -> None:
    for later in (hours_later, days_later, working_days_later, months_later):
        assert later(instant, n) <= later(instant + later_by, n)
        assert later(instant, n) <= later(instant, n + more)


@given(INSTANTS, st.integers(1, 40))
def test_so_many_working_days_lie_between_the_beginning_and_the_end(instant: datetime, n: int) -> None:
    first, last = day_of(instant), last_day(working_days_later(instant, n))
    days = [first + timedelta(d) for d in range(1, (last - first).days + 1)]
    assert sum(map(is_working_day, days)) == n
    # One day after the other gives the same as all at once.
    assert working_days_later(working_days_later(instant, n) - timedelta(microseconds=1), 1) == working_days_later(
        instant, n + 1
    )


@pytest.fixture
def own_swaps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file of swaps that the settings name."""
    file = tmp_path / "swaps.toml"
    monkeypatch.setenv("ANTT_SWAPS", str(file))
    _forget()
    yield file
    monkeypatch.undo()
    _forget()


def _forget() -> None:
    settings.cache_clear()
    calendar._swapped.cache_clear()
    is_working_day.cache_clear()


def test_a_province_tells_of_a_new_swap_in_a_file_of_its_own(own_swaps: Path) -> None:
    own_swaps.write_text('[[swap]]\noff = 2024-07-04\nworked = 2024-07-13\nsource = "thông báo"\n')
    assert not is_working_day(date(2024, 7, 4))
    assert is_working_day(date(2024, 7, 13))
    assert not is_working_day(date(2026, 1, 2))


def test_a_file_of_swaps_that_is_broken_is_refused_in_words(own_swaps: Path) -> None:
    for text, words in (
        ("[[swap]]\noff = 2024-07-04\n", "swap.0.worked: Field required"),
        ('[[swap]]\noff = 2024-06-31\nworked = 2024-07-13\nsource = "x"\n', "swaps.toml"),
        ('[[swaps]]\noff = 2024-07-05\nworked = 2024-07-13\nsource = "x"\n', "swaps: Extra inputs"),
    ):
        own_swaps.write_text(text)
        with pytest.raises(calendar.BadFile, match=words):
            calendar.read_swaps(own_swaps)
    with pytest.raises(calendar.BadFile, match=r"none\.toml"):
        calendar.read_swaps(own_swaps.with_name("none.toml"))
