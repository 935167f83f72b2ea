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
    ends = file.rfind(b"%%EOF")
    # Scanners pad what they send with zeros; nothing else comes behind the end but a line or two.
    if ends < 0 or (len(file) - ends > 1_024 and file[ends + 5 :].strip(b"\0\t\n\r\x1a ")):
        raise Refused("damaged")
    if _ENCRYPTED.search(file):
        raise Refused("encrypted")
    left = _MOST_INFLATED
    parts: list[bytes | mmap.mmap] = [file]
    for found in _OBJECTS.finditer(file):
        inflated = _inflated(file, found.end(), left)
        parts.append(inflated)
        left -= len(inflated)
        if left <= 0:
            raise Refused("too-large-inside")
    if any(_ACTIVE.search(_without_escapes(part)) for part in parts):
        raise Refused("active")
    # What a printer or a gateway has put before it is for nobody else, and may name who printed it. Nothing moves.
    begins = file.find(b"%PDF-")
    file[:begins] = b"\n" * begins


def _inflated(file: mmap.mmap, at: int, most: int) -> bytes:
    """What is compressed there, `most` bytes of it; nothing for another filter, as fax pictures have: nobody's reader
    finds objects there. A little is read first, so that a thousand places that are none cost little."""
    unpacker, parts, length, piece = zlib.decompressobj(), list[bytes](), 0, 1_024
    try:
        while at < len(file) and length < most and not unpacker.eof:
            parts.append(unpacker.decompress(unpacker.unconsumed_tail or file[at : at + piece], most - length))
            length += len(parts[-1])
            if not unpacker.unconsumed_tail:
                at, piece = at + piece, 65_536
    except zlib.error:
        return b"".join(parts) if length > 1_024 else b""
    return b"".join(parts)


def _without_escapes(content: bytes | mmap.mmap) -> bytes | mmap.mmap:
    """The content with names written plainly: /J#61vaScript is /JavaScript."""
    if re.search(rb"/[A-Za-z]*#[4-7][0-9A-Fa-f]", content) is None:
        return content
    return re.sub(rb"#([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), content)
