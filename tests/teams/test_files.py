"""Files of teams: the scan of a decision is kept with its team, by the mechanism that incidents has for evidence."""

from tests.conftest import COMMUNE, PROVINCE, Antt
from tests.incidents.conftest import kind_of
from tests.shared.files.made import a_pdf, an_ogg
from tests.shared.files.sending import attached, send
from tests.teams import factories as registry

OTHER_COMMUNE = "2025:25747"


async def test_who_keeps_the_registry_of_its_unit_keeps_the_files_of_a_team(antt: Antt) -> None:
    team = await registry.team(antt)
    files = f"{registry.TEAMS}/{team}/attachments"
    officer, leader = antt.token("commune_officer", COMMUNE), antt.token("team_leader", COMMUNE, team)
    abroad = antt.token("commune_officer", OTHER_COMMUNE)
    scan = await attached(antt, files, a_pdf(), officer)
    assert (scan["of"], scan["record_id"], scan["media_type"]) == ("teams", team, "application/pdf")
    one = f"{files}/{scan['id']}"
    for caller, status in ((officer, 200), (leader, 200), (abroad, 404), ({}, 401)):
        assert (await antt.http.get(one, headers=caller)).status_code == status
    assert (await antt.get(files, leader)).json() == [scan]
    nowhere = f"{registry.TEAMS}/{registry.UNKNOWN}/attachments"
    for at, caller, problem in (
        (files, leader, (403, "forbidden")),
        (files, abroad, (404, "not-found")),
        (nowhere, officer, (404, "not-found")),
    ):
        assert kind_of(await send(antt, at, an_ogg(), caller)) == problem

    removed = await antt.post(f"{one}/remove", {"reason": "gửi nhầm"}, officer)
    assert removed.status_code == 200, removed.text
    assert (await antt.get(files, officer)).json() == []
    # Whoever follows the registry learns of both, and of nothing that the file says.
    page = (await antt.get("/teams/v1/changes", antt.token("operator", PROVINCE))).json()
    _, added, taken = page["items"]
    assert (added["type"], taken["type"]) == ("AttachmentAdded", "AttachmentRemoved")
    assert added["data"]["links"] == {"team_id": team}
    assert added["data"]["after"] == taken["data"]["before"]
    assert added["data"]["after"] == {
        "unit": COMMUNE, "of": "teams", "media_type": "application/pdf", "bytes": scan["bytes"],
    }  # fmt: skip


async def test_a_team_that_was_withdrawn_gets_no_file_and_loses_those_it_has(antt: Antt) -> None:
    team = await registry.team(antt)
    files, officer = f"{registry.TEAMS}/{team}/attachments", antt.token("commune_officer", COMMUNE)
    scan = await attached(antt, files, a_pdf(), officer)
    withdrawn = await antt.post(f"{registry.TEAMS}/{team}/withdraw", {"reason": "nhập nhầm"}, officer)
    assert withdrawn.status_code == 200, withdrawn.text
    assert kind_of(await send(antt, files, an_ogg(), officer)) == (409, "record-withdrawn")
    assert (await antt.post(f"{files}/{scan['id']}/remove", {"reason": "gửi nhầm"}, officer)).status_code == 200
