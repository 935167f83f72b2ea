"""The registry comes in files: teams, their members, classes and certificates, each row decided as a single request is."""

from typing import Any
from uuid import UUID

import pytest

from shared.database import Database
from shared.files.store import StoreUnavailable
from shared.importing import job
from shared.importing.known import Known
from tests.conftest import COMMUNE, PROVINCE, Antt
from tests.importing import CSV, NDJSON, XLSX, a_csv, an_xlsx, counts, imported, lines, rejections, sent
from tests.teams.factories import CERTIFICATES, CLASSES, MEMBERS, TEAMS, a_member, a_team, refusal, step, team

DECISION = ("15/QĐ-UBND", "28/10/2025", "Nguyễn Văn Hòa")
DECIDED = ("decision_number", "decision_on", "decision_signer")
TEAM = ("reference", "unit", "name", "hamlets", "from_on", *DECIDED)
MEMBER = ("reference", "team_reference", "full_name", "born_on", "origin", "role", "from_on", *DECIDED)
CLASS = ("reference", "unit", "title", "held_on")
CERTIFICATE = ("reference", "training_class_reference", "member_reference", "number", "issued_on")


class Sender:
    """Who sends files, always as the same one, so that references are its own."""

    def __init__(self, antt: Antt, caller: dict[str, str] | None = None) -> None:
        self.antt, self.caller = antt, caller or antt.token("operator", PROVINCE)

    async def csv(self, of: str, *rows: tuple[str, ...], **options: Any) -> dict[str, Any]:
        """What came of a file under a heading."""
        return await self.take(of, a_csv(*rows), media_type=CSV, **options)

    async def take(self, of: str, body: bytes, **options: Any) -> dict[str, Any]:
        """What came of a file."""
        return await imported(self.antt, body, of=of, service="teams", caller=self.caller, **options)

    async def rejected(self, row: dict[str, Any]) -> list[tuple[int, list[tuple[str, str, str | None]]]]:
        """What was rejected of it."""
        return await rejections(self.antt, row, "teams", self.caller)

    async def items(self, path: str) -> list[dict[str, Any]]:
        """What is listed."""
        answer = await self.antt.get(path, self.caller)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["items"]
        return found


def team_row(reference: str, name: str = "Tổ 1", unit: str = COMMUNE, from_on: str = "01/11/2025") -> tuple[str, ...]:
    """A team under the heading TEAM."""
    return (reference, unit, name, "Ấp 1; Ấp 2", from_on, *DECISION)


def member_row(reference: str, name: str, role: str = "member", team: str = "T1") -> tuple[str, ...]:
    """A member under the heading MEMBER."""
    return (reference, team, name, "01/05/1990", "recruited", role, "02/11/2025", *DECISION)


@pytest.mark.parametrize("media_type", [CSV, XLSX, NDJSON])
async def test_a_registry_comes_in_files_that_name_each_other_by_reference(antt: Antt, media_type: str) -> None:
    sender = Sender(antt)
    files: dict[str, list[tuple[str, ...]]] = {
        "teams": [TEAM, team_row("T1"), team_row("T2", "Tổ 2")],
        "members": [MEMBER, member_row("M1", "Lê Văn Một", "leader"), member_row("M2", "Lê Văn Hai", team="T2")],
        "training-classes": [CLASS, ("L1", COMMUNE, "Tập huấn nghiệp vụ", "10/11/2025")],
        "certificates": [CERTIFICATE, ("G1", "L1", "M1", "01/GCN", "12/11/2025")],
    }
    for of, rows in files.items():
        file = (
            as_single_requests(*rows)
            if media_type == NDJSON
            else an_xlsx(*rows)
            if media_type == XLSX
            else a_csv(*rows)
        )
        for expected in ((len(rows) - 1, 0, 0), (0, 0, len(rows) - 1)):
            row = await sender.take(of, file, media_type=media_type, strategy="upsert")
            assert counts(row) == ("done", *expected, 0), await sender.rejected(row)
    counters = await antt.counters(row["position"])
    figures = [counters[name] for name in ("teams", "members", "members_leader", "training_classes")]
    assert (figures, counters["trainees_certified"]) == ([2, 2, 1, 1], 1)
    first, second = await sender.items(TEAMS)
    assert (first["reference"], first["hamlets"], first["decision"]["signed_on"]) == (
        "T1",
        ["Ấp 1", "Ấp 2"],
        "2025-10-28",
    )
    assert [member["term"]["team_id"] for member in await sender.items(MEMBERS)] == [first["id"], second["id"]]
    ((certificate,), (training,)) = await sender.items(CERTIFICATES), await sender.items(CLASSES)
    assert (certificate["training_class_id"], certificate["role"]) == (training["id"], "leader")


def as_single_requests(heading: tuple[str, ...], *rows: tuple[str, ...]) -> bytes:
    """The same rows as NDJSON, as a single request has them."""
    found = []
    for row in rows:
        cells = dict(zip(heading, row, strict=True))
        values: dict[str, Any] = {name: day(cell) for name, cell in cells.items() if name not in DECIDED}
        if "hamlets" in values:
            values["hamlets"] = cells["hamlets"].split("; ")
        if "decision_on" in cells:
            names = {"number": "decision_number", "signed_on": "decision_on", "signer": "decision_signer"}
            values["decision"] = {name: day(cells[column]) for name, column in names.items()}
        found.append(values)
    return lines(*found)


def day(cell: str) -> str:
    """A day as ISO 8601 has it; another text as it is."""
    return "-".join(reversed(cell.split("/"))) if cell[2:3] == "/" == cell[5:6] else cell


async def test_a_dry_run_decides_every_row_and_changes_nothing(antt: Antt) -> None:
    sender = Sender(antt)
    row = await sender.csv("teams", TEAM, team_row("T1"), team_row("T2", unit="2025:99999"), dry_run=True, atomic=False)
    assert counts(row) == ("done", 1, 0, 0, 1)
    assert await sender.items(TEAMS) == []
    assert counts(await sender.csv("teams", TEAM, team_row("T1"))) == ("done", 1, 0, 0, 0)
    changed = team_row("T1", from_on="05/11/2025")
    assert counts(await sender.csv("teams", TEAM, changed, strategy="upsert", dry_run=True)) == ("done", 0, 1, 0, 0)
    (kept,) = await sender.items(TEAMS)
    assert (kept["from_on"], kept["version"]) == ("2025-11-01", 1)
    # A member of a team that a dry run would have made has none.
    row = await sender.csv("members", MEMBER, member_row("M1", "Lê Văn Một", team="T2"), dry_run=True)
    assert await sender.rejected(row) == [(2, [("team_reference", "unknown-reference", None)])]


async def test_what_a_row_says_otherwise_is_corrected_with_the_import_as_the_reason(antt: Antt) -> None:
    sender = Sender(antt)
    await sender.csv("teams", TEAM, team_row("T1"), team_row("T2"))
    await sender.csv("members", MEMBER, member_row("M1", "Lê Văn Một"), member_row("M2", "Lê Văn Hai"))
    row = await sender.csv("teams", TEAM, team_row("T1", "Tổ Một", from_on="31/10/2025"), strategy="upsert")
    assert counts(row) == ("done", 0, 1, 0, 0), await sender.rejected(row)
    corrected = (await sender.items(TEAMS))[0]
    assert (corrected["name"], corrected["from_on"]) == ("Tổ Một", "2025-10-31")
    (correction,) = (await antt.get(f"{TEAMS}/{corrected['id']}/corrections", sender.caller)).json()
    assert correction["reason"] == f"Nhập dữ liệu {row['id']}"
    assert correction["changed"] == {"name": ["Tổ 1", "Tổ Một"], "from_on": ["2025-11-01", "2025-10-31"]}
    # Who the person is, and what the first term was, in one row.
    better = ("M1", "T1", "Lê Văn Mốt", "02/05/1990", "recruited", "deputy", "03/11/2025", *DECISION)
    row = await sender.csv("members", MEMBER, better, member_row("M2", "Lê Văn Hai"), strategy="upsert")
    assert counts(row) == ("done", 0, 1, 1, 0), await sender.rejected(row)
    first = (await sender.items(MEMBERS))[0]
    assert (first["full_name"], first["born_on"], first["term"]["role"]) == ("Lê Văn Mốt", "1990-05-02", "deputy")
    counters = await antt.counters(row["position"])
    assert (counters["members"], counters["members_deputy"], counters["members_member"]) == (2, 1, 1)
    # What is no mistake but a step is one: to another team a member is transferred.
    moved = member_row("M2", "Lê Văn Hai", team="T2")
    row = await sender.csv("members", MEMBER, moved, strategy="upsert")
    assert await sender.rejected(row) == [(2, [("team_reference", "not-correctable", None)])]
    # A step taken since leaves the row as right as it was.
    taken = await step(antt, f"{MEMBERS}/{first['id']}/change-role", role="member", from_on="2025-11-20")
    assert taken.status_code == 200, taken.text
    assert counts(await sender.csv("members", MEMBER, better, strategy="upsert")) == ("done", 0, 0, 1, 0)


async def test_classes_and_certificates_are_corrected_by_row(antt: Antt) -> None:
    sender = Sender(antt)
    await sender.csv("teams", TEAM, team_row("T1"))
    await sender.csv("members", MEMBER, member_row("M1", "Lê Văn Một"), member_row("M2", "Lê Văn Hai"))
    training = ("L1", COMMUNE, "Tập huấn", "10/11/2025")
    await sender.csv("training-classes", CLASS, training)
    await sender.csv("certificates", CERTIFICATE, ("G1", "L1", "M1", "01", "12/11/2025"))
    row = await sender.csv("training-classes", CLASS, (*training[:2], "Tập huấn PCCC", training[3]), strategy="upsert")
    assert counts(row) == ("done", 0, 1, 0, 0), await sender.rejected(row)
    row = await sender.csv("certificates", CERTIFICATE, ("G1", "L1", "M1", "02", "13/11/2025"), strategy="upsert")
    assert counts(row) == ("done", 0, 1, 0, 0), await sender.rejected(row)
    (certificate,) = await sender.items(CERTIFICATES)
    assert (certificate["number"], certificate["issued_on"]) == ("02", "2025-11-13")
    row = await sender.csv("certificates", CERTIFICATE, ("G1", "L1", "M2", "02", "13/11/2025"), strategy="upsert")
    assert await sender.rejected(row) == [(2, [("member_reference", "not-correctable", None)])]


async def test_a_team_that_was_placed_anew_is_still_the_one_that_its_row_says(antt: Antt) -> None:
    sender, split = Sender(antt), "2024:25948"  # became COMMUNE and another
    signed = ("3/QĐ-UBND", "19/06/2025", "Nguyễn Văn Hòa")
    entered = ("T1", split, "Tổ 1", "", "20/06/2025", *signed)
    assert counts(await sender.csv("teams", TEAM, entered)) == ("done", 1, 0, 0, 0)
    (known,) = await sender.items(TEAMS)
    placed = await step(antt, f"{TEAMS}/{known['id']}/place", unit=COMMUNE, from_on="2025-07-10")
    assert placed.status_code == 200, placed.text
    for unit in (split, COMMUNE):
        row = await sender.csv("teams", TEAM, (entered[0], unit, *entered[2:]), strategy="upsert")
        assert counts(row) == ("done", 0, 0, 1, 0), await sender.rejected(row)
    row = await sender.csv("teams", TEAM, (entered[0], "2025:25747", *entered[2:]), strategy="upsert")
    assert await sender.rejected(row) == [(2, [("unit", "no-successor", "2025:25747")])]


async def test_rejected_rows_say_why_by_the_columns_of_their_file(antt: Antt) -> None:
    sender = Sender(antt)
    await sender.csv("teams", TEAM, team_row("T1"))
    late = (*team_row("T4")[:6], "28/10/2999", "Nguyễn Văn Hòa")
    unsigned = (*team_row("T5")[:5], "15/QĐ-UBND", "", "Nguyễn Văn Hòa")
    row = await sender.csv(
        "teams",
        TEAM,
        team_row("T1"),
        team_row("T2", unit="2025:99999"),
        team_row("T3", unit=PROVINCE, from_on="01/06/2025"),
        late,
        unsigned,
        team_row("T6", from_on="31/02/2025"),
        team_row("T7"),
        team_row("T7"),
        atomic=False,
    )
    assert counts(row) == ("done", 1, 0, 0, 7)
    assert await sender.rejected(row) == [
        (2, [("reference", "reference-known", None)]),
        (3, [("unit", "unknown-unit", "2025:99999")]),
        (4, [("unit", "level", PROVINCE)]),
        (5, [("", "day-in-the-future", None)]),
        (6, [("decision_on", "missing", None)]),
        (7, [("from_on", "date_parsing", "2025-02-31")]),
        (9, [("reference", "duplicate-reference", None)]),
    ]
    row = await sender.csv("teams", ("reference", "decision_numbr"), ("T9", "1"))
    assert (row["state"], row["problem"]["code"], row["problem"]["near"]) == (
        "failed",
        "unknown-column",
        "decision_number",
    )
    row = await sender.csv("teams", (*TEAM, "decision.number"), (*team_row("T9"), "1"))
    assert (row["state"], row["problem"]["code"]) == ("failed", "duplicate-column")


async def test_rows_of_one_file_that_contradict_each_other_are_refused_by_their_line(antt: Antt) -> None:
    sender = Sender(antt)
    await sender.csv("teams", TEAM, team_row("T1"), team_row("T2"))
    members = (
        member_row("M1", "Lê Văn Một", "leader"),
        member_row("M2", "Lê Văn Hai", "leader"),
        member_row("M3", "lê văn một", team="T2"),
        member_row("M4", "Lê Văn Tư", "leader", team="T2"),
        member_row("M5", "Lê Văn Năm", team="T9"),
    )
    refused = [
        (3, [("team_reference", "leader-exists", None)]),
        (4, [("", "already-in-force", None)]),
        (6, [("team_reference", "unknown-reference", None)]),
    ]
    # All or nothing, as a trial, and row by row: the same rows, for the same reasons.
    for options, state in (({}, "failed"), ({"dry_run": True, "atomic": False}, "done"), ({"atomic": False}, "done")):
        row = await sender.csv("members", MEMBER, *members, **options)
        assert (counts(row), await sender.rejected(row)) == ((state, 2, 0, 0, 3), refused)
    assert len(await sender.items(MEMBERS)) == 2
    await sender.csv("training-classes", CLASS, ("L1", COMMUNE, "Tập huấn", "10/11/2025"))
    certificates = (
        ("G1", "L1", "M1", "01", "12/11/2025"),
        ("G2", "L1", "M1", "02", "12/11/2025"),
        ("G3", "L1", "M4", "01", "12/11/2025"),
        ("G4", "L1", "M4", "04", "01/11/2025"),
        ("G5", "L1", "M4", "04", "09/11/2025"),
    )
    row = await sender.csv("certificates", CERTIFICATE, *certificates, atomic=False)
    assert await sender.rejected(row) == [
        (3, [("member_reference", "conflict", None)]),
        (4, [("number", "conflict", "01")]),
        (5, [("member_reference", "not-a-member-then", None)]),
        (6, [("", "day-too-early", None)]),
    ]


async def test_rows_are_asked_about_a_chunk_at_a_time(antt: Antt, monkeypatch: pytest.MonkeyPatch) -> None:
    sender = Sender(antt)
    await sender.csv("teams", TEAM, team_row("T1"))
    asked: list[str] = []

    async def counted(self: Known, sql: str, *arguments: Any) -> Any:
        key = (sql, *(tuple(each) if isinstance(each, list) else each for each in arguments))
        if key in self.answers:
            return self.answers[key]
        asked.append(sql)
        return await Database.fetchrow(self, sql, *arguments)

    monkeypatch.setattr(Known, "fetchrow", counted)
    rows = [member_row(f"M{number}", f"Lê Văn {number}") for number in range(30)]
    for strategy, expected in (("create", (30, 0, 0)), ("upsert", (0, 0, 30))):
        row = await sender.csv("members", MEMBER, *rows, strategy=strategy)
        assert counts(row) == ("done", *expected, 0), await sender.rejected(row)
    assert asked == []


async def test_an_import_that_the_store_failed_goes_on_behind_the_rows_that_were_taken(
    antt: Antt, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Sender(antt)
    monkeypatch.setattr(job, "CHUNK_ROWS", 2)
    monkeypatch.setattr(job, "_WAIT_SECONDS", 0.05)
    take_chunk, taken = job._take_chunk, 0

    async def fails_once(*arguments: Any) -> None:
        nonlocal taken
        taken += 1
        if taken == 2:
            raise StoreUnavailable()
        await take_chunk(*arguments)

    monkeypatch.setattr(job, "_take_chunk", fails_once)
    rows = [team_row(f"T{number}", f"Tổ {number}") for number in range(5)]
    row = await sender.csv("teams", TEAM, *rows, atomic=False)
    assert (counts(row), row["rows_read"]) == (("done", 5, 0, 0, 0), 5)
    assert [each["reference"] for each in await sender.items(TEAMS)] == ["T0", "T1", "T2", "T3", "T4"]


async def test_who_may_keep_the_registry_of_an_area_imports_it_and_nobody_else(antt: Antt) -> None:
    body = a_csv(TEAM, team_row("T1"))
    leader = antt.token("team_leader", COMMUNE, await team(antt))
    for caller, status in (
        ({}, 401),
        (leader, 403),
        (antt.token("system", PROVINCE, scopes=["report"]), 403),
        (antt.token("system", PROVINCE, scopes=["figures"]), 403),
    ):
        answer = await sent(antt, body, of="teams", service="teams", media_type=CSV, caller=caller)
        assert answer.status_code == status, answer.text
    # A system that keeps the registry sends no tips.
    keeper = antt.token("system", PROVINCE, scopes=["registry"])
    tip = lines({"unit": COMMUNE, "content": "Mất xe"})
    assert refusal(await sent(antt, tip, of="tips", caller=keeper)) == (403, "forbidden")
    sender = Sender(antt, keeper)
    assert counts(await sender.csv("teams", TEAM, team_row("T1"))) == ("done", 1, 0, 0, 0)
    # Each row is of the sender's own area, and a reference is of its own records.
    other = Sender(antt, antt.token("commune_officer", "2025:25747"))
    row = await other.csv("teams", TEAM, team_row("T1"))
    assert await other.rejected(row) == [(2, [("unit", "foreign-area", COMMUNE)])]
    row = await other.csv("members", MEMBER, member_row("M1", "Lê Văn Một"))
    assert await other.rejected(row) == [(2, [("team_reference", "unknown-reference", None)])]
    (known,) = [each for each in await sender.items(TEAMS) if each["reference"]]
    row = await other.take("members", lines(a_member(known["id"], reference="M1")))
    assert await other.rejected(row) == [(1, [("", "not-found", None)])]


async def test_a_single_request_names_records_by_reference_too(antt: Antt) -> None:
    caller = antt.token("operator", PROVINCE)
    first = await antt.post(TEAMS, a_team(reference="T1"), caller)
    assert (first.status_code, first.json()["reference"]) == (201, "T1")
    assert refusal(await antt.post(TEAMS, a_team(reference="T1"), caller)) == (409, "reference-known")
    named = {**a_member(""), "team_reference": "T1", "reference": "M1"}
    del named["team_id"]
    member = await antt.post(MEMBERS, named, caller)
    assert member.json()["term"]["team_id"] == first.json()["id"]
    for wrong in ({"team_reference": None}, {"team_id": first.json()["id"]}, {"team_reference": "T2"}):
        answer = await antt.post(MEMBERS, {**named, "full_name": "Lê Văn Khác", "reference": "M2", **wrong}, caller)
        assert refusal(answer) == (422, "invalid-input")
    assert UUID(member.json()["id"])
