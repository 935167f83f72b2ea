"""Lists of the registry: searched, counted, exported and paged, each by who may see it."""

import json
from typing import Any

import asyncpg
import pytest

from services.teams.members import reading as members
from services.teams.teams import reading as teams
from services.teams.training import reading as training
from tests.conftest import COMMUNE, OLD_COMMUNE, PROVINCE, Antt
from tests.exported import exported, rows_of, sheet_of
from tests.teams.factories import (
    CERTIFICATES,
    CLASSES,
    DECISION,
    MEMBERS,
    TEAMS,
    UNKNOWN,
    entered,
    member,
    refusal,
    step,
    team,
    training_class,
)

ALL = (TEAMS, MEMBERS, CLASSES, CERTIFICATES)
NEIGHBOUR = "2025:25747"


async def certificate(antt: Antt, class_id: str, member_id: str, **values: Any) -> str:
    """The id of a new certificate."""
    body = {"training_class_id": class_id, "member_id": member_id, "number": "01/GCN", "issued_on": "2025-11-12"}
    id: str = (await entered(antt, CERTIFICATES, body | values))["id"]
    return id


async def listed(antt: Antt, path: str, caller: dict[str, str] | None = None, **query: Any) -> list[str]:
    """The ids of a list, which its count must agree with."""
    caller = caller or antt.token("operator", PROVINCE)
    answer = await antt.get(path, caller, **query)
    assert answer.status_code == 200, answer.text
    found = [item["id"] for item in answer.json()["items"]]
    counted = await antt.get(f"{path}/count", caller, **{k: v for k, v in query.items() if k != "sort"})
    assert counted.json() == {"count": len(found)}
    return found


async def registry(antt: Antt, unit: str = COMMUNE, **of_team: str) -> tuple[str, str, str, str]:
    """A team, its leader, a class and the certificate given there."""
    team_id = await team(antt, unit=unit, **of_team)
    leader, class_id = await member(antt, team_id, role="leader"), await training_class(antt, unit=unit)
    return team_id, leader, class_id, await certificate(antt, class_id, leader)


@pytest.mark.parametrize("text", ["hoà", "hòa", "HOA", "Bình hoà", "đông-bình", "dong khu", "27/qđ ubnd", "27/QD"])
async def test_a_team_is_found_by_name_hamlet_or_decision_without_diacritics(antt: Antt, text: str) -> None:
    decision = {**DECISION, "number": "27/QĐ-UBND"}
    found = await team(antt, name="Tổ Bình Hòa", hamlets=["Khu phố Đông", "Khu phố 2"], decision=decision)
    await team(antt, name="Tổ Bình Dương", hamlets=["Khu phố Tây"])
    for caller in (antt.token(), antt.token("operator", PROVINCE)):
        assert await listed(antt, TEAMS, caller, text=text) == [found]


async def test_a_changed_name_is_found_by_its_new_words_only(antt: Antt) -> None:
    id = await team(antt, name="Tổ Bình Hòa")
    officer = antt.token()
    changed = await antt.http.patch(f"{TEAMS}/{id}", json={"name": "Tổ An Đức"}, headers={**officer, "If-Match": '"1"'})
    assert changed.status_code == 200
    assert await listed(antt, TEAMS, text="binh") == []
    assert await listed(antt, TEAMS, text="to duc an") == [id]


async def test_members_classes_and_certificates_are_found_by_their_words(antt: Antt) -> None:
    team_id = await team(antt)
    found = await member(antt, team_id, full_name="Đặng Thị Thuỷ")
    other = await member(antt, team_id, full_name="Trần Văn Đông")
    held = await training_class(antt, title="Tập huấn nghiệp vụ", organiser="Công an tỉnh Bình Dương")
    another = await training_class(antt, title="Kỹ năng hoà giải")
    first = await certificate(antt, held, found, number="15/GCN-CAT")
    second = await certificate(antt, another, other, number="16/GCN-CAT")
    for caller in (antt.token(), antt.token("operator", PROVINCE)):
        assert await listed(antt, MEMBERS, caller, text="thủy dang") == [found]
        assert await listed(antt, MEMBERS, caller, text="dang van") == []
        assert await listed(antt, CLASSES, caller, text="hòa giải") == [another]
        assert await listed(antt, CLASSES, caller, text="binh duong cong an") == [held]
        assert await listed(antt, CERTIFICATES, caller, text="15 gcn") == [first]
        assert await listed(antt, CERTIFICATES, caller, text="cat", sort="newest") == [second, first]


async def test_each_filter_of_teams_finds_what_it_names(antt: Antt) -> None:
    active, dissolved, withdrawn = [await team(antt) for _ in range(3)]
    old = await team(antt, unit=OLD_COMMUNE, from_on="2024-07-01")
    elsewhere = await team(antt, unit=NEIGHBOUR, from_on="2025-11-05")
    assert (await step(antt, f"{TEAMS}/{dissolved}/dissolve", until_on="2025-11-10")).status_code == 200
    withdrawal = {"reason": "nhập hai lần"}
    answer = await antt.post(f"{TEAMS}/{withdrawn}/withdraw", withdrawal, antt.token("operator", PROVINCE))
    assert answer.status_code == 200
    everything = [active, dissolved, withdrawn, old, elsewhere]
    assert await listed(antt, TEAMS) == everything
    assert await listed(antt, TEAMS, sort="newest") == everything[::-1]
    assert await listed(antt, TEAMS, state="active") == [active, old, elsewhere]
    assert await listed(antt, TEAMS, state="dissolved") == [dissolved]
    assert await listed(antt, TEAMS, state="withdrawn", text="tổ 1") == [withdrawn]
    assert await listed(antt, TEAMS, unit=COMMUNE, state="active") == [active, old]
    assert await listed(antt, TEAMS, to="2024-07-01") == [old]
    assert await listed(antt, TEAMS, from_="2025-11-02") == [elsewhere]
    assert await listed(antt, TEAMS, from_="2025-11-01", to="2025-11-01") == [active, dissolved, withdrawn]


async def test_each_filter_of_members_is_of_the_term_that_is_shown(antt: Antt) -> None:
    first, second = await team(antt), await team(antt, unit=NEIGHBOUR)
    stayed, moved, released = [await member(antt, first) for _ in range(3)]
    decision = {**DECISION, "number": "99/QĐ-UBND"}
    path = f"{MEMBERS}/{moved}/transfer"
    answer = await step(antt, path, team_id=second, role="leader", from_on="2025-11-06", decision=decision)
    assert answer.status_code == 200, answer.text
    answer = await step(antt, f"{MEMBERS}/{released}/release", until_on="2025-11-08", ground="health")
    assert answer.status_code == 200
    assert await listed(antt, MEMBERS, state="active") == [stayed, moved]
    assert await listed(antt, MEMBERS, state="released") == await listed(
        antt, MEMBERS, on="2025-11-08", state="released"
    )
    assert await listed(antt, MEMBERS, team_id=first, role="member") == [stayed, released]
    assert await listed(antt, MEMBERS, team_id=first, on="2025-11-05") == [stayed, moved, released]
    assert await listed(antt, MEMBERS, on="2025-11-05", role="leader") == []
    assert await listed(antt, MEMBERS, on="2025-11-09", unit=COMMUNE) == [stayed]
    assert await listed(antt, MEMBERS, role="leader") == await listed(antt, MEMBERS, unit=NEIGHBOUR) == [moved]
    assert await listed(antt, MEMBERS, from_="2025-11-06") == [moved]
    assert await listed(antt, MEMBERS, decision_number="99/qd-ubnd") == [moved]
    assert await listed(antt, MEMBERS, decision_number="9/qd-ubnd") == []
    assert await listed(antt, MEMBERS, decision_number=DECISION["number"]) == [stayed, released]
    (shown,) = (await antt.get(MEMBERS, antt.token("operator", PROVINCE), unit=NEIGHBOUR)).json()["items"]
    assert (shown["team_name"], shown["term"]["team_id"], shown["state"]) == ("Tổ 1", second, "active")


async def test_each_filter_of_training_finds_what_it_names(antt: Antt) -> None:
    team_id, leader, held, given = await registry(antt)
    later = await training_class(antt, unit=PROVINCE, held_on="2025-06-20", title="Khóa hè")
    taken = await certificate(antt, later, await member(antt, team_id, from_on="2025-11-02"), issued_on="2025-11-20")
    answer = await antt.post(f"{CERTIFICATES}/{taken}/revoke", {"reason": "cấp nhầm"}, antt.token("operator", PROVINCE))
    assert answer.status_code == 200
    assert await listed(antt, CLASSES, to="2025-10-31") == [later]
    assert await listed(antt, CLASSES, state="held", unit=COMMUNE) == [held]
    assert await listed(antt, CLASSES, state="withdrawn") == []
    assert await listed(antt, CERTIFICATES) == await listed(antt, CERTIFICATES, team_id=team_id) == [given, taken]
    assert (
        await listed(antt, CERTIFICATES, state="revoked") == await listed(antt, CERTIFICATES, role="member") == [taken]
    )
    assert await listed(antt, CERTIFICATES, member_id=leader, state="valid") == [given]
    assert await listed(antt, CERTIFICATES, training_class_id=later, from_="2025-11-20", to="2025-11-20") == [taken]
    assert await listed(antt, CERTIFICATES, training_class_id=held, from_="2025-11-20") == []
    shown = (await antt.get(CERTIFICATES, antt.token("operator", PROVINCE))).json()["items"]
    assert [(item["class_title"], item["team_name"], item["state"]) for item in shown] == [
        ("Tập huấn nghiệp vụ", "Tổ 1", "valid"),
        ("Khóa hè", "Tổ 1", "revoked"),
    ]


async def test_an_export_holds_exactly_what_the_list_holds(antt: Antt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.listing.export._ROWS", 2)
    team_id, leader, *_ = await registry(antt)
    for number in range(3):
        await member(antt, team_id, full_name=f"Lê Văn Út {number}")
        await team(antt, name=f"Tổ {number}")
    moved = await step(antt, f"{MEMBERS}/{leader}/change-role", role="deputy", from_on="2025-11-20")
    assert moved.status_code == 200
    questions: dict[str, list[dict[str, Any]]] = {
        TEAMS: [{}, {"text": "to 2"}, {"state": "dissolved"}],
        MEMBERS: [{}, {"text": "ut le", "sort": "newest"}, {"on": "2025-11-15", "role": "leader"}],
        CLASSES: [{}],
        CERTIFICATES: [{}, {"role": "deputy"}],
    }
    for path, asked in questions.items():
        for query in asked:
            for caller in (antt.token(), antt.token("operator", PROVINCE)):
                shown = (await antt.get(path, caller, **query)).json()["items"]
                lines = (await exported(antt, path, caller, format="ndjson", **query)).splitlines()
                assert [json.loads(line) for line in lines] == shown
                ids = [item["id"] for item in shown]
                rows = rows_of(await exported(antt, path, caller, **query))
                assert [next(iter(row.values())) for row in rows] == ids
                _, *cells = sheet_of(await exported(antt, path, caller, format="xlsx", **query))
                assert [row[0] for row in cells] == ids


async def test_a_file_for_people_speaks_vietnamese(antt: Antt) -> None:
    await registry(antt, reference="T-1")
    (row,) = rows_of(await exported(antt, TEAMS))
    assert (row["Tên Tổ"], row["Đơn vị"], row["Trạng thái"]) == ("Tổ 1", "Phường Dĩ An", "đang hoạt động")
    assert (row["Ngày thành lập"], row["Quyết định thành lập"]) == ("2025-11-01", DECISION["number"])
    (row,) = rows_of(await exported(antt, MEMBERS))
    assert (row["Vai trò"], row["Nguồn"], row["Ngày sinh"]) == ("Tổ trưởng", "tuyển mới", "1990-05-01")
    assert (row["Tên Tổ"], row["Người ký"], row["Đến ngày"], row["Kết thúc vì"]) == ("Tổ 1", DECISION["signer"], "", "")
    (row,) = rows_of(await exported(antt, CLASSES))
    assert (row["Tên lớp tập huấn"], row["Trạng thái"]) == ("Tập huấn nghiệp vụ", "đã tổ chức")
    (row,) = rows_of(await exported(antt, CERTIFICATES))
    assert (row["Số giấy chứng nhận"], row["Vai trò khi được cấp"]) == ("01/GCN", "Tổ trưởng")
    kept = {path: rows_of(await exported(antt, path))[0]["Số tham chiếu"] for path in ALL}
    assert kept == dict.fromkeys(ALL, "") | {TEAMS: "T-1"}
    titles, cells = sheet_of(await exported(antt, MEMBERS, format="xlsx"))
    assert f"{dict(zip(titles, cells, strict=True))['Từ ngày']:%d/%m/%Y}" == "02/11/2025"


async def test_a_list_goes_on_where_its_page_ended_whatever_is_entered_or_changed_meanwhile(antt: Antt) -> None:
    operator = antt.token("operator", PROVINCE)
    # Of two units, which are read one by one, and entered in another order than they began.
    first = [await team(antt, from_on=f"2025-11-0{9 - number}") for number in range(3)]
    first.append(await team(antt, unit=OLD_COMMUNE, from_on="2024-07-01"))
    for caller in (operator, antt.token()):
        for words in ("", "&text=to"):
            answer = await antt.http.get(f"{TEAMS}?limit=3{words}", headers=caller)
            newest = await antt.http.get(f"{TEAMS}?limit=2&sort=newest{words}", headers=caller)
            # The row at which the page ended is no longer as it was; another has come that began before all others.
            patch = {**operator, "If-Match": f'"{answer.json()["items"][-1]["version"]}"'}
            renamed = await antt.http.patch(f"{TEAMS}/{first[2]}", json={"name": "Tổ Đổi Tên"}, headers=patch)
            assert renamed.status_code == 200
            before, last = list(first), await team(antt, from_on="2025-07-01")
            first.append(last)
            seen = [item["id"] for item in answer.json()["items"]]
            while "next" in answer.links:
                answer = await antt.http.get(answer.links["next"]["url"], headers=caller)
                seen += [item["id"] for item in answer.json()["items"]]
            assert seen == first
            seen = [item["id"] for item in newest.json()["items"]]
            while "next" in newest.links:
                newest = await antt.http.get(newest.links["next"]["url"], headers=caller)
                seen += [item["id"] for item in newest.json()["items"]]
            assert seen == before[::-1]
    # A cursor says where to go on, and need not be of a row that the caller may see.
    assert await ids_after(antt, UNKNOWN) == first
    assert await ids_after(antt, first[-2]) == [first[-1]]


async def ids_after(antt: Antt, after: str) -> list[str]:
    """The teams behind a cursor."""
    answer = await antt.get(TEAMS, antt.token("operator", PROVINCE), after=after)
    return [item["id"] for item in answer.json()["items"]]


async def test_a_row_of_a_list_names_the_version_that_a_change_asks_for(antt: Antt) -> None:
    team_id, *_ = await registry(antt)
    operator = antt.token("operator", PROVINCE)
    for path in (TEAMS, MEMBERS, CERTIFICATES):
        (item,) = (await antt.get(path, operator)).json()["items"]
        read = await antt.get(f"{path}/{item['id']}", operator)
        assert read.headers["etag"] == f'"{item["version"]}"'
        shared = item.keys() & read.json().keys()
        assert {name: item[name] for name in shared} == {name: read.json()[name] for name in shared}
        assert item.keys() - shared <= {"state", "team_name", "class_title"}
    (item,) = (await antt.get(TEAMS, operator)).json()["items"]
    if_match = {**operator, "If-Match": f'"{item["version"]}"'}
    assert (await antt.http.patch(f"{TEAMS}/{team_id}", json={"name": "Tổ 2"}, headers=if_match)).status_code == 200
    assert (await antt.http.patch(f"{TEAMS}/{team_id}", json={"name": "Tổ 3"}, headers=if_match)).status_code == 412


async def test_lists_counts_and_files_hold_what_is_in_the_callers_reach(antt: Antt) -> None:
    ours, theirs = await registry(antt), await registry(antt, NEIGHBOUR)
    callers = {
        ours: (antt.token(), antt.token("team_leader", COMMUNE, ours[0])),
        theirs: (antt.token("commune_officer", NEIGHBOUR), antt.token("system", NEIGHBOUR, scopes=["registry"])),
        (): (antt.token("commune_officer", "2025:25945"), antt.token("team_leader", COMMUNE, UNKNOWN)),
    }
    for path, mine, other in zip(ALL, ours, theirs, strict=True):
        assert await listed(antt, path) == [mine, other]
        for records, those in callers.items():
            expected = [records[ALL.index(path)]] if records else []
            for caller in those:
                assert await listed(antt, path, caller) == expected
                rows = rows_of(await exported(antt, path, caller))
                assert [next(iter(row.values())) for row in rows] == expected
        for question in (path, f"{path}/count", f"{path}/export"):
            assert refusal(await antt.get(question)) == (401, "unauthenticated")
            nobody = antt.token("system", scopes=["records"])
            assert refusal(await antt.get(question, nobody)) == (403, "forbidden")
            assert refusal(await antt.get(question, antt.token(), unit=NEIGHBOUR)) == (403, "foreign-area")


async def test_who_was_transferred_is_seen_by_the_new_team_and_on_a_day_by_that_days(antt: Antt) -> None:
    first, second = await team(antt), await team(antt)
    moved = await member(antt, first, full_name="Đỗ Thị Mận")
    assert (
        await step(antt, f"{MEMBERS}/{moved}/transfer", team_id=second, role="member", from_on="2025-11-06")
    ).status_code == 200
    before, after = (antt.token("team_leader", COMMUNE, id) for id in (first, second))
    assert (await listed(antt, MEMBERS, before), await listed(antt, MEMBERS, after)) == ([], [moved])
    assert await listed(antt, MEMBERS, before, text="man") == []
    assert await listed(antt, MEMBERS, before, on="2025-11-05", text="man") == [moved]
    assert await listed(antt, MEMBERS, after, on="2025-11-05") == []


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ({"unit": "2024:99999"}, (422, "unknown-unit")),
        ({"unit": "2024:79"}, (403, "foreign-area")),
        ({"state": "lost"}, (422, "invalid-input")),
        ({"text": "!!! …"}, (422, "invalid-input")),
        ({"text": ""}, (422, "invalid-input")),
        ({"from_": "1.11.2025"}, (422, "invalid-input")),
        ({"to": "2025-11-31"}, (422, "invalid-input")),
        ({"colour": "red"}, (422, "invalid-input")),
    ],
)
async def test_a_question_that_cannot_be_is_refused(antt: Antt, query: dict[str, Any], answer: tuple[int, str]) -> None:
    for path in ALL:
        for question in (path, f"{path}/count", f"{path}/export"):
            assert refusal(await antt.get(question, antt.token(), **query)) == answer, question
        for of_pages in ({"limit": 501}, {"sort": "random"}, {"after": "x"}):
            assert refusal(await antt.get(path, antt.token(), **of_pages)) == (422, "invalid-input")
        assert refusal(await antt.get(f"{path}/export", antt.token(), format="doc")) == (422, "invalid-input")


async def test_no_operator_of_a_search_can_be_written_into_a_text(antt: Antt) -> None:
    await registry(antt)
    for path in ALL:
        for text in ("'@2025:25942'", "!khac", "to | khac", "<b>x</b>", "t:*", "\\", "{on}", "%"):
            answer = await antt.get(path, antt.token(), text=text)
            assert answer.status_code == 422 or answer.json()["items"] == [], (path, text)


async def test_a_count_and_a_file_are_no_records_that_could_be_changed(antt: Antt) -> None:
    for path in (TEAMS, MEMBERS):
        for question in ("count", "export"):
            answer = await antt.http.patch(f"{path}/{question}", json={}, headers=antt.token() | {"If-Match": '"1"'})
            assert (refusal(answer), answer.headers["allow"]) == ((405, "method-not-allowed"), "GET, HEAD")
        assert (await antt.http.patch(f"{path}/other", json={}, headers=antt.token())).status_code == 422


async def test_what_was_looked_for_in_free_words_is_in_no_log(antt: Antt, capsys: pytest.CaptureFixture[str]) -> None:
    await member(antt, await team(antt), full_name="Đỗ Thị Mận")
    capsys.readouterr()
    await exported(antt, MEMBERS, text="Mận", decision_number="ông Mận", role="member")
    logged = capsys.readouterr().out
    (entry,) = [entry for entry in map(json.loads, logged.splitlines()) if entry["event"] == "exported"]
    assert (entry["kind"], entry["filters"], entry["rows"]) == ("thanh-vien", {"role": "member"}, 0)
    assert "Mận" not in logged


async def test_words_are_found_by_the_expressions_that_are_indexed(databases: dict[str, str]) -> None:
    connection = await asyncpg.connect(databases["teams"])
    await connection.execute("SET enable_seqscan = off")
    for listing in (teams.TEAMS, members.MEMBERS, training.CLASSES, training.CERTIFICATES):
        words = listing.records.words
        assert words is not None
        found = f"SELECT id FROM {listing.records.table} WHERE {words.indexed} @@ plainto_tsquery('vietnamese', 'hòa')"
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {found}"))
        assert f"{listing.records.table}_by_words" in plan
    await connection.close()
