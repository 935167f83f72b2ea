"""How browsers and caches are told to keep an answer: what is of a person nowhere, what a page may do no more than it says."""

import base64
import hashlib
import re
from typing import Any
from uuid import UUID

import httpx
import pytest

from deploy.embedded import create_app
from services.incidents.tips.acknowledgement import code_of
from shared.settings import settings
from tests.conftest import COMMUNE, Antt, called
from tests.contract.test_matrix import NOWHERE, STREAMS, routes
from tests.incidents.conftest import opened

TIPS = "/incidents/v1/tips"
FIGURES = "/stats/v1/counters?unit=2025:79&from=2024-01-01&to=2024-01-31"
RECEIPT = {"Antt-Receipt": "0" * 16}
ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
}


def varies(answer: httpx.Response) -> set[str]:
    return set(answer.headers["vary"].lower().replace(" ", "").split(","))


async def test_no_answer_to_who_shows_a_token_or_a_receipt_is_stored_by_a_cache_and_none_is_guessed_or_framed(
    antt: Antt,
) -> None:
    asked = [route.split(" ")[1] for route in sorted(routes()) if route.startswith("GET ") and route not in STREAMS]
    asked += ["/stats/v1/docs", "/stats/v1/openapi.json", "/stats/health/live", "/stats/v1/nowhere", FIGURES]
    assert len(asked) > 60
    for path in asked:
        path = re.sub(r"{[^}]*}", NOWHERE, path.replace("{format}", "json").replace("{of}", "tips"))
        for headers in ({}, antt.token("operator"), RECEIPT):
            for method in ("GET", "HEAD"):
                answer = await antt.http.request(method, path, headers=headers)
                assert answer.headers.items() >= ALWAYS.items(), path
                assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
                assert "default-src 'none'" in answer.headers["content-security-policy"], path
                assert varies(answer) >= {"authorization", "antt-receipt"}
                assert "strict-transport-security" not in answer.headers
                kept = answer.headers.get("cache-control", "")
                assert not headers or "no-store" in kept or kept == "private, no-cache", path
                if answer.status_code >= 400:
                    assert "no-store" in kept, path
                    assert "accept-language" in varies(answer)


async def test_the_answer_to_a_command_is_never_stored_and_a_stream_neither(antt: Antt) -> None:
    tip = await antt.post(TIPS, {"unit": COMMUNE, "content": "Mất xe"})
    assert (tip.status_code, tip.headers["cache-control"]) == (201, "no-store")
    receipt = tip.json()["receipt"]
    for path in (f"/incidents/open311/v2/requests/{receipt}.json", f"{TIPS}/by-receipt"):
        answer = await antt.get(path, {"Antt-Receipt": receipt})
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    stream = await antt.http.head(FIGURES.replace("counters", "live"), headers=antt.token("operator"))
    assert (stream.status_code, stream.headers.get_list("cache-control")) == (200, ["no-store"])


async def test_figures_are_kept_by_their_reader_alone_and_asked_for_again(antt: Antt) -> None:
    first = await antt.http.get(FIGURES, headers=antt.token("operator"))
    assert (first.status_code, first.headers["cache-control"]) == (200, "private, no-cache"), first.text
    again = await antt.http.get(FIGURES, headers={**antt.token("operator"), "If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.headers["cache-control"]) == (304, "private, no-cache")
    one = await opened(antt, TIPS, {"unit": COMMUNE, "content": "Mất xe"})
    record = await antt.get(f"{TIPS}/{one['id']}", antt.token())
    assert (record.headers["etag"], record.headers["cache-control"]) == ('"1"', "no-store")


@pytest.mark.parametrize("path", ["/teams/v1/docs", f"{TIPS}/acknowledgements/NONE"])
async def test_a_page_may_do_what_is_written_in_it_and_nothing_else(antt: Antt, path: str) -> None:
    page = await antt.http.get(path, headers={"Accept": "text/html"})
    said = page.headers["content-security-policy"].split("; ")
    policy: dict[str, Any] = {name: values for name, *values in (each.split(" ") for each in said)}
    assert (policy["default-src"], policy["frame-ancestors"], policy["base-uri"]) == (
        ["'none'"],
        ["'none'"],
        ["'none'"],
    )
    assert not {"'unsafe-inline'", "'unsafe-eval'", "*"} & set(policy["script-src"] + policy["style-src"])
    written = re.findall(r"<(script|style)>(.*?)</", page.text, re.DOTALL)
    assert written
    for kind, inline in written:
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy[f"{kind}-src"]
    # What would need to be allowed one by one.
    assert not re.search(r"\bon[a-z]+=|\bstyle=|https?://", page.text)


async def test_what_is_a_page_for_browsers_varies_with_what_is_accepted(antt: Antt) -> None:
    tip = await opened(antt, TIPS, {"unit": COMMUNE, "content": "Mất xe"})
    for accept in ("text/html", "application/json"):
        path = f"{TIPS}/acknowledgements/{code_of(UUID(tip['id']))}"
        answer = await antt.http.get(path, headers={"Accept": accept})
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        assert "accept" in varies(answer)


async def test_browsers_stay_with_https_where_the_public_address_has_it(
    data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTT_PUBLIC_URL", "https://antt.example.vn")
    settings.cache_clear()
    try:
        async with called(create_app()) as antt:
            answer = await antt.get("/stats/health/live")
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
    finally:
        settings.cache_clear()
