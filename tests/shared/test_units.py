"""What the register of administrative units promises, checked on all 14,165 units of the two editions shipped."""

import subprocess
import sys
import unicodedata
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import units
from shared.units import Unit

BINH_DUONG, HO_CHI_MINH_CITY, UNATTRIBUTED = "2024:74", "2025:79", "2025:79/unattributed"


def units_of(edition: str, level: str = "") -> list[Unit]:
    return units.search(edition=edition, level=level, limit=20_000)


def communes_of(province: str) -> list[str]:
    districts = units.children(province)
    return [commune for district in districts for commune in units.children(district)]


OLD_COMMUNES = [unit.id for unit in units_of("2024", "commune")]
NEW_COMMUNES = [unit.id for unit in units_of("2025", "commune")]
OLD_PROVINCES = [unit.id for unit in units_of("2024", "province")]
NEW_PROVINCES = [unit.id for unit in units_of("2025", "province")]
ALL = [unit.id for edition in units.editions() for unit in units_of(edition)]
ISLANDS = {"2025:11948", "2025:19742", "2025:20333", "2025:21548", "2025:26732"}

any_unit = st.sampled_from(ALL)


# What is on record


def test_the_register_holds_63_provinces_and_then_34() -> None:
    assert [len(OLD_PROVINCES), len(units_of("2024", "district")), len(OLD_COMMUNES)] == [63, 696, 10_051]
    assert [len(NEW_PROVINCES), len(units_of("2025", "district")), len(NEW_COMMUNES)] == [34, 0, 3_321]


def test_a_unit_is_found_by_its_edition_and_code() -> None:
    assert units.get("2024:74") == Unit("2024:74", "2024", "74", "Tỉnh Bình Dương", "tỉnh", "province", None)
    assert units.get("2025:74") is None
    assert units.get("74") is None


@pytest.mark.parametrize("code", ["15", "24", "44", "52", "80", "82", "91"])
def test_a_reused_code_names_another_province_in_each_edition(code: str) -> None:
    before, after = units.get(f"2024:{code}"), units.get(f"2025:{code}")
    assert before
    assert after
    assert before.name != after.name


def test_code_82_is_tien_giang_and_then_dong_thap() -> None:
    names = [unit.name for unit in map(units.get, ("2024:82", "2025:82")) if unit]
    assert names == ["Tỉnh Tiền Giang", "Tỉnh Đồng Tháp"]


def test_a_unit_is_a_child_of_its_parent_and_of_no_other() -> None:
    children = [child for id in ALL for child in units.children(id)]
    assert sorted(children) == sorted(set(ALL) - {*OLD_PROVINCES, *NEW_PROVINCES})
    assert all(units.ancestors(child)[0] == id for id in ALL for child in units.children(id))


def test_children_come_in_the_order_of_their_codes() -> None:
    assert all(before < after for id in ALL for before, after in pairwise(units.children(id)))


def test_ancestors_are_the_nearest_first_and_the_unit_is_not_among_them() -> None:
    assert units.ancestors("2024:25885") == ("2024:722", "2024:74")
    assert units.ancestors("2025:25882") == ("2025:79",)
    assert units.ancestors("2025:79") == ()


def test_ancestors_are_of_the_units_own_edition() -> None:
    assert all(above[:4] == id[:4] for id in ALL for above in units.ancestors(id))


@pytest.mark.parametrize(
    ("id", "last_day", "before", "after"),
    [
        ("2025:75", date(2026, 4, 29), ("Tỉnh Đồng Nai", "tỉnh"), ("Thành phố Đồng Nai", "thành phố trung ương")),
        ("2025:24", date(2026, 9, 19), ("Tỉnh Bắc Ninh", "tỉnh"), ("Thành phố Bắc Ninh", "thành phố trung ương")),
    ],
)
def test_a_province_that_became_a_city_keeps_its_code_and_has_the_name_of_the_day(
    id: str, last_day: date, before: tuple[str, str], after: tuple[str, str]
) -> None:
    old, new = units.get(id, last_day), units.get(id, last_day + timedelta(days=1))
    assert old
    assert new
    assert [(old.name, old.type), (new.name, new.type)] == [before, after]
    assert old._replace(name=new.name, type=new.type) == new == units.get(id)
    # It is found under either name, and shown under today's.
    assert units.search(before[0], edition="2025", level="province") == [new]


def test_an_unknown_unit_is_an_error_not_an_empty_answer() -> None:
    for ask in (units.children, units.ancestors, units.successors, units.predecessors, units.spread):
        with pytest.raises(KeyError):
            ask("2024:no")
    for ask_more in (units.served, units.is_exact, units.area):
        with pytest.raises(KeyError):
            ask_more("2024:no")


# Editions


@pytest.mark.parametrize(
    ("day", "edition"),
    [
        (date(2018, 5, 1), "2024"),
        (date(2025, 6, 30), "2024"),
        (date(2025, 7, 1), "2025"),
        (date(2031, 1, 1), "2025"),
    ],
)
def test_the_edition_of_2025_holds_from_its_first_of_july(day: date, edition: str) -> None:
    assert units.edition_on(day) == edition


@given(st.dates(max_value=date.max - timedelta(days=1)))
def test_an_edition_never_returns(day: date) -> None:
    assert units.edition_on(day) <= units.edition_on(day + timedelta(days=1))


# What became of what


def test_every_old_province_has_exactly_one_successor() -> None:
    assert all(len(units.successors(id)) == 1 for id in OLD_PROVINCES)


def test_440_communes_went_to_several_new_ones_and_28_to_none_on_record() -> None:
    counts = [len(units.successors(id)) for id in OLD_COMMUNES]
    assert [sum(count > 1 for count in counts), counts.count(0)] == [440, 28]


def test_no_commune_went_across_a_new_province() -> None:
    for id in OLD_COMMUNES:
        new_province = units.successors(units.ancestors(id)[-1])
        assert all(units.ancestors(new) == new_province for new in units.successors(id))


def test_successors_and_predecessors_tell_the_same() -> None:
    assert all(id in units.predecessors(new) for id in ALL for new in units.successors(id))
    assert all(id in units.successors(old) for id in ALL for old in units.predecessors(id))


def test_a_district_became_nothing_and_nothing_became_one() -> None:
    assert not any(units.successors(unit.id) for unit in units_of("2024", "district"))
    assert {id for id in NEW_COMMUNES if not units.predecessors(id)} == ISLANDS


# Where a fact is counted


def test_a_fact_of_a_commune_with_a_sole_successor_is_counted_there_and_in_both_provinces() -> None:
    assert units.spread("2024:25885") == ("2024:25885", "2024:722", "2024:74", "2025:25882", "2025:79")


def test_a_fact_of_a_divided_commune_is_unattributed_in_the_new_province() -> None:
    divided = next(id for id in communes_of(BINH_DUONG) if len(units.successors(id)) > 1)
    assert units.spread(divided) == (divided, *units.ancestors(divided), UNATTRIBUTED, HO_CHI_MINH_CITY)


def test_a_fact_of_a_commune_without_successor_is_unattributed_in_the_new_province() -> None:
    assert units.spread("2024:27379") == ("2024:27379", "2024:775", "2024:79", UNATTRIBUTED, HO_CHI_MINH_CITY)


def test_a_fact_of_a_district_is_unattributed_in_the_new_province() -> None:
    assert units.spread("2024:718") == ("2024:718", "2024:74", UNATTRIBUTED, HO_CHI_MINH_CITY)


def test_a_fact_of_an_island_district_is_unattributed_too() -> None:
    assert units.spread("2024:755") == ("2024:755", "2024:77", UNATTRIBUTED, HO_CHI_MINH_CITY)


def test_a_fact_of_an_old_province_is_counted_in_the_new_one() -> None:
    assert units.spread(BINH_DUONG) == (BINH_DUONG, HO_CHI_MINH_CITY)


def test_a_fact_of_2025_is_not_counted_in_the_units_of_before() -> None:
    assert units.spread("2025:25882") == ("2025:25882", "2025:79")
    assert units.spread("2025:79") == ("2025:79",)


def test_every_fact_of_binh_duong_reaches_ho_chi_minh_city() -> None:
    assert all(HO_CHI_MINH_CITY in units.spread(id) for id in [BINH_DUONG, *communes_of(BINH_DUONG)])


@given(any_unit)
def test_no_fact_is_counted_twice_in_a_row(id: str) -> None:
    rows = units.spread(id)
    assert rows[0] == id
    assert len(rows) == len(set(rows))


@given(any_unit)
def test_a_fact_is_counted_in_one_province_of_each_edition_that_knows_it(id: str) -> None:
    rows = units.spread(id)
    assert len(set(rows) & set(OLD_PROVINCES)) == (1 if id.startswith("2024") else 0)
    assert len(set(rows) & set(NEW_PROVINCES)) == 1


def test_the_new_communes_and_the_unattributed_row_add_up_to_the_new_province() -> None:
    below = {*NEW_COMMUNES, *map(units.unattributed, NEW_PROVINCES)}
    for id in [*OLD_COMMUNES, *(unit.id for unit in units_of("2024", "district"))]:
        assert len(below.intersection(units.spread(id))) == 1


# What a deployment serves


def test_a_deployment_of_binh_duong_serves_its_units_and_what_they_became() -> None:
    served = units.served(BINH_DUONG)
    assert served >= {BINH_DUONG, "2024:718", *communes_of(BINH_DUONG), "2025:25760", HO_CHI_MINH_CITY}
    assert not served & {"2024:79", "2024:26740", "2025:26740", "2025:26732"}


def test_every_row_of_a_served_fact_is_served_too_but_for_the_unattributed_one() -> None:
    for province in OLD_PROVINCES:
        served = units.served(province)
        rows = {row for id in served for row in units.spread(id)}
        (new_province,) = units.successors(province)
        assert rows - served <= {units.unattributed(new_province)}


def test_a_deployment_of_a_new_province_serves_all_that_became_it() -> None:
    served = units.served(HO_CHI_MINH_CITY)
    assert served >= {
        "2024:74",
        "2024:77",
        "2024:79",
        "2024:755",
        "2025:26732",
        *units.children(HO_CHI_MINH_CITY),
    }
    assert units.served(BINH_DUONG) < served


def test_the_new_provinces_serve_every_unit_once() -> None:
    assert sorted(id for province in NEW_PROVINCES for id in units.served(province)) == sorted(ALL)


def test_a_province_that_merged_with_no_other_serves_the_same_under_either_name() -> None:
    alone = [new for new in NEW_PROVINCES if len(units.predecessors(new)) == 1]
    assert len(alone) == 11
    assert all(units.served(units.predecessors(new)[0]) == units.served(new) for new in alone)


def test_binh_duong_serves_a_part_of_ho_chi_minh_city_but_the_whole_of_its_own_communes() -> None:
    assert units.is_partial(HO_CHI_MINH_CITY, BINH_DUONG)
    partial = {id for id in units.served(BINH_DUONG) if units.is_partial(id, BINH_DUONG)}
    assert partial == {HO_CHI_MINH_CITY}


def test_a_new_province_serves_nothing_in_part() -> None:
    assert not any(units.is_partial(id, new) for new in NEW_PROVINCES for id in units.served(new))


def test_a_new_province_is_partial_exactly_where_several_old_ones_became_it() -> None:
    for old in OLD_PROVINCES:
        (new,) = units.successors(old)
        assert units.is_partial(new, old) == (len(units.predecessors(new)) > 1)


def test_a_unit_of_2024_that_is_served_is_never_partial() -> None:
    old = [id for id in units.served(BINH_DUONG) if units.edition_of(id) == "2024"]
    assert len(old) > 90
    assert not any(units.is_partial(id, BINH_DUONG) for id in old)


def test_a_new_unit_that_is_not_served_is_never_called_whole() -> None:
    assert units.is_partial("2025:26732", BINH_DUONG)


# Whether a series may cross 2025-07-01


def test_a_series_of_a_province_or_an_old_unit_is_exact() -> None:
    assert all(units.is_exact(unit.id) for unit in [*units_of("2024"), *units_of("2025", "province")])


def test_a_series_of_a_new_commune_is_exact_if_all_that_became_it_became_nothing_else() -> None:
    assert units.is_exact("2025:25760")
    divided = next(id for id in communes_of(BINH_DUONG) if len(units.successors(id)) > 1)
    assert not any(units.is_exact(new) for new in units.successors(divided))
    assert sum(map(units.is_exact, NEW_COMMUNES)) == 2_903


def test_an_island_that_had_only_a_district_before_has_no_exact_series() -> None:
    assert not any(map(units.is_exact, ISLANDS))


# On whose records an officer may act


def test_an_officer_of_an_old_commune_keeps_acting_in_its_sole_successor() -> None:
    assert units.area("2024:25885") == {"2024:25885", "2025:25882"}


def test_an_officer_of_a_divided_commune_gets_none_of_the_new_ones() -> None:
    divided = next(id for id in communes_of(BINH_DUONG) if len(units.successors(id)) > 1)
    assert units.area(divided) == {divided}


def test_an_officer_of_a_district_acts_in_its_communes_and_their_sole_successors() -> None:
    area, communes = units.area("2024:722"), units.children("2024:722")
    sole = {units.successors(id) for id in communes if len(units.successors(id)) == 1}
    assert area == {"2024:722", *communes, *(new for (new,) in sole)}


def test_an_officer_of_binh_duong_acts_in_what_its_communes_became_but_not_in_the_merged_province() -> None:
    new_communes = {new for id in communes_of(BINH_DUONG) for new in units.successors(id)}
    area = units.area(BINH_DUONG)
    assert area == {BINH_DUONG, *units.children(BINH_DUONG), *communes_of(BINH_DUONG), *new_communes}
    assert HO_CHI_MINH_CITY not in area


def test_an_officer_of_a_province_that_merged_with_no_other_acts_in_the_new_one() -> None:
    assert units.area("2024:01") == units.area("2025:01") == units.served("2025:01")


def test_an_officer_of_a_new_commune_acts_on_the_records_of_those_that_became_it_alone() -> None:
    became_it = {"2024:25760", "2024:25762", "2024:25763", "2024:25924"}
    assert units.area("2025:25760") == {"2025:25760", *became_it}
    new = next(id for id in NEW_COMMUNES if not units.is_exact(id) and len(units.predecessors(id)) > 1)
    sole = {old for old in units.predecessors(new) if units.successors(old) == (new,)}
    assert units.area(new) == {new, *sole} < {new, *units.predecessors(new)}


def test_an_officer_of_a_new_province_acts_on_the_records_of_all_that_became_it() -> None:
    assert units.area(HO_CHI_MINH_CITY) == units.served(HO_CHI_MINH_CITY)


@given(any_unit)
def test_a_wider_unit_never_has_a_narrower_area(id: str) -> None:
    for above in units.ancestors(id):
        assert units.area(id) <= units.area(above)


@given(any_unit)
def test_an_area_never_leaves_what_the_province_serves(id: str) -> None:
    province = (id, *units.ancestors(id))[-1]
    assert id in units.area(id) <= units.served(province)


# Searching and sorting names


def test_a_name_is_found_without_diacritics_whatever_its_case_and_the_order_of_its_words() -> None:
    assert {"2024:74", "2025:25760"} <= {unit.id for unit in units.search("  DUONG binh ")}
    assert [unit.id for unit in units.search("Đắk Lắk", level="province")] == ["2024:66", "2025:66"]


def test_search_keeps_to_the_parent_the_level_and_the_edition() -> None:
    assert [unit.id for unit in units.search(parent="2024:722", limit=500)] == list(units.children("2024:722"))
    assert [unit.id for unit in units.search("binh duong", level="province", edition="2024")] == ["2024:74"]
    assert units.search("binh duong", level="province", edition="2025") == []
    assert units.search(parent="2024:no") == []


@given(st.integers(1, 7), st.sampled_from(["", "an", "phuong 1", "dong thap"]))
def test_pages_joined_are_the_whole_list_in_the_order_of_ids(limit: int, name: str) -> None:
    whole = [unit.id for unit in units.search(name, limit=50)]
    pages: list[str] = []
    while len(pages) < len(whole):
        pages += [unit.id for unit in units.search(name, limit=limit, after=pages[-1] if pages else "")]
    assert pages[: len(whole)] == whole == sorted(set(whole))


def test_folding_ignores_diacritics_tone_placement_case_and_surplus_space() -> None:
    assert units.fold("hoà") == units.fold("hòa") == units.fold("HOA") == "hoa"
    assert units.fold("  Đặc  khu\tCôn Đảo ") == "dac khu con dao"


@given(st.text())
def test_folding_twice_changes_nothing_nor_does_the_form_of_unicode(text: str) -> None:
    folded = units.fold(text)
    assert units.fold(folded) == folded == units.fold(unicodedata.normalize("NFD", text))


def assert_sorted(names: str) -> None:
    keys = [units.sort_key(name) for name in names.split(", ")]
    assert all(before < after for before, after in pairwise(keys))


def test_names_sort_by_the_vietnamese_alphabet() -> None:
    assert_sorted("a, ă, â, b, c, d, đ, e, ê, g, h, i, k, l, m, n, o, ô, ơ, p, q, r, s, t, u, ư, v, x, y")
    assert_sorted("an, ao, ăn, ân, ba, da, dz, đa, ô, ốc, ơ")


def test_names_alike_up_to_their_tones_sort_by_these_word_by_word() -> None:
    assert_sorted("ma, mà, mả, mã, má, mạ")
    assert_sorted("An An, An Án, Án An, Án Án")


def test_the_letters_of_a_name_weigh_more_than_its_tones() -> None:
    assert_sorted("Bà Rịa, Bá Thước, Bà Tô, Bạc Liêu, Bắc Ninh, Bến Tre, Đà Nẵng, Đắk Lắk")


def test_a_name_sorts_before_a_longer_one_that_begins_with_it() -> None:
    assert_sorted("An, Án, An Bình, Ân, Ân Thi")


def test_sorting_ignores_case_tone_placement_and_the_form_of_unicode() -> None:
    assert units.sort_key("HOÀ BÌNH") == units.sort_key("hòa  bình")
    assert units.sort_key("Ậ") == units.sort_key(unicodedata.normalize("NFD", "ậ"))


# Cost


def test_the_register_takes_less_than_15_megabytes() -> None:
    measure = (
        "import tracemalloc; from shared import units; tracemalloc.start();"
        "ids = [unit.id for unit in units.search('', limit=20_000)];"
        "spreads = [units.spread(id) for id in ids];"
        "print(tracemalloc.get_traced_memory()[1])"
    )
    peak = subprocess.run([sys.executable, "-c", measure], capture_output=True, check=True, text=True).stdout
    assert int(peak) < 15_000_000
