"""What HTTP allows a client to say in several ways is understood in each: byte order marks, HEAD, lists of tags, UUIDs."""

import json
from codecs import BOM_UTF8
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.conftest import COMMUNE, PROVINCE, Antt

TIPS = "/incidents/v1/tips"
FIGURES = "/stats/v1/counters?unit=2025:79&from=2024-01-01&to=2024-03-31"


async def send(antt: Antt, method: str, path: str, **headers: str) -> httpx.Response:
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    return await antt.http.request(method, path, headers={**antt.token("operator", PROVINCE), **said})


async def a_tip(antt: Antt) -> str:
    answer = await antt.post(TIPS, {"unit": COMMUNE, "content": "Mất xe máy"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_json_may_begin_with_a_byte_order_mark(antt: Antt) -> None:
    tip = json.dumps({"unit": COMMUNE, "content": "Mất xe"}, ensure_ascii=False).encode()
    for kind in ("application/json", "application/json; charset=utf-8"):
        answer = await antt.http.post(TIPS, content=BOM_UTF8 + tip, headers={"Content-Type": kind})
        assert answer.status_code == 201, answer.text
    steps = await antt.http.post(
        f"{TIPS}/{answer.json()['id']}/report",
        content=BOM_UTF8,
        headers={"Content-Type": "application/json", **antt.token()},
    )
    assert steps.status_code == 200, steps.text


async def test_whatever_answers_get_answers_head_with_the_same_status_and_headers_and_no_body(antt: Antt) -> None:
    tip, paths = await a_tip(antt), list[str]()
    for name in ("teams", "incidents", "stats"):
        document = (await antt.get(f"/{name}/v1/openapi.json")).json()
        # Each format of Open311 is a path of its own.
        paths += [path for path, of in document["paths"].items() if "get" in of and "{format}" not in path]
    assert len(paths) > 40
    for path in [*paths, "/teams/v1/openapi.json", "/stats/v1/docs", FIGURES, "/nowhere/at/all"]:
        path = path.replace("{tip_id}", tip)
        if path.endswith("/live") and "health" not in path:
            path += "?unit=2025:79&from=2024-01-01&to=2024-03-31"
        head = await send(antt, "HEAD", path)
        assert head.content == b""
        assert head.status_code < 500, path
        assert head.status_code != 405, path
        if path.endswith("2024-03-31") and "live" in path:
            assert "event-stream" in head.headers["content-type"]
            continue
        get = await send(antt, "GET", path)
        assert (head.status_code, head.headers.get("content-type")) == (
            get.status_code,
            get.headers.get("content-type"),
        ), path


async def test_a_path_without_get_has_no_head_and_says_what_it_takes(antt: Antt) -> None:
    tip = await a_tip(antt)
    answer = await send(antt, "HEAD", f"{TIPS}/{tip}/report")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert (await send(antt, "PATCH", f"{TIPS}/{tip}/duplicates")).headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", [TIPS, "tip/report", "/incidents/v1/imports?of=tips", "/incidents/v1/places/hamlets"])
async def test_a_body_in_a_content_encoding_is_415_and_says_what_is_taken(antt: Antt, path: str) -> None:
    path = f"{TIPS}/{await a_tip(antt)}/report" if path == "tip/report" else path
    kind = "application/x-ndjson" if "imports" in path else "application/json"
    for encoding in ("gzip", "br", "deflate, gzip", "utf-8"):
        answer = await antt.http.request(
            "PUT" if "places" in path else "POST",
            path,
            content=b"\x1f\x8b",
            headers={"Content-Type": kind, "Content-Encoding": encoding, **antt.token("operator", PROVINCE)},
        )
        assert (answer.status_code, answer.json()["type"]) == (415, "urn:antt:problem:encoding-unsupported")
        assert answer.headers["accept-encoding"] == "identity"
    plain = await antt.post(TIPS, {"unit": COMMUNE, "content": "x"}, Content_Encoding="identity")
    assert plain.status_code == 201


async def test_a_packed_form_of_open311_is_refused_in_its_own_shape(antt: Antt) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": "gzip"}
    answer = await antt.http.post("/incidents/open311/v2/requests.json", content=b"\x1f\x8b", headers=form)
    assert answer.status_code == 400
    assert answer.json()[0]["code"] == 400


async def served(antt: Antt) -> list[str]:
    """One path of each kind that has an ETag: a record, and figures."""
    return [f"{TIPS}/{await a_tip(antt)}", FIGURES]


async def test_if_none_match_is_a_list_knows_weak_tags_and_any(antt: Antt) -> None:
    for path in await served(antt):
        first = await send(antt, "GET", path)
        tag = first.headers["etag"]
        for known in (tag, f"W/{tag}", f'"other", {tag}', f'"other",W/{tag} , "third"', "*"):
            for method in ("GET", "HEAD"):
                again = await send(antt, method, path, If_None_Match=known)
                assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag), known
                assert not {"content-length", "content-type"} & set(again.headers)
        for other in ('"other"', '"other", W/"third"', tag.strip('"')):
            assert (await send(antt, "GET", path, If_None_Match=other)).status_code == 200
        lines = [*antt.token("operator", PROVINCE).items(), ("If-None-Match", '"other"'), ("If-None-Match", tag)]
        assert (await antt.http.get(path, headers=lines)).status_code == 304
    assert (await send(antt, "GET", f"{TIPS}/{uuid4()}", If_None_Match="*")).status_code == 404


async def test_if_match_is_a_list_over_several_lines_and_an_empty_one_is_none(antt: Antt) -> None:
    made = await antt.post(
        "/teams/v1/teams",
        {"unit": COMMUNE, "name": "Tổ 1", "hamlets": [], "from_on": "2025-07-01", "decision": DECISION},
        antt.token(),
    )
    assert made.status_code == 201, made.text
    path, tag = f"/teams/v1/teams/{made.json()['id']}", made.headers["etag"]

    async def change(*tags: str) -> int:
        lines = [*antt.token().items(), *(("If-Match", each) for each in tags)]
        return (await antt.http.patch(path, json={"name": f"Tổ {uuid4().hex}"}, headers=lines)).status_code

    assert await change("") == 428
    assert await change(f"W/{tag}") == 412
    assert await change('"99"', '"98"') == 412
    assert await change(f'"99", {tag}') == 200
    assert await change('"2"', '"99"') == 200


DECISION = {"number": "12/QĐ-UBND", "signed_on": "2025-07-01", "signer": "Nguyễn Văn A"}


async def test_a_uuid_is_the_same_in_upper_case_wherever_it_stands(antt: Antt) -> None:
    tip = await a_tip(antt)
    assert (await send(antt, "GET", f"{TIPS}/{tip.upper()}")).json()["id"] == tip
    assert (await send(antt, "POST", f"{TIPS}/{tip.upper()}/report")).status_code == 200
    team = str(uuid4())
    leader = antt.token("team_leader", team=team.upper())
    said: dict[str, Any] = {"unit": COMMUNE, "content": "Mất xe", "team_id": team}
    answer = await antt.post(TIPS, {**said, "channel": "team"}, leader)
    assert answer.status_code != 403, answer.text


@pytest.mark.parametrize(
    "path",
    [
        f"{FIGURES}&unit=2025:01",
        f"{FIGURES}&to=2024-03-31",
        f"{TIPS}?state=received&state=reported",
        f"{TIPS}?limit=1&%6cimit=2",
        "/incidents/v1/places/at?longitude=1&latitude=2&longitude=3",
        "/teams/v1/units?name=a&name=b",
        "/stats/v1/live?unit=2025:79&from=2024-01-01&to=2024-03-31&unit=2025:01",
    ],
)
async def test_a_query_parameter_given_twice_is_refused_where_it_is_no_list(antt: Antt, path: str) -> None:
    answer = await send(antt, "GET", path)
    assert answer.status_code == 422
    assert [error["code"] for error in answer.json()["errors"]] == ["repeated"]


async def test_positions_to_wait_for_are_few(antt: Antt) -> None:
    answer = await send(antt, "GET", f"{FIGURES}&counted={','.join(['incidents:1:1'] * 4_000)}")
    assert [error["code"] for error in answer.json()["errors"]] == ["string_too_long"]


async def test_a_list_is_given_by_repeating_it(antt: Antt) -> None:
    answer = await send(antt, "GET", f"{FIGURES}&indicator=tips_received&indicator=patrols")
    assert set(answer.json()["counters"]) == {"tips_received", "patrols"}
