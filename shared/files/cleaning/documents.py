"""PDF documents: whole to their end, and doing nothing by themselves."""

import mmap
import re
import zlib
from bisect import bisect_right

from shared.files.cleaning import Refused

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
    # What is signed says who signed it, and would not be valid any more.
    if _SIGNED.search(file) is None:
        _blank_information(file)
        _blank_metadata(file)
        _blank_pictures(file)


_SIGNED = re.compile(rb"/ByteRange\s{0,9}\[")


# Who made a document with what: the dictionary that the trailers name, in each of its versions.
_INFORMATION = re.compile(rb"/Info\s{1,9}(\d{1,9})\s{1,9}(\d{1,5})\s{1,9}R")
_MOST_INFORMATION = 50
_FIRST = re.compile(rb"/First\s{1,9}(\d{1,9})")


def _blank_information(file: mmap.mmap) -> None:
    named = {(int(found[1]), int(found[2])) for found in _INFORMATION.finditer(file)}
    if not named:
        return
    if len(named) > _MOST_INFORMATION:
        raise Refused("damaged")
    either = b"|".join(rb"0{0,9}%d\s{1,9}0{0,4}%d" % pair for pair in sorted(named))
    for found in re.finditer(rb"(?<!\d)(?:%b)\s{1,9}obj" % either, file):
        ends = file.find(b"endobj", found.end())
        if ends < 0:
            raise Refused("damaged")
        _overwrite(file, found.end(), ends, b"<<>>")
    for found in _OBJECTS.finditer(file):
        _blank_compressed(file, found, {number for number, _ in named})


def _overwrite(file: mmap.mmap, start: int, end: int, by: bytes) -> None:
    """Something else in place of what stands there, and blanks; nothing moves."""
    if len(by) > end - start:
        raise Refused("damaged")
    file[start:end] = by.ljust(end - start)


def _blank_compressed(file: mmap.mmap, found: re.Match[bytes], numbers: set[int]) -> None:
    """The same for objects that are compressed with others: those are compressed once more, into the same room."""
    objects = bytearray(_inflated(file, found.end(), _MOST_INFLATED))
    begin = file.rfind(b" obj", max(found.start() - 400, 0), found.start())
    first = _FIRST.search(file[max(begin, 0) : found.end()])
    at = int(first[1]) if first else 0
    said = bytes(objects[:at]).split()
    if not at or len(said) % 2 or not all(word.isdigit() for word in said):
        return
    places = [at + int(place) for place in said[1::2]]
    ordered = sorted({*places, len(objects)})
    which = {place for number, place in zip(said[::2], places, strict=True) if int(number) in numbers}
    for start in which & set(ordered[:-1]):
        end = ordered[bisect_right(ordered, start)]
        objects[start:end] = b"<<>>".ljust(end - start)[: end - start]
    if which:
        unpacker = zlib.decompressobj()
        packed = file[found.end() : file.find(b"endstream", found.end())]
        unpacker.decompress(packed)
        room = len(packed) - len(unpacker.unused_data)
        again = zlib.compress(bytes(objects), 9)
        if len(again) > room:
            raise Refused("damaged")
        file[found.end() : found.end() + room] = again.ljust(room, b"\0")


# XMP of a document and of its pictures: a stream that says it is one.
_METADATA = re.compile(rb"/Subtype\s{0,9}/XML(?![A-Za-z]).{0,400}?stream\r?\n", re.DOTALL)
_FLATE = re.compile(rb"/Fl(?:ate)?(?:Decode)?(?![A-Za-z])")


def _blank_metadata(file: mmap.mmap) -> None:
    for found in _METADATA.finditer(file):
        ends = file.find(b"endstream", found.end())
        if ends < 0:
            raise Refused("damaged")
        begin = file.rfind(b" obj", max(found.start() - 400, 0), found.start())
        packed = _FLATE.search(file[max(begin, 0) : found.end()]) is not None
        by = zlib.compress(b"") if packed else b""
        room = ends - found.end()
        file[found.end() : ends] = by.ljust(room, b"\0" if packed else b" ")[:room]


# EXIF and XMP of photographs in a document, where they stand in a JPEG.
_IN_PICTURES = re.compile(rb"\xff\xe1(..)(?:Exif\0\0|http://ns\.adobe\.com/x)", re.DOTALL)


def _blank_pictures(file: mmap.mmap) -> None:
    at = 0
    while found := _IN_PICTURES.search(file, at):
        at = min(found.start() + 2 + max(int.from_bytes(found[1], "big"), 2), len(file))
        file[found.start() + 4 : at] = bytes(at - found.start() - 4)


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
