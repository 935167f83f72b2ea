"""Attachments: files of tips, cases and activities, in a folder and in a real S3 store."""

import asyncio
import hashlib
import io
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from PIL import Image

from deploy.local import s3
from services.incidents import app as incidents
from services.incidents.attachments import sweep
from services.incidents.attachments.receiving import OLD, cipher_of, key_of
from shared.files.sealing import BLOCK, sealed
from shared.files.store import delete, open_store, put_capped
from shared.service import Service
from shared.settings import settings
from tests.conftest import COMMUNE, PROVINCE, Antt, eventually
from tests.incidents.conftest import ACTIVITIES, CASES, a_case, a_patrol, a_team, kind_of, opened
from tests.incidents.files import a_film, a_heic, a_picture, a_wav, an_amr, an_ogg

TIPS = "/incidents/v1/tips"
BY_RECEIPT = f"{TIPS}/by-receipt/attachments"
DOTNET = Path(__file__).parents[1] / "cases" / "multipart-filename-star" / "input.txt"
FOREIGN_COMMUNE = "2025:25747"


async def a_tip(antt: Antt, **values: Any) -> dict[str, Any]:
    """A tip that a citizen reported."""
    return await opened(antt, TIPS, {"unit": COMMUNE, "content": "Gây rối trật tự", **values}, {})


async def send(
    antt: Antt, path: str, content: bytes, caller: dict[str, str] | None = None, name: str = "ảnh.jpg"
) -> httpx.Response:
    """A form as a browser sends it."""
    return await antt.http.post(
        path,
        files={"file": (name, content, "application/x-whatever")},
        headers=caller if caller is not None else antt.token(),
    )


async def attached(antt: Antt, path: str, content: bytes, caller: dict[str, str] | None = None) -> dict[str, Any]:
    """The attachment that a form makes."""
    answer = await send(antt, path, content, caller)
    assert answer.status_code == 201, answer.text
    attachment: dict[str, Any] = answer.json()
    return attachment


async def contents() -> set[str]:
    """The names of what the store has."""
    return {found["path"].rpartition("/")[2] for found in await open_store(settings()).list().collect_async()}


async def content_of(attachment: dict[str, Any]) -> str:
    """Under which name the store has an attachment's content."""
    connection = await asyncpg.connect(settings().database_url("incidents"))
    name = await connection.fetchval("SELECT content FROM attachments WHERE id = $1", UUID(attachment["id"]))
    await connection.close()
    return str(name)


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (DOTNET.read_text().partition('name="file"; ')[2].strip(), "Ảnh.amr"),
        ("filename*=UTF-8'vi'%E1%BA%A2nh%20x.jpg", "Ảnh x.amr"),
        ("FileName*=UTF-8''..%2F..%2Fa.jpg", "a.amr"),
        ("filename*0*=utf-8''%E1%BA%A2; filename*1=nh", "Ảnh.amr"),
        ('filename="=?utf-8?B?4bqibmggaGnhu4duIHRyxrDhu51uZy5qcGc=?="', "Ảnh hiện trường.amr"),
        ("filename=\"a; filename*=utf-8''b.jpg\"", "a; filename_=utf-8''b.amr"),
        ("filename*=idna''%00", "tep.amr"),
        ("filename*=", "tep.amr"),
        ("filename=Ảnh.jpg", "Ảnh.amr"),
    ],
)
async def test_a_name_is_read_as_every_program_sends_it(disposition: str, name: str, antt: Antt) -> None:
    case = await opened(antt, CASES, a_case())
    head = f'--BB\r\nContent-Disposition: form-data; name="file"; {disposition}\r\n\r\n'
    answer = await antt.http.post(
        f"{CASES}/{case['id']}/attachments",
        content=head.encode() + an_amr() + b"\r\n--BB--\r\n",
        headers=antt.token() | {"Content-Type": "multipart/form-data; boundary=BB"},
    )
    assert (answer.status_code, answer.json().get("name")) == (201, name)


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


@pytest.fixture(autouse=True)
def no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here a test sweeps when it means to; that the job does it is a test of faults."""

    async def idle(service: Service) -> None:
        await asyncio.Event().wait()

    monkeypatch.setitem(incidents.JOBS, "attachments sweep", idle)


@pytest.fixture
async def rows(databases: dict[str, str]) -> AsyncIterator[asyncpg.Connection]:
    """A look into the database."""
    connection = await asyncpg.connect(databases["incidents"])
    yield connection
    await connection.close()


@pytest.fixture
async def service(databases: dict[str, str]) -> AsyncIterator[Service]:
    """What the job that sweeps is given."""
    service = Service("incidents", settings())
    await service.database.open()
    yield service
    await service.database.close()


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

    told = await rows.fetch("SELECT type, data::text FROM outbox WHERE type LIKE 'Attachment%' ORDER BY seq")
    assert [row["type"] for row in told] == ["AttachmentAdded", "AttachmentRemoved"] * 3
    assert all("Hiện" not in row["data"] and bare not in row["data"] for row in told)


async def test_a_content_lies_sealed_and_in_blocks_that_are_read_from_any_place(stored_in: str, antt: Antt) -> None:
    case = await opened(antt, CASES, a_case())
    # Whole blocks, a byte more, a byte less: where the blocks end nothing is lost.
    for length in (BLOCK, BLOCK + 1, 2 * BLOCK - 1, 2 * BLOCK):
        content = an_amr() + os.urandom(length - len(an_amr()))
        attachment = await attached(antt, f"{CASES}/{case['id']}/attachments", content)
        path = f"{CASES}/{case['id']}/attachments/{attachment['id']}"
        assert (await antt.get(path, antt.token())).content == content
        for start, end in (
            (0, 1),
            (BLOCK - 1, BLOCK),
            (BLOCK - 1, min(length, BLOCK + 1)),
            (7, length),
            (length - 1, length),
        ):
            part = await antt.http.get(path, headers={**antt.token(), "Range": f"bytes={start}-{end - 1}"})
            assert part.content == content[start:end], (length, start, end)
        key = key_of(await content_of(attachment))
        lies = bytes(await open_store(settings()).get_range_async(key, start=0, end=attachment["bytes"]))
        assert content[:6] not in lies
        # What somebody has changed in the store is not handed out.
        await open_store(settings()).put_async(key, lies[:9] + bytes([lies[9] ^ 1]) + lies[10:] + bytes(32))
        assert kind_of(await antt.get(path, antt.token())) == (503, "store-unavailable")


async def test_attachments_disturb_no_counter(stored_in: str, antt: Antt) -> None:
    case = await opened(antt, CASES, a_case())
    answer = await send(antt, f"{CASES}/{case['id']}/attachments", an_ogg())
    assert (await antt.counters(answer.headers["antt-position"]))["cases_found"] == 1


async def test_a_part_of_a_film_is_sent_when_asked_for(stored_in: str, antt: Antt) -> None:
    case = await opened(antt, CASES, a_case())
    attachment = await attached(antt, f"{CASES}/{case['id']}/attachments", a_wav())
    path = f"{CASES}/{case['id']}/attachments/{attachment['id']}"
    length, etag = attachment["bytes"], f'"{attachment["id"]}"'
    for wanted, start, end in (
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, length),
        ("bytes=-7", length - 7, length),
        (f"bytes=5-{length * 9}", 5, length),
        (f"bytes=-{length * 9}", 0, length),
    ):
        got = await antt.http.get(path, headers={**antt.token(), "Range": wanted, "If-Range": etag})
        assert (got.status_code, got.headers["content-range"]) == (206, f"bytes {start}-{end - 1}/{length}"), wanted
        assert got.content == a_wav()[start:end]
    for unclear in ("bytes=5-2", "bytes=0-1,5-6", "lines=1-2", "bytes=-", "bytes=a-b"):
        got = await antt.http.get(path, headers={**antt.token(), "Range": unclear})
        assert (got.status_code, got.content) == (200, a_wav()), unclear
    changed = await antt.http.get(path, headers={**antt.token(), "Range": "bytes=0-1", "If-Range": '"other"'})
    assert changed.status_code == 200
    beyond = await antt.http.get(path, headers={**antt.token(), "Range": f"bytes={length}-"})
    assert kind_of(beyond) == (416, "range-not-satisfiable")


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
    # The look is told beside the tip that stands and beside the tip that it was sent to.
    told = [
        (await antt.get(at, audit)).json()
        for at in (f"{one}/looks", f"{one.replace(stands['id'], citizens['id'])}/looks")
    ]
    assert [look["looked_by"] for look in told[0]] == [f"commune_officer:{COMMUNE}"]
    assert told[0] == told[1]
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
    for caller, status in (({}, 401), (other, 403), (abroad, 403), (leader, 200), (antt.token(), 200)):
        assert (await antt.http.get(files, headers=caller)).status_code == status
        assert (await antt.http.get(one, headers=caller)).status_code == status
    for caller, status in (({}, 401), (other, 403), (abroad, 403)):
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


async def test_the_same_content_is_attached_once_and_kept_once(
    stored_in: str, antt: Antt, rows: asyncpg.Connection
) -> None:
    case, other = await opened(antt, CASES, a_case()), await opened(antt, CASES, a_case())
    files = f"{CASES}/{case['id']}/attachments"
    answers = await asyncio.gather(*(send(antt, files, an_ogg(), name=f"{n}.ogg") for n in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("antt-position" in answer.headers for answer in answers) == 1
    elsewhere = await attached(antt, f"{CASES}/{other['id']}/attachments", an_ogg())
    assert elsewhere["id"] != answers[0].json()["id"]
    assert await contents() == {await content_of(elsewhere)}
    assert await rows.fetchval("SELECT count(*) FROM attachments") == 2


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


async def test_what_is_larger_than_may_be_is_refused_before_it_is_read_whole(
    antt: Antt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings(), "attachment_bytes", 100_000)
    case = await opened(antt, CASES, a_case())
    files = f"{CASES}/{case['id']}/attachments"
    assert kind_of(await send(antt, files, an_ogg() + bytes(100_000))) == (413, "body-too-large")

    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        while taken < 100:
            taken += 1
            yield bytes(50_000)

    unannounced = await antt.http.post(
        files, content=endless(), headers={**antt.token(), "Content-Type": "multipart/form-data; boundary=x"}
    )
    assert kind_of(unannounced) == (413, "body-too-large")
    assert taken < 5
    assert (await send(antt, files, an_ogg() + bytes(100_000 - len(an_ogg())))).status_code == 201


async def test_what_is_no_form_with_one_file_is_refused(antt: Antt) -> None:
    case = await opened(antt, CASES, a_case())
    files = f"{CASES}/{case['id']}/attachments"
    form = {**antt.token(), "Content-Type": "multipart/form-data; boundary=x"}
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    whole = part + an_ogg() + b"\r\n--x--\r\n"
    for status, content, headers in (
        (415, an_ogg(), {**antt.token(), "Content-Type": "audio/ogg"}),
        (415, b"{}", {**antt.token(), "Content-Type": "application/json"}),
        (415, b"", antt.token()),
        (422, b"", form),
        (422, whole, {**form, "Content-Type": "multipart/form-data"}),
        (422, whole.replace(b'"file"', b'"other"'), form),
        (422, whole.replace(b'; filename="a"', b""), form),
        (422, part + an_ogg() + b"\r\n" + whole, form),
        (422, b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n' + whole, form),
        # The end never comes: what came is no whole file, however large.
        (422, part + an_ogg() + bytes(2_000_000), form),
        (422, b"\0" * 999, form),
        (422, part + b"\r\n--x--\r\n", form),
        (201, whole, form),
    ):
        answer = await antt.http.post(files, content=content, headers=headers)
        assert answer.status_code == status, (content[:200], answer.text)


async def test_a_store_that_is_down_is_told_and_leaves_no_half_record(
    antt: Antt, rows: asyncpg.Connection, s3_server: s3.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_server.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(settings(), "store", f"s3://antt/{uuid4().hex}")
    case = await opened(antt, CASES, a_case())
    files = f"{CASES}/{case['id']}/attachments"
    attachment = await attached(antt, files, an_amr())
    s3_server.stop()
    try:
        for answer in (await send(antt, files, an_ogg()), await antt.get(f"{files}/{attachment['id']}", antt.token())):
            assert kind_of(answer) == (503, "store-unavailable")
            assert answer.headers["retry-after"]
        # All else goes on, the service is ready, and of the file there is nothing.
        assert len((await antt.get(files, antt.token())).json()) == 1

        async def ready() -> bool:
            return (await antt.get("/incidents/health/ready")).status_code == 200

        await eventually(ready)
        assert await rows.fetchval("SELECT count(*) FROM attachments") == 1
        assert await rows.fetchval("SELECT count(*) FROM outbox WHERE type = 'AttachmentAdded'") == 1
    finally:
        s3_server.start()
    assert (await send(antt, files, an_ogg())).status_code == 201


async def test_a_folder_that_is_not_mounted_is_told(
    antt: Antt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings(), "store", (tmp_path / "unmounted").as_uri())
    case = await opened(antt, CASES, a_case())
    files = f"{CASES}/{case['id']}/attachments"
    assert kind_of(await send(antt, files, an_ogg())) == (503, "store-unavailable")
    (tmp_path / "unmounted").mkdir()
    assert (await send(antt, files, an_ogg())).status_code == 201


async def test_what_no_record_names_is_swept_and_the_rest_stays(
    stored_in: str, antt: Antt, service: Service, rows: asyncpg.Connection
) -> None:
    case, other = await opened(antt, CASES, a_case()), await opened(antt, CASES, a_case())
    files = f"{CASES}/{case['id']}/attachments"
    shared, alone, kept = an_ogg(), an_amr(), a_wav()
    removed = [await attached(antt, files, content) for content in (shared, alone)]
    stays = [await attached(antt, f"{CASES}/{other['id']}/attachments", content) for content in (shared, kept)]
    for attachment in removed:
        await antt.post(f"{files}/{attachment['id']}/remove", {"reason": "a"}, antt.token())
    store = open_store(settings())
    orphan = hashlib.sha256(b"orphan").hexdigest()

    async def content() -> AsyncIterator[bytes]:
        yield b"orphan"

    await put_capped(store, key_of(orphan), content(), 9)
    await put_capped(store, "imports/of-somebody-else", content(), 9)

    # Within the grace everything stays.
    assert await sweep.sweep(service) == 0
    everything = {await content_of(a) for a in (*removed, *stays)} | {orphan, "of-somebody-else"}
    assert await contents() == everything
    await rows.execute("UPDATE attachment_contents SET touched_at = touched_at - interval '2 days'")
    assert await sweep.sweep(service) == 1, "what was taken away only now has a grace of its own"
    await rows.execute(
        "UPDATE attachments SET removed_at = removed_at - interval '2 days' WHERE removed_at IS NOT NULL"
    )
    assert await sweep.sweep(service) == 1
    assert await contents() == everything - {orphan, await content_of(removed[1])}
    for attachment, content_ in zip(stays, (shared, kept), strict=True):
        got = await antt.get(f"{CASES}/{other['id']}/attachments/{attachment['id']}", antt.token())
        assert got.content == content_
    # What was swept can come again.
    assert await content_of(await attached(antt, files, alone)) == await content_of(removed[1])
    assert await sweep.sweep(service) == 0


async def test_an_upload_that_comes_while_its_content_is_swept_loses_nothing(
    antt: Antt, service: Service, rows: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = await opened(antt, CASES, a_case())
    files = f"{CASES}/{case['id']}/attachments"
    first = await attached(antt, files, an_ogg())
    await antt.post(f"{files}/{first['id']}/remove", {"reason": "a"}, antt.token())
    await rows.execute("UPDATE attachment_contents SET touched_at = touched_at - interval '2 days'")
    await rows.execute("UPDATE attachments SET removed_at = removed_at - interval '2 days'")

    upload: asyncio.Task[dict[str, Any]] | None = None

    async def delete_while_it_comes(*arguments: Any) -> None:
        # The sweep holds the row; the upload is let run until it waits for that row, then the object is deleted.
        nonlocal upload
        upload = asyncio.create_task(attached(antt, files, an_ogg()))
        await eventually(
            lambda: rows.fetchval(
                """SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
                AND query LIKE '%INTO attachment_contents%' AND datname = current_database()"""
            )
        )
        assert not upload.done()
        await delete(*arguments)

    monkeypatch.setattr(sweep, "delete", delete_while_it_comes)
    assert await sweep.sweep(service) == 1
    assert upload is not None
    again = await upload
    got = await antt.get(f"{files}/{again['id']}", antt.token())
    assert (got.status_code, got.content) == (200, an_ogg())


async def test_a_sweep_passes_over_a_content_that_was_touched_after_it_was_found(
    antt: Antt, service: Service, rows: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = await opened(antt, CASES, a_case())
    files = f"{CASES}/{case['id']}/attachments"
    first = await attached(antt, files, an_ogg())
    await antt.post(f"{files}/{first['id']}/remove", {"reason": "a"}, antt.token())
    await rows.execute("UPDATE attachments SET removed_at = removed_at - interval '2 days'")
    # An upload that has found its content in the store, and has not committed yet.
    assert not await sweep._delete(service, await content_of(first), timedelta(days=1))
    assert await content_of(first) in await contents()


async def test_no_hash_of_what_was_sent_is_made_without_a_key(antt: Antt, rows: asyncpg.Connection) -> None:
    case = await opened(antt, CASES, a_case())
    files = f"{CASES}/{case['id']}/attachments"
    attachment = await attached(antt, files, an_ogg())
    bare = hashlib.sha256(an_ogg()).hexdigest()
    lies = await rows.fetchval(
        "SELECT string_agg(a::text, '') || (SELECT string_agg(c::text, '') FROM attachment_contents c) FROM attachments a"
    )
    assert bare not in lies
    assert bare not in await contents()
    got = await antt.get(f"{files}/{attachment['id']}", antt.token())
    assert bare not in str(got.headers) + str(attachment)


async def test_the_name_of_a_file_that_was_taken_away_is_forgotten(antt: Antt, rows: asyncpg.Connection) -> None:
    case = await opened(antt, CASES, a_case())
    files = f"{CASES}/{case['id']}/attachments"
    sent = (await send(antt, files, an_ogg(), name="Nguyễn Văn Ẩn.ogg")).json()
    await antt.post(f"{files}/{sent['id']}/remove", {"reason": "gửi nhầm"}, antt.token())
    assert await rows.fetchval("SELECT name FROM attachments") == ""


async def test_a_content_that_lay_under_its_bare_hash_is_read_kept_once_and_named_anew(
    stored_in: str, antt: Antt, service: Service, rows: asyncpg.Connection
) -> None:
    case = await opened(antt, CASES, a_case())
    files = f"{CASES}/{case['id']}/attachments"
    attachment = await attached(antt, files, an_ogg())
    name, store = await content_of(attachment), open_store(settings())
    old = OLD + hashlib.sha256(an_ogg()).hexdigest()

    async def content() -> AsyncIterator[bytes]:
        yield an_ogg()

    # As the migration leaves what was stored before it.
    await put_capped(store, key_of(old), sealed(content(), cipher_of(old)), 1 << 20)
    await store.delete_async(key_of(name))
    await rows.execute("UPDATE attachments SET content = $1", old)
    await rows.execute("UPDATE attachment_contents SET content = $1", old)

    async def got() -> bytes:
        return (await antt.get(f"{files}/{attachment['id']}", antt.token())).content

    assert await got() == an_ogg()
    assert (await send(antt, files, an_ogg())).json()["id"] == attachment["id"]
    assert await sweep.sweep(service) == 0
    assert await content_of(attachment) == name
    assert await contents() == {name}
    assert await got() == an_ogg()
    assert await sweep.sweep(service) == 0
    assert await rows.fetchval("SELECT array_agg(content) FROM attachment_contents") == [name]
