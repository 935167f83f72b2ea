"""The AsyncAPI 3 document of all events of all services, made from the lists beside it and the golden examples.

It is served by every service that reports events, and kept in docs/integrator/asyncapi.json, so that a review shows what
changes for subscribers. `make events` writes it anew.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from fastapi import APIRouter, Response

from shared.events.codec import DATA_VERSION, EVENTS, EVENTS_OF, GONE, Change

# One file for each event and each shape that it ever had; what is in the outbox is read for ever.
GOLDEN = Path(__file__).parents[1] / "data" / "events"

_REF = "#/components/schemas/"
_ABOUT = """\
Sự kiện của các dịch vụ antt: mỗi sự kiện nói điều đã xảy ra, với dữ kiện trước và sau đó, không có dữ liệu cá nhân.

The events of antt's services: each reports what happened, with the fact before and after it, and no personal data.
A flow is counted as measure(after) - measure(before); `links` names records to follow, `concerns` the
units that must hear of it beside those of the facts. One province, one source, one
topic of one partition, so the order of a topic is the order of commits; `ce_id` is the same whenever an event is sent again,
and `ce_previoussequence` shows a gap. After `antt recover` a higher `ce_generation` begins after `ce_previoussequence`: events of
earlier generations with a higher `ce_sequence` no longer stand. Fields and values of enums are only ever added: pass over what you
do not know. The same events over HTTP: `GET /{service}/v1/changes` and webhooks of the service that reports them, as structured CloudEvents.
"""
_TEXT: dict[str, Any] = {"type": "string"}
_NUMBER: dict[str, Any] = {"type": "string", "pattern": "^[0-9]+$"}
_UUID: dict[str, Any] = {"type": "string", "format": "uuid"}
_TIME: dict[str, Any] = {"type": "string", "format": "date-time"}

# The attributes of a CloudEvent in Kafka's binary mode: each a header, each a text.
_HEADERS: dict[str, dict[str, Any]] = {
    "ce_specversion": {"type": "string", "const": "1.0"},
    "ce_id": {**_UUID, "description": "The same whenever the event is sent again."},
    "ce_source": {**_TEXT, "description": "/antt/{province}/{service}"},
    "ce_type": {**_TEXT, "description": "What happened, in the past tense."},
    "ce_subject": {**_UUID, "description": "The record that it happened to."},
    "ce_time": {**_TIME, "description": "When it was committed; never earlier than that of the event before."},
    "ce_dataversion": {**_NUMBER, "description": "The version of the data; a higher one than known is not to be read."},
    "ce_generation": {**_NUMBER, "description": "Begins anew when the source's database was restored."},
    "ce_sequence": {**_NUMBER, "description": "The event's position in its source, rising, with gaps."},
    "ce_previoussequence": {**_NUMBER, "description": "The position of the event before it."},
    "content-type": {"type": "string", "const": "application/json"},
    "traceparent": {**_TEXT, "description": "W3C Trace Context, where the request was traced."},
}
_NOT_ALWAYS = {"traceparent"}

_WATERMARK: dict[str, Any] = {
    "type": "object",
    "description": "Whatever was committed before `at` is in the topic of events, up to this position. Sent each second.",
    "properties": {"generation": {"type": "integer"}, "seq": {"type": "integer"}, "at": _TIME},
    "required": ["generation", "seq", "at"],
}


# What a webhook is sent beside events, whatever its types: a summary, and the fields of the data.
_CONTROL: dict[str, tuple[str, dict[str, Any]]] = {
    "EventsTakenBack": (
        "After a restoration: events of generations below `generation` behind `after_seq` no longer stand.",
        {"generation": {"type": "integer"}, "after_seq": {"type": "integer"}},
    ),
    "Ping": ("A test that somebody asked for.", {}),
}


def golden(type: str) -> list[dict[str, Any]]:
    """The golden examples of an event, oldest first: its data, and the facts that it means with every field shown."""
    files = sorted(GOLDEN.glob(f"{type}.*.json"), key=lambda file: int(file.name.split(".")[1]))
    return [msgspec.json.decode(file.read_bytes()) for file in files]


def document() -> dict[str, Any]:
    """The document as plain values, in an order of its own."""
    facts = sorted(set(EVENTS.values()), key=lambda fact: fact.__name__)
    _, schemas = msgspec.json.schema_components([Change[fact] for fact in facts], ref_template=_REF + "{name}")  # type: ignore[valid-type]
    schemas = _readable(schemas)
    schemas["Links"] = {
        "type": "object",
        "description": "Ids of records, by what they are to this one.",
        "additionalProperties": _UUID,
    }
    for name, schema in schemas.items():
        if name.startswith("ChangeOf"):
            schema["properties"]["links"] = {"$ref": f"{_REF}Links"}
    schemas |= {"CloudEventHeaders": _headers(), "Watermark": _WATERMARK, "CloudEvent": _structured(facts)}
    messages = {type: _message(type, fact.__name__) for type, fact in EVENTS.items()}
    messages["Watermark"] = {
        "title": "Watermark",
        "contentType": "application/json",
        "payload": {"$ref": f"{_REF}Watermark"},
    }
    messages["CloudEvent"] = {
        "title": "CloudEvent",
        "summary": "An event in structured mode, signed by the Standard Webhooks specification.",
        "contentType": "application/cloudevents+json",
        "headers": _signed(),
        "payload": {"$ref": f"{_REF}CloudEvent"},
    }
    messages |= {name: _control(name, summary, data) for name, (summary, data) in _CONTROL.items()}
    channels: dict[str, Any] = {}
    for service, events in EVENTS_OF.items():
        if not events:
            continue
        channels[service] = _topic(f"antt.{{province}}.{service}", f"All events of {service}, for ever.", events, -1)
        channels[f"{service}Watermark"] = _topic(
            f"antt.{{province}}.{service}.watermark",
            f"How fresh the events of {service} are.",
            ["Watermark"],
            3_600_000,
        )
    channels["webhooks"] = {
        "address": None,
        "description": "The URL of a webhook (POST /{service}/v1/webhooks): events of the service, of its types and units, one by one.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in ("CloudEvent", *_CONTROL)},
    }
    operations = {
        f"tell{channel[0].upper()}{channel[1:]}": {"action": "send", "channel": {"$ref": f"#/channels/{channel}"}}
        for channel in channels
    }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "antt", "version": str(DATA_VERSION), "description": _ABOUT},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": dict(sorted(schemas.items()))},
    }


def text() -> bytes:
    """docs/integrator/asyncapi.json."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=1) + b"\n"


@cache
def _served() -> bytes:
    return msgspec.json.encode(document())


router = APIRouter(tags=["events"])


@router.get("/asyncapi.json", response_model=dict[str, Any])
async def asyncapi() -> Response:
    """The AsyncAPI 3 document of the events of every service: topics, headers, data, examples."""
    return Response(_served(), media_type="application/json")


def _readable(schemas: Mapping[str, Any]) -> dict[str, Any]:
    """The schemas with names that people would give."""
    written = msgspec.json.encode(schemas).decode()
    named: dict[str, Any] = msgspec.json.decode(re.sub(r"Change(?:_(\w+?)_|\[(\w+)\])", r"ChangeOf\1\2", written))
    for schema in named.values():
        if "description" in schema:
            schema["description"] = " ".join(schema["description"].split())
    return named


def _headers() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "A CloudEvent 1.0 in Kafka's binary mode.",
        "properties": _HEADERS,
        "required": [name for name in _HEADERS if name not in _NOT_ALWAYS],
    }


def _signed() -> dict[str, Any]:
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    return {"type": "object", "properties": dict.fromkeys(names, _TEXT), "required": list(names)}


def _structured(facts: list[Any]) -> dict[str, Any]:
    properties = {
        "specversion": {"type": "string", "const": "1.0"},
        "id": _UUID,
        "source": _TEXT,
        "type": _TEXT,
        "subject": _UUID,
        "time": _TIME,
        "datacontenttype": {"type": "string", "const": "application/json"},
        "dataversion": {"type": "integer"},
        "position": {**_TEXT, "description": "service:generation:sequence; `counted=` of stats waits for it."},
        "tombstone": {
            "type": "boolean",
            "description": f"The record no longer stands: no `after`, or its state is one of {', '.join(sorted(GONE))}.",
        },
        "data": {"anyOf": [{"$ref": f"{_REF}ChangeOf{fact.__name__}"} for fact in facts]},
        "traceparent": _TEXT,
    }
    required = [name for name in properties if name not in _NOT_ALWAYS]
    return {
        "type": "object",
        "description": "A CloudEvent 1.0 in JSON.",
        "properties": properties,
        "required": required,
    }


def _control(name: str, summary: str, data: dict[str, Any]) -> dict[str, Any]:
    event: dict[str, Any] = {
        "specversion": {"type": "string", "const": "1.0"},
        "id": _UUID,
        "source": _TEXT,
        "type": {"type": "string", "const": name},
        "subject": {**_UUID, "description": "The webhook."},
        "time": _TIME,
        "datacontenttype": {"type": "string", "const": "application/json"},
        "data": {"type": "object", "properties": data, "required": list(data)},
    }
    return {
        "title": name,
        "summary": summary,
        "contentType": "application/cloudevents+json",
        "headers": _signed(),
        "payload": {"type": "object", "properties": event, "required": list(event)},
    }


def _message(type: str, fact: str) -> dict[str, Any]:
    return {
        "name": type,
        "title": type,
        "headers": {"$ref": f"{_REF}CloudEventHeaders"},
        "payload": {"$ref": f"{_REF}ChangeOf{fact}"},
        "examples": [
            {"name": f"{type}{number}", "headers": _example_headers(type), "payload": example["data"]}
            for number, example in enumerate(golden(type), 1)
        ],
    }


def _example_headers(type: str) -> dict[str, str]:
    # Where several list the event, its example is older than all these lists but the last.
    *_, service = (service for service, events in EVENTS_OF.items() if type in events)
    return {
        "ce_specversion": "1.0",
        "ce_id": "019a9d0e-6d00-7000-8000-000000000001",
        "ce_source": f"/antt/2025:79/{service}",
        "ce_type": type,
        "ce_subject": "019a9d0e-6d00-7000-8000-000000000002",
        "ce_time": "2026-11-02T13:00:00.000001+00:00",
        "ce_dataversion": str(DATA_VERSION),
        "ce_generation": "1",
        "ce_sequence": "12",
        "ce_previoussequence": "11",
        "content-type": "application/json",
    }


def _topic(address: str, description: str, messages: Iterable[str], kept_milliseconds: int) -> dict[str, Any]:
    return {
        "address": address,
        "description": description,
        "parameters": {"province": {"description": "Edition and code of the province.", "examples": ["2025-79"]}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {
            "kafka": {
                "partitions": 1,
                "topicConfiguration": {"retention.ms": kept_milliseconds},
                "bindingVersion": "0.5.0",
            }
        },
    }
