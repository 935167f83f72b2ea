"""Files of rows: each row is decided as a single request is, and counted once whatever happens in between."""

import asyncio
import base64
import hashlib
import json
import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from obstore.store import ObjectStore

from shared.access import Identity
from shared.access.tokens import Tokens
from shared.files.store import StoreUnavailable, read_range, size_of
from shared.importing import job, uploads
from shared.importing.commands import rename_old
from shared.importing.deciding import Decided, Taking
from shared.importing.kinds import Imports
from shared.importing.models import Import
from shared.outbox import row_of
from shared.service import Service
from tests.conftest import COMMUNE, OLD_COMMUNE, PROVINCE, Antt, eventually
from tests.importing import NDJSON, XLSX, a_csv, an_xlsx, counts, ended, imported, lines, rejections, sent
from tests.incidents.conftest import (
    ACTIVITIES,
    CASES,
    a_case,
    a_duty,
    a_patrol,
    a_team,
    kind_of,
    opened,
    traffic_control,
)

IMPORTS = "/incidents/v1/imports"
TIPS = "/incidents/v1/tips"
PLACES = "/incidents/v1/places"


async def test_rejected_rows_say_why_in_the_language_of_the_title(antt: Antt) -> None:
    rows = [
        {"unit": COMMUNE},
        {"unit": "2024:96999", "content": "a"},
        {"unit": COMMUNE, "content": "a", "refrence": "1"},
    ]
    row = await imported(antt, "\n".join(json.dumps(each) for each in rows).encode(), of="tips", atomic=False)
    said = {}
    for language in ("vi", "en"):
        headers = {**antt.token(), "Accept-Language": language}
        answer = await antt.http.get(f"{IMPORTS}/{row['id']}/rejected", headers=headers)
        said[language] = [error["message"] for found in answer.json()["items"] for error in found["errors"]]
    assert said["en"][0] == "Field required"
    assert said["en"][-1] == "Extra inputs are not permitted: is `reference` meant?"
    assert said["vi"][0] == "Thiếu trường bắt buộc."
    assert said["vi"][-1] == "Không có trường này; có phải là `reference`?"
    assert not set(said["vi"]) & set(said["en"])
    assert not [each for each in said["vi"] if each.startswith("Giá trị không hợp lệ")]


async def test_each_line_becomes_an_activity_and_is_counted(antt: Antt) -> None:
    row = await imported(antt, lines(a_patrol(), "", a_patrol(joint=True), traffic_control(turns=7)))
    assert counts(row) == ("done", 3, 0, 0, 0)
    assert row["problem"] is None
    counters = await antt.counters(row["position"])
    assert (counters["patrols"], counters["traffic_control_turns"]) == (2, 7)
    page = (await antt.get(ACTIVITIES, antt.token())).json()["items"]
    assert [activity["kind"] for activity in page] == ["patrol", "patrol", "traffic_control"]


async def test_a_row_is_refused_as_a_single_request_is_and_its_neighbours_are_taken(antt: Antt) -> None:
    row = await imported(
        antt,
        lines(
            a_patrol(),
            a_patrol(unit="2025:99999"),
            "{",
            a_patrol(ended_at="2025-11-02T19:00:00+07:00"),
            traffic_control(turns=-1),
            a_patrol(unit=OLD_COMMUNE),
            a_patrol(colour="red"),
        ),
        atomic=False,
    )
    assert counts(row) == ("done", 1, 0, 0, 6)
    assert await rejections(antt, row) == [
        (2, [("unit", "unknown-unit", "2025:99999")]),
        (3, [("", "json_invalid", None)]),
        (4, [("ended_at", "before-start", "2025-11-02T19:00:00+07:00")]),
        (5, [("turns", "greater_than_equal", "-1")]),
        (6, [("unit", "unit-not-in-force", OLD_COMMUNE)]),
        (7, [("?", "extra_forbidden", None)]),
    ]


async def test_a_file_sent_twice_with_the_same_key_is_taken_once(antt: Antt) -> None:
    key = str(uuid4())
    first = await sent(antt, lines(a_patrol()), key=key)
    again = await sent(antt, lines(a_patrol()), key=key)
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["idempotency-replayed"] == "true"
    assert kind_of(await sent(antt, lines(traffic_control()), key=key)) == (422, "idempotency-key-reused")
    row = await ended(antt, first.headers["location"])
    assert (await antt.counters(row["position"]))["patrols"] == 1


async def test_a_key_is_of_one_role_unit_and_team_of_its_subject(antt: Antt, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = Tokens.identity

    async def one_person(self: Tokens, authorization: str | None) -> Identity:
        # Who has several posts has one subject at a provider of tokens.
        return (await identity(self, authorization))._replace(subject="one person")

    monkeypatch.setattr(Tokens, "identity", one_person)
    key, ids = str(uuid4()), []
    for caller in (antt.token(), antt.token("commune_officer", OLD_COMMUNE), antt.token("province_officer")):
        for _ in range(2):
            answer = await sent(antt, lines(a_patrol()), key=key, caller=caller)
            assert answer.status_code == 202, answer.text
            ids.append(answer.json()["id"])
    assert [ids[0], ids[2], ids[4]] == [ids[1], ids[3], ids[5]]
    assert len(set(ids)) == 3


async def test_a_file_that_was_sent_before_hashes_had_keys_is_still_taken_once(
    antt: Antt, databases: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key, rows = str(uuid4()), lines(a_patrol())
    bare = hashlib.sha256(f"commune_officer:{COMMUNE}".encode() + b"\0imports\0" + key.encode()).digest()
    take, kept = job.take_import, list[asyncpg.Record]()

    async def taken_while_it_is_renamed(service: Service, imports: Imports, row: Import) -> None:
        if not kept:
            kept.extend(await service.database.fetch("SELECT i.*, i::text AS text FROM imports i"))
            # As the migration leaves what was sent before it; a job reads that, and then another one starts.
            await service.database.fetch("UPDATE imports SET content = '', key = $1", b"old:" + bare)
            (old,) = await service.database.fetch("SELECT * FROM imports")
            await rename_old(service.database)
            row = row_of(Import, old)
        await take(service, imports, row)

    monkeypatch.setattr(job, "take_import", taken_while_it_is_renamed)
    first = await sent(antt, rows, key=key)
    assert counts(await ended(antt, first.headers["location"])) == ("done", 1, 0, 0, 0)
    for hashed in (bare, hashlib.sha256(rows).digest()):
        assert hashed.hex() not in kept[0]["text"]
    connection = await asyncpg.connect(databases["incidents"])
    assert await connection.fetchval("SELECT key FROM imports") == kept[0]["key"]
    await connection.close()
    assert (await sent(antt, rows, key=key)).json()["id"] == first.json()["id"]


async def test_only_who_sent_a_file_and_who_oversees_the_area_see_it(antt: Antt) -> None:
    row = await imported(antt, lines(a_patrol()))
    path = f"{IMPORTS}/{row['id']}"
    assert kind_of(await sent(antt, b"", caller={"Authorization": "Bearer x"})) == (401, "unauthenticated")
    for caller, status in ((antt.token("system"), 404), (antt.token("province_officer", PROVINCE), 200)):
        assert (await antt.get(path, caller)).status_code == status
        assert (await antt.get(f"{path}/rejected", caller)).status_code == status
        assert (await antt.get(f"{path}/progress", caller)).status_code == status
        listed = (await antt.get(IMPORTS, caller)).json()["items"]
        assert [found["id"] for found in listed] == ([row["id"]] if status == 200 else [])


async def test_progress_is_a_stream_that_ends_with_the_import_which_nobody_cancels_then(antt: Antt) -> None:
    answer = await sent(antt, lines(a_patrol()))
    stream = await antt.get(f"{answer.headers['location']}/progress", antt.token())
    told = [json.loads(line.removeprefix("data: ")) for line in stream.text.splitlines() if line.startswith("data: ")]
    assert counts(told[-1]) == ("done", 1, 0, 0, 0)
    assert [row["version"] for row in told] == sorted({row["version"] for row in told})
    answer = await antt.post(f"{answer.headers['location']}/cancel", caller=antt.token())
    assert kind_of(answer) == (409, "step-not-allowed")


async def test_a_small_file_is_taken_whole_or_not_at_all(antt: Antt, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = lines(a_patrol(), a_patrol(unit="2025:99999"), a_patrol())
    row = await imported(antt, bad)
    assert (counts(row), row["atomic"], row["problem"]["code"]) == (("failed", 2, 0, 0, 1), True, "rows-rejected")
    assert await rejections(antt, row) == [(2, [("unit", "unknown-unit", "2025:99999")])]
    assert (await antt.get(ACTIVITIES, antt.token())).json()["items"] == []
    # What is too large for that is taken row by row, or refused where it was asked for.
    monkeypatch.setattr(job, "ATOMIC_ROWS", 2)
    row = await imported(antt, bad)
    assert (counts(row), row["atomic"]) == (("done", 2, 0, 0, 1), False)
    row = await imported(antt, bad, atomic=True)
    assert (counts(row), row["problem"]["code"]) == (("failed", 0, 0, 0, 0), "too-large-for-atomic")
    row = await imported(antt, lines(a_patrol(), a_patrol()), atomic=True)
    assert (counts(row), row["atomic"]) == (("done", 2, 0, 0, 0), True)
    assert (await antt.counters(row["position"]))["patrols"] == 4


async def test_rows_that_a_deadlock_kept_back_are_written_again(antt: Antt, databases: dict[str, str]) -> None:
    connection = await asyncpg.connect(databases["incidents"])
    # As if a batch of tips held a later row and waited for an earlier one, the first time.
    await connection.execute("""
        CREATE SEQUENCE tries;
        CREATE FUNCTION deadlock() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('tries') = 1 THEN RAISE deadlock_detected; END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER deadlock AFTER INSERT ON activities FOR EACH STATEMENT EXECUTE FUNCTION deadlock();""")
    await connection.close()
    row = await imported(antt, lines(a_patrol(), a_patrol()))
    assert counts(row) == ("done", 2, 0, 0, 0)


async def test_a_dry_run_decides_every_row_and_writes_none(antt: Antt) -> None:
    row = await imported(antt, lines(a_patrol(reference="a"), a_patrol(reference="a"), {}), dry_run=True, atomic=False)
    assert counts(row) == ("done", 1, 0, 0, 2)
    assert [codes[0][1] for _, codes in await rejections(antt, row)] == ["duplicate-reference", "union_tag_not_found"]
    assert (await antt.get(ACTIVITIES, antt.token())).json()["items"] == []


async def test_a_known_reference_is_refused_or_corrected_where_it_differs(antt: Antt) -> None:
    caller = antt.token("system")

    async def take(strategy: str, *rows: dict[str, Any], of: str = "activities") -> dict[str, Any]:
        return await imported(antt, lines(*rows), of=of, strategy=strategy, atomic=False, caller=caller)

    first, second = traffic_control(reference="A/1", turns=5), traffic_control(reference="A/2", turns=6)
    assert counts(await take("create", first)) == ("done", 1, 0, 0, 0)
    row = await take("create", first, second)
    assert counts(row) == ("done", 1, 0, 0, 1)
    answer = await antt.get(f"{IMPORTS}/{row['id']}/rejected", caller)
    error = answer.json()["items"][0]["errors"][0]
    assert (error["column"], error["code"], error["value"]) == ("reference", "reference-known", None)
    # Alone it is the same problem.
    assert kind_of(await antt.post(ACTIVITIES, first, caller)) == (409, "reference-known")
    changed = traffic_control(reference="A/2", turns=60)
    row = await take("upsert", first, changed, traffic_control(reference="A/3", turns=1), traffic_control(turns=1))
    assert counts(row) == ("done", 1, 1, 1, 1)
    assert (await antt.counters(row["position"]))["traffic_control_turns"] == 66
    # Another system's references are its own.
    other = await imported(antt, lines(first), strategy="upsert", caller=antt.token("operator", PROVINCE))
    assert counts(other) == ("done", 1, 0, 0, 0)
    case = a_case(reference="V/1", seized=[{"kind": "vehicles", "quantity": 2, "unit": "piece"}])
    assert counts(await take("upsert", case, of="cases")) == ("done", 1, 0, 0, 0)
    assert counts(await take("upsert", case, of="cases")) == ("done", 0, 0, 1, 0)
    assert counts(await take("upsert", {**case, "kind": "theft"}, of="cases")) == ("done", 0, 1, 0, 0)
    tip = {"unit": COMMUNE, "content": "Mất xe", "reference": "T/1", "informant": {"full_name": "Lê Văn Kín"}}
    assert counts(await take("upsert", tip, of="tips")) == ("done", 1, 0, 0, 0)
    row = await take("upsert", {**tip, "content": "Mất xe máy"}, of="tips")
    assert counts(row) == ("done", 0, 1, 0, 0)
    assert counts(await take("upsert", {**tip, "content": "Mất xe máy"}, of="tips")) == ("done", 0, 0, 1, 0)
    assert (await antt.counters(row["position"]))["tips_received"] == 1


async def test_a_case_comes_with_what_it_was_found_through(antt: Antt) -> None:
    tip = await opened(antt, TIPS, {"unit": COMMUNE, "content": "Đánh bạc"})
    unknown = str(uuid4())
    cases = (a_case(tip_id=tip["id"]), a_case(tip_id=unknown), a_case(links=[{"kind": "tip", "id": tip["id"]}]))
    row = await imported(antt, lines(*cases), of="cases", atomic=False)
    assert counts(row) == ("done", 2, 0, 0, 1)
    assert await rejections(antt, row) == [(2, [("tip_id", "unknown-tip", unknown)])]
    assert (await antt.counters(row["position"]))["cases_found_via_tips"] == 2


async def test_a_known_case_is_linked_to_what_a_row_tells_anew(antt: Antt) -> None:
    caller = antt.token("system")
    tip = await opened(antt, TIPS, {"unit": COMMUNE, "content": "Đánh bạc"})
    patrol, duty = await opened(antt, ACTIVITIES, a_patrol()), await opened(antt, ACTIVITIES, a_duty())
    unknown = str(uuid4())

    async def take(**values: Any) -> dict[str, Any]:
        case = lines(a_case(reference="V/1", **values))
        return await imported(antt, case, of="cases", strategy="upsert", atomic=False, caller=caller)

    assert counts(await take()) == ("done", 1, 0, 0, 0)
    # What a row corrects and links is one change, each part of it told after the other.
    right = {"kind": "theft", "found_on": "2025-10-30"}
    row = await take(**right, tip_id=tip["id"], patrol_id=patrol["id"])
    assert counts(row) == ("done", 0, 1, 0, 0)
    october = await antt.counters(row["position"], from_="2025-10-01", to="2025-10-31")
    assert (october["cases_found"], october["cases_found_via_tips"]) == (1, 1)
    november = await antt.counters(row["position"])
    assert (november["cases_found"], november["cases_found_via_tips"]) == (0, 0)
    # Links that a row leaves out stay.
    links = [{"kind": "activity", "id": duty["id"]}]
    assert counts(await take(**right, links=links)) == ("done", 0, 1, 0, 0)
    assert counts(await take(**right, tip_id=tip["id"], links=links)) == ("done", 0, 0, 1, 0)
    row = await take(found_on="2025-10-29", tip_id=unknown)
    assert counts(row) == ("done", 0, 0, 0, 1)
    answer = await antt.get(f"{IMPORTS}/{row['id']}/rejected", caller)
    assert answer.json()["items"][0]["errors"][0]["code"] == "unknown-tip"
    (case,) = (await antt.get(CASES, caller)).json()["items"]
    assert (case["kind"], case["found_on"], case["version"]) == ("theft", "2025-10-30", 3)
    assert [link["id"] for link in case["links"]] == [tip["id"], patrol["id"], duty["id"]]
    steps = (await antt.get(f"{CASES}/{case['id']}/steps", caller)).json()
    assert [step["command"] for step in steps] == ["correct", "link", "link", "link"]


async def test_what_no_correction_changes_is_refused_where_a_row_tells_another(antt: Antt) -> None:
    caller = antt.token("system")
    point = {"longitude": 106.65, "latitude": 11.01}
    informant = {"full_name": "Lê Văn Kín"}
    tip = {"unit": COMMUNE, "content": "Mất xe", "channel": "hotline", "reference": "T/1"}

    async def refused(**values: Any) -> list[tuple[str, str, str | None]]:
        content = lines({**tip, **values})
        row = await imported(antt, content, of="tips", strategy="upsert", atomic=False, caller=caller)
        answer = await antt.get(f"{IMPORTS}/{row['id']}/rejected", caller)
        errors = [error for found in answer.json()["items"] for error in found["errors"]]
        assert counts(row) == ("done", 0, 0, 0 if errors else 1, 1 if errors else 0)
        return [(error["column"], error["code"], error["value"]) for error in errors]

    for reference, kept in (("T/1", {}), ("T/2", {"point": point, "informant": informant})):
        tip["reference"] = reference
        row = await imported(antt, lines({**tip, **kept}), of="tips", strategy="upsert", caller=caller)
        assert counts(row) == ("done", 1, 0, 0, 0)
        assert await refused(**kept) == []
        assert await refused(channel="web", content="Mất xe máy") == [("channel", "not-correctable", None)]
        assert await refused(point={**point, "latitude": 11.0}) == [("point", "not-correctable", None)]
    # Who reported is sealed: nobody looks whether it is another.
    assert await refused(informant={"full_name": "Trần Thị Khác"}) == []
    tip["reference"] = "T/1"
    assert await refused(informant=informant, point=point) == [
        ("informant", "not-correctable", None),
        ("point", "not-correctable", None),
    ]


async def test_a_row_that_names_a_hamlet_beside_a_unit_above_it_stays_where_it_was_placed(antt: Antt) -> None:
    caller = antt.token("system", "2025:79")
    hamlets = {"edition": "2025", "hamlets": [{"code": "X.1", "name": "Ấp 1", "unit": COMMUNE}]}
    operator = antt.token("operator", PROVINCE)
    assert (await antt.http.put(f"{PLACES}/hamlets", json=hamlets, headers=operator)).status_code == 200
    for of, record in (("cases", a_case(reference="V/1")), ("tips", {"content": "Mất xe", "reference": "T/1"})):
        content = lines({**record, "unit": "2025:79", "hamlet": "X.1"})
        for expected in (("done", 1, 0, 0, 0), ("done", 0, 0, 1, 0)):
            assert counts(await imported(antt, content, of=of, strategy="upsert", caller=caller)) == expected
        (placed,) = (await antt.get(f"/incidents/v1/{of}", antt.token())).json()["items"]
        assert (placed["unit"], placed["hamlet"]) == (COMMUNE, "X.1")


async def test_a_row_that_moves_a_tip_out_of_its_point_says_the_same_the_next_time(antt: Antt) -> None:
    caller = antt.token("system", "2025:79")
    ring = [[106.6, 11.0], [106.7, 11.0], [106.7, 11.1], [106.6, 11.1], [106.6, 11.0]]
    commune = {
        "type": "Feature",
        "properties": {"unit": COMMUNE},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    boundaries = {"type": "FeatureCollection", "features": [commune]}
    operator = antt.token("operator", PROVINCE)
    assert (await antt.http.put(f"{PLACES}/boundaries", json=boundaries, headers=operator)).status_code == 200
    tip = {"content": "Mất xe", "reference": "T/1", "point": {"longitude": 106.65, "latitude": 11.01}}
    for unit, expected in ((COMMUNE, (1, 0, 0)), ("2025:25747", (0, 1, 0)), ("2025:25747", (0, 0, 1))):
        row = await imported(antt, lines({**tip, "unit": unit}), of="tips", strategy="upsert", caller=caller)
        assert counts(row) == ("done", *expected, 0)


async def test_rows_are_decided_as_whoever_sent_them(antt: Antt) -> None:
    team = await a_team(antt)
    leader = antt.token("team_leader", COMMUNE, team)
    unknown = str(uuid4())
    content = lines(a_patrol(), a_patrol(team_id=unknown), a_patrol(team_id=team), *[a_patrol(team_id=unknown)] * 3)
    row = await imported(antt, content, atomic=False, caller=leader)
    assert counts(row) == ("done", 2, 0, 0, 4)
    page = (await antt.get(ACTIVITIES, leader)).json()["items"]
    assert [(activity["state"], activity["team_id"]) for activity in page] == [("entered", team)] * 2
    assert kind_of(await sent(antt, content, caller={})) == (401, "unauthenticated")
    row = await imported(antt, content, atomic=False)
    # Whoever may enter for any team is told that nobody knows this one, after one wait for all of them.
    codes = [errors[0][1] for _, errors in await rejections(antt, row)]
    assert (counts(row), codes) == (("done", 2, 0, 0, 4), ["team-not-yet-known"] * 4)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for the files of one test."""
    monkeypatch.setenv("ANTT_STORE", tmp_path.as_uri())
    return tmp_path


def take_away(store: Path) -> None:
    """The folder is elsewhere, and something that is none in its place."""
    store.rename(store.with_name("elsewhere"))
    store.touch()


def bring_back(store: Path) -> None:
    """The folder is where it was."""
    store.unlink()
    store.with_name("elsewhere").rename(store)


class Held:
    """The job, which takes nothing before it is let go."""

    def __init__(self, take: Callable[[Service, Imports, Import], Awaitable[None]]) -> None:
        self.take, self.let_go = take, asyncio.Event()
        self.service: asyncio.Future[Service] = asyncio.get_running_loop().create_future()

    async def __call__(self, service: Service, imports: Imports, row: Import) -> None:
        """Take an import."""
        if not self.service.done():
            self.service.set_result(service)
        await self.let_go.wait()
        await self.take(service, imports, row)


def files_in(store: Path) -> list[Path]:
    """What the store keeps."""
    return [path for path in store.rglob("*") if path.is_file()]


async def test_only_texts_in_utf_8_and_zip_archives_are_kept(store: Path, antt: Antt) -> None:
    assert kind_of(await sent(antt, b"<rows/>", media_type="application/xml")) == (415, "unknown-format")
    content = "kind,unit\npatrol,Lễ hội"
    for wrong in (content.encode("utf-16"), content.encode("utf-16-le"), "Hà Nội".encode("cp1258", "ignore"), b"a\x00"):
        for media_type in ("text/csv", NDJSON):
            assert kind_of(await sent(antt, wrong, media_type=media_type)) == (422, "not-utf-8")
    for wrong in (b"", b"PK", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", content.encode()):
        assert kind_of(await sent(antt, wrong, media_type=XLSX)) == (422, "not-xlsx")
    # What its sender's digest does not tell of is not kept either.
    rows = lines(a_patrol())
    digest = base64.b64encode(hashlib.sha256(rows).digest()).decode()
    headers = {**antt.token(), "Content-Type": NDJSON, "Content-Digest": f"sha-256=:{digest}:"}
    query = {"of": "activities"}
    cut = await antt.http.post(IMPORTS, content=rows[:-9], headers=headers, params=query)
    assert kind_of(cut) == (422, "digest-wrong")
    assert files_in(store) == []
    assert (await antt.http.post(IMPORTS, content=rows, headers=headers, params=query)).status_code == 202


async def test_a_file_waits_sealed_and_is_forgotten_when_it_is_taken(
    store: Path, antt: Antt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "take_import", held := Held(job.take_import))
    tip = {"unit": COMMUNE, "content": "Gây rối", "informant": {"full_name": "Lê Văn Kín"}}
    answer = await sent(antt, lines(tip), of="tips")
    (kept,) = files_in(store)
    assert b"Gay" not in kept.read_bytes()
    assert "Lê Văn Kín".encode() not in kept.read_bytes()
    held.let_go.set()
    row = await ended(antt, answer.headers["location"])
    assert counts(row) == ("done", 1, 0, 0, 0)
    await eventually(lambda: not files_in(store))


async def test_a_sweep_leaves_what_waits_and_what_is_of_another_service(
    store: Path, antt: Antt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "take_import", held := Held(job.take_import))
    answer = await sent(antt, lines(a_patrol()))
    (kept,) = files_in(store)
    others = store / "teams" / "imports" / str(uuid4())
    forgotten = kept.with_name(str(uuid4()))
    for path in (others, forgotten):
        path.parent.mkdir(exist_ok=True, parents=True)
        path.touch()
        os.utime(path, (0, 0))
    await uploads.sweep(await held.service, "imports", {UUID(answer.json()["id"])})
    assert sorted(files_in(store)) == sorted((kept, others))
    held.let_go.set()
    assert counts(await ended(antt, answer.headers["location"])) == ("done", 1, 0, 0, 0)


async def test_an_import_waits_for_the_store_and_lets_others_go_before(
    store: Path, antt: Antt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "_WAIT_SECONDS", 0.1)
    monkeypatch.setattr(job, "CHUNK_ROWS", 2)
    monkeypatch.setattr(uploads, "BLOCK", 256)
    monkeypatch.setattr(job, "BLOCK", 256)
    missing = [3]

    def gone_for_a_while(store: ObjectStore, key: str, start: int, end: int) -> bytes:
        if start > 1_000 and missing[0]:
            missing[0] -= 1
            raise StoreUnavailable()
        return read_range(store, key, start, end)

    monkeypatch.setattr(uploads, "read_range", gone_for_a_while)
    row = await imported(antt, lines(*[traffic_control(turns=1)] * 20), atomic=False)
    assert (counts(row), row["problem"], missing) == (("done", 20, 0, 0, 0), None, [0])
    assert (await antt.counters(row["position"]))["traffic_control_turns"] == 20
    # A store that is no store: nothing is kept, and what was sent before waits.
    monkeypatch.setattr(job, "take_import", held := Held(job.take_import))
    waiting = await sent(antt, lines(a_patrol()))
    take_away(store)
    assert kind_of(await sent(antt, lines(a_patrol()))) == (503, "store-unavailable")
    held.let_go.set()

    await waits(antt, waiting.headers["location"], "store-unavailable")
    bring_back(store)
    assert counts(await ended(antt, waiting.headers["location"])) == ("done", 1, 0, 0, 0)


async def waits(antt: Antt, path: str, code: str) -> dict[str, Any]:
    """The import, once it tells that it waits for this."""

    async def found() -> dict[str, Any] | None:
        row: dict[str, Any] = (await antt.get(path, antt.token())).json()
        assert row["state"] in ("queued", "running"), row
        return row if row["problem"] is not None and row["problem"]["code"] == code else None

    result: dict[str, Any] = await eventually(found)
    return result


async def test_an_import_whose_file_is_missing_waits_for_it_and_fails_in_the_end(
    store: Path, antt: Antt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "_WAIT_SECONDS", 0.05)
    looks = 0

    async def counted(store: ObjectStore, key: str) -> int | None:
        nonlocal looks
        looks += 1
        return await size_of(store, key)

    monkeypatch.setattr(job, "size_of", counted)
    monkeypatch.setattr(job, "take_import", held := Held(job.take_import))
    back, gone = [(await sent(antt, lines(a_patrol()))).headers["location"] for _ in range(2)]
    for file in files_in(store):
        file.rename(file.with_suffix(".elsewhere"))
    held.let_go.set()
    await waits(antt, back, "file-missing")
    told = await waits(antt, gone, "file-missing")
    looks = 0
    await eventually(lambda: looks > 4)
    # What has been told is not written again.
    assert await waits(antt, gone, "file-missing") == told
    file = next(file for file in files_in(store) if file.stem in back)
    file.rename(file.with_suffix(""))
    row = await ended(antt, back)
    assert (counts(row), row["problem"]) == (("done", 1, 0, 0, 0), None)
    monkeypatch.setattr(job, "_GONE_AFTER", timedelta(0))
    row = await ended(antt, gone)
    assert (counts(row), row["problem"]["code"]) == (("failed", 0, 0, 0, 0), "file-gone")


@pytest.mark.parametrize("fault", ["query_canceled", "read_only_sql_transaction"])
async def test_an_import_waits_for_a_database_that_refuses_for_now(
    antt: Antt, databases: dict[str, str], monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(job, "_WAIT_SECONDS", 0.05)
    connection = await asyncpg.connect(databases["incidents"])
    await connection.execute(f"""
        CREATE SEQUENCE tries;
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            PERFORM nextval('tries'); RAISE {fault};
        END $$;
        CREATE TRIGGER refuse AFTER INSERT ON activities FOR EACH STATEMENT EXECUTE FUNCTION refuse();""")
    answer = await sent(antt, lines(a_patrol(), a_patrol()))
    told = await waits(antt, answer.headers["location"], "import-waits")
    tries = await connection.fetchval("SELECT last_value FROM tries")

    async def tried_again() -> bool:
        return bool(await connection.fetchval("SELECT last_value > $1 + 2 FROM tries", tries))

    await eventually(tried_again)
    # What has been told is not written again.
    assert await waits(antt, answer.headers["location"], "import-waits") == told
    await connection.execute("DROP TRIGGER refuse ON activities")
    await connection.close()
    row = await ended(antt, answer.headers["location"])
    assert (counts(row), row["problem"]) == (("done", 2, 0, 0, 0), None)


async def test_an_import_waits_for_room_to_remember_its_references(antt: Antt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "_WAIT_SECONDS", 0.05)

    def no_room(*_: Any) -> Iterator[Any]:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(job, "_checked", no_room)
        answer = await sent(antt, lines(a_patrol()))
        await waits(antt, answer.headers["location"], "import-waits")
    assert counts(await ended(antt, answer.headers["location"])) == ("done", 1, 0, 0, 0)


async def test_a_fault_that_nobody_foresaw_ends_its_import_and_is_logged(
    antt: Antt, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any) -> Iterator[Any]:
        raise LookupError("unheard of")

    with monkeypatch.context() as patched:
        patched.setattr(job, "_checked", broken)
        row = await imported(antt, lines(a_patrol()))
    assert (counts(row), row["problem"]["code"]) == (("failed", 0, 0, 0, 0), "internal-error")
    assert "unheard of" in capsys.readouterr().out
    assert counts(await imported(antt, lines(a_patrol()))) == ("done", 1, 0, 0, 0)


async def test_a_cancelled_import_stops_behind_the_rows_it_has_taken(
    antt: Antt, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunk_taken, go_on = asyncio.Event(), asyncio.Event()
    take_chunk = job._take_chunk

    async def one_at_a_time(taking: Taking, chunk: list[Any], decided: Decided) -> None:
        await take_chunk(taking, chunk, decided)
        chunk_taken.set()
        await go_on.wait()

    monkeypatch.setattr(job, "CHUNK_ROWS", 2)
    monkeypatch.setattr(job, "_take_chunk", one_at_a_time)
    answer = await sent(antt, lines(*[a_patrol()] * 7), atomic=False)
    await chunk_taken.wait()
    path = answer.headers["location"]
    cancelled = await antt.post(f"{path}/cancel", caller=antt.token())
    assert counts(cancelled.json()) == ("cancelled", 2, 0, 0, 0)
    go_on.set()
    # The next file is taken, and of this one no more.
    await imported(antt, lines(traffic_control()))
    assert counts((await antt.get(path, antt.token())).json()) == ("cancelled", 2, 0, 0, 0)
    assert len((await antt.get(ACTIVITIES, antt.token())).json()["items"]) == 3


async def test_rows_before_the_place_where_a_file_breaks_are_taken(antt: Antt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "CHUNK_ROWS", 2)
    heading = ("kind", "unit", "started_at", "ended_at")
    patrol = ("patrol", COMMUNE, "02/11/2025 20:00", "02/11/2025 23:00")
    content = a_csv(heading, *[patrol] * 5, ('"patrol', *patrol[1:]))
    row = await imported(antt, content, media_type="text/csv", atomic=False)
    assert (counts(row), row["problem"]["code"]) == (("failed", 5, 0, 0, 0), "unreadable-csv")
    assert row["problem"]["line"] == 7
    row = await imported(antt, content, media_type="text/csv")
    assert (counts(row), row["problem"]["code"]) == (("failed", 0, 0, 0, 0), "unreadable-csv")


async def test_each_format_arrives_and_a_broken_file_tells_why(antt: Antt) -> None:
    heading = ("kind", "unit", "started_at", "ended_at")
    patrol = ("patrol", COMMUNE, "02/11/2025 20:00", "02/11/2025 23:00")
    row = await imported(antt, a_csv(heading, patrol), media_type="text/csv; charset=utf-8", filename="Tuần tra.csv")
    assert (counts(row), row["filename"]) == (("done", 1, 0, 0, 0), "Tuần tra.csv")
    assert counts(await imported(antt, an_xlsx(heading, patrol), media_type=XLSX)) == ("done", 1, 0, 0, 0)
    row = await imported(antt, a_csv((*heading, "colour"), (*patrol, "red")), media_type="text/csv")
    assert (counts(row), row["problem"]["code"]) == (("failed", 0, 0, 0, 0), "unknown-column")
    row = await imported(antt, an_xlsx(heading, patrol)[:-40], media_type=XLSX)
    assert (counts(row), row["problem"]["code"]) == (("failed", 0, 0, 0, 0), "not-xlsx")
