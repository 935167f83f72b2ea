"""Who comes without a valid token may ask so often a minute: an address, and all of them together."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from deploy.embedded import create_app
from shared.settings import settings
from tests.conftest import COMMUNE, Antt, called, lifespan

TIPS = "/incidents/v1/tips"
OPEN311 = "/incidents/open311/v2/requests.json"
FORM = {"service_code": "khac", "jurisdiction_id": "", "description": "Mất xe máy ở chợ", "address_string": ""}


@pytest.fixture
async def limited(databases: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """The services, which take three requests a minute from an address and seven in all."""
    monkeypatch.setenv("ANTT_ANONYMOUS_PER_MINUTE", "3")
    monkeypatch.setenv("ANTT_ANONYMOUS_PER_MINUTE_IN_ALL", "7")
    settings.cache_clear()
    app = create_app()
    async with lifespan(app):
        yield app


async def tip(antt: Antt, headers: dict[str, str] | None = None) -> httpx.Response:
    return await antt.post(TIPS, {"unit": COMMUNE, "content": "Mất xe máy"}, headers, Idempotency_Key=str(uuid4()))


async def test_an_address_is_told_when_to_come_again_and_a_valid_token_is_never_counted(limited: Any) -> None:
    async with called(limited) as antt, called(limited) as neighbour:
        officer, bad = antt.token("commune_officer"), {"Authorization": "Bearer none"}
        for _ in range(10):
            assert (await antt.get("/incidents/v1/tips", officer)).status_code == 200
        assert [(await tip(antt)).status_code for _ in range(4)] == [201, 201, 201, 429]
        refused = await antt.http.get("/incidents/v1/activities/kinds", headers={"Accept-Language": "en"})
        assert (refused.status_code, refused.headers["content-type"]) == (429, "application/problem+json")
        assert refused.json()["type"] == "urn:antt:problem:too-many-requests"
        assert 1 <= int(refused.headers["retry-after"]) <= 20
        # A bad token is none, wherever it stands; nothing else is refused to who has one, nor to another address.
        assert (await antt.get("/incidents/v1/tips", bad)).status_code == 429
        assert (await antt.get("/incidents/v1/tips", officer)).status_code == 200
        assert (await antt.get("/incidents/health/ready")).status_code != 429
        assert [(await neighbour.get("/incidents/v1/tips", bad)).status_code for _ in range(4)] == [401, 401, 401, 429]


async def test_many_addresses_have_a_limit_together_which_one_of_them_cannot_use_up(limited: Any) -> None:
    async with called(limited) as one, called(limited) as two, called(limited) as three, called(limited) as four:
        for _ in range(20):
            await tip(one)
        assert [(await tip(each)).status_code for each in (two, two, three, three)] == [201] * 4
        assert (await tip(four)).status_code == 429
        assert (await four.get("/incidents/v1/tips", one.token("operator"))).status_code == 200


async def test_a_key_of_open311_is_a_token_in_its_form_and_in_its_address(limited: Any) -> None:
    async with called(limited) as antt:
        key = antt.token("system", COMMUNE)["Authorization"].removeprefix("Bearer ")
        for _ in range(5):
            assert (await antt.http.post(OPEN311, data={**FORM, "api_key": key})).status_code != 429
            assert (await antt.http.post(OPEN311, data=FORM, params={"api_key": key})).status_code != 429
            assert (await antt.http.get(OPEN311, params={"api_key": key})).status_code != 429
        forms: list[Any] = [
            {"data": FORM},
            {"data": {**FORM, "api_key": "x"}},
            {"data": FORM, "params": {"api_key": ""}},
        ]
        assert 429 not in [(await antt.http.post(OPEN311, **form)).status_code for form in forms]
        forms += [{"content": b"%ff", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}]
        assert [(await antt.http.post(OPEN311, **form)).status_code for form in forms] == [429] * 4


async def test_a_local_run_does_not_count_this_machine_unless_it_is_told_to(antt: Antt) -> None:
    for _ in range(settings().anonymous_per_minute + 5):
        assert (await antt.get("/stats/v1/indicators")).status_code == 200


@pytest.mark.parametrize("path", ["/", "/nowhere"])
async def test_what_is_no_service_is_counted_timed_and_limited_as_any_request(limited: Any, path: str) -> None:
    def timed(answer: httpx.Response) -> float:
        unknown = 'antt_request_seconds_count{method="GET",route="unknown",service="stats",status="307"} '
        return sum(float(line.removeprefix(unknown)) for line in answer.text.splitlines() if line.startswith(unknown))

    async with called(limited) as antt:
        before = timed(await antt.get("/stats/metrics"))
        assert [(await antt.get(path)).status_code for _ in range(4)] == [307, 307, 307, 429]
        assert (await antt.get(path)).headers["content-type"] == "application/problem+json"
        assert timed(await antt.get("/stats/metrics")) == before + 3
