"""Films and sounds as phones make them: what says where and with what they were made becomes zeros."""

import mmap
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from shared.files.cleaning import Refused

# What a film is made of, box by box from the file (b"") down; whatever a phone or an app adds beside these, as user data, a
# place, its own boxes, becomes zeros.
_KNOWN = {
    b"": {b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"mfra", b"sidx", b"ssix", b"pdin", b"prft"},
    b"moov": {b"mvhd", b"trak", b"mvex", b"iods", b"pssh"},
    b"trak": {b"tkhd", b"edts", b"mdia", b"tref", b"tapt", b"load"},
    b"moof": {b"mfhd", b"traf", b"pssh"},
    b"traf": {b"tfhd", b"trun", b"tfdt", b"sdtp", b"sbgp", b"sgpd", b"saiz", b"saio", b"subs", b"senc"},
}
_NEEDED = {b"moov", b"mdat"}


def blank_film(file: mmap.mmap, *_: object) -> None:
    """Zeros in place of what a phone writes into a film about its place and itself; nothing moves, so all offsets hold."""
    if not {box.name for box in boxes(file, 0, len(file))} >= _NEEDED:
        raise Refused("damaged")
    _blank(file, 0, len(file), b"")


def _blank(file: mmap.mmap, start: int, end: int, of: bytes) -> None:
    for box in list(boxes(file, start, end)):
        if box.name not in _KNOWN[of]:
            file[box.start + 4 : box.start + 8] = b"free"
            file[box.inside : box.end] = bytes(box.end - box.inside)
        elif box.name in _KNOWN:
            _blank(file, box.inside, box.end, box.name)


class Box(NamedTuple):
    """A box: its name, where it begins, where its content does, and where it ends."""

    name: bytes
    start: int
    inside: int
    end: int


def boxes(file: mmap.mmap, start: int, end: int) -> Iterator[Box]:
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
        yield Box(name, at, inside, at + size)
        at += size


# Elements of WebM (RFC 9559): those that are entered, and in each those that stay; the others become void elements.
_SEGMENT, _INFO, _TRACKS, _TRACK, _CLUSTER, _CUES, _SEEK = (
    0x18538067, 0x1549A966, 0x1654AE6B, 0xAE, 0x1F43B675, 0x1C53BB6B, 0x114D9B74,
)  # fmt: skip
_VOID = 0xEC
_KEPT = {
    # Of clusters whose size is not known what is in them, too: time, blocks, positions.
    _SEGMENT: {_SEEK, _INFO, _TRACKS, _CLUSTER, _CUES, 0xE7, 0xA3, 0xA0, 0xA7, 0xAB, 0x5854, 0xAF},
    # Scale, duration, UUID; the program and the library, which must be there, but empty.
    _INFO: {0x2AD7B1, 0x4489, 0x73A4, 0x4D80, 0x5741},
    _TRACKS: {_TRACK},
}
# Of a track its name and its codec's.
_DROPPED = {0x536E, 0x258688, 0xBF}
_EMPTIED = {0x4D80, 0x5741}


def blank_webm(file: mmap.mmap, *_: object) -> None:
    """A WebM without its tags, titles and attached files: they become void elements, so that all offsets hold."""
    size, inside = _number(file, 4, marked=False)
    at = inside + size
    if file[at : at + 4] != _SEGMENT.to_bytes(4, "big"):
        raise Refused("damaged")
    # A segment goes to the end of the file, and a browser does not know its size while it writes.
    _blank_elements(file, _number(file, at + 4, marked=False)[1], len(file), _SEGMENT)


def _blank_elements(file: mmap.mmap, at: int, end: int, of: int) -> None:
    while at < end:
        name, sized = _number(file, at, marked=True)
        size, inside = _number(file, sized, marked=False)
        if not name or inside == sized or inside > end:
            # Nothing that players could read: they go on at the next cluster.
            found = file.find(_CLUSTER.to_bytes(4, "big"), at + 1, end) if of == _SEGMENT else -1
            behind = found if found >= 0 else end
            file[at:behind] = bytes(behind - at)
        elif size == (1 << 7 * (inside - sized)) - 1:
            # Of unknown size, as a browser writes clusters: what is in it follows as if it stood beside.
            behind = inside
        else:
            # What was cut off lasts to the end.
            behind = min(inside + size, end)
            if name in _DROPPED if of == _TRACK else name not in _KEPT[of]:
                _void(file, at, behind)
            elif name in _EMPTIED and of == _INFO:
                file[inside:behind] = bytes(behind - inside)
            elif name in _KEPT or name == _TRACK:
                _blank_elements(file, inside, behind, name)
        at = behind


def _number(file: mmap.mmap, at: int, marked: bool) -> tuple[int, int]:
    """A number of variable length, with its mark of length as names have it, and where it ends; there where none is."""
    first = file[at] if at < len(file) else 0
    length = 9 - first.bit_length()
    if length > (4 if marked else 8) or at + length > len(file):
        return 0, at
    number = int.from_bytes(file[at : at + length], "big")
    return (number if marked else number & ((1 << 7 * length) - 1)), at + length


def _void(file: mmap.mmap, start: int, end: int) -> None:
    """A void element in place of another."""
    length = end - start
    size = 8 if length >= 9 else 1
    mark = 1 << 7 * size
    file[start:end] = bytes([_VOID]) + (mark | length - 1 - size).to_bytes(size, "big") + bytes(length - 1 - size)


# What the second packet of a stream begins and ends with where it says who made it: codec by its first packet.
_COMMENTS = {b"OpusHead": (b"OpusTags", b""), b"\x01vorbis": (b"\x03vorbis", b"\x01")}
_BITS_TURNED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def blank_ogg(file: mmap.mmap, *_: object) -> None:
    """An Ogg (RFC 3533) whose streams say nothing but their sound: each has an empty comment of the same length."""
    at, streams = 0, dict[bytes, _Stream]()
    while at < len(file):
        head = file[at : at + 27]
        lengths = file[at + 27 : at + 27 + head[26]] if len(head) == 27 and head[:4] == b"OggS" else b""
        if not lengths and head[:4] != b"OggS":
            # Players go on at the next page.
            found = file.find(b"OggS", at + 1)
            behind = found if found >= 0 else len(file)
            file[at:behind] = bytes(behind - at)
            at = behind
            continue
        if head[5] & 2 or head[14:18] not in streams:
            streams[head[14:18]] = _Stream([], [])
        inside, stream = at + 27 + len(lengths), streams[head[14:18]]
        for length in lengths:
            if len(stream.ended) < 2:
                stream.pieces.append((at, inside, inside + length))
                if length < 255:
                    _end_packet(file, stream)
            inside += length
        at = max(inside, at + 27)


class _Stream(NamedTuple):
    """The first packets of a stream that have ended, and the pieces of the next one: its page, from where to where."""

    ended: list[bytes]
    pieces: list[tuple[int, int, int]]


def _end_packet(file: mmap.mmap, stream: _Stream) -> None:
    packet = b"".join(file[start:end] for _, start, end in stream.pieces)
    if stream.ended:
        begins, ends = next((said for head, said in _COMMENTS.items() if stream.ended[0].startswith(head)), (b"", b""))
        room = len(packet) - len(begins) - 8 - len(ends)
        if not begins or not packet.startswith(begins) or room < 0:
            raise Refused("damaged")
        # The maker's name fills it with blanks, and no comment follows.
        packet = begins + struct.pack("<I", room) + b" " * room + bytes(4) + ends
        at = 0
        for _, start, end in stream.pieces:
            file[start:end] = packet[at : at + end - start]
            at += end - start
        for page in dict.fromkeys(page for page, _, _ in stream.pieces):
            _check_page(file, page)
    stream.ended.append(packet[:8])
    stream.pieces.clear()


def _check_page(file: mmap.mmap, at: int) -> None:
    """Write a page's checksum anew: CRC-32 with its bits the other way around, from zero and as it is."""
    lengths = file[at + 27 : at + 27 + file[at + 26]]
    file[at + 22 : at + 26] = bytes(4)
    turned = file[at : at + 27 + len(lengths) + sum(lengths)].translate(_BITS_TURNED)
    sum_of_page = zlib.crc32(turned, 0xFFFFFFFF) ^ 0xFFFFFFFF
    file[at + 22 : at + 26] = sum_of_page.to_bytes(4, "little").translate(_BITS_TURNED)[::-1]


def blank_sound(file: mmap.mmap, *_: object, frame_length: Callable[[bytes], int]) -> None:
    """A sound of frames: at least two behind the tags, two bytes alone say too little; the tags' content becomes zeros."""
    at = _without_tags(file)
    for _frame in range(2):
        at += frame_length(file[at : at + 7])
    _blank_tags_behind(file, at)


def begin_of_sound(file: mmap.mmap) -> int:
    """Where the sound begins: behind any number of tags (ID3, APE) and the padding after them."""
    return next(reversed([0, *(end for _, end in _tags_before(file))]))


def _without_tags(file: mmap.mmap) -> int:
    at = 0
    for inside, at in list(_tags_before(file)):
        file[inside:at] = bytes(at - inside)
    return at


def _tags_before(file: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Where the content of each tag begins and where it and its padding end."""
    at = 0
    while True:
        head = file[at : at + 32]
        if head[:3] == b"ID3" and len(head) >= 10:
            inside, at = at + 10, at + 10 + _synchsafe(head[6:10]) + (10 if head[5] & 0x10 else 0)
        elif head[:8] == b"APETAGEX" and len(head) == 32:
            inside, at = at + 32, at + 32 + int.from_bytes(head[12:16], "little")
        else:
            return
        at = min(at, len(file))
        while file[at : at + 1] == b"\0":
            # A piece at a time, for padding may be a megabyte.
            piece = file[at : at + 65_536]
            at += len(piece) - len(piece.lstrip(b"\0"))
        yield inside, at


def _blank_tags_behind(file: mmap.mmap, sound: int) -> None:
    """Zeros in place of the tags that follow a sound, which are found from the end, in whatever order they come."""
    end = len(file)
    while size := min(_size_of_tag(file, sound, end), end - sound):
        file[end - size : end] = bytes(size)
        end -= size


def _size_of_tag(file: mmap.mmap, sound: int, end: int) -> int:
    """How long the tag is that ends there, 0 where none does: ID3v1 and its extension, Lyrics3, APE, ID3 at the end."""
    if file[max(end - 128, sound) : end - 125] == b"TAG":
        return 128 + 227 * (file[max(end - 355, sound) : end - 351] == b"TAG+")
    tail = file[max(end - 32, sound) : end]
    if tail[-9:] == b"LYRICS200" and tail[-15:-9].isdigit():
        return int(tail[-15:-9]) + 15
    if tail[-9:] == b"LYRICSEND":
        return end - max(file.rfind(b"LYRICSBEGIN", max(end - 5_200, sound), end), end - 5_200)
    if tail[:8] == b"APETAGEX" and len(tail) == 32:
        # With a header, which its size leaves out.
        return max(int.from_bytes(tail[12:16], "little") + (32 if tail[23] & 0x80 else 0), 32)
    return _synchsafe(tail[-4:]) + 20 if tail[-10:-7] == b"3DI" else 0


def _synchsafe(size: bytes) -> int:
    return sum(byte << shift for byte, shift in zip(size, (21, 14, 7, 0), strict=True))


def adts_length(header: bytes) -> int:
    """The length of a frame of raw AAC (ISO 13818-7)."""
    bits = int.from_bytes(header, "big")
    length = bits >> 13 & 0x1FFF
    if len(header) < 7 or bits >> 44 != 0xFFF or bits >> 41 & 3 or bits >> 34 & 15 > 12 or length < 7:
        raise Refused("damaged")
    return length


# What a WAV says beside its sound: who made it, where and with what.
_SOUND_ITSELF = {b"fmt ", b"data", b"fact", b"ds64", b"cue ", b"wavl", b"slnt"}
_BESIDE = {b"LIST", b"JUNK", b"bext", b"iXML", b"id3 ", b"fact"}


def blank_wav(file: mmap.mmap, *_: object) -> None:
    """A WAV whose format and sound are there, in whatever order of chunks; all other chunks become empty ones."""
    found, at, end, long = set[bytes](), 12, len(file), 0
    while at + 8 <= end:
        name, size = struct.unpack("<4sI", file[at : at + 8])
        inside = at + 8
        if name == b"ds64":
            long = int.from_bytes(file[inside + 8 : inside + 16], "little")
        if name == b"data" and (size == 0xFFFFFFFF or (size == 0 and file[inside : inside + 4] not in _BESIDE)):
            # Of a sound beyond 4 GiB the size stands in another chunk; a recorder that was cut off has written none.
            size = long or end - inside
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


def mpeg_length(header: bytes) -> int:
    """The length of a frame of MPEG audio layer III (ISO 11172-3, 13818-3)."""
    header = header[:4]
    bits = int.from_bytes(header, "big")
    version, layer, rate, frequency = bits >> 19 & 3, bits >> 17 & 3, bits >> 12 & 15, bits >> 10 & 3
    if bits >> 21 != 0x7FF or version == 1 or layer != 1 or rate in (0, 15) or frequency == 3 or len(header) < 4:
        raise Refused("damaged")
    first = 3 if version == 3 else 2
    return (144 if first == 3 else 72) * _BITRATES[first][rate] * 1000 // _RATES[version][frequency] + (bits >> 9 & 1)
