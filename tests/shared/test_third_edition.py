"""A third edition read from files: it spreads, converts and is served as the two that are shipped."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from shutil import copytree

import pytest
from pydantic import TypeAdapter, ValidationError

from shared import jurisdiction, units, validity
from tests import third_edition as third

CITY, OLD_CITY, BINH_DUONG = "2026:79", "2025:79", "2024:74"
UNATTRIBUTED = f"{CITY}/unattributed"


@pytest.fixture(scope="module", autouse=True)
def three_editions(third_edition_files: Path) -> Iterator[None]:
    """Every test here knows three editions."""
    units.load(third_edition_files)
    yield
    units.load()


def of(edition: str, code: str) -> str:
    return f"{edition}:{code}"


def units_of(edition: str, level: str = "") -> list[str]:
    return [unit.id for unit in units.search(edition=edition, level=level, limit=20_000)]


def test_each_edition_holds_up_to_the_day_before_the_next() -> None:
    assert units.editions() == ("2024", "2025", "2026")
    days = (date(2025, 6, 30), date(2025, 7, 1), date(2026, 6, 30), date(2026, 7, 1), date(2031, 1, 1))
    assert [units.edition_on(day) for day in days] == ["2024", "2025", "2025", "2026", "2026"]
    assert [units.last_day(name) for name in units.editions()] == [days[0], days[2], date.max]


# Where a fact is counted


def test_a_fact_follows_its_commune_over_two_steps() -> None:
    old = ("2024:25942", "2024:724", BINH_DUONG)
    assert units.spread(old[0]) == (*old, of("2025", third.MERGED), OLD_CITY, of("2026", third.MERGED), CITY)
    assert of("2026", third.MERGED) in units.spread("2024:25924")  # which became the other of the two that merged


def test_a_fact_is_unattributed_from_the_first_step_on_that_leaves_no_single_commune() -> None:
    split_later, split_before = "2024:25885", "2024:25741"
    assert units.successors(split_later) == (of("2025", third.SPLIT),)
    assert len(units.successors(split_before)) > 1
    later = (UNATTRIBUTED, CITY)
    own = (split_later, *units.ancestors(split_later))
    assert units.spread(split_later) == (*own, of("2025", third.SPLIT), OLD_CITY, *later)
    own = (split_before, *units.ancestors(split_before))
    assert units.spread(split_before) == (*own, f"{OLD_CITY}/unattributed", OLD_CITY, *later)
    assert units.spread(of("2025", third.LOST)) == (of("2025", third.LOST), OLD_CITY, *later)


def test_a_fact_of_a_province_goes_to_provinces_alone() -> None:
    assert units.spread(BINH_DUONG) == (BINH_DUONG, OLD_CITY, CITY)
    assert units.spread("2024:75") == ("2024:75", "2025:75", CITY)
    assert units.spread(CITY) == (CITY,)


def test_a_fact_of_a_province_that_was_split_goes_on_only_where_its_commune_does() -> None:
    assert units.spread("2024:01") == ("2024:01", "2025:01")
    commune = next(id for id in units.children("2025:01") if int(id[-5:]) % 2)
    assert units.spread(commune) == (commune, "2025:01", of("2026", commune[-5:]), "2026:03")


def test_in_each_edition_the_communes_and_the_unattributed_row_add_up_to_the_province() -> None:
    split = {"2024:01", "2025:01"}
    for edition in ("2025", "2026"):
        below = {*units_of(edition, "commune"), *map(units.unattributed, units_of(edition, "province"))}
        for older in [name for name in units.editions() if name < edition]:
            for id in [*units_of(older, "commune"), *units_of(older, "district")]:
                counted = len(below.intersection(units.spread(id)))
                assert counted == 1 or (edition == "2026" and split.intersection(units.spread(id)) and counted == 0), id


# What became of what


def test_a_unit_is_converted_over_two_steps_where_one_unit_stands_for_it() -> None:
    assert units.counterpart("2024:25942", "2026") == of("2026", third.MERGED)
    assert units.counterpart(BINH_DUONG, "2026") == CITY
    for none in ("2024:25885", "2024:25741", "2024:724", of("2025", third.LOST), "2025:01"):
        assert units.counterpart(none, "2026") is None, none
    # Back only to what became it alone, at each step.
    alone = next(id for id in units_of("2026", "commune") if units.counterpart(id, "2024"))
    assert units.successors(units.counterpart(alone, "2024") or "") == (units.counterpart(alone, "2025"),)
    for merged in (CITY, of("2026", third.MERGED), of("2026", third.SPLIT)):
        assert units.counterpart(merged, "2025") is None, merged


def test_a_series_is_exact_as_far_back_as_no_unit_in_it_was_split() -> None:
    begins = {edition: units.first_day(edition) for edition in units.editions()}
    assert units.is_exact(CITY)
    assert units.is_exact(of("2026", third.MERGED), begins["2025"])
    alone = next(id for id in units_of("2026", "commune") if units.counterpart(id, "2024"))
    assert units.is_exact(alone)
    split = of("2026", third.SPLIT)
    assert (units.is_exact(split), units.is_exact(split, begins["2026"])) == (False, True)
    of_a_split = of("2026", third.RENAMED)
    assert units.is_exact(of("2025", third.RENAMED)) is units.is_exact(of_a_split) is False
    assert units.is_exact(of_a_split, begins["2025"])
    assert not units.is_exact("2026:03")


def test_within_an_edition_a_unit_has_the_name_of_the_day() -> None:
    days = (date(2026, 7, 1), date(2026, 8, 31), date(2026, 9, 1))
    named = [units.get(of("2026", third.RENAMED), day) for day in days]
    assert [unit.name for unit in named if unit] == [third.FORMER_NAME, third.FORMER_NAME, third.NAME]
    assert [unit.id for unit in units.search("doi ten")] == [of("2026", third.RENAMED)]


# What a deployment serves


def test_a_deployment_of_the_first_edition_serves_what_its_units_became_in_the_third() -> None:
    served = units.served(BINH_DUONG)
    assert served >= {CITY, *(of("2026", code) for code in (third.MERGED, third.SPLIT, third.SPLIT_OFF, third.RENAMED))}
    assert of("2026", third.LOST) not in served
    assert {id for id in served if units.is_partial(id, BINH_DUONG)} == {OLD_CITY, CITY}


def test_a_deployment_of_the_third_edition_serves_all_that_became_it() -> None:
    served = units.served(CITY)
    assert served > units.served(OLD_CITY) > units.served(BINH_DUONG)
    assert served >= units.served("2025:75")
    assert not any(units.is_partial(id, CITY) for id in served)


def test_each_half_of_a_province_that_was_split_serves_its_own_part_of_what_was_common() -> None:
    one, other = units.served("2026:01"), units.served("2026:03")
    assert one | other <= units.served("2025:01")
    assert {"2025:01", "2024:01"} <= {id for id in one if units.is_partial(id, "2026:01")}
    # Both have a commune of 2024 only if it went to both.
    for id in one & other:
        provinces = {units.province_of(new) for new in units.later(id)}
        assert provinces >= {"2026:01", "2026:03"}, id
    assert not {id for id in units.area("2026:01") if units.is_partial(id, "2026:01")}


def test_an_officer_keeps_acting_wherever_the_own_commune_alone_went() -> None:
    chain = {"2024:25942", of("2025", third.MERGED), of("2026", third.MERGED)}
    assert chain <= units.area("2024:25942")
    assert chain <= units.area(of("2026", third.MERGED))
    assert units.area("2024:25885") == {"2024:25885", of("2025", third.SPLIT)}
    assert units.area(of("2026", third.SPLIT_OFF)) == {of("2026", third.SPLIT_OFF)}


def test_a_team_is_at_work_wherever_its_unit_went_over_two_steps() -> None:
    assert jurisdiction.lineage("2024:25885") == {
        "2024:25885",
        *(of("2025", third.SPLIT), of("2026", third.SPLIT), of("2026", third.SPLIT_OFF)),
        CITY,
    }
    assert validity.unit_on("2024:25942", date(2026, 7, 1)) == of("2026", third.MERGED)
    assert validity.unit_on("2024:25942", date(2026, 6, 30)) == of("2025", third.MERGED)
    assert validity.unit_on("2024:25885", date(2026, 7, 1)) == CITY
    assert validity.unit_on("2025:01", date(2026, 7, 1)) == "2025:01"


# Names of editions, and files that can't be


def test_the_names_that_are_accepted_come_from_the_files(third_edition_files: Path) -> None:
    names = TypeAdapter[str](units.Edition)
    assert names.json_schema() == {"type": "string", "enum": ["2024", "2025", "2026"]}
    assert names.validate_python("2026") == "2026"
    for wrong in ("2027", 2026, None, ["2026"]):
        with pytest.raises(ValidationError, match="Input should be '2024', '2025' or '2026'"):
            names.validate_python(wrong)
    units.load()
    with pytest.raises(ValidationError, match="Input should be '2024' or '2025'"):
        names.validate_python("2026")
    units.load(third_edition_files)


@pytest.fixture
def files(third_edition_files: Path, tmp_path: Path) -> Iterator[Path]:
    """The files of the third edition, to be spoilt."""
    yield Path(copytree(third_edition_files, tmp_path, dirs_exist_ok=True))
    assert units.editions() == ("2024", "2025", "2026")


@pytest.mark.parametrize(
    ("name", "row", "wrong"),
    [
        ("editions.csv", "2027,2026-01-01", "2027 from 2026-01-01"),
        ("editions.csv", "2027,", "2027 from "),
        ("units.csv", "2026,25942,Xã Khác,xã,commune,79", "2026:25942 stands there twice"),
        ("units.csv", "2027,04,Tỉnh Khác,tỉnh,province,", "2027:04"),
        ("units.csv", "2026,25990,Xã Khác,xã,commune,05", "2026:25990 is a commune in 2026:05"),
        ("units.csv", "2026,25990,Xã Khác,xã,commune,", "2026:25990 is a commune in None"),
        ("unit_successors.csv", "2024,25942,2026,25942", "2024:25942 to 2026:25942 is no step to the next edition"),
        ("unit_successors.csv", "2025,25942,2026,25998", "2025:25942 to 2026:25998"),
        ("unit_successors.csv", "2025,25942,2026,79", "2025:25942 is a commune, 2026:79 a province"),
        ("former_names.csv", "2026,25998,2026-07-31,Xã Khác,xã", "there is no unit 2026:25998"),
    ],
)
def test_a_row_that_cannot_be_is_named_and_the_register_stays(files: Path, name: str, row: str, wrong: str) -> None:
    with (files / name).open("a", encoding="utf-8") as file:
        file.write(f"{row}\n")
    with pytest.raises(ValueError, match=wrong):
        units.load(files)
