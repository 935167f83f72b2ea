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


def require_frames(file: mmap.mmap, *_: object) -> None:
    """Two frames of MPEG audio, one behind the other, after the tags: two bytes alone say too little."""
    at = 0
    if file[:3] == b"ID3":
        at = 10 + sum(byte << shift for byte, shift in zip(file[6:10], (21, 14, 7, 0), strict=True))
    for _frame in range(2):
        at += _frame_length(file[at : at + 4])


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
