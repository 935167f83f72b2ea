"""Units as reference data over HTTP; what the register itself promises is tested in tests/shared/test_units.py."""

from tests.conftest import COMMUNE, OLD_COMMUNE, PROVINCE, Antt
from tests.teams.factories import refusal

UNITS = "/teams/v1/units"


async def test_anyone_finds_a_unit_by_code_name_parent_and_level(antt: Antt) -> None:
    found = (await antt.get(UNITS, name="binh duong", level="province")).json()["items"]
    assert [unit["id"] for unit in found] == [PROVINCE]
    found = (await antt.get(UNITS, code="82")).json()["items"]
    assert [(unit["id"], unit["name"]) for unit in found] == [
        ("2024:82", "Tỉnh Tiền Giang"),
        ("2025:82", "Tỉnh Đồng Tháp"),
    ]
    districts = (await antt.get(UNITS, parent=PROVINCE, edition="2024")).json()["items"]
    assert {unit["level"] for unit in districts} == {"district"}
    assert (await antt.get(UNITS, name="không có đâu")).json()["items"] == []
    for query in ({"parent": "74"}, {"level": "hamlet"}, {"edition": "2023"}, {"limit": 0}, {"colour": "xanh"}):
        assert refusal(await antt.get(UNITS, **query)) == (422, "invalid-input"), query


async def test_a_list_of_units_goes_on_where_its_link_leads(antt: Antt) -> None:
    answer = await antt.get(UNITS, parent="2024:718", limit=3)
    seen = [unit["id"] for unit in answer.json()["items"]]
    while "next" in answer.links:
        answer = await antt.http.get(answer.links["next"]["url"])
        seen += [unit["id"] for unit in answer.json()["items"]]
    assert seen == [unit["id"] for unit in (await antt.get(UNITS, parent="2024:718")).json()["items"]]
    assert len(seen) > 3


async def test_a_unit_tells_what_it_became_and_whether_it_is_served(antt: Antt) -> None:
    old = (await antt.get(f"{UNITS}/{OLD_COMMUNE}")).json()
    assert [unit["level"] for unit in old["ancestors"]] == ["district", "province"]
    assert old["parent"] == old["ancestors"][0]["id"]
    assert [unit["id"] for unit in old["successors"]] == [COMMUNE]
    new = (await antt.get(f"{UNITS}/{COMMUNE}")).json()
    assert OLD_COMMUNE in [unit["id"] for unit in new["predecessors"]]
    assert (new["served"], new["partial"]) == (True, False)
    city = (await antt.get(f"{UNITS}/2025:79")).json()
    assert (city["served"], city["partial"]) == (True, True)
    elsewhere = (await antt.get(f"{UNITS}/2025:01")).json()
    assert (elsewhere["served"], elsewhere["partial"]) == (False, False)
    assert refusal(await antt.get(f"{UNITS}/2025:99999")) == (404, "not-found")
    assert refusal(await antt.get(f"{UNITS}/dia-an")) == (422, "invalid-input")
