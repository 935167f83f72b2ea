"""Text as it may enter: NFC, no NUL, no lone surrogates, no other control characters, bounded."""

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

# Control characters but tab and line ends; surrogates; bidirectional overrides that make a text read as another.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
# What is not seen: zero-width characters and soft hyphens, which make equal words differ.
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
# The marks of the Law on the Protection of State Secrets: a line of its own, or after "Độ mật".
_SECRET = re.compile(r"^\s*(TUYỆT MẬT|TỐI MẬT|MẬT)\s*$|(?i:\bđộ mật\s*:\s*((tuyệt|tối) )?mật)", re.MULTILINE)


def clean(text: str) -> str:
    """The text in NFC, without invisible characters and white space at its ends.

    Refuses control characters, and what is marked as a state secret (Mật, Tối mật, Tuyệt mật): this system is not
    made for those.
    """
    if not text.isascii():
        text = _INVISIBLE.sub("", unicodedata.normalize("NFC", text))
        if _SECRET.search(text):
            raise PydanticCustomError("state_secret", "content marked with a secrecy level is not accepted here")
    if _FORBIDDEN.search(text):
        raise ValueError("control characters are not accepted")
    return text.strip()


def _not_empty(text: str) -> str:
    if not text:
        raise ValueError("must not be empty")
    return text


# A line of words: a name, a reason, a number of a decision.
Line = Annotated[str, Field(max_length=500), AfterValidator(clean), AfterValidator(_not_empty)]
# A text of several lines: what a tip says.
Text = Annotated[str, Field(max_length=20_000), AfterValidator(clean), AfterValidator(_not_empty)]
# A short word of a list that provinces extend: a topic, a channel, a kind of case.
Word = Annotated[str, Field(max_length=60, pattern=r"^[a-z0-9_]+$")]
# A unit of either edition: `2024:74`.
UnitId = Annotated[str, Field(pattern=r"^\d{4}:\d{2,5}$", examples=["2025:25942"])]
