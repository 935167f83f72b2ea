"""Open311 GeoReport v2: what existing clients send and get, in both formats, honest and hostile."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any, get_args
from uuid import uuid4
from xml.etree import ElementTree

import httpx
import pytest
from pydantic import TypeAdapter

from services.incidents.open311.reading import STATES
from services.incidents.open311.topics import TOPICS
from shared.application import untraced
from shared.database import Database
from shared.events.incidents import TipState
from shared.text import Word
from tests.conftest import COMMUNE, PROVINCE, Antt
from tests.incidents.test_places import NEIGHBOURS, THREE, put
from tests.locked import environment

V2 = "/incidents/open311/v2"
NARROW = {"service_code": "gambling", "description": "Tụ tập đánh bạc trong nhà trọ"}


def report(**values: Any) -> dict[str, Any]:
    """A form as it is sent."""
    return {**NARROW, "address_id": COMMUNE, **values}


async def send(antt: Antt, form: dict[str, Any] | bytes, format: str = "json", **headers: str) -> httpx.Response:
    """A POSTed request."""
    extra = {name.replace("_", "-"): value for name, value in headers.items()}
    if isinstance(form, bytes):
        extra.setdefault("Content-Type", "application/x-www-form-urlencoded")
        return await antt.http.post(f"{V2}/requests.{format}", content=form, headers=extra)
    return await antt.http.post(f"{V2}/requests.{format}", data=form, headers=extra)


async def receipt(antt: Antt, **values: Any) -> str:
    """The id of a request that was taken."""
    answer = await send(antt, report(**values))
    assert answer.status_code == 201, answer.text
    id: str = answer.json()[0]["service_request_id"]
    return id


async def tips(antt: Antt) -> list[dict[str, Any]]:
    """The tips as the police see them."""
    items: list[dict[str, Any]] = (await antt.get("/incidents/v1/tips", antt.token("operator", PROVINCE))).json()[
        "items"
    ]
    return items


def key(antt: Antt, role: Any = "system", unit: str = PROVINCE) -> str:
    """A key of another system."""
    return antt.token(role, unit)["Authorization"].removeprefix("Bearer ")


def errors(answer: httpx.Response) -> list[str]:
    """The descriptions of a refusal, which has the standard's shape."""
    if answer.headers["content-type"].startswith("text/xml"):
        root = ElementTree.fromstring(answer.content)
        assert root.tag == "errors"
        told = [{child.tag: child.text for child in error} for error in root]
    else:
        told = answer.json()
    assert told
    assert {error["code"] for error in told} <= {answer.status_code, str(answer.status_code)}
    return [str(error["description"]) for error in told]


async def test_a_request_is_a_tip_with_its_topic_place_and_sealed_sender(antt: Antt) -> None:
    answer = await send(
        antt,
        report(
            first_name="Bưởi",
            last_name="Trần Thị",
            phone="(0912) 345-678",
            email="buoi@example.vn",
            media_url="http://169.254.169.254/latest/meta-data",
            address_string="12 Lê Lợi",
            device_id="IMEI-1",
            **{"attribute[occurred_at]": "2025-11-02T20:00:00+07:00"},
        ),
    )
    assert answer.status_code == 201
    assert answer.headers["antt-position"] == "incidents:1:1"
    (created,) = answer.json()
    assert set(created) == {"service_request_id", "service_notice", "account_id"}
    (tip,) = await tips(antt)
    assert (tip["unit"], tip["topic"], tip["channel"], tip["named"]) == (COMMUNE, "gambling", "app", True)
    assert tip["occurred_at"] == "2025-11-02T13:00:00Z"
    assert tip["content"].startswith("Tụ tập đánh bạc trong nhà trọ\n\nĐịa chỉ: 12 Lê Lợi\n\n")
    assert tip["content"].endswith("http://169.254.169.254/latest/meta-data")
    assert not {"Bưởi", "0912", "buoi@example.vn", "IMEI-1"} & set(json.dumps(tip, ensure_ascii=False).split())
    looked = await antt.post(
        f"/incidents/v1/tips/{tip['id']}/informant", {"reason": "xác minh"}, antt.token("commune_officer", COMMUNE)
    )
    assert looked.status_code == 200, looked.text
    assert looked.json()["full_name"] == "Trần Thị Bưởi"
    assert looked.json()["phone"] == "0912345678"
    assert (await antt.counters(answer.headers["antt-position"]))["tips_from_citizens"] == 1


async def test_every_topic_is_a_service_with_a_definition_in_both_formats(antt: Antt) -> None:
    listed = (await antt.get(f"{V2}/services.json")).json()
    assert [service["service_code"] for service in listed] == list(TOPICS)
    root = ElementTree.fromstring((await antt.get(f"{V2}/services.xml")).content)
    assert root.tag == "services"
    assert [[child.text for child in service] for service in root] == [
        [str(value).lower() if isinstance(value, bool) else value for value in service.values()] for service in listed
    ]
    for code in TOPICS:
        defined = (await antt.get(f"{V2}/services/{code}.json")).json()
        assert (defined["service_code"], defined["attributes"][0]["code"]) == (code, "occurred_at")
        root = ElementTree.fromstring((await antt.get(f"{V2}/services/{code}.xml")).content)
        assert root.findtext("attributes/attribute/datatype") == "datetime"
    discovered = ElementTree.fromstring((await antt.get(f"{V2}/discovery.xml")).content)
    assert discovered.findtext("endpoints/endpoint/url", "").endswith(V2)
    assert (await antt.get(f"{V2}/discovery.json")).json()["endpoints"][0]["formats"] == [
        "text/xml",
        "application/json",
    ]


async def test_the_sender_follows_a_request_with_its_id_and_sees_nothing_of_its_content(antt: Antt) -> None:
    id = await receipt(antt, first_name="Bưởi", address_string="12 Lê Lợi")
    (request,) = (await antt.get(f"{V2}/requests/{id}.json")).json()
    assert (request["status"], request["service_code"], request["status_notes"]) == ("open", "gambling", "Đã tiếp nhận")
    assert request["agency_responsible"] == "Công an phường Dĩ An"
    empty = ("description", "address", "address_id", "zipcode", "lat", "long", "media_url")
    assert {request[field] for field in empty} == {None}
    officer = antt.token()
    base = f"/incidents/v1/tips/{(await tips(antt))[0]['id']}"
    await antt.post(f"{base}/report", {}, officer)
    await antt.post(f"{base}/ask", {"question": "Vào giờ nào?"}, officer)
    (request,) = (await antt.get(f"{V2}/requests/{id}.json")).json()
    assert request["status_notes"] == "Đã báo Công an cấp xã. Công an có câu hỏi: trả lời bằng mã biên nhận"
    for step, body in (("classify", {"classified_as": "crime_report"}), ("resolve", {"reason": "đã xử phạt"})):
        assert (await antt.post(f"{base}/{step}", body, officer)).status_code == 200
    document = (await antt.get(f"{V2}/requests/{id}.xml")).content
    root = ElementTree.fromstring(document)
    assert (root.tag, root.findtext("request/status"), root.findtext("request/service_request_id")) == (
        "service_requests",
        "closed",
        id,
    )
    assert root.findtext("request/updated_datetime", "") >= root.findtext("request/requested_datetime", "")
    (token,) = (await antt.get(f"{V2}/tokens/{id}.json")).json()
    assert token == {"service_request_id": id, "token": id}


async def test_wrong_ids_are_limited_and_all_cost_the_same(antt: Antt, monkeypatch: pytest.MonkeyPatch) -> None:
    await receipt(antt)
    asked: list[str] = []
    fetchrow = Database.fetchrow

    async def noted(self: Database, sql: str, *arguments: Any) -> Any:
        # Jobs ask for things of their own meanwhile.
        if "receipt_hash" in sql or "stands" in sql:
            asked.append(sql)
        return await fetchrow(self, sql, *arguments)

    monkeypatch.setattr(Database, "fetchrow", noted)
    wrong = ["0" * 16, "x", "01a201dd-18ff-775c-97dc-1b19c01ef6a5", "é", "'--"]
    for id in wrong:
        for path in (f"requests/{id}.json", f"tokens/{id}.json"):
            answer = await antt.get(f"{V2}/{path}")
            assert (answer.status_code, len(errors(answer))) == (404, 1), path
    assert (len(asked), len(set(asked))) == (10, 1)
    answer = await antt.get(f"{V2}/requests/{'1' * 16}.xml")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    assert errors(answer)
    answer = await antt.http.get(f"{V2}/requests.json", params={"service_request_id": "1,2,3"})
    assert answer.status_code == 429


async def test_a_key_lists_what_it_sent_and_nothing_else(antt: Antt) -> None:
    mine, other = key(antt), key(antt, "commune_officer", COMMUNE)
    anonymous = await receipt(antt)
    ids = [await receipt(antt, api_key=mine, service_code=code) for code in ("theft", "noise", "theft")]
    await receipt(antt, api_key=other)
    assert (await tips(antt))[1]["channel"] == "system"

    async def listed(**query: Any) -> list[str]:
        answer = await antt.http.get(f"{V2}/requests.json", params={"api_key": mine, **query})
        assert answer.status_code == 200, answer.text
        assert {request["description"] for request in answer.json()} <= {None}
        return [request["service_request_id"] for request in answer.json()]

    assert await listed() == ids[::-1]
    assert await listed(service_code="noise,fire") == [ids[1]]
    assert await listed(status="closed") == []
    assert await listed(status="open,closed", page_size=2, page=2) == ids[:1]
    assert await listed(start_date="2020-01-01T00:00:00Z", end_date="2020-03-01T00:00:00Z") == []
    # Whoever has a receipt may ask after it; what is wrong among them is left out.
    assert await listed(service_request_id=f"{anonymous}, {ids[0]},{'0' * 16}") == [anonymous, ids[0]]
    header = {"Authorization": f"Bearer {mine}"}
    assert len((await antt.http.get(f"{V2}/requests.json", headers=header)).json()) == 3
    for query, status in (
        ({}, 403),
        ({"api_key": "x"}, 403),
        ({"api_key": mine, "start_date": "2025-01-01T00:00:00Z", "end_date": "2025-11-01T00:00:00Z"}, 400),
        ({"api_key": mine, "start_date": "2026-01-01"}, 400),
        ({"api_key": mine, "start_date": "0001-01-01T00:00:00+14:00"}, 400),
        ({"api_key": mine, "status": "secret"}, 400),
        ({"api_key": mine, "page_size": "100000"}, 400),
        ({"api_key": mine, "jurisdiction_id": "sfgov.org"}, 404),
    ):
        answer = await antt.http.get(f"{V2}/requests.json", params=query)
        assert answer.status_code == status, (query, answer.text)
        assert errors(answer)


async def test_a_place_is_a_point_an_id_or_an_address_that_names_the_commune(antt: Antt) -> None:
    await put(antt, "boundaries", NEIGHBOURS)
    await put(antt, "hamlets", THREE)
    for place, unit in (
        ({"lat": "11.01", "long": "106.65"}, COMMUNE),
        ({"address_id": "25942"}, COMMUNE),
        ({"address_id": "X.1"}, "2025:25747"),
        ({"address_string": "12 Lê Lợi, Phường Dĩ An, TP. Hồ Chí Minh"}, COMMUNE),
        ({"address_string": "12 le loi, P.Di An"}, COMMUNE),
        ({"address_string": "không rõ", "lat": "11.01", "long": "106.75"}, "2025:25747"),
    ):
        answer = await send(antt, {**NARROW, **place})
        assert answer.status_code == 201, (place, answer.text)
        assert (await tips(antt))[-1]["unit"] == unit, place
    for place, told in (
        ({}, "address_string"),
        ({"address_string": "12 Lê Lợi"}, "address_string"),
        ({"lat": "11.01"}, "lat"),
        ({"lat": "21.0", "long": "105.8"}, "place-unknown"),
        ({"lat": "NaN", "long": "106.65"}, "lat"),
        ({"lat": "91", "long": "106.65"}, "lat"),
        ({"address_id": "2025:00004"}, "unit-not-served"),
        ({"address_id": "X.9"}, "unknown-hamlet"),
        ({"address_id": "../../etc"}, "hamlet"),
    ):
        answer = await send(antt, {**NARROW, **place})
        assert answer.status_code == 400, (place, answer.text)
        assert told in errors(answer)[0], (place, answer.text)


async def test_a_fact_goes_before_a_guess_and_two_facts_that_contradict_each_other_are_refused(antt: Antt) -> None:
    address = "12 Đồng Khởi, Phường Dĩ An, Thành phố Hồ Chí Minh"
    in_the_other = {"lat": "11.01", "long": "106.75"}
    # Without boundaries a pin says nothing, so the address counts.
    answer = await send(antt, {**NARROW, "address_string": address, **in_the_other})
    assert (answer.status_code, (await tips(antt))[-1]["unit"]) == (201, COMMUNE)
    assert (await send(antt, {**NARROW, **in_the_other})).status_code == 400
    await put(antt, "boundaries", NEIGHBOURS)
    answer = await send(antt, {**NARROW, "address_string": address, **in_the_other})
    assert (answer.status_code, (await tips(antt))[-1]["unit"]) == (201, "2025:25747")
    for pin in (in_the_other, {"lat": "21.0", "long": "105.8"}):
        answer = await send(antt, {**NARROW, "address_id": "25942", **pin})
        assert (answer.status_code, "address_id" in errors(answer)[0]) == (400, True), answer.text
    assert (await send(antt, {**NARROW, "address_id": "25942", "lat": "11.01", "long": "106.65"})).status_code == 201


@pytest.mark.parametrize(
    ("address", "ours"),
    [
        ("12 Đồng Khởi, Phường Tân Hiệp, Thành phố Biên Hòa, Đồng Nai", False),
        ("Phường Dĩ An, tỉnh Đồng Nai", False),
        ("Phường Dĩ An, Hà Nội", False),
        ("phường Dĩ An, quận Hoàn Kiếm", False),
        ("số 5 đường Đồng Nai, phường Dĩ An", True),
        ("Phường Dĩ An, Thành phố Dĩ An, Bình Dương", True),
        ("Phường Dĩ An, TP. Hồ Chí Minh, Việt Nam", True),
        ("phường Dĩ An, gần chợ", True),
    ],
)
async def test_an_address_of_another_province_is_none_of_ours(antt: Antt, address: str, ours: bool) -> None:
    answer = await send(antt, {**NARROW, "address_string": address})
    assert (answer.status_code == 201) == ours, answer.text


async def test_a_key_beside_the_form_is_read_and_a_wrong_one_is_refused(antt: Antt) -> None:
    form = {**NARROW, "address_id": "25942"}
    answer = await antt.http.post(f"{V2}/requests.json?api_key={key(antt)}", data=form)
    assert answer.status_code == 201, answer.text
    assert (await tips(antt))[-1]["channel"] == "system"
    for query in ("api_key=wrong", f"api_key={key(antt)}x"):
        assert (await antt.http.post(f"{V2}/requests.json?{query}", data=form)).status_code == 403
    other = {**form, "api_key": key(antt, "commune_officer", COMMUNE)}
    assert (await antt.http.post(f"{V2}/requests.json?api_key={key(antt)}", data=other)).status_code == 400
    assert (await antt.http.post(f"{V2}/requests.json?jurisdiction_id=2025:01", data=form)).status_code == 404


async def test_nothing_that_was_sent_is_dropped_in_silence(antt: Antt) -> None:
    body = (
        b"service_code=noise&description=a&address_id=25942&phone=none&title=x"
        b"&media_url=https%3A%2F%2Fexample.vn%2F1.jpg&media_url=https%3A%2F%2Fexample.vn%2F2.jpg"
    )
    answer = await send(antt, body)
    assert answer.status_code == 201, answer.text
    notice = answer.json()[0]["service_notice"]
    assert "phone" in notice
    assert "title" in notice
    content = (await tips(antt))[-1]["content"]
    assert all(f"https://example.vn/{n}.jpg" in content for n in (1, 2))


HOSTILE: dict[str, tuple[dict[str, Any] | bytes, int]] = {
    "no service": ({"description": "x", "address_id": COMMUNE}, 400),
    "a service that is none": (report(service_code="x"), 404),
    "markup for a service": (report(service_code="</code><x>&xxe;"), 404),
    "no description": (report(description="  "), 400),
    "a reversed text": (report(description="abc\u202edef"), 400),
    "NUL": (report(description="a\x00b"), 400),
    "a state secret": (report(description="MẬT\nKế hoạch số 5"), 400),
    "a field that says two things": (b"service_code=noise&service_code=gambling&description=x&address_id=25942", 400),
    "a script for a link": (report(media_url="javascript:alert(1)"), 400),
    "a file for a link": (report(media_url="file:///etc/passwd"), 400),
    "tomorrow": (report(**{"attribute[occurred_at]": "2999-01-01T00:00:00Z"}), 400),
    "no zone": (report(**{"attribute[occurred_at]": "2026-01-01T00:00:00"}), 400),
    "an attribute that no service has": (report(**{"attribute[x]": "1"}), 400),
    "another city": (report(jurisdiction_id="sfgov.org"), 404),
    "a key that is none": (report(api_key="x"), 403),
    "bytes": (b"\xff\xfe=\xff", 400),
    "half a letter": (b"service_code=gambling&description=%C3&address_id=" + COMMUNE.encode(), 400),
    "many fields": (b"&".join(b"a%d=1" % number for number in range(200)), 400),
    "too much": (b"description=" + b"a" * 70_000, 413),
}


@pytest.mark.parametrize("format", ["json", "xml"])
async def test_what_cannot_be_is_refused_in_the_standards_shape_and_never_repeated(antt: Antt, format: str) -> None:
    for name, (body, status) in HOSTILE.items():
        answer = await send(antt, body, format)
        assert answer.status_code == status, (name, answer.text)
        for description in errors(answer):
            assert not any(word in description for word in ("xxe", "script>", "passwd", "sfgov", "javascript")), name
    answer = await antt.http.post(f"{V2}/requests.{format}", json=report())
    assert (answer.status_code, errors(answer)) == (
        400,
        ["Content-Type: Chỉ nhận application/x-www-form-urlencoded."],
    )
    answer = await antt.http.post(f"{V2}/requests.{format}", data=report(), files={"media": b"x"})
    assert answer.status_code == 400
    assert await tips(antt) == []


async def test_what_is_no_address_of_the_standard_is_told_in_its_shape(antt: Antt) -> None:
    for path in ("services.yaml", "nothing.xml", "requests/1.pdf", "services/<x>.xml", "services/x%00.json", ""):
        answer = await antt.get(f"{V2}/{path}")
        assert answer.status_code in (400, 404), path
        assert errors(answer), path
    english = await antt.http.get(f"{V2}/services/x.json", headers={"Accept-Language": "en"})
    assert errors(english) == ["There is no such service_code. (not-found)"]


async def test_the_same_key_gives_the_first_answer_again(antt: Antt) -> None:
    for format in ("json", "xml"):
        key = str(uuid4())
        assert errors(await send(antt, report(), format, Idempotency_Key="short"))
        first = await send(antt, report(), format, Idempotency_Key=key)
        again = await send(antt, report(), format, Idempotency_Key=key)
        assert (again.status_code, again.content) == (201, first.content)
        assert again.headers["content-type"] == first.headers["content-type"]
        assert errors(await send(antt, report(description="khác"), format, Idempotency_Key=key))
    assert len(await tips(antt)) == 2


async def test_receipts_and_keys_in_addresses_leave_no_trace(antt: Antt) -> None:
    id = await receipt(antt)
    assert untraced({"path": f"{V2}/requests/{id}.json"})
    metrics = (await antt.get("/incidents/metrics")).text
    await antt.get(f"{V2}/requests/{id}.json")
    assert id not in metrics + (await antt.get("/incidents/metrics")).text


def test_every_service_code_is_a_topic_that_a_tip_may_have_and_every_state_is_told() -> None:
    assert set(STATES) == {*get_args(TipState)} - {"merged"}
    for code in TOPICS:
        assert TypeAdapter(Word).validate_python(code) == code


CLIENTS = Path(__file__).with_name("open311_clients")


@pytest.fixture(scope="session")
def clients() -> Path:
    """The Python that has the clients. Some have no wheels, so what builds them is locked too, and is there first."""
    return environment("open311-clients", CLIENTS / "build.lock", CLIENTS / "requirements.lock")


async def test_clients_made_for_other_cities_report_and_follow(address: str, clients: Path) -> None:
    script: list[str | Path] = [clients, CLIENTS / "report_and_follow.py", f"{address}{V2}", PROVINCE, COMMUNE]
    ran = await asyncio.to_thread(lambda: subprocess.run(script, capture_output=True, timeout=60, check=False))
    assert ran.returncode == 0, ran.stderr.decode()
    seen = json.loads(ran.stdout)
    async with httpx.AsyncClient(base_url=address) as http:
        antt = Antt(http)
        (tip,) = await tips(antt)
    assert (tip["topic"], tip["unit"], tip["named"]) == ("noise", COMMUNE, True)
    assert seen["discovery"]["endpoints"][0]["specification"] == "http://wiki.open311.org/GeoReport_v2"
    assert {service["service_code"] for service in seen["services"]} == set(TOPICS)
    assert seen["followed_json"] == seen["followed_xml"] == ["open", "noise", seen["id"]]
    assert seen["token"] == [{"service_request_id": seen["id"], "token": seen["id"]}]
    assert seen["refused"][0]["code"] == 400
