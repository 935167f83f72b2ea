"""Attachments: files of records, in a folder and in a real S3 store."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from deploy.local import s3
from services.incidents.attachments.records import FILES
from services.teams.files import FILES as OF_TEAMS
from shared.files import sweep
from shared.files.contents import OLD, cipher_of, key_of
from shared.files.sealing import BLOCK, sealed
from shared.files.store import delete, open_store, put_capped
from shared.service import Service
from shared.settings import Service as ServiceName
from shared.settings import settings
from tests.conftest import Antt, eventually
from tests.incidents.conftest import CASES, a_case, kind_of, opened
from tests.shared.files.made import a_wav, an_amr, an_ogg
from tests.shared.files.sending import attached, content_of, contents, send
from tests.teams import factories as registry

DOTNET = Path(__file__).parents[2] / "cases" / "multipart-filename-star" / "input.txt"
FOLDER = FILES.folder


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
        key = key_of(FOLDER, await content_of(attachment))
        lies = bytes(await open_store(settings()).get_range_async(key, start=0, end=attachment["bytes"]))
        assert content[:6] not in lies
        # What somebody has changed in the store is not handed out.
        await open_store(settings()).put_async(key, lies[:9] + bytes([lies[9] ^ 1]) + lies[10:] + bytes(32))
        assert kind_of(await antt.get(path, antt.token())) == (503, "store-unavailable")


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


async def test_a_store_that_is_down_is_reported_and_leaves_no_half_record(
    antt: Antt, rows: asyncpg.Connection, s3_server: s3.S3Server, monkeypatch: pytest.MonkeyPatch
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


async def test_a_folder_that_is_not_mounted_is_reported(
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

    await put_capped(store, key_of(FOLDER, orphan), content(), 9)
    await put_capped(store, "imports/of-somebody-else", content(), 9)

    # Within the grace everything stays.
    assert await sweep.sweep(service, FOLDER) == 0
    everything = {await content_of(a) for a in (*removed, *stays)} | {orphan, "of-somebody-else"}
    assert await contents() == everything
    await rows.execute("UPDATE attachment_contents SET touched_at = touched_at - interval '2 days'")
    assert await sweep.sweep(service, FOLDER) == 1, "what was taken away only now has a grace of its own"
    await rows.execute(
        "UPDATE attachments SET removed_at = removed_at - interval '2 days' WHERE removed_at IS NOT NULL"
    )
    assert await sweep.sweep(service, FOLDER) == 1
    assert await contents() == everything - {orphan, await content_of(removed[1])}
    for attachment, content_ in zip(stays, (shared, kept), strict=True):
        got = await antt.get(f"{CASES}/{other['id']}/attachments/{attachment['id']}", antt.token())
        assert got.content == content_
    # What was swept can come again.
    assert await content_of(await attached(antt, files, alone)) == await content_of(removed[1])
    assert await sweep.sweep(service, FOLDER) == 0


async def test_an_upload_that_comes_while_its_content_is_swept_loses_nothing(
    stored_in: str, antt: Antt, service: Service, rows: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
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
    assert await sweep.sweep(service, FOLDER) == 1
    assert upload is not None
    again = await upload
    got = await antt.get(f"{files}/{again['id']}", antt.token())
    assert (got.status_code, got.content) == (200, an_ogg())


async def test_a_sweep_passes_over_a_content_that_was_touched_after_it_was_found(
    stored_in: str, antt: Antt, service: Service, rows: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = await opened(antt, CASES, a_case())
    files = f"{CASES}/{case['id']}/attachments"
    first = await attached(antt, files, an_ogg())
    await antt.post(f"{files}/{first['id']}/remove", {"reason": "a"}, antt.token())
    await rows.execute("UPDATE attachments SET removed_at = removed_at - interval '2 days'")
    # An upload that has found its content in the store, and has not committed yet.
    assert not await sweep._delete(service, FOLDER, await content_of(first), timedelta(days=1))
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
    await put_capped(store, key_of(FOLDER, old), sealed(content(), cipher_of(old)), 1 << 20)
    await store.delete_async(key_of(FOLDER, name))
    await rows.execute("UPDATE attachments SET content = $1", old)
    await rows.execute("UPDATE attachment_contents SET content = $1", old)

    async def got() -> bytes:
        return (await antt.get(f"{files}/{attachment['id']}", antt.token())).content

    assert await got() == an_ogg()
    assert (await send(antt, files, an_ogg())).json()["id"] == attachment["id"]
    assert await sweep.sweep(service, FOLDER) == 0
    assert await content_of(attachment) == name
    assert await contents() == {name}
    assert await got() == an_ogg()
    assert await sweep.sweep(service, FOLDER) == 0
    assert await rows.fetchval("SELECT array_agg(content) FROM attachment_contents") == [name]


async def test_services_that_share_a_store_sweep_their_own_files_alone(
    stored_in: str, antt: Antt, databases: dict[str, str]
) -> None:
    team, case = await registry.team(antt), await opened(antt, CASES, a_case())
    files = [f"{registry.TEAMS}/{team}/attachments", f"{CASES}/{case['id']}/attachments"]
    # Of different contents, or who deleted the other's would spare it for the own one's sake.
    sent = [an_ogg(), an_amr()]
    kept = [f"{path}/{(await attached(antt, path, content))['id']}" for path, content in zip(files, sent, strict=True)]
    of: dict[ServiceName, str] = {"teams": OF_TEAMS.folder, "incidents": FOLDER}
    for name, folder in of.items():
        service = Service(name, settings())
        await service.database.open()
        connection = await asyncpg.connect(databases[name])
        # What a service finds in its folder it takes for its own, and deletes it when it is old and nobody names it.
        for _ in range(2):
            assert await sweep.sweep(service, folder) == 0
            await connection.execute("UPDATE attachment_contents SET touched_at = touched_at - interval '2 days'")
        assert await connection.fetchval("SELECT count(*) FROM attachment_contents") == 1
        await connection.close()
        await service.database.close()
    assert [(await antt.get(path, antt.token())).content for path in kept] == sent
