"""Files of people who mean harm are refused or made harmless; pictures keep their pixels and lose all else."""

import io
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageOps, ImageStat

from shared.files.naming import harmless_name
from shared.files.schemas import FileRefused
from shared.settings import settings
from tests.conftest import Antt
from tests.incidents.conftest import CASES, a_case, kind_of, opened
from tests.shared.files.made import (
    GPS,
    a_bomb_of_pixels,
    a_bomb_of_words,
    a_film,
    a_pdf,
    a_picture,
    a_wav,
    a_webm,
    a_zip,
    an_amr,
    an_mp3,
    an_ogg,
    chunk,
    compressed_objects,
    pixels,
)
from tests.shared.files.sending import contents, send

PAGE = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
SECRETS = (
    GPS.encode(),
    b"Maker of phones",
    b"at home",
    b"Exif",
    b"PK\x05\x06",
    b"%PDF",
    b"<script",
    b"+21.0278",
    b"camera",
)

REFUSED: dict[str, tuple[str, bytes]] = {
    "nothing": ("empty", b""),
    "an SVG": ("unknown-kind", SVG),
    "an SVG behind a mark of byte order": ("unknown-kind", b"\xef\xbb\xbf" + SVG),
    "a page": ("unknown-kind", PAGE),
    "a text": ("unknown-kind", "Tôi thấy".encode()),
    "a program of Linux": ("unknown-kind", b"\x7fELF\2\1\1" + bytes(900)),
    "a program of Windows": ("unknown-kind", b"MZ" + bytes(900)),
    "a script": ("unknown-kind", b"#!/bin/sh\nrm -rf /\n"),
    "an archive": ("unknown-kind", a_zip(a=b"1")),
    "a docx that unpacks to a gigabyte": ("unknown-kind", a_bomb_of_words()),
    "a GIF": ("unknown-kind", b"GIF89a" + bytes(900)),
    "a HEIC of nothing": ("damaged", b"\0\0\0\x18ftypheic" + bytes(900)),
    "a picture of 2.5 thousand million pixels": ("too-many-pixels", a_bomb_of_pixels()),
    "a picture that breaks off": ("damaged", a_picture(size=(900, 900))[:-3_000]),
    "a PNG that breaks off": ("damaged", a_picture("PNG", size=(900, 900))[:-3_000]),
    "a picture of nothing": ("damaged", b"\xff\xd8\xff\xe0" + bytes(900)),
    "a picture that moves": ("animated", a_picture("WEBP", save_all=True, append_images=[Image.new("RGB", (97, 61))])),
    "a document that is a page": ("polyglot", a_pdf(head=PAGE)),
    "a document that is an archive": ("polyglot", a_pdf(tail=a_zip(a=b"1"))),
    "a document with a script": ("active", a_pdf(b"<</S/JavaScript/JS(app.alert(1))>>")),
    "a document whose script is spelt oddly": ("active", a_pdf(b"<</S/J#61vaScript/JS(app.alert(1))>>")),
    "a document whose script is compressed": ("active", a_pdf(compressed_objects(b"<</S/JavaScript/JS 8 0 R>>"))),
    "a document that starts a program": ("active", a_pdf(b"<</S/Launch/F(cmd.exe)>>")),
    "a document that carries files": ("active", a_pdf(b"<</Type/EmbeddedFile>>")),
    "a document that nobody can look into": ("encrypted", a_pdf(b"<</Encrypt 9 0 R>>")),
    "a document that breaks off": ("damaged", a_pdf()[:-20]),
    "a document that unpacks to much": ("too-large-inside", a_pdf(compressed_objects(bytes(40_000_000)))),
    "a film that is an archive": ("damaged", a_film() + a_zip(a=b"1")),
    "a film that is a page": ("polyglot", a_film(b"isom" + PAGE)),
    "a sound that is an archive": ("polyglot", an_ogg() + a_zip(a=b"1")),
    "a sound that is an archive with something behind it": ("polyglot", an_ogg() + a_zip(a=b"1") + b"behind"),
    "a sound that is another archive": ("polyglot", an_amr() + b"Rar!\x1a\x07\x01\0" + bytes(99)),
    "a sound that is a document": ("polyglot", an_amr() + a_pdf()),
    "two bytes of a sound": ("damaged", b"\xff\xfb" + bytes(900)),
    "a sound whose tag is a page": ("polyglot", an_mp3(tag=b"ID3\4\0\0\0\0\0" + bytes([len(PAGE)]) + PAGE)),
    "a script that is a document": ("unknown-kind", b"#!/bin/sh\nrm -rf /\nexit\n" + a_pdf()),
    "a program of Windows that is a document": ("unknown-kind", b"MZ" + b"A" * 60 + a_pdf()),
    "a GIF that is a document": ("unknown-kind", b"GIF89a  " + a_pdf()),
    "a page that is a document": ("unknown-kind", b"\n<b>" + PAGE + a_pdf()),
}


async def test_a_hostile_file_is_refused_whatever_it_is_called(antt: Antt) -> None:
    case = await opened(antt, CASES, a_case())
    files = f"{CASES}/{case['id']}/attachments"
    before = await contents()
    for name, (reason, content) in REFUSED.items():
        answer = await send(antt, files, content, name="ảnh.jpg")
        assert (*kind_of(answer), answer.json().get("reason")) == (422, "file-refused", reason), name
    assert (await antt.get(files, antt.token())).json() == []
    assert await contents() == before


Becomes = Callable[[bytes, str], Awaitable[tuple[dict[str, Any], bytes]]]


@pytest.fixture
async def kept(antt: Antt) -> Becomes:
    """What becomes of a file: its attachment and its content."""
    case = await opened(antt, CASES, a_case())
    files = f"{CASES}/{case['id']}/attachments"

    async def keep(content: bytes, name: str = "ảnh.jpg") -> tuple[dict[str, Any], bytes]:
        answer = await send(antt, files, content, name=name)
        assert answer.status_code in (200, 201), (name, answer.text)
        got = await antt.get(f"{files}/{answer.json()['id']}", antt.token())
        assert got.status_code == 200
        return answer.json(), got.content

    return keep


HARMLESS: dict[str, tuple[str, bytes]] = {
    "a picture that is an archive": ("image/jpeg", a_picture() + a_zip(a=b"1" * 99)),
    "a picture that is a page": ("image/jpeg", a_picture(comment=PAGE)),
    "a picture that is a document": ("image/jpeg", a_picture(comment=a_pdf())),
    "a PNG that is an archive": ("image/png", a_picture("PNG") + a_zip(a=b"1")),
    "a PNG with texts": (
        "image/png",
        a_picture("PNG")[:33] + chunk(b"tEXt", b"Comment\0" + PAGE) + a_picture("PNG")[33:],
    ),
    "a WebP that is an archive": ("image/webp", a_picture("WEBP") + a_zip(a=b"1")),
    "a film that tells its place": ("video/mp4", a_film()),
    "a film of another maker that does": ("video/quicktime", a_film(b"qt  ")),
}


async def test_what_hides_in_a_file_is_gone(kept: Becomes) -> None:
    for name, (media_type, content) in HARMLESS.items():
        assert any(secret in content for secret in SECRETS)
        attachment, is_now = await kept(content, name)
        assert attachment["media_type"] == media_type
        assert not [secret for secret in SECRETS if secret in is_now], name
        if media_type.startswith("image/"):
            assert pixels(is_now).tobytes() == pixels(content).tobytes(), name
        else:
            # Nothing has moved, or the offsets in it would be wrong.
            assert len(is_now) == len(content)
            assert is_now.index(b"mvhd") == content.index(b"mvhd")


PICTURES: dict[str, bytes] = {
    "a JPEG": a_picture(),
    "a progressive JPEG": a_picture(progressive=True),
    "a JPEG of one colour": a_picture(mode="L"),
    "a JPEG for print": a_picture(mode="CMYK"),
    "a JPEG with its own tables": a_picture(quality=35, subsampling="4:4:4", optimize=True),
    "a PNG": a_picture("PNG"),
    "a PNG of few colours": a_picture("PNG", mode="P"),
    "a PNG with transparency": a_picture("PNG", mode="RGBA"),
    "a PNG of sixteen bits": a_picture("PNG", mode="I;16"),
    "a lossy WebP": a_picture("WEBP", quality=40),
    "a lossless WebP": a_picture("WEBP", lossless=True),
    "a WebP with transparency": a_picture("WEBP", mode="RGBA"),
}


async def test_a_picture_keeps_every_pixel_and_loses_where_it_was_taken(kept: Becomes) -> None:
    for name, content in PICTURES.items():
        _, is_now = await kept(content, name)
        assert not [secret for secret in SECRETS if secret in is_now], name
        with Image.open(io.BytesIO(is_now)) as picture:
            assert not picture.getexif(), name
            assert not {"exif", "comment", "xmp"} & set(picture.info), name
        before, after = pixels(content), pixels(is_now)
        assert (after.mode, after.size) == (before.mode, before.size), name
        assert after.tobytes() == before.tobytes(), name


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
async def test_a_picture_that_lies_on_its_side_is_set_upright(format: str, kept: Becomes) -> None:
    for orientation in range(2, 9):
        content = a_picture(format, (96, 64), orientation)
        _, is_now = await kept(content, "ảnh")
        with Image.open(io.BytesIO(is_now)) as picture:
            assert not picture.getexif()
        with Image.open(io.BytesIO(content)) as picture:
            upright = ImageOps.exif_transpose(picture).convert("RGB")
        after = pixels(is_now).convert("RGB")
        assert after.size == upright.size
        difference = ImageStat.Stat(ImageChops.difference(upright, after)).mean
        # A JPEG is encoded again with the tables it had: what changes is beyond seeing.
        assert max(difference) < (1.5 if format == "JPEG" else 0.001), (orientation, difference)


TAKEN = [
    ("application/pdf", a_pdf(compressed_objects(b"<</Author(Nobody)>>"))),
    ("video/webm", a_webm()),
    ("audio/ogg", an_ogg()),
    ("audio/wav", a_wav()),
    ("audio/amr", an_amr()),
    ("audio/mpeg", an_mp3()),
    ("audio/mpeg", an_mp3(tag=b"ID3\4\0\0\0\0\0\4abcd")),
    ("audio/mpeg", an_mp3(tag=b"ID3\4\0\0\0\0\0" + bytes([len(PAGE)]) + bytes(len(PAGE)))),
    ("audio/mp4", a_film(b"M4A ")),
    ("video/3gpp", a_film(b"3gp5")),
]


async def test_what_phones_and_scanners_make_is_taken(kept: Becomes) -> None:
    for media_type, content in TAKEN:
        attachment, is_now = await kept(content, "Tệp.exe")
        assert attachment["media_type"] == media_type
        assert attachment["name"].startswith("Tệp.")
        assert not attachment["name"].endswith(".exe")
        # Those without a place in them stay as they are, and a tag becomes zeros.
        assert is_now == content.replace(b"abcd", bytes(4)) or b"ftyp" in content


async def test_no_picture_has_more_pixels_than_may_be(antt: Antt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings(), "attachment_megapixels", 1)
    case = await opened(antt, CASES, a_case())
    files = f"{CASES}/{case['id']}/attachments"
    for format in ("JPEG", "PNG", "WEBP"):
        assert (await send(antt, files, a_picture(format, (1000, 1000)))).status_code == 201
        answer = await send(antt, files, a_picture(format, (1001, 1000)))
        assert answer.json()["reason"] == "too-many-pixels"


@pytest.mark.parametrize(
    ("said", "is_kept"),
    [
        ("ảnh.jpg", "ảnh.jpg"),
        ("../../etc/passwd", "passwd.jpg"),
        ("..\\..\\Windows\\win.ini", "win.jpg"),
        ("C:\\ảnh.png", "ảnh.jpg"),
        ("a\u202egpj.exe", "agpj.jpg"),
        ("a\u200bb\u2060c\ufeff.jpg", "abc.jpg"),
        ("Le\u0302\u0303 ho\u0323\u0302i.jpg", "L\u1ec5 h\u1ed9i.jpg"),
        ("a\x00b\r\nc: d.jpg", "abc_ d.jpg"),
        ("a.php.jpg", "a.php.jpg"),
        ("<script>.jpg", "_script_.jpg"),
        ("$(reboot)`x`.jpg", "_(reboot)_x_.jpg"),
        (".htaccess", "htaccess.jpg"),
        ("...", "tep.jpg"),
        ("", "tep.jpg"),
        ("\u202e\u200b", "tep.jpg"),
        ("ă" * 999 + ".jpg", "ă" * 100 + ".jpg"),
        ("a" + "\u0301" * 999, "\xe1" + "\u0301" * 99 + ".jpg"),
    ],
)
def test_a_name_is_made_harmless(said: str, is_kept: str) -> None:
    assert harmless_name(said, "image/jpeg") == is_kept


def test_a_name_marked_as_a_state_secret_is_refused() -> None:
    with pytest.raises(FileRefused):
        harmless_name("TUYỆT MẬT.pdf", "application/pdf")
