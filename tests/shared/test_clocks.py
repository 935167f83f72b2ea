"""What was told is dated once and for ever: nothing is told while it is not sure what time it is."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import chain, repeat

import pytest

from shared.days import now
from shared.outbox import writer
from tests.clock import at
from tests.conftest import COMMUNE, PROVINCE, Antt, eventually
from tests.stats.writing import sql

TIP = {"unit": COMMUNE, "content": "Gây rối"}


def off_by(seconds: Iterator[float]) -> Callable[[], datetime]:
    return lambda: now() + timedelta(seconds=next(seconds))


@pytest.mark.parametrize("seconds", [-3600, -6, 6, 86_400 * 365])
async def test_nothing_is_told_while_the_clocks_of_service_and_database_differ(
    antt: Antt, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    (before,) = await sql("incidents", "SELECT last_value FROM outbox_clock")
    with monkeypatch.context() as patched:
        patched.setattr(writer, "now", off_by(repeat(seconds)))
        answer = await antt.post("/incidents/v1/tips", TIP)
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:antt:problem:clocks-differ"), answer.text
        assert int(answer.headers["retry-after"]) > 0
        # What tells nothing is no question of time.
        token = antt.token("operator", PROVINCE)
        assert (await antt.get("/incidents/v1/tips", token)).status_code == 200
    assert await sql("incidents", "SELECT last_value FROM outbox_clock") == [before]
    assert await sql("incidents", "SELECT 1 FROM outbox UNION ALL SELECT 1 FROM tips") == []
    assert (await antt.post("/incidents/v1/tips", TIP)).status_code == 201


@pytest.mark.parametrize("seconds", [-4, 4])
async def test_clocks_that_differ_by_less_than_five_seconds_agree(
    antt: Antt, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setattr(writer, "now", off_by(repeat(seconds)))
    assert (await antt.post("/incidents/v1/tips", TIP)).status_code == 201


async def test_what_a_server_that_stood_still_took_up_late_is_told_once_more(
    antt: Antt, monkeypatch: pytest.MonkeyPatch
) -> None:
    tip = (await antt.post("/incidents/v1/tips", TIP)).json()["id"]
    caller = antt.token("operator", PROVINCE)
    monkeypatch.setattr(writer, "now", off_by(chain([-20], repeat(0))))
    assert (await antt.post("/incidents/v1/tips", TIP)).status_code == 201
    # In a transaction too.
    monkeypatch.setattr(writer, "now", off_by(chain([-20], repeat(0))))
    answer = await antt.post(f"/incidents/v1/tips/{tip}/report", {}, caller)
    assert answer.status_code == 200, answer.text
    assert [row["seq"] for row in await sql("incidents", "SELECT seq FROM outbox ORDER BY seq")][-1] <= 4


async def test_who_may_not_tell_is_not_ready(antt: Antt) -> None:
    async def ready() -> dict[str, int]:
        return {
            service: (await antt.get(f"/{service}/health/ready")).status_code
            for service in ("teams", "incidents", "stats")
        }

    async def all_are() -> bool:
        return set((await ready()).values()) == {200}

    await eventually(all_are)
    with at(now() - timedelta(seconds=6)):
        assert await ready() == {"teams": 503, "incidents": 503, "stats": 200}
        assert "by 6 s" in (await antt.get("/incidents/health/status")).json()["down"]["clock"]
    assert await all_are()
