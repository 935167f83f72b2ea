"""What is wrong with a value is told in the language of the title, whoever wrote the sentence."""

import ast
from pathlib import Path
from string import Formatter
from typing import Any

import pytest

from shared.words import VIETNAMESE, in_vietnamese
from tests.conftest import COMMUNE, Antt

TIPS = "/incidents/v1/tips"
# Functions that take a sentence of `errors[]`: the place of it among their arguments.
SAY = {"invalid": 2, "_bad": 2, "tell": 2, "_contradiction": 0, "PydanticCustomError": 1, "row_error": 2, "_wrong": 2}
VIETNAMESE_LETTERS = set("ăâđêôơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹáàãéèíìóòõúùýĩũ")


def spoken() -> dict[str, str]:
    """Every sentence of the source that may become a message of `errors[]`, and where it stands."""
    found: dict[str, str] = {}
    for path in [*Path("shared").rglob("*.py"), *Path("services").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                said = node.args[SAY[name]] if name in SAY and len(node.args) > SAY[name] else None
            elif isinstance(node, ast.Dict):
                keys = [getattr(key, "value", None) for key in node.keys]
                said = node.values[keys.index("message")] if {"message", "code"} <= set(keys) else None
            else:
                continue
            if isinstance(said, ast.Constant | ast.JoinedStr):
                found[sentence(said)] = f"{path}:{node.lineno}"
    return found


def sentence(node: ast.Constant | ast.JoinedStr) -> str:
    """The sentence, with an example where a value stands."""
    parts = [node] if isinstance(node, ast.Constant) else node.values
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in parts)


def test_every_sentence_that_refuses_a_value_has_a_vietnamese_one() -> None:
    # What an import says of a whole file, and what is said of a character, is in both languages already.
    sentences = {said: at for said, at in spoken().items() if said not in ("7 7", "{why}")}
    assert len(sentences) > 50
    missing = {at: said for said, at in sentences.items() if in_vietnamese(said).startswith("Giá trị không hợp lệ (")}
    assert not missing, "add these to shared/words.py"


def test_a_translation_names_no_value_that_its_sentence_does_not() -> None:
    for english, vietnamese in VIETNAMESE.items():
        places, automatic = english.count("{}"), 0
        for _, name, _, _ in Formatter().parse(vietnamese):
            if name is not None:
                automatic += name == ""
                assert (int(name) if name else automatic - 1) < places, english


WRONG: dict[str, Any] = {
    "missing": {"unit": COMMUNE},
    "extra_forbidden": {"unit": COMMUNE, "content": "x", "more": 1},
    "string_type": {"unit": COMMUNE, "content": 1},
    "string_too_long": {"unit": COMMUNE, "content": "x" * 20_001},
    "string_pattern_mismatch": {"unit": "x", "content": "x"},
    "uuid_parsing": {"unit": COMMUNE, "content": "x", "team_id": "x"},
    "literal_error": {"unit": COMMUNE, "content": "x", "channel": "x"},
    "model_type": [],
    "float_type": {"content": "x", "point": {"longitude": [], "latitude": 1}},
    "less_than_equal": {"content": "x", "point": {"longitude": 181, "latitude": 1}},
}


@pytest.mark.parametrize("code", WRONG)
async def test_the_messages_of_errors_follow_the_language_of_the_title(antt: Antt, code: str) -> None:
    told = {}
    for language in ("vi", "en"):
        answer = await antt.post(TIPS, WRONG[code], Accept_Language=language)
        assert answer.status_code == 422
        assert answer.headers["content-language"] == language
        told[language] = {error["code"]: error["message"] for error in answer.json()["errors"]}[code]
    assert VIETNAMESE_LETTERS & set(told["vi"].lower())
    assert told["en"].isascii()
    assert "(" not in told["vi"], "no fallback"


async def test_questions_and_open311_tell_in_vietnamese_unless_asked_otherwise(antt: Antt) -> None:
    for path in ("/stats/v1/counters?unit=x", "/teams/v1/units?limit=x", f"{TIPS}?x=1", "/incidents/v1/places/at"):
        answer = await antt.http.get(path, headers=antt.token())
        assert answer.status_code == 422, (path, answer.text)
        errors = answer.json()["errors"]
        assert errors
        assert all(VIETNAMESE_LETTERS & set(error["message"].lower()) for error in errors), errors
    form = {"service_code": "gambling", "description": "x", "lat": "10"}
    told = await antt.http.post("/incidents/open311/v2/requests.json", data=form)
    assert told.json()[0]["description"] == "lat: lat và long phải đi cùng nhau."
    told = await antt.http.post("/incidents/open311/v2/requests.json", data=form, headers={"Accept-Language": "en"})
    assert told.json()[0]["description"] == "lat: lat and long come together"
