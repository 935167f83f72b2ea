"""Text as it may enter: what phones paste is taken, what reads as another is refused in words."""

import pytest
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from shared.text import Text, clean
from shared.units import fold


@pytest.mark.parametrize(
    ("pasted", "kept"),
    [
        ("Theo @\u2068Anh Ba\u2069, gọi \u202a+84 912 000 111\u202c", "Theo @Anh Ba, gọi +84 912 000 111"),
        ("gọi \u2066ngay\u2069 \u2067anh\u2069 \u202bBa\u202c\u061c", "gọi ngay anh Ba"),
        ("một\x0bhai\x0cba", "một\nhai\nba"),
        ("one\x0btwo\x0cthree", "one\ntwo\nthree"),
        ("ma\u200d tuý\u200b, ma\ufe0f tuý\U000e0041", "ma tuý, ma tuý"),
    ],
)
def test_unseen_characters_that_phones_paste_fall_away(pasted: str, kept: str) -> None:
    assert clean(pasted) == kept


@pytest.mark.parametrize(
    "whole",
    [
        "👮\u200d♂\ufe0f",
        "👨\u200d👩\u200d👧",
        "👩🏽\u200d🚒",
        "❤\ufe0f\u200d🔥",
        "🏳\ufe0f\u200d🌈",
        "🇻🇳",
        "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        "1\ufe0f\u20e3",
        "क्\u200dष",
        "می\u200cخواهم",
    ],
)
def test_signs_of_several_characters_are_kept_whole(whole: str) -> None:
    assert clean(f"thấy {whole} ở chợ") == f"thấy {whole} ở chợ"
    assert fold(f"Chợ {whole} lớn").startswith("cho ")


@pytest.mark.parametrize(
    "marked",
    [
        "M\u200dẬT",
        "\u2068MẬT\u2069",
        "MẬ\ufe0fT",
        "MA\u0302\u034f\u0323T",
        "ＭẬＴ",
        "👮\u200dđộ m\u200dật: mật",
        "tin báo\u2028MẬT",
        "tin báo\rTỐI MẬT\rhết",
        "tin báo\x0bTUYỆT\u00a0MẬT",
        "tin báo\x85M\U000e0041ẬT",
    ],
)
def test_nothing_unseen_hides_a_secrecy_mark(marked: str) -> None:
    with pytest.raises(PydanticCustomError, match="secrecy"):
        clean(marked)


@pytest.mark.parametrize(
    ("character", "vi", "en"),
    [
        ("\u202e", "đảo ngược chiều chữ (U+202E)", "reverses the direction of writing (U+202E)"),
        ("\u202d", "ép chiều chữ", "forces the direction"),
        ("\x00", "ký tự rỗng", "NUL"),
        ("\x1b", "phím Esc", "Esc key (U+001B)"),
        ("\ud83d", "nửa ký tự", "emoji cut in two"),
    ],
)
def test_a_refusal_names_the_character_in_words(character: str, vi: str, en: str) -> None:
    with pytest.raises((ValidationError, PydanticCustomError)) as refused:
        clean(f"biển số {character}51A")
    assert vi in str(refused.value)
    assert en in str(refused.value)


def test_a_text_of_nothing_that_is_seen_is_empty() -> None:
    with pytest.raises(ValidationError, match="must not be empty"):
        TypeAdapter(Text).validate_python("\u2068\u200d\ufe0f\u2069")
