"""Films and sounds as phones make them: what says where and with what they were made becomes zeros."""

import mmap
import struct
from collections.abc import Iterator
from typing import NamedTuple

from services.incidents.attachments.cleaning import Refused

# Boxes that say where and with what a film was made, and those that say nothing: their content becomes zeros.
_BLANKED = {b"udta", b"meta", b"uuid", b"free", b"skip", b"wide"}
_CONTAINERS = {b"moov", b"trak", b"moof", b"traf"}
_NEEDED = {b"moov", b"mdat"}


def blank_film(file: mmap.mmap, *_: object) -> None:
    """Zeros in place of what a phone writes into a film about its place and itself; nothing moves, so all offsets hold."""
    if not {box.name for box in _boxes(file, 0, len(file))} >= _NEEDED:
        raise Refused("damaged")
    _blank(file, 0, len(file))


def _blank(file: mmap.mmap, start: int, end: int) -> None:
    for box in list(_boxes(file, start, end)):
        if box.name in _BLANKED:
            file[box.start + 4 : box.start + 8] = b"free"
            file[box.inside : box.end] = bytes(box.end - box.inside)
        elif box.name in _CONTAINERS:
            _blank(file, box.inside, box.end)


class _Box(NamedTuple):
    name: bytes
    start: int
    inside: int
    end: int


def _boxes(file: mmap.mmap, start: int, end: int) -> Iterator[_Box]:
    """The boxes of an ISO base media file (ISO 14496-12). Raises Refused where they do not fill it."""
    at = start
    while at < end:
        if end - at == 4 and file[at:end] == b"\0\0\0\0":
            return  # QuickTime ends a list of user data so.
        size, name = struct.unpack(">I4s", file[at : at + 8].ljust(8))
        inside = at + 8
        if size == 1:
            size, inside = int.from_bytes(file[at + 8 : at + 16], "big"), at + 16
        elif size == 0:
            size = end - at
        if size < inside - at or at + size > end:
            raise Refused("damaged")
        yield _Box(name, at, inside, at + size)
        at += size


def blank_sound(file: mmap.mmap, *_: object) -> None:
    """MPEG audio: at least two frames behind the tags, two bytes alone say too little; the tags' content becomes zeros."""
    end = len(file)
    at = _without_tags(file)
    for _frame in range(2):
        at += _frame_length(file[at : at + 4])
    if file[end - 128 : end - 125] == b"TAG":
        file[end - 125 : end] = bytes(125)
        end -= 128
    if file[end - 32 : end - 24] == b"APETAGEX":
        size = min(int.from_bytes(file[end - 20 : end - 16], "little") + 32, end)
        file[end - size : end] = bytes(size)


def _without_tags(file: mmap.mmap) -> int:
    """Where the sound begins: behind any number of ID3 tags, whose content becomes zeros, and the padding after them."""
    at = 0
    while file[at : at + 3] == b"ID3":
        size = sum(byte << shift for byte, shift in zip(file[at + 6 : at + 10], (21, 14, 7, 0), strict=True))
        inside, behind = at + 10, min(at + 10 + size + (10 if file[at + 5] & 0x10 else 0), len(file))
        file[inside:behind] = bytes(behind - inside)
        at = behind
        while file[at : at + 1] == b"\0":
            # A piece at a time, for padding may be a megabyte.
            piece = file[at : at + 65_536]
            at += len(piece) - len(piece.lstrip(b"\0"))
    return at


def require_adts(file: mmap.mmap, *_: object) -> None:
    """Raw AAC (ISO 13818-7): frames of the same kind, one behind the other, to the end or for a hundred of them."""
    at = 0
    for number in range(100):
        head = file[at : at + 7]
        if len(head) < 7 and number > 1:
            return
        bits = int.from_bytes(head, "big")
        length = bits >> 13 & 0x1FFF
        if len(head) < 7 or bits >> 44 != 0xFFF or bits >> 41 & 3 or bits >> 34 & 15 > 12 or length < 7:
            raise Refused("damaged")
        at += length


# What a WAV says beside its sound: who made it, where and with what.
_SOUND_ITSELF = {b"fmt ", b"data", b"fact", b"cue ", b"wavl", b"slnt"}


def blank_wav(file: mmap.mmap, *_: object) -> None:
    """A WAV whose format and sound are there, in whatever order of chunks; all other chunks become empty ones."""
    found, at, end = set[bytes](), 12, len(file)
    while at + 8 <= end:
        name, size = struct.unpack("<4sI", file[at : at + 8])
        inside = at + 8
        # A recorder that was cut off has not written how long the sound is: it lasts to the end.
        behind = min(inside + size, end)
        found.add(name)
        if name == b"fmt " and size < 14:
            raise Refused("damaged")
        if name not in _SOUND_ITSELF:
            file[at : at + 4] = b"JUNK"
            file[inside:behind] = bytes(behind - inside)
        at = behind + size % 2
    if not found >= {b"fmt ", b"data"}:
        raise Refused("damaged")


_BITRATES = {3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
             2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)}  # fmt: skip
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


def _frame_length(header: bytes) -> int:
    """The length of a frame of MPEG audio layer III (ISO 11172-3, 13818-3)."""
    bits = int.from_bytes(header, "big")
    version, layer, rate, frequency = bits >> 19 & 3, bits >> 17 & 3, bits >> 12 & 15, bits >> 10 & 3
    if bits >> 21 != 0x7FF or version == 1 or layer != 1 or rate in (0, 15) or frequency == 3 or len(header) < 4:
        raise Refused("damaged")
    first = 3 if version == 3 else 2
    return (144 if first == 3 else 72) * _BITRATES[first][rate] * 1000 // _RATES[version][frequency] + (bits >> 9 & 1)
