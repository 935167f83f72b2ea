"""Files as phones, scanners and people who mean harm make them: plain functions with defaults."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

from PIL import Image

GPS = "21.0278"


def a_picture(
    format: str = "JPEG", size: tuple[int, int] = (97, 61), orientation: int | None = None, **options: Any
) -> bytes:
    """A picture with different corners, and all that a phone writes beside the pixels."""
    picture = Image.effect_mandelbrot(size, (-2, -1.5, 1, 1.5), 60).convert(options.pop("mode", "RGB"))
    picture.paste(picture.crop((0, 0, size[0] // 3, size[1] // 3)).point(lambda value: 255 - value), (0, 0))
    exif = Image.Exif()
    exif[0x010F] = "Maker of phones"
    exif.get_ifd(0x8825)[2] = (21.0, 1.0, 40.0)
    exif.get_ifd(0x8825)[29] = GPS
    if orientation:
        exif[0x0112] = orientation
    if format == "JPEG":
        options = {"quality": 88, "comment": "at home", **options}
    made = io.BytesIO()
    picture.save(made, format, exif=exif, **options)
    return made.getvalue()


def pixels(content: bytes) -> Image.Image:
    """What a picture shows."""
    with Image.open(io.BytesIO(content)) as picture:
        picture.load()
        return picture.copy()


def a_zip(**members: bytes) -> bytes:
    """An archive."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()


def a_bomb_of_words() -> bytes:
    """A docx of some kilobytes that unpacks to a gigabyte."""
    one = bytes(64 * 1024 * 1024)
    return a_zip(**{"[Content_Types].xml": b"<Types/>", **{f"word/document{n}.xml": one for n in range(16)}})


def a_bomb_of_pixels(side: int = 50_000) -> bytes:
    """A PNG of some hundred kilobytes that says it is 50,000 pixels wide and high, and is."""
    rows = zlib.compressobj(9)
    packed = b"".join(rows.compress(bytes(side // 8 + 1)) for _ in range(side)) + rows.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def a_pdf(*objects: bytes, head: bytes = b"", tail: bytes = b"") -> bytes:
    """A document of one empty page, and further objects."""
    body = b"%PDF-1.5\n" + head
    offsets = []
    for number, content in enumerate(
        (b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
         b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>", *objects), 1
    ):  # fmt: skip
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(offsets) + 1
    trailer = b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, len(body))
    return body + b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table) + trailer + tail


def compressed_objects(content: bytes) -> bytes:
    """An object stream of PDF 1.5, in which objects hide from who reads only what is plain."""
    packed = zlib.compress(b"9 0 " + content)
    head = b"<</Type/ObjStm/N 1/First 4/Filter/FlateDecode/Length %d>>" % len(packed)
    return head + b"\nstream\n" + packed + b"\nendstream"


def box(name: bytes, *content: bytes) -> bytes:
    """A box of a film."""
    inside = b"".join(content)
    return struct.pack(">I", len(inside) + 8) + name + inside


def a_film(brand: bytes = b"isom", place: bytes = b"+21.0278+105.8342/") -> bytes:
    """A film as far as its boxes go, with the place where a phone made it, twice."""
    return b"".join(
        (
            box(b"ftyp", brand, b"\0\0\2\0", brand),
            box(b"free", b"whatever"),
            box(b"mdat", bytes(range(256)) * 9),
            box(b"moov", box(b"mvhd", bytes(100)),
                box(b"trak", box(b"tkhd", bytes(84)), box(b"udta", b"camera")),
                box(b"udta", box(b"\xa9xyz", place)),
                box(b"meta", b"\0\0\0\0", b"com.apple.quicktime.location.ISO6709", place)),
        )
    )  # fmt: skip


def an_mp3(frames: int = 20, tag: bytes = b"") -> bytes:
    """MPEG audio, layer III, 128 kbit/s at 44,100 Hz: frames of 417 bytes."""
    return tag + (b"\xff\xfb\x90\x00" + bytes(413)) * frames


def an_ogg() -> bytes:
    """The first page of a voice message."""
    return b"OggS\0\2" + bytes(20) + b"\1\x13" + b"OpusHead" + bytes(500)


def a_wav() -> bytes:
    """A second of silence."""
    content = (
        b"WAVEfmt "
        + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8)
        + b"data"
        + struct.pack("<I", 8000)
        + bytes(8000)
    )
    return b"RIFF" + struct.pack("<I", len(content)) + content


def element(name: int, *content: bytes) -> bytes:
    """An element of a WebM."""
    inside = b"".join(content)
    return name.to_bytes((name.bit_length() + 7) // 8, "big") + (1 << 56 | len(inside)).to_bytes(8, "big") + inside


def a_webm(*more: bytes, made_by: bytes = b"", name: bytes = b"") -> bytes:
    """What a browser records: a segment and a cluster whose sizes it does not know yet."""
    return (
        b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08\x42\x82\x84webm"
        b"\x42\x87\x81\x04\x42\x85\x81\x02\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff"
        + element(0x1549A966, element(0x2AD7B1, b"\x0f\x42\x40"), element(0x4D80, made_by), element(0x5741, made_by))
        + element(0x1654AE6B, element(0xAE, element(0xD7, b"\1"), element(0x86, b"A_OPUS"), element(0x536E, name) if name else b""))
        + b"".join(more)
        + b"\x1f\x43\xb6\x75\x01\xff\xff\xff\xff\xff\xff\xff"
        + element(0xE7, b"\0") + element(0xA3, b"\x81\0\0\x80" + bytes(range(97)))
    )  # fmt: skip


def page(packet: bytes, number: int, flags: int = 0) -> bytes:
    """A page of an Ogg that holds one packet."""
    lengths = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    head = struct.pack("<4sBBqIII", b"OggS", 0, flags, 0, 7, number, 0) + bytes([len(lengths)]) + lengths
    return head[:22] + struct.pack("<I", crc_of_ogg(head + packet)) + head[26:] + packet


def crc_of_ogg(content: bytes) -> int:
    """The checksum of a page, bit by bit as RFC 3533 has it."""
    sum_of_page = 0
    for byte in content:
        sum_of_page ^= byte << 24
        for _ in range(8):
            sum_of_page = (sum_of_page << 1 ^ (0x04C11DB7 if sum_of_page & 0x80000000 else 0)) & 0xFFFFFFFF
    return sum_of_page


def an_amr() -> bytes:
    """What an old phone records."""
    return b"#!AMR\n" + b"\x3c" * 900


# Gives a new mark for a part of a file.
Note = Callable[[str], bytes]


def files_with_notes() -> dict[str, Callable[[Note], bytes]]:
    """A file of each kind, with a note wherever such files say who made them where."""
    return {
        "JPEG": lambda note: _picture_with_notes("JPEG", note),
        "PNG": lambda note: _picture_with_notes("PNG", note),
        "WebP": lambda note: _picture_with_notes("WEBP", note),
        "JPEG on its side": lambda note: _picture_with_notes("JPEG", note, orientation=6),
        "MP4": lambda note: (
            a_film(place=note("place")) + box(b"uuid", bytes(16), note("uuid")) + box(b"beam", note("box"))
        ),
        "MP3": lambda note: an_mp3(tag=_id3(note("ID3"))) + _tags_behind(note),
        "MP3 behind APE": lambda note: an_mp3(tag=_ape(note("APE before"))) + _ape(note("APE behind")),
        "AAC": lambda note: _id3(note("ID3")) + an_aac() + _tags_behind(note),
        "WAV": _wav_with_notes,
        "WAV beyond 4 GiB": lambda note: _wav_with_notes(note, long=True),
        "WebM": lambda note: a_webm(
            element(0x1254C367, element(0x7373, note("tags"))),
            element(0x1941A469, note("attached file")),
            element(0xEC, note("void")),
            made_by=note("made by"),
            name=note("name of a track"),
        ),
        "Ogg Opus": lambda note: _ogg_with_notes(b"OpusHead", b"OpusTags", note),
        "Ogg Vorbis": lambda note: _ogg_with_notes(b"\x01vorbis", b"\x03vorbis", note, b"\1"),
        "PDF": _pdf_with_notes,
    }


def _picture_with_notes(format: str, note: Note, orientation: int | None = None, alone: bool = True) -> bytes:
    picture, exif, made = Image.effect_noise((64, 48), 60).convert("RGB"), Image.Exif(), io.BytesIO()
    for tag, name in ((0x010F, "maker"), (0x013B, "artist"), (0x8298, "copyright"), (0x9C9D, "author")):
        exif[tag] = note(f"EXIF {name}").decode()
    exif.get_ifd(0x8825)[29] = note("GPS").decode()
    exif.get_ifd(0x8769)[0xA430] = note("EXIF owner").decode()
    if orientation:
        exif[0x0112] = orientation
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + note("XMP") + b"</x:xmpmeta>"
    options: dict[str, Any] = {} if format == "PNG" else {"xmp": xmp}
    if format == "JPEG" and alone:
        options["comment"] = note("comment")
    picture.save(made, format, exif=exif, **options)
    content = made.getvalue()
    if format == "PNG":
        texts = chunk(b"tEXt", b"Author\0" + note("text")) + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
        content = content[:33] + texts + content[33:]
    return content + (note("behind its end") if alone else b"")


def a_heic(size: tuple[int, int] = (96, 64), **more: Any) -> bytes:
    """What an iPhone sends."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    made = io.BytesIO()
    Image.effect_mandelbrot(size, (-2, -1.5, 1, 1.5), 60).convert("RGB").save(made, "HEIF", quality=60, **more)
    return made.getvalue()


def _heic_with_notes(note: Note) -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x013B] = note("maker").decode(), note("artist").decode()
    exif.get_ifd(0x8825)[29] = note("GPS").decode()
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + note("XMP") + b"</x:xmpmeta>"
    behind = (box(b"free", note("free")), box(b"uuid", bytes(16), note("uuid")), box(b"mdat", note("more data")))
    return a_heic(exif=exif.tobytes(), xmp=xmp) + b"".join(behind)


def _id3(content: bytes) -> bytes:
    size = len(content)
    return b"ID3\x04\0\0" + bytes(size >> shift & 127 for shift in (21, 14, 7, 0)) + content


def an_aac(frames: int = 5) -> bytes:
    """Raw AAC: frames of 200 bytes."""
    head = (0xFFF << 44 | 1 << 40 | 1 << 38 | 4 << 34 | 1 << 30 | 200 << 13 | 0x7FF << 2).to_bytes(7, "big")
    return (head + bytes(193)) * frames


def _ape(item: bytes) -> bytes:
    items = struct.pack("<II", len(item), 0) + b"Artist\0" + item
    said = struct.pack("<III", 2000, len(items) + 32, 1)
    head, foot = (b"APETAGEX" + said + struct.pack("<I", flags) + bytes(8) for flags in (0xA0000000, 0x80000000))
    return head + items + foot


def _tags_behind(note: Note) -> bytes:
    lyrics = b"LYRICSBEGIN" + b"AUT%05d" % 15 + note("Lyrics3")
    lyrics += b"%06dLYRICS200" % len(lyrics)
    return (
        _ape(note("APE")) + lyrics + b"TAG+" + note("TAG+").ljust(223, b"\0") + b"TAG" + note("ID3v1").ljust(125, b"\0")
    )


def _ogg_with_notes(head: bytes, tags: bytes, note: Note, end: bytes = b"") -> bytes:
    maker, comments = note("maker"), [b"ARTIST=" + note("comment"), b"COVER=" + bytes(40_000) + note("cover")]
    said = b"".join(struct.pack("<I", len(each)) + each for each in comments)
    packet = tags + struct.pack("<I", len(maker)) + maker + struct.pack("<I", len(comments)) + said + end
    return page(head + bytes(11), 0, flags=2) + page(packet, 1) + page(bytes(range(256)), 2) + note("behind it")


def _pdf_with_notes(note: Note) -> bytes:
    xmp = b"<?xpacket begin=''?><x:xmpmeta>%b</x:xmpmeta><?xpacket end='w'?>"
    picture = _picture_with_notes("JPEG", note, alone=False)
    plain, packed = xmp % note("XMP"), zlib.compress(xmp % note("XMP, compressed"))
    note_of_packed = note("Info, compressed")
    objects = [
        b"<</Author(%b)/Producer(%b)/CreationDate(D:2024)>>" % (note("author"), note("producer")),
        b"<</Type/Metadata/Subtype/XML/Length %d>>\nstream\n%b\nendstream" % (len(plain), plain),
        b"<</Type/Metadata/Filter/FlateDecode/Subtype/XML/Length %d>>\nstream\n%b\nendstream" % (len(packed), packed),
        compressed_objects(b"<</Author(%b)>>" % note_of_packed),
        b"<</Subtype/Image/Filter/DCTDecode>>\nstream\n%b\nendstream" % picture,
    ]
    trailers = b"trailer\n<</Root 1 0 R/Info 4 0 R>>\ntrailer\n<</Root 1 0 R/Info 9 0 R>>\n%%EOF\n"
    return b"\x1b%-12345X@PJL SET USERNAME=" + note("PJL") + b"\n" + a_pdf(*objects, tail=trailers)


def _wav_with_notes(note: Note, long: bool = False) -> bytes:
    wav = a_wav()[12:]
    if long:
        wav = wav.replace(b"data" + struct.pack("<I", 8000), b"data\xff\xff\xff\xff")
        wav = b"ds64" + struct.pack("<IQQQI", 28, 0, 8000, 8000, 0) + wav
    for name in (b"bext", b"iXML", b"LIST", b"id3 "):
        content = note(name.decode())
        wav += name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
    return (b"RF64\xff\xff\xff\xff" if long else b"RIFF" + struct.pack("<I", len(wav) + 4)) + b"WAVE" + wav
