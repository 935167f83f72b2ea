"""Who reported a tip: what they may see and write with their receipt, and that nobody learns who they are."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from services.incidents.tips.receipts import TooManyWrongReceipts, tip_of_receipt
from shared.access.permissions import TokenRole
from shared.database import Database
from shared.errors import NotFound
from shared.settings import settings
from tests.conftest import COMMUNE, PROVINCE, Antt, called
from tests.incidents.conftest import a_team, kind_of, opened

TIPS = "/incidents/v1/tips"
OTHER = "2025:25747"
MESSAGES = f"{TIPS}/by-receipt/messages"
WHO = {"full_name": "Đặng Thị Hoà Bình", "phone": "0912345678", "address": "12 Lê Lợi", "email": "hoa@vi.vn"}


async def test_the_sender_answers_a_question_with_the_receipt_alone(antt: Antt) -> None:
    tip = await opened(antt, TIPS, {"unit": COMMUNE, "content": "Gây rối"}, {})
    officer, at = antt.token(), f"{TIPS}/{tip['id']}"
    await antt.post(f"{at}/ask", {"question": "Có mấy người?"}, officer)
    seen = await antt.http.get(f"{TIPS}/by-receipt", headers={"Antt-Receipt": tip["receipt"]})
    (question,) = seen.json()["messages"]
    assert (question["kind"], question["content"]) == ("question", "Có mấy người?")
    answer = {"content": "Khoảng mười người", "answers": question["id"]}
    written = await antt.post(MESSAGES, answer, Antt_Receipt=tip["receipt"])
    assert (written.status_code, written.json()["kind"]) == (201, "answer")
    # A question is answered once.
    assert kind_of(await antt.post(MESSAGES, answer, Antt_Receipt=tip["receipt"])) == (422, "invalid-input")
    added = await antt.post(MESSAGES, {"content": "Họ vừa đi rồi"}, Antt_Receipt=tip["receipt"])
    assert added.json()["kind"] == "addition"
    read = (await antt.get(f"{at}/messages", officer)).json()
    assert [message["kind"] for message in read] == ["question", "answer", "addition"]


async def test_a_closed_tip_takes_no_more_words_and_another_tips_question_no_answer(antt: Antt) -> None:
    one, two = [await opened(antt, TIPS, {"unit": COMMUNE, "content": "Gây rối"}, {}) for _ in range(2)]
    await antt.post(f"{TIPS}/{one['id']}/ask", {"question": "Ở đâu?"}, antt.token())
    (question,) = (await antt.get(f"{TIPS}/{one['id']}/messages", antt.token())).json()
    answer = await antt.post(MESSAGES, {"content": "Chợ", "answers": question["id"]}, Antt_Receipt=two["receipt"])
    assert kind_of(answer) == (422, "invalid-input")
    await antt.post(f"{TIPS}/{one['id']}/withdraw", {"reason": "nhầm"}, antt.token())
    assert kind_of(await antt.post(MESSAGES, {"content": "Thêm"}, Antt_Receipt=one["receipt"])) == (
        409,
        "step-not-allowed",
    )


async def test_the_sender_of_a_duplicate_learns_how_the_other_stands_and_is_still_heard(antt: Antt) -> None:
    one, two = [await opened(antt, TIPS, {"unit": COMMUNE, "content": "Gây rối"}, {}) for _ in range(2)]
    officer = antt.token()
    await antt.post(f"{TIPS}/{two['id']}/merge", {"into": one["id"]}, officer)
    added = await antt.post(MESSAGES, {"content": "Họ lại đến"}, Antt_Receipt=two["receipt"])
    assert added.status_code == 201, added.text
    read = (await antt.get(f"{TIPS}/{one['id']}/messages", officer)).json()
    assert [message["content"] for message in read] == ["Họ lại đến"]
    await antt.post(f"{TIPS}/{one['id']}/report", {}, officer)
    states = [
        (await antt.http.get(f"{TIPS}/by-receipt", headers={"Antt-Receipt": tip["receipt"]})).json()["state"]
        for tip in (one, two)
    ]
    assert states == ["reported", "reported"]
    # The first sender does not see what the second wrote.
    seen = await antt.http.get(f"{TIPS}/by-receipt/messages", headers={"Antt-Receipt": one["receipt"]})
    assert seen.json() == []


async def test_the_sender_of_a_duplicate_is_heard_as_long_as_the_tip_that_goes_on_is_open(antt: Antt) -> None:
    one, two, three = [await opened(antt, TIPS, {"unit": COMMUNE, "content": "Gây rối"}, {}) for _ in range(3)]

    async def write(tip: dict[str, Any]) -> httpx.Response:
        return await antt.post(MESSAGES, {"content": "Thêm"}, Antt_Receipt=tip["receipt"])

    # One after the other, so that the end of the chain is meant and not the next tip.
    for tip, step, body in (
        (three, "merge", {"into": two["id"]}),
        (two, "merge", {"into": one["id"]}),
        (one, "report", {}),
        (one, "reject", {"reason": "không có"}),
    ):
        assert [(await write(tip)).status_code for tip in (one, two, three)] == [201] * 3
        answer = await antt.post(f"{TIPS}/{tip['id']}/{step}", body, antt.token())
        assert answer.status_code == 200, answer.text
    own, *others = [await write(tip) for tip in (one, two, three)]
    assert (kind_of(own), own.json()["state"]) == ((409, "step-not-allowed"), "rejected")
    assert [answer.json() for answer in others] == [own.json()] * 2


async def test_nothing_is_written_to_a_tip_after_it_was_closed_by_way_of_its_duplicate(antt: Antt) -> None:
    for _ in range(5):
        one, two = [await opened(antt, TIPS, {"unit": COMMUNE, "content": "Gây rối"}, {}) for _ in range(2)]
        await antt.post(f"{TIPS}/{two['id']}/merge", {"into": one["id"]}, antt.token())
        await antt.post(f"{TIPS}/{one['id']}/report", {}, antt.token())
        rejected, written = await asyncio.gather(
            antt.post(f"{TIPS}/{one['id']}/reject", {"reason": "không có"}, antt.token()),
            antt.post(MESSAGES, {"content": "Thêm"}, Antt_Receipt=two["receipt"]),
        )
        assert rejected.status_code == 200
        if written.status_code == 201:
            seq = [int(answer.headers["antt-position"].rpartition(":")[2]) for answer in (written, rejected)]
            assert seq == sorted(seq)
        else:
            assert kind_of(written) == (409, "step-not-allowed")


async def test_a_leader_reads_nothing_that_other_senders_wrote_of_the_same(antt: Antt) -> None:
    team = await a_team(antt)
    leader, officer = antt.token("team_leader", COMMUNE, team), antt.token()
    asked, own = [await opened(antt, TIPS, {"unit": COMMUNE, "content": "Gây rối"}, leader) for _ in range(2)]
    citizens = await opened(antt, TIPS, {"unit": COMMUNE, "content": "Gây rối"}, {})
    # The team's other tip comes by way of the citizen's.
    for tip, into in ((own, citizens), (citizens, asked)):
        merged = await antt.post(f"{TIPS}/{tip['id']}/merge", {"into": into["id"]}, officer)
        assert merged.status_code == 200, merged.text
    for tip, words in ((asked, "Tổ báo"), (own, "Tổ báo thêm"), (citizens, "Tôi là Hoa ở số 12")):
        written = await antt.post(MESSAGES, {"content": words}, Antt_Receipt=tip["receipt"])
        assert written.status_code == 201, written.text

    async def read(caller: dict[str, str]) -> list[str]:
        answer = await antt.get(f"{TIPS}/{asked['id']}/messages", caller)
        return [message["content"] for message in answer.json()]

    assert await read(officer) == ["Tổ báo", "Tổ báo thêm", "Tôi là Hoa ở số 12"]
    assert await read(leader) == ["Tổ báo", "Tổ báo thêm"]
    assert kind_of(await antt.get(f"{TIPS}/{citizens['id']}/messages", leader)) == (404, "not-found")


async def test_wrong_receipts_are_limited_and_say_nothing(antt: Antt) -> None:
    tip = await opened(antt, TIPS, {"unit": COMMUNE, "content": "Gây rối"}, {})
    for number in range(10):
        answer = await antt.http.get(f"{TIPS}/by-receipt", headers={"Antt-Receipt": f"{number:016d}"})
        assert kind_of(answer) == (404, "not-found")
    answer = await antt.post(MESSAGES, {"content": "Thêm"}, Antt_Receipt="0" * 16)
    assert kind_of(answer) == (429, "too-many-wrong-receipts")
    assert "retry-after" in answer.headers
    # Nor does a right one tell itself from a wrong one now, from an address that never used it.
    answer = await antt.http.get(f"{TIPS}/by-receipt", headers={"Antt-Receipt": tip["receipt"]})
    assert answer.status_code == 429
    async with called(antt.app) as elsewhere:
        answer = await elsewhere.http.get(f"{TIPS}/by-receipt", headers={"Antt-Receipt": tip["receipt"]})
        assert answer.status_code == 200


async def test_of_a_hundred_guesses_at_once_ten_are_looked_up_whichever_processes_they_come_to(antt: Antt) -> None:
    here, there = [Database(settings().database_url("incidents"), 6, 10) for _ in range(2)]
    await asyncio.gather(here.open(), there.open())
    guesses = [tip_of_receipt(process, f"{n:016d}", "2001:db8::7") for n in range(60) for process in (here, there)]
    found = Counter(type(error) for error in await asyncio.gather(*guesses, return_exceptions=True))
    assert found == {NotFound: 10, TooManyWrongReceipts: 110}
    # A home has a whole /64; a neighbour's is another.
    with pytest.raises(TooManyWrongReceipts):
        await tip_of_receipt(here, "1" * 16, "2001:db8::8:9:a:b")
    with pytest.raises(NotFound):
        await tip_of_receipt(here, "1" * 16, "2001:db8:0:1::7")
    await asyncio.gather(here.close(), there.close())


async def test_who_used_a_receipt_rightly_goes_on_while_others_at_the_same_address_guess(antt: Antt) -> None:
    one, two = [await opened(antt, TIPS, {"unit": COMMUNE, "content": "Gây rối"}, {}) for _ in range(2)]

    async def looked(receipt: str) -> int:
        return (await antt.http.get(f"{TIPS}/by-receipt", headers={"Antt-Receipt": receipt})).status_code

    # A right one costs no try, however often it is used.
    for _ in range(12):
        assert await looked(one["receipt"]) == 200
    assert [await looked(f"{n:016d}") for n in range(11)] == [404] * 10 + [429]
    assert (await looked(one["receipt"]), await looked(two["receipt"])) == (200, 429)


async def test_a_sender_writes_to_a_tip_a_hundred_times(antt: Antt) -> None:
    tip = await opened(antt, TIPS, {"unit": COMMUNE, "content": "Gây rối"}, {})
    statuses = Counter[int]()
    for _ in range(4):
        # At once, so that none counts before another is written.
        told = [antt.post(MESSAGES, {"content": "Thêm"}, Antt_Receipt=tip["receipt"]) for _ in range(4)]
        statuses.update(answer.status_code for answer in await asyncio.gather(*told))
    async with asyncio.timeout(60):
        while statuses[201] < 100:
            statuses[(await antt.post(MESSAGES, {"content": "Thêm"}, Antt_Receipt=tip["receipt"])).status_code] += 1
    answer = await antt.post(MESSAGES, {"content": "Thêm"}, Antt_Receipt=tip["receipt"])
    assert (kind_of(answer), answer.json()["most"]) == ((409, "too-many-messages"), 100)
    assert len((await antt.get(f"{TIPS}/{tip['id']}/messages", antt.token())).json()) == 100


async def test_a_receipt_that_is_none_is_refused_before_anything_is_looked_up(antt: Antt) -> None:
    for receipt in ("", "1234", "1" * 17, "1234567890123456'", "123456789012345a"):
        answer = await antt.post(MESSAGES, {"content": "Thêm"}, Antt_Receipt=receipt)
        assert kind_of(answer) == (422, "invalid-input")
    assert kind_of(await antt.post(MESSAGES, {"content": "Thêm"})) == (422, "invalid-input")


async def test_the_same_key_under_another_receipt_is_another_message(antt: Antt) -> None:
    one, two = [await opened(antt, TIPS, {"unit": COMMUNE, "content": "Gây rối"}, {}) for _ in range(2)]
    key = str(uuid4())
    first, second, again = [
        await antt.post(MESSAGES, {"content": "Thêm"}, Idempotency_Key=key, Antt_Receipt=tip["receipt"])
        for tip in (one, two, one)
    ]
    assert first.json()["id"] != second.json()["id"]
    assert first.content == again.content


async def test_who_may_sees_the_informant_with_a_reason_and_each_look_is_kept(antt: Antt) -> None:
    tip = await opened(antt, TIPS, {"unit": COMMUNE, "content": "Gây rối", "informant": WHO}, {})
    at = f"{TIPS}/{tip['id']}/informant"
    assert kind_of(await antt.post(at, {}, antt.token())) == (422, "invalid-input")
    assert kind_of(await antt.post(at, {"reason": "x"})) == (401, "unauthenticated")
    roles: tuple[TokenRole, ...] = ("operator", "system")
    for role in roles:
        assert kind_of(await antt.post(at, {"reason": "x"}, antt.token(role, PROVINCE)))[0] == 403
    assert kind_of(await antt.post(at, {"reason": "x"}, antt.token("commune_officer", "2025:00004"))) == (
        404,
        "not-found",
    )
    answer = await antt.post(at, {"reason": "Mời làm việc"}, antt.token())
    assert {name: value for name, value in answer.json().items() if value} == WHO
    looks = await antt.get(f"{at}/looks", antt.token("province_officer", PROVINCE))
    assert [(look["reason"], look["looked_by"]) for look in looks.json()] == [
        ("Mời làm việc", f"commune_officer:{COMMUNE}")
    ]
    assert (await antt.get(f"{at}/looks", antt.token())).status_code == 403


async def test_an_anonymous_tip_has_no_informant(antt: Antt) -> None:
    tip = await opened(antt, TIPS, {"unit": COMMUNE, "content": "Gây rối"}, {})
    assert (await antt.get(f"{TIPS}/{tip['id']}", antt.token())).json()["named"] is False
    assert kind_of(await antt.post(f"{TIPS}/{tip['id']}/informant", {"reason": "x"}, antt.token())) == (
        404,
        "not-found",
    )


async def test_an_informants_name_is_nowhere_in_the_database_nor_in_a_list(
    antt: Antt, databases: dict[str, str], data: Path
) -> None:
    tip = await opened(antt, TIPS, {"unit": COMMUNE, "content": "Gây rối", "informant": WHO}, {})
    at = f"{TIPS}/{tip['id']}"
    await antt.post(f"{at}/report", {}, antt.token())
    await antt.post(f"{at}/informant", {"reason": "Mời làm việc"}, antt.token(), Idempotency_Key="a look")
    everything = b""
    for url in databases.values():
        connection = await asyncpg.connect(url)
        for (table,) in await connection.fetch(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        ):
            rows = await connection.fetch(f"SELECT t::text FROM {table} t")
            everything += "\n".join(row[0] for row in rows).encode()
        await connection.close()
    everything += (await antt.get(TIPS, antt.token())).content
    assert "Gây rối".encode() in everything
    for value in WHO.values():
        assert value.encode() not in everything
        assert value.encode().hex().encode() not in everything


async def test_a_relayed_tip_keeps_its_reference_which_is_unique_in_its_system(antt: Antt) -> None:
    tip = {"unit": COMMUNE, "content": "Gây rối", "reference": "VNeID-2026-17"}
    assert kind_of(await antt.post(TIPS, tip)) == (401, "unauthenticated")
    system = antt.token("system", PROVINCE)
    first = await opened(antt, TIPS, tip, system)
    again = await antt.post(TIPS, tip, system)
    assert kind_of(again) == (409, "reference-known")
    assert again.json()["id"] == first["id"]
    # Another sender may use the same number.
    await opened(antt, TIPS, tip, antt.token())
    shown = (await antt.get(f"{TIPS}/{first['id']}", antt.token())).json()
    assert (shown["source_system"], shown["reference"]) == (f"system:{PROVINCE}", "VNeID-2026-17")


@pytest.mark.parametrize(
    "marked", ["MẬT", "Công văn\nTỐI MẬT\nvề việc", "Độ mật: Tuyệt mật", "ĐỘ MẬT : MẬT", "Độ mật: mật\u200b"]
)
async def test_what_is_marked_as_a_state_secret_is_refused(antt: Antt, marked: str) -> None:
    answer = await antt.post(TIPS, {"unit": COMMUNE, "content": marked})
    assert kind_of(answer) == (422, "invalid-input")
    assert answer.json()["errors"][0]["code"] == "state_secret"


async def test_words_that_only_sound_secret_are_taken_and_invisible_letters_fall_away(antt: Antt) -> None:
    for content in ("Bí mật bán hàng cấm", "Mật ong giả", "mất mật khẩu ngân hàng"):
        await opened(antt, TIPS, {"unit": COMMUNE, "content": content}, {})
    tip = await opened(antt, TIPS, {"unit": COMMUNE, "content": "đánh\u200b bạ\u00adc\ufeff"}, {})
    assert (await antt.get(f"{TIPS}/{tip['id']}", antt.token())).json()["content"] == "đánh bạc"


async def test_a_look_that_is_asked_for_again_with_its_key_is_decided_again_and_is_one_more_look(
    antt: Antt, databases: dict[str, str]
) -> None:
    tip = await opened(antt, TIPS, {"unit": COMMUNE, "content": "Gây rối", "informant": WHO}, {})
    at, officer = f"{TIPS}/{tip['id']}", antt.token()

    async def look() -> httpx.Response:
        return await antt.post(f"{at}/informant", {"reason": "gặp"}, officer, Idempotency_Key="k")

    first, again = await look(), await look()
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json() == {**WHO, "identity_number": None}
    assert not {"antt-position", "idempotency-replayed"} & {*first.headers, *again.headers}
    # Another commune handles it now: who has seen the name before doesn't see it again.
    steps: list[tuple[str, dict[str, Any], dict[str, str]]] = [
        ("report", {}, officer),
        ("classify", {"classified_as": "crime_report"}, officer),
        ("forward", {"unit": OTHER}, officer),
        ("take-over", {}, antt.token(unit=OTHER)),
    ]
    for step, body, caller in steps:
        assert (await antt.post(f"{at}/{step}", body, caller)).status_code == 200
    assert kind_of(await look()) == (403, "foreign-area")
    assert len((await antt.get(f"{at}/informant/looks", antt.token("province_officer", PROVINCE))).json()) == 2
    connection = await asyncpg.connect(databases["incidents"])
    assert await connection.fetchval("SELECT count(*) FROM answers") == 0
    await connection.close()
