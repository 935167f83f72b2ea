"""What subscribers of events may rely on: old events are read for ever, and the AsyncAPI document says what is told."""

import copy
import gzip
import inspect
import types
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from shared.events import DATA_VERSION, EVENTS, EVENTS_OF, GONE, Attachment, Deadline, asyncapi, decode, encode
from shared.log import Mark, Record, kafka
from shared.outbox import UnitOfWork
from tests.conftest import COMMUNE, PROVINCE, Antt
from tests.contract.promises import DOCUMENT, RUN, breaks, lacking, meaning
from tests.incidents.conftest import a_team

# Texts that are codes: of a unit, of a province's list of kinds and topics, of deadlines.toml, of files. None of them can hold what a person wrote.
CODES = {"unit", "kind", "topic", "media_type"}

# The schema as npm's @asyncapi/specs 6.11.1 has it (Apache-2.0).
OFFICIAL = Path(__file__).with_name("asyncapi-3.0.0.schema.json.gz")
GOLDEN = sorted(asyncapi.GOLDEN.glob("*.json"))


def the_document() -> dict[str, Any]:
    """The document as it is committed."""
    document: dict[str, Any] = msgspec.json.decode(DOCUMENT.read_bytes())
    return document


def validator(name: str) -> Draft202012Validator:
    """Checks against a schema of the document."""
    document = asyncapi.document()
    return Draft202012Validator({**document, "$ref": f"#/components/schemas/{name}"})


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_an_event_of_any_time_means_for_ever_what_it_meant(file: Path) -> None:
    golden = msgspec.json.decode(file.read_bytes())
    change = decode(golden["type"], golden["dataversion"], msgspec.json.encode(golden["data"]))
    assert msgspec.json.decode(encode(change)) == golden["data"]
    now = meaning(change)
    assert now.keys() == golden["means"].keys()
    for side, fact in golden["means"].items():
        assert {field: now[side].get(field, "gone") for field in fact} == fact


def test_an_event_that_several_services_list_means_the_same_of_each() -> None:
    listed = [item for events in EVENTS_OF.values() for item in events.items()]
    assert set(listed) == set(EVENTS.items())
    assert len(set(listed)) == len(EVENTS)


def test_a_service_that_lists_its_first_event_is_documented_beside_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "stats" not in asyncapi.document()["channels"]
    monkeypatch.setattr(asyncapi, "EVENTS_OF", {**EVENTS_OF, "stats": {"AttachmentAdded": Attachment}})
    channels = asyncapi.document()["channels"]
    assert list(channels["stats"]["messages"]) == ["AttachmentAdded"]
    assert channels["statsWatermark"]["address"] == "antt.{province}.stats.watermark"
    assert "AttachmentAdded" in channels["incidents"]["messages"]


def test_every_field_of_every_event_has_a_golden_example() -> None:
    assert dict(lacking()) == {}, RUN
    assert {file.name.split(".")[0] for file in GOLDEN} <= EVENTS.keys(), "events are never removed or renamed"


def test_nothing_breaks_a_subscriber_of_the_committed_document() -> None:
    assert list(breaks(the_document(), asyncapi.document())) == []


def test_the_committed_document_is_that_of_the_code() -> None:
    assert DOCUMENT.read_bytes() == asyncapi.text(), RUN


def _tip(document: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = document["components"]["schemas"]["Tip"]
    return fields


def _schema(name: str, change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], None]:
    def changed(document: dict[str, Any]) -> None:
        change(document["components"]["schemas"][name])

    return changed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["channels"]["incidents"]["messages"].pop("TipMerged"), "TipMerged is no longer told there"),
        (lambda d: d["components"]["messages"].pop("TipMerged"), "TipMerged: the event is gone"),
        (lambda d: d["channels"]["teams"].update(address="teams"), "at another address"),
        (_schema("Tip", lambda tip: tip["properties"].pop("named")), "after.named: the field is gone"),
        (_schema("Tip", lambda tip: tip["properties"].update(unit={"type": "integer"})), "was string, is integer"),
        (_schema("Tip", lambda tip: tip["properties"].update(named={"type": "boolean", "default": True})), "left out"),
        (_schema("Tip", lambda tip: tip["properties"]["state"]["enum"].remove("merged")), "the value merged is gone"),
        (_schema("Tip", lambda tip: tip["properties"].update(state={"type": "string"})), "was enum, is string"),
        (_schema("Tip", lambda tip: tip["required"].append("topic")), "events of before lack it"),
        (_schema("Tip", lambda tip: tip["required"].remove("unit")), "it may be left out now"),
        (_schema("Item", lambda item: item["properties"].pop("means")), "items[].means: the field is gone"),
        (_schema("Tip", lambda tip: tip["properties"].update(topic={"type": "string"})), "was null or string"),
        (_schema("CloudEventHeaders", lambda headers: headers["required"].remove("ce_id")), "it may be left out now"),
        (_schema("CloudEvent", lambda event: event["properties"].pop("tombstone")), "tombstone: the field is gone"),
    ],
)
def test_a_change_that_would_break_a_subscriber_is_told(change: Callable[[dict[str, Any]], Any], said: str) -> None:
    changed = copy.deepcopy(the_document())
    change(changed)
    found = list(breaks(the_document(), changed))
    assert any(said in each for each in found), found


def _data_of_a_further_fact(event: dict[str, Any]) -> None:
    event["properties"]["data"]["anyOf"].append({"type": "object", "title": "ChangeOfSomethingNew"})


@pytest.mark.parametrize(
    "change",
    [
        _schema("Tip", lambda tip: tip["properties"].update(weather={"type": "string", "default": "dry"})),
        _schema("Tip", lambda tip: tip["properties"]["state"]["enum"].append("archived")),
        lambda d: d["components"]["messages"].update(TipArchived=d["components"]["messages"]["TipMerged"]),
        lambda d: d["info"].update(description="anders"),
        _schema("CloudEvent", _data_of_a_further_fact),
    ],
)
def test_what_is_only_added_breaks_nobody(change: Callable[[dict[str, Any]], Any]) -> None:
    changed = copy.deepcopy(the_document())
    change(changed)
    assert list(breaks(the_document(), changed)) == []


def test_the_document_is_valid_asyncapi_3_and_its_examples_are_what_it_describes() -> None:
    document = asyncapi.document()
    official = msgspec.json.decode(gzip.decompress(OFFICIAL.read_bytes()))
    assert [error.message for error in Draft7Validator(official).iter_errors(document)] == []
    headers = validator("CloudEventHeaders")
    for type, fact in EVENTS.items():
        examples = document["components"]["messages"][type]["examples"]
        assert examples
        for example in examples:
            headers.validate(example["headers"])
            validator(f"ChangeOf{fact.__name__}").validate(example["payload"])


def test_a_record_on_kafka_has_the_headers_that_the_document_describes() -> None:
    recorded = Record(
        2,
        12,
        11,
        str(UUID(int=1)),
        "TipReceived",
        DATA_VERSION,
        str(UUID(int=2)),
        Mark().recorded_at,
        b"{}",
        "00-a-b-01",
    )
    source, time = b"/antt/2025:79/incidents", recorded.recorded_at.isoformat().encode()
    written = {name: value.decode() for name, value in kafka._headers(recorded, source, time)}
    described = validator("CloudEventHeaders")
    described.validate(written)
    assert written.keys() == asyncapi.document()["components"]["schemas"]["CloudEventHeaders"]["properties"].keys()


async def test_what_teams_sends_is_what_the_document_describes_too(antt: Antt) -> None:
    await a_team(antt)
    page = await antt.get("/teams/v1/changes", antt.token("operator", PROVINCE))
    (event,) = page.json()["items"]
    assert (event["type"], event["source"]) == ("TeamCreated", f"/antt/{PROVINCE}/teams")
    validator("CloudEvent").validate(event)


async def test_events_as_they_are_told_are_what_the_document_describes_and_repeat_nothing_that_was_written(
    antt: Antt,
) -> None:
    officer = antt.token()
    secrets = {"content": "Ông Ba ở số 5 đánh bạc", "name": "Nguyễn Văn Kín", "phone": "0912345678"}
    tip = {
        "unit": COMMUNE,
        "content": secrets["content"],
        "informant": {"full_name": secrets["name"], "phone": secrets["phone"]},
    }
    made = await antt.post("/incidents/v1/tips", tip, officer)
    assert made.status_code == 201, made.text
    withdrawn = await antt.post(f"/incidents/v1/tips/{made.json()['id']}/withdraw", {"reason": "Nhầm tên Kín"}, officer)
    assert withdrawn.status_code == 200, withdrawn.text
    page = await antt.get("/incidents/v1/changes", antt.token("operator", PROVINCE))
    described = validator("CloudEvent")
    assert [(event["type"], event["tombstone"]) for event in page.json()["items"]] == [
        ("TipReceived", False),
        ("TipWithdrawn", True),
    ]
    for event in page.json()["items"]:
        described.validate(event)
    written = [*secrets.values(), made.json()["receipt"], "Kín", "commune_officer"]
    assert [text for text in written if text in page.text] == []
    served = [(await antt.get(f"/{service}/v1/asyncapi.json")).json() for service in ("incidents", "teams")]
    assert served == [the_document()] * 2


def test_no_fact_can_hold_personal_data() -> None:
    for fact in set(EVENTS.values()):
        _require_only_codes(fact)
    # Links lead to records by their ids, and to nothing else.
    assert inspect.signature(UnitOfWork.emit).parameters["links"].annotation == UUID | None


def _require_only_codes(struct: type[Any]) -> None:
    for name, hint in get_type_hints(struct).items():
        for of in _parts(hint):
            if isinstance(of, type) and issubclass(of, msgspec.Struct):
                _require_only_codes(of)
                continue
            allowed = (
                get_origin(of) is Literal
                or of in (date, int, bool, type(None))
                or (of is str and _is_code(struct, name))
            )
            assert allowed, (
                f"{struct.__name__}.{name}: a fact holds codes, days and numbers; a text could name somebody"
            )


def _is_code(struct: type[Any], name: str) -> bool:
    # A deadline's name is that of a rule in deadlines.toml.
    return name in CODES or (struct is Deadline and name == "name")


def _parts(hint: Any) -> list[Any]:
    if get_origin(hint) in (Union, types.UnionType, tuple):
        return [part for each in get_args(hint) if each is not ... for part in _parts(each)]
    return [hint]


def test_a_state_in_which_a_record_is_gone_is_one_that_facts_have() -> None:
    states = {
        value
        for fact in set(EVENTS.values())
        if "state" in (hints := get_type_hints(fact))
        for value in get_args(hints["state"])
    }
    assert states & GONE >= {"withdrawn", "merged", "returned"}
