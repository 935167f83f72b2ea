"""Files that ordinary players open and that were refused in the field: taken, and without what says who made them where."""

import io
import re
import struct
import time
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

import pypdfium2
import pytest
import typst
from PIL import Image, ImageChops, ImageStat

from shared.files.cleaning import Refused
from shared.files.cleaning.__main__ import clean
from shared.files.cleaning.kinds import KINDS
from shared.files.schemas import ENDINGS
from shared.settings import Settings
from tests.shared.files.made import a_heic, a_pdf, a_wav, an_aac, an_mp3, crc_of_ogg, files_with_notes

CASES = Path(__file__).parents[2] / "cases"
MARK = b"Nguyen Van Kin 0912000111"
PIXELS = Settings.model_fields["attachment_megapixels"].default * 1_000_000


def cleaned(content: bytes) -> tuple[object, bytes]:
    """The media type of a file, and what is stored of it."""
    with TemporaryFile() as file, TemporaryFile() as copy:
        file.write(content)
        verdict = clean(file, copy, PIXELS)
        kept = copy if verdict["copied"] else file
        kept.seek(0)
        return verdict["media_type"], kept.read()


@pytest.mark.parametrize(
    ("case", "media_type"),
    [
        ("wav-junk-before-fmt", "audio/wav"),
        ("mp3-padding-after-id3", "audio/mpeg"),
        ("mp3-two-id3", "audio/mpeg"),
        ("jpeg-no-eoi", "image/jpeg"),
        ("pdf-nul-padding", "application/pdf"),
        ("pdf-pjl-before", "application/pdf"),
        ("pdf-xmp-xml-first", "application/pdf"),
        ("voice-aac-adts", "audio/aac"),
        ("picture-64-megapixels", "image/png"),
    ],
)
def test_what_ordinary_players_open_is_taken(case: str, media_type: str) -> None:
    (file,) = (CASES / case).glob("input.*")
    assert cleaned(file.read_bytes())[0] == media_type


def test_every_kind_that_is_taken_has_an_ending_for_its_name() -> None:
    assert {kind.media_type for kind in KINDS} == set(ENDINGS)


def test_what_a_printer_says_before_a_document_is_not_stored() -> None:
    (file,) = (CASES / "pdf-pjl-before").glob("input.*")
    _, document = file.read_bytes().split(b"%PDF-", 1)
    for before in (b'\x1b%-12345X@PJL SET USERNAME="' + MARK + b'"\n', b"\r\n \0", b"X-From: " + MARK + b"\n\n"):
        _, kept = cleaned(before + b"%PDF-" + document)
        assert kept == b"\n" * len(before) + b"%PDF-" + document


def test_a_jpeg_without_its_end_gets_one_and_keeps_every_pixel() -> None:
    (file,) = (CASES / "jpeg-no-eoi").glob("input.*")
    _, kept = cleaned(file.read_bytes())
    assert kept.endswith(b"\xff\xd9")
    with Image.open(io.BytesIO(kept)) as ours, Image.open(io.BytesIO(file.read_bytes() + b"\xff\xd9")) as theirs:
        assert ours.tobytes() == theirs.tobytes()


def frame() -> bytes:
    return b"\xff\xfb\x90\x00" + bytes(413)


def tag(content: bytes) -> bytes:
    size = len(content)
    return b"ID3\x04\0\0" + bytes(size >> shift & 127 for shift in (21, 14, 7, 0)) + content


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def test_the_tags_of_sounds_are_not_stored_and_the_sound_is() -> None:
    sound = frame() * 3
    ape = MARK + b"APETAGEX" + struct.pack("<IIII", 2000, len(MARK) + 32, 1, 0) + bytes(8)
    for content in (
        tag(MARK) + sound,
        tag(MARK) + bytes(5_000) + tag(MARK) + sound + b"TAG" + MARK.ljust(125, b"\0"),
        sound + ape,
    ):
        _, kept = cleaned(content)
        assert (MARK in kept, sound in kept, len(kept)) == (False, True, len(content))
    format = struct.pack("<HHIIHH", 1, 1, 8_000, 16_000, 2, 16)
    pcm = bytes(range(256)) * 4
    wav = b"WAVE" + chunk(b"bext", MARK * 30) + chunk(b"fmt ", format) + chunk(b"LIST", b"INFOIART" + MARK)
    wav += chunk(b"iXML", MARK) + chunk(b"data", pcm) + chunk(b"id3 ", MARK)
    content = b"RIFF" + struct.pack("<I", len(wav)) + wav
    _, kept = cleaned(content)
    assert (MARK in kept, pcm in kept, format in kept, len(kept)) == (False, True, True, len(content))


def test_a_heic_is_kept_as_it_is_and_a_jpeg_of_it_beside() -> None:
    sent = a_heic()
    with TemporaryFile() as file, TemporaryFile() as copy:
        file.write(sent)
        verdict = clean(file, copy, PIXELS)
        file.seek(0)
        copy.seek(0)
        kept, made = file.read(), copy.read()
    assert verdict == {"media_type": "image/heic", "copied": False, "beside": "image/jpeg"}
    assert len(kept) == len(sent)
    with (
        Image.open(io.BytesIO(kept)) as ours,
        Image.open(io.BytesIO(sent)) as theirs,
        Image.open(io.BytesIO(made)) as jpeg,
    ):
        assert ours.tobytes() == theirs.tobytes()
        assert (jpeg.format, jpeg.size) == ("JPEG", (96, 64))
        assert ImageStat.Stat(ImageChops.difference(jpeg, theirs.convert("RGB"))).mean < [6, 6, 6]


def test_a_heic_that_lies_on_its_side_is_shown_upright_and_its_exif_is_read_as_none() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker of phones"
    _, kept = cleaned(a_heic((96, 64), exif=exif.tobytes()))
    with Image.open(io.BytesIO(kept)) as picture:
        picture.load()
        assert (picture.size, dict(picture.getexif())) == ((64, 96), {})


def test_a_heic_that_is_too_large_or_something_else_too_is_refused() -> None:
    with TemporaryFile() as file, TemporaryFile() as copy:
        file.write(a_heic())
        with pytest.raises(Refused, match="too-many-pixels"):
            clean(file, copy, 96 * 64 - 1)
    with pytest.raises(Refused, match="damaged"):
        cleaned(a_heic()[:-200])
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("a", "b")
    with pytest.raises(Refused, match="polyglot"):
        cleaned(a_heic() + struct.pack(">I4s", len(archive.getvalue()) + 8, b"skip") + archive.getvalue())


SOUNDS = {
    "MP3": an_mp3(),
    "MP3 behind APE": an_mp3(),
    "AAC": an_aac(),
    "WAV": bytes(8_000),
    "WAV beyond 4 GiB": bytes(8_000),
}


@pytest.mark.parametrize("kind", files_with_notes())
def test_no_file_says_who_made_it_where(kind: str) -> None:
    notes: dict[str, bytes] = {}

    def note(part: str) -> bytes:
        return notes.setdefault(part, f"zqk{kind} {part}".encode())

    content = files_with_notes()[kind](note)
    _, kept = cleaned(content)
    assert {part for part, text in notes.items() if text in kept} == set()
    assert SOUNDS.get(kind, b"") in kept
    # Once more it comes through as it is: what is kept is a file of that kind.
    assert cleaned(kept)[1] == kept


def test_the_streams_of_an_ogg_keep_their_sound_and_their_checksums() -> None:
    for kind in ("Ogg Opus", "Ogg Vorbis"):
        _, kept = cleaned(files_with_notes()[kind](lambda part: part.encode()))
        assert bytes(range(256)) in kept
        for page in kept.rstrip(b"\0").split(b"OggS")[1:3]:
            page = b"OggS" + page
            assert page[22:26] == struct.pack("<I", crc_of_ogg(page[:22] + bytes(4) + page[26:]))


def test_a_document_that_lost_its_information_is_read_and_a_signed_one_stays() -> None:
    content = files_with_notes()["PDF"](lambda part: b"zqk" + part.encode())
    _, kept = cleaned(content)
    inside = [
        zlib.decompressobj().decompress(kept[found.end() :])
        for found in re.finditer(rb"Length \d+>>\nstream\n(?=x)", kept)
    ]
    assert any(b"9 0 <<>>" in each for each in inside)
    assert not any(b"zqk" in each for each in inside)
    signed = a_pdf(b"<</Type/Sig/ByteRange [0 9 9 9]>>", b"<</Author(zqk)>>", tail=b"trailer\n<</Info 5 0 R>>\n%%EOF\n")
    assert cleaned(signed)[1] == signed


def test_a_document_is_read_as_before_without_who_made_it() -> None:
    said = '#set document(title: "zqk", author: "zqk")\nNghe thấy tiếng nổ'
    written = typst.compile(said.encode())
    _, kept = cleaned(written)
    assert (b"zqk" in written, b"zqk" in kept) == (True, False)
    with pypdfium2.PdfDocument(kept) as document:
        assert not any(document.get_metadata_dict().values())
        assert "tiếng nổ" in document[0].get_textpage().get_text_range()


def test_a_recorder_that_was_cut_off_has_its_sound_kept() -> None:
    sound = bytes(range(1, 251)) * 8
    for size in (0, 0xFFFFFFFF):
        content = a_wav()[:40] + struct.pack("<I", size) + sound
        assert cleaned(content) == ("audio/wav", content)


@pytest.mark.parametrize(
    "content",
    [
        b"RIFF" + struct.pack("<I", 20) + b"WAVE" + chunk(b"JUNK", bytes(8)),
        b"\xff\xf1" + bytes(400),
        tag(b"") + bytes(4_000),
        b"<html><script>x</script>\n%PDF-1.4\n%%EOF",
        b"%PDF-1.4\n%%EOF" + bytes(3_000) + b"MZ" + bytes(2_000) + b"x",
    ],
)
def test_what_only_begins_like_one_of_them_is_refused(content: bytes) -> None:
    with pytest.raises(Refused):
        cleaned(content)


def test_a_hostile_file_is_judged_in_linear_time() -> None:
    plain = io.BytesIO()
    Image.new("RGB", (8, 8)).save(plain, "JPEG")
    ends = plain.getvalue().rindex(b"\xff\xd9")
    fill = plain.getvalue()[:ends] + b"\xff" * 400_000 + b"\0" + plain.getvalue()[ends:]
    streams = b"%PDF-1.4\n" + b"/ObjStm stream\n" * 2_000 + bytes(8_000_000) + b"\n%%EOF"
    packed = b"/ObjStm stream\n" + zlib.compress(bytes(1_000))[:-6]
    for content in (fill, streams, b"%PDF-1.4\n" + packed * 2_000 + b"\n%%EOF"):
        began = time.process_time()
        with suppress(Refused):
            cleaned(content)
        # Twenty times what it takes; the quadratic search took a minute.
        assert time.process_time() - began < 5
