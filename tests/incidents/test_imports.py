"""Files of rows: each row is decided as a single request is, and counted once whatever happens in between."""

import json
from typing import Any
from uuid import uuid4

import httpx

from tests.conftest import OLD_COMMUNE, PROVINCE, Antt, eventually
from tests.incidents.conftest import ACTIVITIES, a_patrol, kind_of, traffic_control

IMPORTS = "/incidents/v1/imports"
NDJSON = "application/x-ndjson"


def lines(*rows: Any) -> bytes:
    """Rows as NDJSON; a text stands as it is."""
    return "\n".join(row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows).encode()


async def sent(
    antt: Antt,
    body: bytes,
    of: str = "activities",
    media_type: str = NDJSON,
    caller: dict[str, str] | None = None,
    key: str = "",
    **query: Any,
) -> httpx.Response:
    """A file on its way to be imported."""
    headers = {"Content-Type": media_type, **(caller or antt.token()), **({"Idempotency-Key": key} if key else {})}
    return await antt.http.post(IMPORTS, content=body, headers=headers, params={"of": of, **query})


async def ended(antt: Antt, path: str, caller: dict[str, str] | None = None) -> dict[str, Any]:
    """The import, once its job has ended."""

    async def found() -> dict[str, Any] | None:
        answer = await antt.get(path, caller or antt.token())
        assert answer.status_code == 200, answer.text
        row: dict[str, Any] = answer.json()
        return row if row["state"] not in ("queued", "running") else None

    result: dict[str, Any] = await eventually(found)
    return result


async def imported(antt: Antt, body: bytes, **options: Any) -> dict[str, Any]:
    """What came of a file."""
    answer = await sent(antt, body, **options)
    assert answer.status_code == 202, answer.text
    return await ended(antt, answer.headers["location"], options.get("caller"))


async def rejections(antt: Antt, row: dict[str, Any]) -> list[tuple[int, list[tuple[str, str, str | None]]]]:
    """Line, and of each error column, code and value."""
    answer = await antt.get(f"{IMPORTS}/{row['id']}/rejected", antt.token())
    assert answer.status_code == 200, answer.text
    return [
        (found["line"], [(error["column"], error["code"], error["value"]) for error in found["errors"]])
        for found in answer.json()["items"]
    ]


def counts(row: dict[str, Any]) -> tuple[str, int, int, int, int]:
    """State and counts of an import."""
    return row["state"], row["created"], row["updated"], row["unchanged"], row["rejected"]


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
            a_patrol(ended_at="2026-11-02T19:00:00+07:00"),
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
        (4, [("ended_at", "before-start", "2026-11-02T19:00:00+07:00")]),
        (5, [("turns", "greater_than_equal", "-1")]),
        (6, [("unit", "unit-not-in-force", OLD_COMMUNE)]),
        (7, [("colour", "extra_forbidden", None)]),
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


async def test_progress_is_a_stream_that_ends_with_the_import(antt: Antt) -> None:
    answer = await sent(antt, lines(a_patrol()))
    stream = await antt.get(f"{answer.headers['location']}/progress", antt.token())
    told = [json.loads(line.removeprefix("data: ")) for line in stream.text.splitlines() if line.startswith("data: ")]
    assert counts(told[-1]) == ("done", 1, 0, 0, 0)
    assert [row["version"] for row in told] == sorted({row["version"] for row in told})


async def test_an_import_that_has_ended_is_not_cancelled(antt: Antt) -> None:
    row = await imported(antt, lines(a_patrol()))
    answer = await antt.post(f"{IMPORTS}/{row['id']}/cancel", caller=antt.token())
    assert kind_of(answer) == (409, "step-not-allowed")


async def test_only_known_formats_are_taken(antt: Antt) -> None:
    assert kind_of(await sent(antt, b"<rows/>", media_type="application/xml")) == (415, "unknown-format")
