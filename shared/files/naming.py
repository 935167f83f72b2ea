"""The name under which a file is kept: what its sender called it, made harmless, with the ending of what it is."""

import re
import unicodedata

from pydantic_core import PydanticCustomError

from shared.files.schemas import ENDINGS, FileRefused
from shared.text import clean

# Control, format (bidirectional, zero-width), surrogate, private, unassigned characters and line separators.
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
# Characters that have a meaning to a shell or a file system.
_SPECIAL = re.compile(r"[<>:\"|?*%$`\\/]+")
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,5}$")
_MOST = 100


def harmless_name(said: str, media_type: str) -> str:
    """`..\\..\\a\\u202egpj.exe` of a JPEG is kept as `agpj.jpg`. Raises FileRefused for a mark of a state secret."""
    name = unicodedata.normalize("NFC", re.split(r"[/\\]", said)[-1])
    name = "".join(c for c in name.replace("\t", " ") if unicodedata.category(c) not in _UNSEEN)
    stem = _ENDING.sub("", name)
    stem = " ".join(_SPECIAL.sub("_", stem).split())[:_MOST].strip(" .-")
    try:
        stem = clean(stem)
    except PydanticCustomError:
        raise FileRefused(reason="state-secret") from None
    return f"{stem or 'tep'}.{ENDINGS[media_type]}"
