"""What a deployment accepts and who acts on it."""

from collections.abc import Callable, Iterator

import pytest

from shared import jurisdiction, units
from shared.access import Identity
from shared.errors import ForeignArea
from shared.settings import settings

PROVINCES = sorted(unit.id for unit in units.search(level="province", limit=500))
SPLIT = next(u for u in units.search(level="commune", edition="2024", limit=20_000) if len(units.successors(u.id)) > 1)


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Makes this the deployment of a province."""

    def deploy(province: str) -> None:
        monkeypatch.setenv("ANTT_PROVINCE", province)
        settings.cache_clear()

    yield deploy
    settings.cache_clear()


def test_every_unit_that_any_province_accepts_has_somebody_who_can_act_on_it(deployed: Callable[[str], None]) -> None:
    assert {unit[:4] for unit in PROVINCES} == {"2024", "2025"}
    for province in PROVINCES:
        deployed(province)
        for role in ("operator", "province_officer"):
            caller = Identity(role, "x", province)
            for unit in jurisdiction.served():
                caller.require("handle_case", unit)
            assert set(caller.reach("read_records", None)[1] or ()) == jurisdiction.served(), province


def test_a_province_served_in_part_is_overseen_by_the_provinces_that_share_it(deployed: Callable[[str], None]) -> None:
    deployed("2024:96")
    for overseer in ("2024:96", "2025:96"):
        caller = Identity("province_officer", "x", overseer)
        caller.require("handle_tip", "2025:96")
        assert "2025:96" in (caller.reach("read_tips", "2025:96")[1] or ())


def test_a_token_of_the_new_province_goes_on_working_where_the_old_one_is_deployed(
    deployed: Callable[[str], None],
) -> None:
    for province in PROVINCES:
        for new in units.successors(province):
            deployed(province)
            assert jurisdiction.area(new) == jurisdiction.served()


def test_an_old_province_oversees_its_part_alone_where_the_new_one_is_deployed(deployed: Callable[[str], None]) -> None:
    deployed("2025:96")
    caller = Identity("province_officer", "x", "2024:96")
    caller.require("handle_tip", "2024:96")
    for foreign in ("2025:96", "2024:95"):
        with pytest.raises(ForeignArea):
            caller.require("handle_tip", foreign)


def test_a_commune_gains_no_strangers_records_by_a_split(deployed: Callable[[str], None]) -> None:
    deployed(units.ancestors(SPLIT.id)[-1])
    old = Identity("commune_officer", "x", SPLIT.id)
    for successor in units.successors(SPLIT.id):
        new = Identity("commune_officer", "x", successor)
        with pytest.raises(ForeignArea):
            new.require("handle_tip", SPLIT.id)
        with pytest.raises(ForeignArea):
            old.require("handle_tip", successor)


def test_a_team_is_at_work_wherever_its_unit_went() -> None:
    successors = units.successors(SPLIT.id)
    new_province = units.successors(units.ancestors(SPLIT.id)[-1])[0]
    assert {SPLIT.id, *successors, new_province} == jurisdiction.lineage(SPLIT.id)
    for successor in successors:
        assert SPLIT.id in jurisdiction.lineage(successor)
