"""What is taken: one row for each kind of file, recognised by how it begins, never by its name."""

import mmap
import re
import struct
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from shared.files.cleaning import Refused
from shared.files.cleaning.documents import look_into_pdf
from shared.files.cleaning.films import (
    adts_length,
    begin_of_sound,
    blank_film,
    blank_ogg,
    blank_sound,
    blank_wav,
    blank_webm,
    mpeg_length,
)
from shared.files.cleaning.heic import clean_heic
from shared.files.cleaning.pictures import clean_picture


def _as_it_is(*_: object) -> None:
    """Nothing to look at beyond its first bytes."""


class FileKind(NamedTuple):
    """One kind of file: how it begins, and what is done to it; `copies` when that makes a clean copy.

    A page or an archive in what is taken out does not matter, but with `as_sent`, where it is refused as well. One that is
    `tagged` may begin behind tags (ID3, APE). `beside`: what is made of it to look at, where few programs can show it.
    """

    media_type: str
    begins: re.Pattern[bytes]
    clean: Callable[..., None]
    copies: bool = False
    as_sent: bool = False
    tagged: bool = False
    beside: str | None = None


def _film(*brands: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"....ftyp(" + b"|".join(brands) + rb")", re.DOTALL)


KINDS: tuple[FileKind, ...] = (
    FileKind("image/jpeg", re.compile(rb"\xff\xd8\xff", re.DOTALL), partial(clean_picture, format="JPEG"), copies=True),
    FileKind(
        "image/png", re.compile(rb"\x89PNG\r\n\x1a\n", re.DOTALL), partial(clean_picture, format="PNG"), copies=True
    ),
    FileKind(
        "image/webp",
        re.compile(rb"RIFF....WEBPVP8[ LX]", re.DOTALL),
        partial(clean_picture, format="WEBP"),
        copies=True,
    ),
    FileKind(
        "image/heic",
        _film(rb"hei[cxms]", rb"mif1"),
        clean_heic,
        as_sent=True,
        beside="image/jpeg",
    ),
    FileKind("audio/mp4", _film(rb"M4A ", rb"M4B "), blank_film),
    FileKind("video/quicktime", _film(rb"qt  "), blank_film),
    FileKind("video/3gpp", _film(rb"3g[pg2]."), blank_film),
    FileKind("video/mp4", _film(rb"iso[m2-9]", rb"mp4[12]", rb"avc1", rb"M4V ", rb"MSNV", rb"dash"), blank_film),
    FileKind("video/webm", re.compile(rb"\x1a\x45\xdf\xa3.{1,60}\x42\x82.webm", re.DOTALL), blank_webm, as_sent=True),
    FileKind("audio/ogg", re.compile(rb"OggS\0.{22}[\s\S]{1,3}(OpusHead|vorbis)", re.DOTALL), blank_ogg, as_sent=True),
    FileKind("audio/wav", re.compile(rb"(RIFF|RF64)....WAVE", re.DOTALL), blank_wav, as_sent=True),
    FileKind("audio/amr", re.compile(rb"#!AMR(-WB)?\n"), _as_it_is),
    FileKind(
        "audio/aac",
        re.compile(rb"\xff[\xf0\xf1\xf8\xf9]"),
        partial(blank_sound, frame_length=adts_length),
        as_sent=True,
        tagged=True,
    ),
    FileKind(
        "audio/mpeg",
        re.compile(rb"\xff[\xfb\xfa\xf3\xf2\xe3\xe2]"),
        partial(blank_sound, frame_length=mpeg_length),
        as_sent=True,
        tagged=True,
    ),
    # Printers and gateways put lines of text before a document: commands of PJL, headers, blanks, a byte order mark; but
    # no line by which a script, a program, a picture or a page is known. Last, for some others begin with text.
    FileKind(
        "application/pdf",
        re.compile(rb"(?:\xef\xbb\xbf)?(?!\s*(?:#!|MZ|GIF8|BM|<|\{\\rtf))[\0\t\n\f\r\x1b -~]{0,1024}?%PDF-[12]\.\d"),
        look_into_pdf,
        as_sent=True,
    ),
)

_HEAD = 2_048


def kind_of(content: mmap.mmap) -> FileKind:
    """What a file is. Raises Refused for what is none of these."""
    tags = begin_of_sound(content)
    for kind in KINDS:
        if (kind.tagged or not tags) and kind.begins.match(content[tags : tags + _HEAD]):
            return kind
    raise Refused("damaged" if tags else "unknown-kind")


# Readers of web pages look at the beginning, of archives at the end; what is both a picture and one of those is neither.
_PAGE = re.compile(rb"<(!doctype|html|head|body|script|svg|iframe|style|title|table|\?php)", re.IGNORECASE)
_SNIFFED = 1500
_ARCHIVE = re.compile(rb"Rar!\x1a\x07|7z\xbc\xaf\x27\x1c|MSCF\0\0\0\0|!<arch>\n|\x7fELF[\x01\x02][\x01\x02]\x01")
_SEARCHED = 1024 * 1024


def require_one_kind(content: mmap.mmap, media_type: str) -> None:
    """Raise Refused where another program would take the file for a page, an archive, a program or a document."""
    if _PAGE.search(content[:_SNIFFED]) or _ARCHIVE.search(content[:_SEARCHED]) or _is_zip(content):
        raise Refused("polyglot")
    if media_type != "application/pdf" and b"%PDF-" in content[:_SNIFFED]:
        raise Refused("polyglot")


def _is_zip(content: mmap.mmap) -> bool:
    """Whether an unpacker would find an archive: the record at its end, which points to its directory or to the end."""
    begin = max(0, len(content) - 65_557)
    tail = content[begin:]
    for found in re.finditer(rb"PK\x05\x06", tail):
        record = tail[found.start() : found.start() + 22]
        if len(record) < 22:
            continue
        size, offset, comment = struct.unpack("<IIH", record[12:22])
        at = begin + found.start()
        if at + 22 + comment == len(content) or content[max(at - size, 0) : max(at - size, 0) + 4] == b"PK\x01\x02":
            return True
        if content[offset : offset + 4] == b"PK\x01\x02":
            return True
    return False
