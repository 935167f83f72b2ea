"""Files of tips, cases and activities: who adds one, who sees it, and who takes it away."""

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from PIL import Image

from shared.settings import settings
from tests.conftest import COMMUNE, PROVINCE, Antt
from tests.incidents.conftest import ACTIVITIES, CASES, a_case, a_patrol, a_team, kind_of, opened
from tests.shared.files.made import a_film, a_heic, a_picture, an_amr, an_ogg
from tests.shared.files.sending import attached, send

TIPS = "/incidents/v1/tips"
BY_RECEIPT = f"{TIPS}/by-receipt/attachments"
FOREIGN_COMMUNE = "2025:25747"


@pytest.fixture
async def rows(databases: dict[str, str]) -> AsyncIterator[asyncpg.Connection]:
    """A look into the database."""
    connection = await asyncpg.connect(databases["incidents"])
    yield connection
    await connection.close()


async def a_tip(antt: Antt, **values: Any) -> dict[str, Any]:
    """A tip that a citizen reported."""
    return await opened(antt, TIPS, {"unit": COMMUNE, "content": "Gây rối trật tự", **values}, {})


async def test_a_file_is_attached_listed_downloaded_and_taken_away(
    stored_in: str, antt: Antt, rows: asyncpg.Connection
) -> None:
    for path, body in ((CASES, a_case()), (ACTIVITIES, a_patrol()), (TIPS, {"unit": COMMUNE, "content": "a"})):
        record = await opened(antt, path, body)
        files, of = f"{path}/{record['id']}/attachments", path.rpartition("/")[2]
        sent = await send(antt, files, a_film(), name="Hiện trường.MOV")
        assert sent.status_code == 201, sent.text
        attachment = sent.json()
        assert sent.headers["location"] == f"{files}/{attachment['id']}"
        assert sent.headers["antt-position"]
        assert {name: attachment[name] for name in ("of", "record_id", "name", "media_type", "bytes")} == {
            "of": of, "record_id": record["id"], "name": "Hiện trường.mp4", "media_type": "video/mp4", "bytes": len(a_film()),
        }  # fmt: skip
        assert (await antt.get(files, antt.token())).json() == [attachment]

        got = await antt.get(f"{files}/{attachment['id']}", antt.token())
        assert got.status_code == 200
        assert len(got.content) == attachment["bytes"]
        bare = hashlib.sha256(got.content).hexdigest()
        assert got.headers["etag"] == f'"{attachment["id"]}"'
        assert {name: got.headers[name] for name in ("content-type", "content-length", "x-content-type-options")} == {
            "content-type": "video/mp4", "content-length": str(attachment["bytes"]), "x-content-type-options": "nosniff",
        }  # fmt: skip
        assert (
            got.headers["content-disposition"] == "attachment; filename*=UTF-8''Hi%E1%BB%87n%20tr%C6%B0%E1%BB%9Dng.mp4"
        )
        assert got.headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert got.headers["cache-control"] == "private, no-store"

        remove = f"{files}/{attachment['id']}/remove"
        assert kind_of(await antt.post(remove, {}, antt.token())) == (422, "invalid-input")
        assert (await antt.post(remove, {"reason": "gửi nhầm"}, antt.token())).status_code == 200
        assert kind_of(await antt.post(remove, {"reason": "gửi nhầm"}, antt.token())) == (404, "not-found")
        assert kind_of(await antt.get(f"{files}/{attachment['id']}", antt.token())) == (404, "not-found")
        assert (await antt.get(files, antt.token())).json() == []

    events = await rows.fetch("SELECT type, data::text FROM outbox WHERE type LIKE 'Attachment%' ORDER BY seq")
    assert [row["type"] for row in events] == ["AttachmentAdded", "AttachmentRemoved"] * 3
    assert all("Hiện" not in row["data"] and bare not in row["data"] for row in events)


async def test_attachments_disturb_no_counter(stored_in: str, antt: Antt) -> None:
    case = await opened(antt, CASES, a_case())
    answer = await send(antt, f"{CASES}/{case['id']}/attachments", an_ogg())
    assert (await antt.counters(answer.headers["antt-position"]))["cases_found"] == 1


async def test_the_sender_of_a_tip_adds_files_by_receipt_and_nobody_else_does(stored_in: str, antt: Antt) -> None:
    tip = await a_tip(antt)
    receipt = {"Antt-Receipt": tip["receipt"]}
    sent = await send(antt, BY_RECEIPT, a_picture(), receipt)
    assert sent.status_code == 201, sent.text
    assert set(sent.json()) == {"id", "name", "media_type", "bytes", "added_at"}
    assert (await antt.http.get(BY_RECEIPT, headers=receipt)).json() == [sent.json()]
    (seen,) = (await antt.get(f"{TIPS}/{tip['id']}/attachments", antt.token())).json()
    assert (seen["from_sender"], seen["added_by"]) == (True, "informant")
    # Neither the receipt nor the lack of a token opens what was sent.
    assert kind_of(await antt.http.get(f"{TIPS}/{tip['id']}/attachments/{seen['id']}", headers=receipt))[0] == 401
    # What the police add stays with them.
    await attached(antt, f"{TIPS}/{tip['id']}/attachments", a_picture())
    assert len((await antt.http.get(BY_RECEIPT, headers=receipt)).json()) == 1

    assert kind_of(await send(antt, BY_RECEIPT, a_picture(), {"Antt-Receipt": "0" * 16})) == (404, "not-found")
    assert kind_of(await send(antt, BY_RECEIPT, a_picture(), {})) == (422, "invalid-input")
    withdrawn = await antt.post(f"{TIPS}/{tip['id']}/withdraw", {"reason": "nhầm"}, antt.token())
    assert withdrawn.status_code == 200
    assert kind_of(await send(antt, BY_RECEIPT, a_picture(), receipt)) == (409, "step-not-allowed")


async def test_each_download_of_what_a_sender_sent_is_recorded(antt: Antt) -> None:
    tip = await a_tip(antt)
    await attached(antt, BY_RECEIPT, a_picture(), {"Antt-Receipt": tip["receipt"]})
    path = f"{TIPS}/{tip['id']}/attachments"
    (attachment,) = (await antt.get(path, antt.token())).json()
    one = f"{path}/{attachment['id']}"
    assert (await antt.get(one, antt.token())).status_code == 200
    # The rest of a download that broke off is no further look.
    assert (await antt.http.get(one, headers={**antt.token(), "Range": "bytes=9-"})).status_code == 206
    (look,) = (await antt.get(f"{one}/looks", antt.token("province_officer", PROVINCE))).json()
    assert look["looked_by"] == f"commune_officer:{COMMUNE}"
    assert kind_of(await antt.get(f"{one}/looks", antt.token())) == (403, "forbidden")


async def test_the_sender_of_a_duplicate_adds_files_as_long_as_the_tip_that_goes_on_is_open(antt: Antt) -> None:
    one, two = await a_tip(antt), await a_tip(antt)
    receipt = {"Antt-Receipt": two["receipt"]}
    for tip, step, body in ((two, "merge", {"into": one["id"]}), (one, "report", {}), (one, "reject", {"reason": "a"})):
        assert (await send(antt, BY_RECEIPT, an_amr() + step.encode(), receipt)).status_code == 201
        answer = await antt.post(f"{TIPS}/{tip['id']}/{step}", body, antt.token())
        assert answer.status_code == 200, answer.text
    refused = await send(antt, BY_RECEIPT, an_amr(), receipt)
    assert (kind_of(refused), refused.json()["state"]) == ((409, "step-not-allowed"), "rejected")


async def test_who_handles_a_tip_sees_what_the_senders_of_its_duplicates_sent(antt: Antt) -> None:
    team = await a_team(antt)
    leader, officer, audit = antt.token("team_leader", COMMUNE, team), antt.token(), antt.token("operator", PROVINCE)
    stands, own = [await opened(antt, TIPS, {"unit": COMMUNE, "content": "Gây rối"}, leader) for _ in range(2)]
    citizens = await a_tip(antt)
    for tip, into in ((own, citizens), (citizens, stands)):
        merged = await antt.post(f"{TIPS}/{tip['id']}/merge", {"into": into["id"]}, officer)
        assert merged.status_code == 200, merged.text
    files = f"{TIPS}/{stands['id']}/attachments"
    for number, tip in enumerate((citizens, own, stands)):
        await attached(antt, BY_RECEIPT, an_ogg() + bytes(number), {"Antt-Receipt": tip["receipt"]})
    listed = (await antt.get(files, officer)).json()
    assert [attachment["record_id"] for attachment in listed] == [citizens["id"], own["id"], stands["id"]]
    assert (await antt.get(files, leader)).json() == listed[1:]
    one = f"{files}/{listed[0]['id']}"
    assert (await antt.get(one, officer)).content == an_ogg() + bytes(0)
    assert kind_of(await antt.get(one, leader)) == (404, "not-found")
    assert (await antt.get(f"{files}/{listed[1]['id']}", leader)).status_code == 200
    # The look is shown beside the tip that stands and beside the tip that it was sent to.
    looks = [
        (await antt.get(at, audit)).json()
        for at in (f"{one}/looks", f"{one.replace(stands['id'], citizens['id'])}/looks")
    ]
    assert [look["looked_by"] for look in looks[0]] == [f"commune_officer:{COMMUNE}"]
    assert looks[0] == looks[1]
    # Of the tip that was merged only its own and its duplicates' are shown.
    at = f"{TIPS}/{citizens['id']}/attachments"
    assert (await antt.get(at, officer)).json() == listed[:2]
    assert kind_of(await antt.get(f"{at}/{listed[2]['id']}", officer)) == (404, "not-found")


async def test_a_part_from_the_middle_is_a_look_unless_the_same_caller_looked_a_short_while_ago(
    antt: Antt, rows: asyncpg.Connection
) -> None:
    tip = await a_tip(antt)
    await attached(antt, BY_RECEIPT, a_picture(), {"Antt-Receipt": tip["receipt"]})
    path = f"{TIPS}/{tip['id']}/attachments"
    officer, other = antt.token(), antt.token("province_officer", PROVINCE)
    (attachment,) = (await antt.get(path, officer)).json()
    one = f"{path}/{attachment['id']}"

    async def looks_after(wanted: str, caller: dict[str, str]) -> int:
        assert (await antt.http.get(one, headers={**caller, "Range": wanted})).status_code == 206
        return len((await antt.get(f"{one}/looks", other)).json())

    assert await looks_after("bytes=1-", officer) == 1
    assert await looks_after("bytes=-9", officer) == 1
    assert await looks_after("bytes=9-", other) == 2
    await rows.execute("UPDATE attachment_looks SET looked_at = looked_at - interval '15 minutes'")
    assert await looks_after("bytes=1-", officer) == 3
    # From its beginning it is seen anew each time.
    assert await looks_after("bytes=0-1", officer) == 4


async def test_who_may_not_see_or_change_the_record_gets_none_of_its_files(antt: Antt) -> None:
    team = await a_team(antt)
    leader, other = antt.token("team_leader", COMMUNE, team), antt.token("team_leader", COMMUNE, str(uuid4()))
    abroad = antt.token("commune_officer", FOREIGN_COMMUNE)
    patrol = await opened(antt, ACTIVITIES, a_patrol(team_id=team), leader)
    case = await opened(antt, CASES, a_case())
    files = f"{ACTIVITIES}/{patrol['id']}/attachments"
    attachment = await attached(antt, files, an_amr(), leader)
    one = f"{files}/{attachment['id']}"
    for caller, status in (({}, 401), (other, 404), (abroad, 404), (leader, 200), (antt.token(), 200)):
        assert (await antt.http.get(files, headers=caller)).status_code == status
        assert (await antt.http.get(one, headers=caller)).status_code == status
    for caller, status in (({}, 401), (other, 404), (abroad, 404)):
        assert (await send(antt, files, an_ogg(), caller)).status_code == status
        assert (await antt.http.post(f"{one}/remove", json={"reason": "a"}, headers=caller)).status_code == status
    # A case is no team's, and an attachment is found only at its own record.
    assert kind_of(await send(antt, f"{CASES}/{case['id']}/attachments", an_ogg(), leader)) == (403, "forbidden")
    assert (await antt.get(f"{CASES}/{case['id']}/attachments/{attachment['id']}", antt.token())).status_code == 404
    assert (await send(antt, f"{CASES}/{uuid4()}/attachments", an_ogg())).status_code == 404
    # What the police have confirmed a team no longer changes.
    assert (await antt.post(f"{ACTIVITIES}/{patrol['id']}/confirm", {}, antt.token())).status_code == 200
    assert kind_of(await send(antt, files, an_ogg(), leader)) == (409, "step-not-allowed")
    assert kind_of(await antt.post(f"{one}/remove", {"reason": "a"}, leader)) == (409, "step-not-allowed")
    assert (await send(antt, files, an_ogg())).status_code == 201


async def test_a_record_takes_so_many_files_and_not_one_more(antt: Antt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings(), "attachments_by_sender", 2)
    tip = await a_tip(antt)
    receipt = {"Antt-Receipt": tip["receipt"]}
    answers = await asyncio.gather(*(send(antt, BY_RECEIPT, an_ogg() + bytes(n), receipt) for n in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201] * 2 + [409] * 3
    assert {kind_of(answer)[1] for answer in answers if answer.status_code == 409} == {"too-many-attachments"}
    # They leave room for the police, and what is taken away makes room.
    files = f"{TIPS}/{tip['id']}/attachments"
    await attached(antt, files, an_ogg())
    first = (await antt.get(files, antt.token())).json()[0]
    assert (await antt.post(f"{files}/{first['id']}/remove", {"reason": "a"}, antt.token())).status_code == 200
    assert (await send(antt, BY_RECEIPT, an_amr(), receipt)).status_code == 201


async def test_a_heic_has_a_jpeg_beside_it_that_comes_and_goes_with_it(antt: Antt) -> None:
    tip = await a_tip(antt)
    sender, files = {"Antt-Receipt": tip["receipt"]}, f"{TIPS}/{tip['id']}/attachments"
    answers = [
        await send(antt, BY_RECEIPT, a_heic((64 + n, 64)), sender, name="IMG_1.HEIC") for n in (0, 0, 1, 2, 3, 4)
    ]
    assert [answer.status_code for answer in answers] == [201, 200, 201, 201, 201, 201]
    assert {(answer.json()["name"], answer.json()["media_type"]) for answer in answers} == {
        ("IMG_1.heic", "image/heic")
    }
    assert kind_of(await send(antt, BY_RECEIPT, a_heic((64, 65)), sender)) == (409, "too-many-attachments")
    kept = (await antt.get(files, antt.token())).json()
    assert sorted(each["media_type"] for each in kept) == ["image/heic"] * 5 + ["image/jpeg"] * 5
    shown = next(each for each in kept if each["media_type"] == "image/jpeg")
    assert shown["name"] == "IMG_1.jpg"
    with Image.open(io.BytesIO((await antt.get(f"{files}/{shown['id']}", antt.token())).content)) as picture:
        assert picture.size == (64, 64)
    first = answers[0].json()["id"]
    removed = await antt.post(f"{files}/{first}/remove", {"reason": "Nhầm tệp"}, antt.token())
    assert removed.status_code == 200
    assert len((await antt.get(files, antt.token())).json()) == 8
