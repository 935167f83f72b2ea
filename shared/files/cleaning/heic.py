"""HEIC, as iPhones make pictures: kept as it is but for what no picture in it needs, and a JPEG beside it to look at."""

import io
import mmap
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, cast

from PIL import Image

from shared.files.cleaning import Refused
from shared.files.cleaning.films import Box, boxes

# More takes longer to decode than a file may take, whatever pictures of other kinds may have.
_MOST_MEGAPIXELS = 64
_TOP = {b"ftyp", b"meta", b"mdat"}
_META = {b"hdlr", b"pitm", b"iloc", b"iinf", b"iref", b"iprp", b"idat"}
# Pictures, and what puts them together; no EXIF, no XMP, nothing that is an item of another kind.
_PICTURES = {b"hvc1", b"grid", b"iovl", b"iden", b"tmap"}
# EXIF that says nothing, for programs that take no zeros for it.
_NO_EXIF = bytes(4) + b"MM\0*\0\0\0\x08" + bytes(6)
# What a picture says of itself: its size, its colours, how it lies. Not its description.
_PROPERTIES = {
    b"ispe", b"pixi", b"hvcC", b"colr", b"irot", b"imir", b"clap", b"pasp", b"auxC", b"lsel", b"clli", b"mdcv", b"cclv",
}  # fmt: skip


def clean_heic(file: mmap.mmap, out: BinaryIO, most_pixels: int) -> None:
    """Zeros in place of all that no picture in it refers to, and the picture as a JPEG in `out`."""
    _blank(file)
    import pillow_heif

    pillow_heif.options.DECODE_THREADS = 1
    pillow_heif.options.THUMBNAILS = False
    pillow_heif.register_heif_opener()
    with Image.open(cast(BinaryIO, io.BytesIO(file[:])), formats=["HEIF"]) as picture:
        most = min(most_pixels, _MOST_MEGAPIXELS * 1_000_000)
        if picture.width * picture.height > most:
            raise Refused("too-many-pixels", most // 1_000_000)
        # It has been turned the right way up by the properties that say how it lies.
        shown = picture.convert("RGB")
        icc = picture.info.get("icc_profile")
    made = io.BytesIO()
    shown.info = {}
    shown.save(made, "JPEG", quality=88, icc_profile=icc)
    out.write(made.getbuffer())


class _Piece(NamedTuple):
    """A piece of an item: in the file, or in the box of small data."""

    in_data: bool
    start: int
    length: int


def _blank(file: mmap.mmap) -> None:
    found = {box.name: box for box in _only(file, 0, len(file), _TOP)}
    if not found.keys() >= {b"ftyp", b"meta"}:
        raise Refused("damaged")
    meta = found[b"meta"]
    inside = {box.name: box for box in _only(file, meta.inside + 4, meta.end, _META)}
    if not inside.keys() >= {b"pitm", b"iloc", b"iinf", b"iprp"}:
        raise Refused("damaged")
    items = _items(file, inside[b"iinf"])
    for box in _only(file, inside[b"iprp"].inside, inside[b"iprp"].end, {b"ipco", b"ipma"}):
        if box.name == b"ipco":
            list(_only(file, box.inside, box.end, _PROPERTIES))
    data = inside.get(b"idat")
    kept, exif = list[tuple[int, int]](), list[tuple[int, int]]()
    for item, pieces in _places(file, inside[b"iloc"]).items():
        placed = [(piece.start + (data.inside if piece.in_data and data else 0), piece.length) for piece in pieces]
        if items.get(item) in _PICTURES:
            kept += placed
        elif items.get(item) == b"Exif":
            exif += placed[:1]
    for box in [*(box for box in boxes(file, 0, len(file)) if box.name == b"mdat"), *([data] if data else [])]:
        _keep(file, box.inside, box.end, kept)
        for start, length in exif:
            if box.inside <= start and start + length <= box.end and length >= len(_NO_EXIF):
                file[start : start + len(_NO_EXIF)] = _NO_EXIF


def _only(file: mmap.mmap, start: int, end: int, known: set[bytes]) -> Iterator[Box]:
    """The boxes that are known; the others become free space."""
    for box in list(boxes(file, start, end)):
        if box.name in known:
            yield box
        else:
            file[box.start + 4 : box.start + 8] = b"free"
            file[box.inside : box.end] = bytes(box.end - box.inside)


def _items(file: mmap.mmap, box: Box) -> dict[int, bytes]:
    """What each item is; none keeps a name."""
    wide = file[box.inside] != 0
    items: dict[int, bytes] = {}
    for entry in boxes(file, box.inside + (8 if wide else 6), box.end):
        if entry.name != b"infe" or file[entry.inside] not in (2, 3):
            raise Refused("damaged")
        size = 4 if file[entry.inside] == 3 else 2
        at = entry.inside + 4
        items[int.from_bytes(file[at : at + size], "big")] = file[at + size + 2 : at + size + 6]
        file[at + size + 6 : entry.end] = bytes(max(entry.end - at - size - 6, 0))
    return items


def _places(file: mmap.mmap, box: Box) -> dict[int, list[_Piece]]:
    """Where each item lies (ISO 14496-12, 8.11.3)."""
    content = io.BytesIO(file[box.inside : box.end])

    def number(size: int) -> int:
        read = content.read(size)
        if len(read) < size:
            raise Refused("damaged")
        return int.from_bytes(read, "big")

    version, _, sizes, more = number(1), number(3), number(1), number(1)
    offsets, lengths, bases, indexes = sizes >> 4, sizes & 15, more >> 4, more & 15 if version else 0
    places: dict[int, list[_Piece]] = {}
    for _ in range(number(4 if version == 2 else 2)):
        item = number(4 if version == 2 else 2)
        method = number(2) & 15 if version else 0
        number(2)
        base = number(bases)
        if method > 1 or item in places:
            raise Refused("damaged")
        pieces = places[item] = []
        for _ in range(number(2)):
            number(indexes)
            pieces.append(_Piece(method == 1, base + number(offsets), number(lengths)))
    return places


def _keep(file: mmap.mmap, start: int, end: int, kept: list[tuple[int, int]]) -> None:
    """Zeros between what is kept."""
    at = start
    for begins, length in sorted(kept):
        if start <= begins < end:
            if begins > at:
                file[at:begins] = bytes(begins - at)
            at = max(at, min(begins + length, end)) if length else end
    file[at:end] = bytes(end - at)
