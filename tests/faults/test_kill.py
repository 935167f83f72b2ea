"""kill -9 of each process in the middle of a stream of tips: what was acknowledged is counted, exactly once."""

import json
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import uuid4

import httpx
import pytest

from shared.access.issuer import issue_token
from tests.conftest import COMMUNE, PROVINCE, eventually
from tests.faults.conftest import PATIENCE, Installation
from tests.local.conftest import gone

A_PATROL = {
    "kind": "patrol",
    "unit": COMMUNE,
    "started_at": "2025-11-02T20:00:00+07:00",
    "ended_at": "2025-11-02T23:00:00+07:00",
}


@pytest.mark.parametrize(
    ("installation", "victim"),
    [
        ("on_kafka", "incidents"),
        ("on_kafka", "relay-incidents"),
        ("on_kafka", "count"),
        ("on_kafka", "kafka"),
        ("on_kafka", "postgres"),
        ("embedded", "all"),
        ("embedded", "postgres"),
    ],
    indirect=["installation"],
)
async def test_each_acknowledged_tip_is_counted_once_though_a_process_is_killed(
    installation: Installation, victim: str
) -> None:
    async with installation.tips_coming_in():
        await installation.more_acknowledged()
        await installation.kill_and_await_the_next(victim)
        await installation.more_acknowledged()
    await installation.require_each_counted_once()


async def test_nothing_outlives_a_killed_supervisor_and_the_next_run_goes_on(kafka_installation: Installation) -> None:
    async with kafka_installation.tips_coming_in():
        await kafka_installation.more_acknowledged()
        started = kafka_installation.kill_supervisor()
        assert len(started) > 10
        kafka_installation.start()
        await eventually(lambda: gone(started))
        await kafka_installation.ready()
        await kafka_installation.more_acknowledged()
    await kafka_installation.require_each_counted_once()


@pytest.mark.parametrize(
    ("installation", "victims"),
    [pytest.param("on_kafka", ["work", "work", "postgres"], marks=pytest.mark.slow), ("embedded", ["all"])],
    indirect=["installation"],
)
async def test_each_row_of_an_import_is_taken_once_though_its_job_is_killed(
    installation: Installation, victims: list[str]
) -> None:
    number = 20_000
    rows = [{"reference": str(uuid4()), **A_PATROL} for _ in range(number)]
    caller = issue_token(installation.settings, "system", PROVINCE, scopes=["report"])
    headers = {"Authorization": f"Bearer {caller}", "Content-Type": "application/x-ndjson"}

    async with httpx.AsyncClient(base_url=installation.url("incidents"), headers=headers, timeout=30) as http:
        content = "\n".join(map(json.dumps, rows)).encode()
        answer = await http.post("/v1/imports", params={"of": "activities"}, content=content)
        assert answer.status_code == 202, answer.text

        async def read_more_than(read: int) -> dict[str, Any] | None:
            with suppress(httpx.TransportError):
                found = await http.get(f"/v1/imports/{answer.json()['id']}")
                if found.status_code == 200 and (found.json()["rows_read"] > read or found.json()["ended_at"]):
                    row: dict[str, Any] = found.json()
                    return row
            return None

        read = 0
        async with installation.tips_coming_in():
            for victim in victims:
                read = (await eventually(partial(read_more_than, read), seconds=PATIENCE))["rows_read"]
                assert read < number
                await installation.kill_and_await_the_next(victim)
            row = await eventually(partial(read_more_than, number), seconds=PATIENCE)
    assert (row["state"], row["created"], row["rejected"]) == ("done", number, 0)
    async with installation.connection("incidents") as connection:
        kept = await connection.fetch("SELECT reference FROM activities WHERE source_system = $1", "system:2024:74")
        told = await connection.fetchval(
            """SELECT count(*) FROM outbox o JOIN activities a ON a.id::text = o.subject
            WHERE o.type = 'ActivityEntered' AND a.reference = ANY ($1)""",
            [row["reference"] for row in rows],
        )
    assert {row["reference"] for row in rows} <= {row["reference"] for row in kept}
    assert (told, len(kept)) == (number, len({row["reference"] for row in kept}))
    await installation.require_each_counted_once()
