"""What is another's and what is not there have one answer, at every route with an id in its path.

Each stranger asks twice, about records of COMMUNE and about ids of nothing: status, headers and body are the same but for
the id, whatever version If-Match names.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from tests.conftest import COMMUNE, PROVINCE, Antt
from tests.contract.test_matrix import (
    ACTIONS,
    FOREIGN_COMMUNE,
    FOREIGN_PROVINCE,
    OPEN,
    QUERIES,
    Called,
    body_of,
    call,
    records,
)
from tests.incidents.conftest import a_team
from tests.shared.files.made import a_pdf
from tests.shared.files.sending import attached

pytestmark = pytest.mark.slow

WEBHOOK = {"url": "https://example.vn/", "unit": COMMUNE}
# Of which records `call` asks for files.
FILES = {"incidents": {"tips": "tip_id", "activities": "activity_id"}, "teams": {"teams": "team_id"}}
OPERATOR = Called("operator", PROVINCE, True)
# What differs between any two answers.
OF_ONE_ANSWER = {"date", "traceparent", "content-length"}


def strangers(team: str) -> Iterator[Called]:
    """Each role and scope of another area."""
    yield Called("anyone", "", False)
    yield Called("team_leader", FOREIGN_COMMUNE, False, team=team)
    yield Called("commune_officer", FOREIGN_COMMUNE, False)
    yield Called("province_officer", FOREIGN_PROVINCE, False)
    yield Called("operator", FOREIGN_PROVINCE, False)
    for scope in ("report", "records", "registry"):
        yield Called("system", FOREIGN_COMMUNE, False, scope)


async def there(antt: Antt, service: str) -> dict[str, str]:
    """A record of each kind that a path names."""
    operator = antt.token("operator")
    ids = await records(antt, "{tip_id}{case_id}{activity_id}{member_id}{class_id}{certificate_id}")
    ids["webhook_id"] = (await antt.post(f"/{service}/v1/webhooks", WEBHOOK, operator)).json()["id"]
    sent = await antt.http.post(
        f"/{service}/v1/imports", params=QUERIES[f"POST /{service}/v1/imports"], content=b"{}",
        headers={**operator, "Content-Type": "application/x-ndjson"},
    )  # fmt: skip
    ids["import_id"] = sent.json()["id"]
    return ids


def said(answer: Any, ids: dict[str, str]) -> Any:
    """What an answer says, its ids aside."""
    body = answer.text
    for name, id in ids.items():
        body = body.replace(id, f"{{{name}}}")
    headers = {name: value for name, value in answer.headers.items() if name not in OF_ONE_ANSWER}
    return answer.status_code, headers, body


async def test_a_stranger_gets_one_answer_for_what_is_anothers_and_for_what_is_not_there(antt: Antt) -> None:
    other = await a_team(antt, FOREIGN_COMMUNE)
    asked, differ = set[str](), list[str]()
    for service in ("incidents", "teams"):
        present = await there(antt, service)
        file_of = {
            of: (
                await attached(antt, f"/{service}/v1/{of}/{present[id]}/attachments", a_pdf(), antt.token("operator"))
            )["id"]
            for of, id in FILES[service].items()
        }
        for route, action in ACTIONS.items():
            method, path = route.split(" ")
            if "_id}" not in path or action == OPEN or not path.startswith(f"/{service}/"):
                continue
            kind = "teams" if service == "teams" else "tips" if method == "GET" else "activities"
            ids = {**present, "attachment_id": file_of[kind]}
            absent = {name: str(uuid7()) for name in ids}
            assert all(name in ids or name == "record_id" for name in re.findall(r"{(\w+_id)}", path)), route
            asked.add(route)
            # What has a name of its own in the path may not be there, and a stream ends only with its import.
            if method == "GET" and "{name}" not in path and not path.endswith("/progress"):
                seen = await call(antt, OPERATOR, route, ids)
                assert seen.status_code == 200, (route, seen.text)
            for stranger in strangers(other):
                for version in ('"1"', '"7"'):
                    one, two = [
                        said(await call(antt, stranger, route, named, body_of(route, named), version), named)
                        for named in (ids, absent)
                    ]
                    if one != two or one[0] < 400:
                        differ.append(f"{stranger} {route} {version}:\n  {one}\n  {two}")
    assert not differ, "\n".join(differ)
    assert asked == {route for route, action in ACTIONS.items() if "_id}" in route and action != OPEN}
