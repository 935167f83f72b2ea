"""The parts of a workbook's archive: each is parsed as a stream by expat, with limits on what it may hold.

A document type is refused, so that no entity is ever expanded; links to other files, macros and embedded objects spoil
the file.
"""

import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from posixpath import join, normpath
from typing import BinaryIO, NamedTuple
from xml.parsers.expat import ParserCreate, XMLParserType

from shared.importing.rejections import ImportRefused, NotXlsx

# The largest part but a sheet and the table of texts, unpacked. Styles that were copied for years are megabytes.
PART_BYTES = 32 << 20
_DIRECTORY_BYTES = 1 << 20
MOST_SHEETS = 500
# Rows of which more stand in one piece of a file than this are given before the next cell is read.
_READ = 64 << 10
# Parts that fetch, run or carry something else than values.
_REFUSED = re.compile(
    r"vbaproject|macrosheets/|dialogsheets/|externallinks/|embeddings/|activex/|xl/connections|querytables/|customui/",
    re.IGNORECASE,
)
_ASIDE = re.compile(rb"<[!?]")
_LONGEST_TOKEN = 512 << 10
# A cell lies in a row in the data of the sheet, its text at most three deeper.
DEEPEST = 16


class XlsxRefused(ImportRefused):
    name = "xlsx-refused"
    vi, en = (
        "Tệp XLSX chứa thành phần không được nhận (macro, liên kết ngoài, đối tượng nhúng) hoặc lớn bất thường.",
        "The XLSX holds what is not accepted (macros, links to other files, embedded objects) or is abnormally large.",
    )


def require_only_values(archive: zipfile.ZipFile) -> None:
    """Raise XlsxRefused for an archive that fetches, runs or carries something."""
    for part in archive.namelist():
        if _REFUSED.search(part):
            raise XlsxRefused(part=part[:200])


def require_small_directory(file: BinaryIO) -> None:
    """Raise for a directory of more entries than a workbook has, before all of them are in memory."""
    size = file.seek(0, 2)
    file.seek(max(0, size - 65_557))
    tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) - end < 22:
        raise NotXlsx()
    if b"PK\x06\x07" in tail or struct.unpack_from("<I", tail, end + 12)[0] > _DIRECTORY_BYTES:
        raise XlsxRefused(part="directory")


class Related(NamedTuple):
    """What a part of the package leads to: for each its id, its type and the part."""

    parts: list[tuple[str, str, str]]

    def find(self, kind: str) -> str | None:
        """The part of a type, None without one."""
        return next((target for _, known, target in self.parts if known.endswith(kind)), None)

    def one(self, kind: str) -> str:
        """The part of a type, which must be there."""
        found = self.find(kind)
        if found is None:
            raise NotXlsx()
        return found


def related_to(archive: zipfile.ZipFile, part: str) -> Related:
    folder, _, name = part.rpartition("/")
    found = list[tuple[str, str, str]]()

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag == "Relationship" and attributes.get("TargetMode") != "External":
            target = attributes["Target"]
            target = target[1:] if target.startswith("/") else normpath(join(folder, target))
            found.append((attributes["Id"], attributes["Type"], target))
            if len(found) > 2 * MOST_SHEETS:
                raise XlsxRefused(part="relationships")

    scan(archive, f"{folder}/_rels/{name}.rels".removeprefix("/"), PART_BYTES, start)
    return Related(found)


def scan(
    archive: zipfile.ZipFile,
    name: str,
    most: int,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None] | None = None,
) -> None:
    """Go through the elements of a part by their local names."""
    parser, depth = ParserCreate(namespace_separator=" "), 0

    def started(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise XlsxRefused(part=name[:200])
        start(tag.rpartition(" ")[2], attributes)

    def ended(tag: str) -> None:
        nonlocal depth
        depth -= 1
        if end is not None:
            end(tag)

    parser.StartElementHandler, parser.EndElementHandler = started, ended
    for _ in parsed(archive, name, most, parser):
        pass


def parsed(archive: zipfile.ZipFile, name: str, most: int, parser: XMLParserType) -> Iterator[None]:
    """Feed a part to its parser, a piece at a time."""
    if archive.getinfo(name).file_size > most:
        raise XlsxRefused(part=name[:200])
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_document_type
    before, without_tag = b"", 0
    with archive.open(name) as source:
        while piece := source.read(_READ):
            # Neither comments nor instructions belong there. expat reads a token that has not ended again with each
            # piece, so one without end would take hours; a tag, or a text between two, is never so long.
            if _ASIDE.search(before[-1:] + piece, 0 if before else 2):
                raise XlsxRefused(part=name[:200])
            without_tag = 0 if b"<" in piece else without_tag + len(piece)
            if without_tag > _LONGEST_TOKEN:
                raise XlsxRefused(part=name[:200])
            parser.Parse(piece, False)
            before = piece
            yield
        parser.Parse(b"", True)
        yield


def _refuse_document_type(*_: object) -> None:
    raise XlsxRefused(part="document type")
