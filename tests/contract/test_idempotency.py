"""An Idempotency-Key is of one sender and one meaning: said in another way it is the same, to somebody else it gives nothing."""

import json
from typing import Any
from unicodedata import normalize
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from shared.http import is_unguessable
from tests.conftest import COMMUNE, OLD_COMMUNE, PROVINCE, Antt

TIPS = "/incidents/v1/tips"
TIP = {"unit": COMMUNE, "content": "Mất xe máy ở chợ"}


async def say(antt: Antt, body: bytes, key: str, caller: dict[str, str] | None = None) -> httpx.Response:
    headers = {"Content-Type": "application/json", "Idempotency-Key": key, **(caller or {})}
    return await antt.http.post(TIPS, content=body, headers=headers)


SAID_OTHERWISE = {
    "in another order": json.dumps(dict(reversed(TIP.items())), ensure_ascii=False),
    "with blanks": json.dumps(TIP, ensure_ascii=False, indent=4),
    "escaped": json.dumps(TIP, ensure_ascii=True),
    "with what is left out as null": json.dumps({**TIP, "team_id": None, "informant": None, "occurred_at": None}),
    "decomposed": json.dumps({**TIP, "content": f" {normalize('NFD', TIP['content'])} "}),
    "after a byte order mark": "\ufeff" + json.dumps(TIP),
}


@pytest.mark.parametrize("way", SAID_OTHERWISE)
async def test_a_tip_that_is_serialised_anew_under_its_key_is_the_same_tip(antt: Antt, way: str) -> None:
    key = str(uuid4())
    first = await say(antt, json.dumps(TIP).encode(), key)
    again = await say(antt, SAID_OTHERWISE[way].encode(), key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    other = await say(antt, json.dumps({**TIP, "content": "Khác"}).encode(), key)
    assert (other.status_code, other.json()["type"]) == (422, "urn:antt:problem:idempotency-key-reused")


async def test_a_step_on_a_record_in_upper_case_is_the_same_step(antt: Antt) -> None:
    tip = (await antt.post(TIPS, TIP)).json()["id"]
    officer, key = antt.token(), {"Idempotency_Key": "step"}
    first = await antt.post(f"{TIPS}/{tip}/report", {}, officer, **key)
    again = await antt.post(f"{TIPS}/{tip.upper()}/report", {"reason": None}, officer, **key)
    assert first.status_code == 200, first.text
    assert again.json()["type"] == "urn:antt:problem:idempotency-key-reused"
    again = await antt.post(f"{TIPS}/{tip.upper()}/report", {}, officer, **key)
    assert (again.status_code, again.json()) == (200, first.json())


@pytest.mark.parametrize(
    "key",
    ["5f0c", "k" * 40, "1", "0" * 22, "tip-0001-of-2026-11-28", "1732780800000000000000", str(UUID(int=0)),
     "ffffffff-ffff-ffff-ffff-ffffffffffff", "a1b2c3d4e5f6a7b8c9d0e1f2"],
)  # fmt: skip
async def test_without_a_token_a_key_that_others_could_have_is_refused_and_says_what_is_taken(
    antt: Antt, key: str
) -> None:
    answer = await antt.http.post(TIPS, json=TIP, headers={"Idempotency-Key": key})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["at"] == "Idempotency-Key"
    assert "UUID" in answer.json()["errors"][0]["message"]
    with_token = await antt.http.post(TIPS, json=TIP, headers={"Idempotency-Key": key, **antt.token()})
    assert with_token.status_code == 201


@pytest.mark.parametrize(
    "key",
    ["0d9c1c3e-7b55-4f0e-9a52-2f6f6f0f0b1a", "0D9C1C3E-7B55-4F0E-9A52-2F6F6F0F0B1A", "3fJk0Qm9vX2bT7cL1nRz8w",
     "9f86d081884c7d659a2feaa0c55ad015", "kZ8-_q0PfR3sT6uVxYwA1g", "01890a5d-ac96-774b-bcce-b302099a8057"],
)  # fmt: skip
def test_a_uuid_and_128_random_bits_in_any_writing_are_taken(key: str) -> None:
    assert is_unguessable(key)


async def test_a_key_with_a_token_is_of_that_subject_role_unit_and_team_alone(antt: Antt) -> None:
    key, answers = str(uuid4()), list[Any]()
    callers = [
        None,
        antt.token(),
        antt.token("commune_officer", OLD_COMMUNE),
        antt.token("province_officer", PROVINCE),
        antt.token("operator", PROVINCE),
    ]
    for caller in callers:
        answer = await say(antt, json.dumps(TIP).encode(), key, caller)
        assert "idempotency-replayed" not in answer.headers
        answers.append(answer.json().get("id", answer.status_code))
    assert len(set(answers)) == len(callers)


async def test_what_was_answered_before_fingerprints_had_a_key_is_still_answered(
    antt: Antt, databases: dict[str, str]
) -> None:
    connection = await asyncpg.connect(databases["incidents"])
    key = str(uuid4())
    first = await say(antt, json.dumps(TIP).encode(), key)
    row = await connection.fetchrow("SELECT * FROM answers")
    assert row is not None
    for hashed in ("key", "fingerprint"):
        assert len(row[hashed]) == 32
    # As the migration leaves it.
    await connection.execute("UPDATE answers SET fingerprint = ''")
    again = await say(antt, json.dumps({**TIP, "team_id": None}).encode(), key)
    assert again.json() == first.json()
    await connection.close()
