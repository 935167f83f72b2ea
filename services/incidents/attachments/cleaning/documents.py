"""PDF documents: whole to their end, and doing nothing by themselves."""

import mmap
import re
import zlib

from services.incidents.attachments.cleaning import Refused

# What a document does by itself, or carries with it.
_ACTIVE = re.compile(rb"/(JavaScript|Launch|EmbeddedFiles?|RichMedia|SubmitForm|ImportData)(?![A-Za-z])|/XFA\s*[\[\d]")
_ENCRYPTED = re.compile(rb"/Encrypt(?![A-Za-z])")
_OBJECTS = re.compile(rb"/ObjStm.{0,400}?stream\r?\n", re.DOTALL)
_MOST_INFLATED = 32 * 1024 * 1024


def look_into_pdf(file: mmap.mmap, *_: object) -> None:
    """A PDF that is one to its end and does nothing by itself; compressed objects are looked into too."""
    if b"%%EOF" not in file[-1024:]:
        raise Refused("damaged")
    if _ENCRYPTED.search(file):
        raise Refused("encrypted")
    left = _MOST_INFLATED
    parts: list[bytes | mmap.mmap] = [file]
    for found in _OBJECTS.finditer(file):
        try:
            inflated = zlib.decompressobj().decompress(file[found.end() : found.end() + left], left)
        except zlib.error:
            continue  # Another filter, as fax pictures have; nobody's reader finds objects there.
        parts.append(inflated)
        left -= len(inflated)
        if left <= 0:
            raise Refused("too-large-inside")
    if any(_ACTIVE.search(_without_escapes(part)) for part in parts):
        raise Refused("active")


def _without_escapes(content: bytes | mmap.mmap) -> bytes | mmap.mmap:
    """The content with names written plainly: /J#61vaScript is /JavaScript."""
    if re.search(rb"/[A-Za-z]*#[4-7][0-9A-Fa-f]", content) is None:
        return content
    return re.sub(rb"#([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), content)
