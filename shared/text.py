"""Text as it may enter: NFC, no NUL, no lone surrogates, no other control characters, bounded."""

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

# What is refused: control characters, halves of characters, and overrides, by which a text reads as another.
_FORBIDDEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\u202d\u202e]")
# What ends a line besides LF and CR: VT and FF, as word processors paste them, NEL, and the separators of Unicode.
_LINE_ENDS = str.maketrans(dict.fromkeys("\x0b\x0c\x85\u2028\u2029", "\n"))
_OTHER_LINE_END = re.compile("[\x0b\x0c\x85\u2028\u2029]")
# What is not seen: soft hyphens, joiners, marks, embeddings and isolates of direction, fillers, selectors, tags.
_UNSEEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202c\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_INVISIBLE = re.compile(f"[{_UNSEEN}]")
_PICTURES = "\u00a9\u00ae\u203c\u2049\u20e3\u2100-\u3299\U0001f000-\U0001faff"
_INDIC = "\u0600-\u109f\u1780-\u18af\ua800-\uabff\U00010a00-\U00011fff"
# The unseen without which a sign falls apart: in an emoji of several, an Indic or Arabic word, a flag, a keycap.
_JOINING = (
    f"(?<=[{_PICTURES}\ufe0f])\u200d(?=[{_PICTURES}])|(?<=[{_INDIC}])[\u200c\u200d]|(?<=[{_PICTURES}])[\ufe0e\ufe0f]"
    "|(?<=[#*0-9])\ufe0f(?=\u20e3)|(?<=[\u3400-\u9fff\U00020000-\U0003ffff])[\ufe00-\ufe0f\U000e0100-\U000e01ef]"
    "|(?<=\U0001f3f4)[\U000e0030-\U000e007a]{1,8}\U000e007f"
)
_JOINING_OR_NOT = re.compile(f"({_JOINING})|[{_UNSEEN}]")
_NAMES = {
    "\u202d": ("ký tự ẩn ép chiều chữ từ trái sang phải", "a hidden character that forces the direction of writing"),
    "\u202e": ("ký tự ẩn đảo ngược chiều chữ", "a hidden character that reverses the direction of writing"),
    "\x00": ("ký tự rỗng", "an empty (NUL) character"),
    "\x08": ("ký tự của phím xóa lùi", "the character of the backspace key"),
    "\x1b": ("ký tự của phím Esc", "the character of the Esc key"),
    "\x7f": ("ký tự của phím xóa", "the character of the delete key"),
}
_HALF = ("một nửa ký tự (biểu tượng cảm xúc bị cắt đôi)", "half a character (an emoji cut in two)")
_CONTROL = ("ký tự điều khiển không nhìn thấy", "an unseen control character")
# The marks of the Law on the Protection of State Secrets: a line of its own, or after "Độ mật".
_SECRET = re.compile(r"^\s*(TUYỆT MẬT|TỐI MẬT|MẬT)\s*$|(?i:\bđộ mật\s*:\s*((tuyệt|tối) )?mật)", re.MULTILINE)


def clean(text: str) -> str:
    """The text in NFC, without white space at its ends and without unseen characters, but for those that hold a sign
    together (emoji of several, Indic words, flags).

    Refuses control characters and overrides of direction, naming the character, and what is marked as a state secret
    (Mật, Tối mật, Tuyệt mật): this system is not made for those.
    """
    if not text.isascii():
        if _INVISIBLE.search(text):
            text = _JOINING_OR_NOT.sub(lambda found: found[1] or "", text)
        text = unicodedata.normalize("NFC", text)
        if _OTHER_LINE_END.search(text):
            text = text.translate(_LINE_ENDS)
        if _SECRET.search(_bare(text)):
            raise PydanticCustomError("state_secret", "content marked with a secrecy level is not accepted here")
    forbidden = _FORBIDDEN.search(text)
    if forbidden:
        raise PydanticCustomError("forbidden_character", "{why}", {"why": _why_not(forbidden[0])})
    return (text.translate(_LINE_ENDS) if "\x0b" in text or "\x0c" in text else text).strip()


def without_unseen(text: str) -> str:
    """The text as it is compared: nothing that is not seen."""
    return text if text.isascii() else _INVISIBLE.sub("", text)


def _bare(text: str) -> str:
    """The text as it is read: nothing unseen, wide and other forms of letters as plain ones, every line end as LF."""
    plain = unicodedata.normalize("NFKC", without_unseen(text))
    return plain.replace("\r", "\n") if "\r" in plain else plain


def _why_not(character: str) -> str:
    code = f"U+{ord(character):04X}"
    vi, en = _NAMES.get(character, _HALF if "\ud800" <= character <= "\udfff" else _CONTROL)
    return f"có {vi} ({code}), hãy xóa hoặc gõ lại đoạn đó; there is {en} ({code}): delete it or type that part anew"


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
# A unit of any edition: `2024:74`.
UnitId = Annotated[str, Field(pattern=r"^\d{4}:\d{2,5}$", examples=["2025:25942"])]
