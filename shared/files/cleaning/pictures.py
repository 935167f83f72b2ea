"""Pictures keep their pixels and lose everything else.

What a JPEG, PNG or WebP needs to be shown is copied as it stands; EXIF, GPS, comments, thumbnails and whatever follows
the end are left out. Only a picture that lies on its side by its EXIF is decoded, turned and encoded again: a JPEG with
its own quantisation, the others without loss.
"""

import io
import mmap
import re
import struct
import zlib
from collections.abc import Callable
from typing import BinaryIO, cast

from PIL import Image, ImageCms, ImageOps
from PIL.JpegImagePlugin import get_sampling

from shared.files.cleaning import Refused

_ORIENTATION = 0x0112


def clean_picture(file: mmap.mmap, out: BinaryIO, most_pixels: int, format: str) -> None:
    """A clean copy of a picture that decodes as a whole."""
    # Some cameras forget the end marker of a JPEG: what players show is read here too, and the copy ends as it should.
    whole = _ended(file) if format == "JPEG" and b"\xff\xd9" not in file[-4096:] else file
    with Image.open(cast(BinaryIO, whole), formats=[format]) as picture:
        if picture.width * picture.height > most_pixels:
            raise Refused("too-many-pixels")
        if format == "WEBP" and getattr(picture, "is_animated", False):
            raise Refused("animated")
        icc = _honest_profile(picture.info.get("icc_profile"))
        if orientation_of(picture) != 1:
            _save_turned(picture, out, format, icc)
            return
        # At an eighth of its size a JPEG is still read to its end, in a sixty-fourth of the memory.
        picture.draft(picture.mode, (picture.width // 8, picture.height // 8))
        picture.load()
    _COPY[format](file, out, icc is not None)


def _ended(file: mmap.mmap) -> io.BytesIO:
    """A JPEG without its end marker, with one. Raises Refused where pixels are missing too.

    A decoder that has all pixels does not look at what follows them; one that has not takes it for pixels.
    """
    ended, followed = (io.BytesIO(file[:] + more + b"\xff\xd9") for more in (b"", b"\x55" * 65_536))
    if _small(ended) != _small(followed):
        raise Refused("damaged")
    return ended


def _small(file: io.BytesIO) -> bytes:
    with Image.open(file, formats=["JPEG"]) as picture:
        picture.draft(picture.mode, (picture.width // 8, picture.height // 8))
        pixels = picture.tobytes()
    file.seek(0)
    return pixels


def orientation_of(picture: Image.Image) -> int:
    """How the picture lies, by its EXIF; 1, upright, where that says nothing or cannot be read."""
    try:
        said = picture.getexif().get(_ORIENTATION)
    except (OSError, ValueError, SyntaxError, struct.error):
        return 1
    return said if isinstance(said, int) and 1 <= said <= 8 else 1


def _save_turned(picture: Image.Image, out: BinaryIO, format: str, icc: bytes | None) -> None:
    turned = ImageOps.exif_transpose(picture)
    # Nothing of the old picture's surroundings goes along but the colours.
    turned.info = {name: picture.info[name] for name in ("transparency", "gamma") if name in picture.info}
    options: dict[str, object] = {"icc_profile": icc}
    if format == "JPEG":
        tables, sampling = picture.quantization, get_sampling(picture)  # type: ignore[attr-defined]
        if orientation_of(picture) >= 5:
            # On its side, what was across is now down: the tables are turned too, so that as little as can be changes.
            tables = {n: [table[i % 8 * 8 + i // 8] for i in range(64)] for n, table in tables.items()}
            # Only 4:4:4 (0) and 4:2:0 (2) are the same both ways.
            sampling = sampling if sampling in (0, 2) else 0
        # In one scan, whatever it had: several cost more processor than the largest pictures may take.
        options |= {"qtables": tables, "subsampling": max(sampling, 0)}
    elif format == "WEBP":
        options |= {"lossless": True, "exact": True}
    made = io.BytesIO()
    turned.save(made, format, **options)
    out.write(made.getbuffer())


def _honest_profile(icc: bytes | None) -> bytes | None:
    """A profile of colours that is one, so that colours stay as they are; None for none or for anything else."""
    if not icc or len(icc) > 1024 * 1024 or struct.unpack(">I", icc[:4].ljust(4))[0] != len(icc):
        return None
    try:
        ImageCms.ImageCmsProfile(io.BytesIO(icc))
    except (OSError, ValueError):
        return None
    return icc


# What ends the coded pixels of a scan: a marker that is neither a stuffed zero nor a restart.
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def _copy_jpeg(file: mmap.mmap, out: BinaryIO, with_profile: bool) -> None:
    out.write(b"\xff\xd8")
    at = 2
    while True:
        if file[at] != 0xFF:
            raise Refused("damaged")
        while file[at + 1] == 0xFF:
            at += 1
        marker = file[at + 1]
        if marker == 0xD9:
            out.write(b"\xff\xd9")
            return
        length = int.from_bytes(file[at + 2 : at + 4], "big")
        segment = file[at + 4 : at + 2 + length]
        if length < 2 or len(segment) != length - 2:
            raise Refused("damaged")
        if marker == 0xE0 and segment[:5] == b"JFIF\0":
            # Its version and density; not the thumbnail.
            out.write(b"\xff\xe0\0\x10" + segment[:12].ljust(12, b"\0") + b"\0\0")
        elif (
            # Frames, Huffman and arithmetic tables, quantisation, line count, restart interval, scans, Adobe's transform.
            0xC0 <= marker <= 0xCF
            or 0xDA <= marker <= 0xDD
            or (marker == 0xEE and segment[:5] == b"Adobe" and length == 14)
            or (marker == 0xE2 and segment[:12] == b"ICC_PROFILE\0" and with_profile)
        ):
            out.write(file[at : at + 2 + length])
        at += 2 + length
        if marker == 0xDA:
            end = _END_OF_SCAN.search(file, at)
            if end is None:
                out.write(file[at:].rstrip(b"\xff") + b"\xff\xd9")
                return
            out.write(file[at : end.start()])
            at = end.start()


# Critical chunks, transparency, and what says how the numbers are colours; no text, time, EXIF, nor a second frame.
_PNG_CHUNKS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"cICP", b"pHYs"}


def _copy_png(file: mmap.mmap, out: BinaryIO, with_profile: bool) -> None:
    out.write(file[:8])
    at = 8
    while True:
        length, name = struct.unpack(">I4s", file[at : at + 8])
        chunk = file[at : at + 12 + length]
        if len(chunk) != 12 + length or zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
            raise Refused("damaged")
        if name in _PNG_CHUNKS or (name == b"iCCP" and with_profile):
            out.write(chunk)
        if name == b"IEND":
            return
        at += len(chunk)


def _copy_webp(file: mmap.mmap, out: BinaryIO, with_profile: bool) -> None:
    kept, at, end = [], 12, 8 + int.from_bytes(file[4:8], "little")
    while at + 8 <= end:
        name, length = struct.unpack("<4sI", file[at : at + 8])
        chunk = file[at : at + 8 + length + length % 2]
        if name == b"VP8X":
            # Its flags: profile, alpha, EXIF, XMP, animation; the last three are gone.
            flags = chunk[8] & (0x10 | (0x20 if with_profile else 0))
            kept.append(chunk[:8] + bytes([flags]) + chunk[9:])
        elif name in (b"VP8 ", b"VP8L", b"ALPH") or (name == b"ICCP" and with_profile):
            kept.append(chunk)
        at += len(chunk)
    content = b"WEBP" + b"".join(kept)
    out.write(b"RIFF" + struct.pack("<I", len(content)) + content)


# What copies the needed parts of a picture, with its profile of colours or without.
_COPY: dict[str, Callable[[mmap.mmap, BinaryIO, bool], None]] = {
    "JPEG": _copy_jpeg,
    "PNG": _copy_png,
    "WEBP": _copy_webp,
}
