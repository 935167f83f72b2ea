"""What subscribers may rely on: golden examples of every event, the AsyncAPI document, and what would break either.

`make events` adds the golden examples that are missing (of a new event, or of one that has a new
field) and writes docs/integrator/asyncapi.json anew. Golden examples are never changed or removed: the outbox keeps such events.
"""

import sys
import types
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from services.incidents.activities import workflow as activities
from services.incidents.cases import workflow as cases
from services.incidents.tips import workflow as tips
from shared.events import DATA_VERSION, EVENTS, Attachment, Case, Change, Team, TrainingClass, asyncapi, encode

DOCUMENT = Path(__file__).parents[2] / "docs" / "integrator" / "asyncapi.json"
RUN = "run `make events` and commit what it writes"

_WORDS = {"unit": "2025:25942", "kind": "gambling", "topic": "public_order", "media_type": "image/jpeg"}
_A_RECORD = "019a9d0e-6d00-7000-8000-000000000003"
_LINKS: dict[type[Any], dict[str, str]] = {
    Attachment: {"tip_id": _A_RECORD},
    Case: {"tip_id": _A_RECORD},
    Team: {},
    TrainingClass: {},
}
_STEPS = [*tips.STEPS.values(), *cases.STEPS.values(), *activities.STEPS.values()]
_BEFORE = {step.event: step.of[0] for step in _STEPS}
_AFTER = {step.event: step.to or step.of[0] for step in _STEPS}
_BEGIN = {
    "TipReceived",
    "CaseOpened",
    "ActivityEntered",
    "AttachmentAdded",
    "TeamCreated",
    "MemberRecognised",
    "TrainingHeld",
    "CertificateIssued",
}
_END = {"CertificateRevoked", "CaseWithdrawn", "AttachmentRemoved"}


def lacking() -> Iterator[tuple[str, set[str]]]:
    """Events without a golden example that shows every field, and the fields that no example shows."""
    for type in EVENTS:
        shown = {field for example in asyncapi.golden(type) for field in _shown(example["data"])}
        fields = {field.encode_name for field in msgspec.structs.fields(EVENTS[type])}
        if missing := fields - shown or ({"the event"} if not asyncapi.golden(type) else set()):
            yield type, missing


def _shown(data: dict[str, Any]) -> set[str]:
    return {field for side in ("before", "after") for field in data.get(side) or ()}


def _example(type: str) -> dict[str, Any]:
    """An example whose facts have every field, or before the change only those that must be there."""
    fact = EVENTS[type]
    before = None if type in _BEGIN else _fact(fact, type in _END, _BEFORE.get(type))
    after = None if type in _END else _fact(fact, True, _AFTER.get(type))
    change = Change(before, after, _LINKS.get(fact, {"team_id": _A_RECORD}))
    return {
        "type": type,
        "dataversion": DATA_VERSION,
        "data": msgspec.json.decode(encode(change)),
        "means": meaning(change),
    }


def meaning(change: Change[Any]) -> dict[str, Any]:
    """The facts with every field told, defaults too: what a subscriber understands."""
    sides = {"before": change.before, "after": change.after}
    told = {
        side: {name: getattr(fact, name) for name in fact.__struct_fields__}
        for side, fact in sides.items()
        if fact is not None
    }
    meant: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(told))
    return meant


def _fact(of: type[Any], full: bool, state: str | None) -> Any:
    """A fact with a value in each field, none of them its default."""
    hints = get_type_hints(of)
    values = {
        field.name: _value(field.name, hints[field.name])
        for field in msgspec.structs.fields(of)
        if full or field.required
    }
    if "state" in values and state is not None and state in get_args(hints["state"]):
        values["state"] = state
    return of(**values)


def _value(name: str, of: Any) -> Any:
    if get_origin(of) in (Union, types.UnionType):
        return _value(name, next(each for each in get_args(of) if each is not type(None)))
    if get_origin(of) is Literal:
        return get_args(of)[0]
    if get_origin(of) is tuple:
        return (_value(name, get_args(of)[0]),)
    if isinstance(of, type) and issubclass(of, msgspec.Struct):
        return _fact(of, True, None)
    plain: dict[Any, Any] = {str: _WORDS.get(name, "word"), int: 3, bool: True, date: date(2026, 11, 2)}
    return plain[of]


def breaks(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """What of the new document would break a subscriber that was written for the old one, in words."""
    for name, channel in old["channels"].items():
        now = new["channels"].get(name)
        if now is None or now["address"] != channel["address"]:
            yield f"channel {name}: it is gone, or at another address"
            continue
        for message in channel["messages"].keys() - now["messages"].keys():
            yield f"{name}: {message} is no longer told there"
    for name, message in old["components"]["messages"].items():
        now = new["components"]["messages"].get(name)
        if now is None:
            yield f"{name}: the event is gone"
            continue
        for part in ("headers", "payload"):
            if part in message:
                yield from _narrower(f"{name} {part}", message[part], now.get(part, {}), old, new)


def _narrower(at: str, old: Any, new: Any, of_old: dict[str, Any], of_new: dict[str, Any]) -> Iterator[str]:
    """The rules. A reader is broken by whatever it was promised and does not find, and by what it never had to expect;
    not by a further field that may be left out, nor by a further value of an enum."""
    old, new = _resolved(old, of_old), _resolved(new, of_new)
    kinds, now = _kinds(old, of_old), _kinds(new, of_new)
    # A change of a further fact comes with an event of a further type, which a reader passes over.
    now = {kind: each for kind, each in now.items() if kind in kinds or not kind.startswith("object:ChangeOf")}
    if kinds.keys() != now.keys():
        yield f"{at}: was {' or '.join(sorted(kinds))}, is {' or '.join(sorted(now))}"
        return
    if old.get("default", ...) != new.get("default", ...):
        yield f"{at}: left out, it means something else"
    for kind, was in kinds.items():
        become = now[kind]
        for value in sorted(set(was.get("enum", ())) - set(become.get("enum", ()))):
            yield f"{at}: the value {value} is gone"
        if was.get("const") != become.get("const"):
            yield f"{at}: another constant"
        had, has = was.get("properties", {}), become.get("properties", {})
        for name in had.keys() - has.keys():
            yield f"{at}.{name}: the field is gone"
        for name in sorted(set(become.get("required", ())) - set(was.get("required", ()))):
            yield f"{at}.{name}: it must be there now, and events of before lack it"
        for name in sorted(set(was.get("required", ())) - set(become.get("required", ()))):
            yield f"{at}.{name}: it may be left out now"
        for name in had.keys() & has.keys():
            yield from _narrower(f"{at}.{name}", had[name], has[name], of_old, of_new)
        for inner in ("items", "additionalProperties"):
            if isinstance(was.get(inner), dict):
                yield from _narrower(f"{at}[]", was[inner], become.get(inner, {}), of_old, of_new)


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _kinds(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Each kind of value that a schema allows, with what is said of it; the values of all its enums are one enum."""
    kinds: dict[str, dict[str, Any]] = {}
    for each in (_resolved(one, document) for one in schema.get("anyOf", [schema])):
        if "enum" in each:
            kinds.setdefault("enum", {"enum": []})["enum"] += each["enum"]
        else:
            kind = ":".join(filter(None, (each.get("type"), each.get("format"), each.get("title"))))
            kinds[kind] = each
    return kinds


def write() -> None:
    """Add the golden examples that are missing, and write the document; nothing where that would break a subscriber."""
    if DOCUMENT.exists() and (found := list(breaks(msgspec.json.decode(DOCUMENT.read_bytes()), asyncapi.document()))):
        sys.exit("This would break subscribers, and events of before could not be read:\n" + "\n".join(found))
    for type, _ in list(lacking()):
        file = asyncapi.GOLDEN / f"{type}.{len(asyncapi.golden(type)) + 1}.json"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(msgspec.json.format(msgspec.json.encode(_example(type)), indent=1) + b"\n")
    DOCUMENT.write_bytes(asyncapi.text())


if __name__ == "__main__":
    write()
