"""A file on its way in: out of the form that carries it, made harmless, and into the store."""

import asyncio
import hashlib
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import collapse_rfc2231_value
from io import BufferedReader
from tempfile import TemporaryFile
from typing import BinaryIO, NamedTuple, cast

import msgspec
import structlog
from fastapi import Request
from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from shared.errors import BodyTooLarge, invalid
from shared.files.contents import cipher_of, content_of, key_of
from shared.files.naming import harmless_name
from shared.files.schemas import FileRefused, NotAForm
from shared.files.sealing import sealed, sealed_size
from shared.files.store import StoreUnavailable, put_capped, size_of, store_of
from shared.http import service_of
from shared.limits import InTurn
from shared.service import Service

log = structlog.get_logger()

# What a form adds to its file: boundaries and headers.
_FORM_BYTES = 16_384
_CHUNK = 1024 * 1024
# Pictures are decoded two at a time, each in a process that may use some hundred megabytes.
_AT_A_TIME = 2
_MOST_WAITING = 100
_CLEANING_SECONDS = 60


class Kept(NamedTuple):
    """A harmless file in the store, which no record names yet."""

    content: str
    bytes: int
    media_type: str
    name: str


class KeptFile(NamedTuple):
    """A file in the store, and beside one that few programs show what is made of it to look at."""

    itself: Kept
    beside: Kept | None = None


async def receive(request: Request, folder: str, *who: str) -> KeptFile:
    """Take the file of the request's form, make it harmless, and put it into the store; `who`: whose turn it is.

    Who sends it is known by now and may add it. Raises NotAForm, InvalidInput, BodyTooLarge, FileRefused, StoreUnavailable.
    """
    service = service_of(request.scope)
    async with _form_file(request, service.settings.attachment_bytes) as upload:
        with TemporaryFile() as copy:
            file: BinaryIO = upload.file
            verdict = await _made_harmless(service, file, copy, who)
            itself = await _keep(service, folder, copy if verdict.copied else file, upload.filename, verdict.media_type)
            beside = await _keep(service, folder, copy, upload.filename, verdict.beside) if verdict.beside else None
            return KeptFile(itself, beside)


class _FormParser(MultiPartParser):
    """Reads names that are not ASCII as every program sends them, also those for which RFC 7578 has no place."""

    def on_headers_finished(self) -> None:
        part = self._current_part
        name = _extended_name((part.content_disposition or b"").decode("latin-1"))
        if name is not None:
            # With it alone the part would be taken for a field that is no file.
            part.content_disposition = (part.content_disposition or b"") + b'; filename=""'
        super().on_headers_finished()
        if part.file is not None:
            part.file.filename = _without_encoded_words(part.file.filename or "") if name is None else name


def _extended_name(disposition: str) -> str | None:
    """What `filename*` says (RFC 8187), as .NET sends it beside `filename` or alone; it comes before `filename`."""
    if "*" not in disposition:
        return None
    header = Message()
    header["Content-Disposition"] = disposition
    said = (value for key, value in header.get_params([], "content-disposition") if key.lower() == "filename")
    extended = next((value for value in said if isinstance(value, tuple)), None)
    if extended is None:
        return None
    try:
        return collapse_rfc2231_value(extended)
    except ValueError:
        # A character set that is none for text.
        return ""


def _without_encoded_words(name: str) -> str:
    """A name that is written as mail writes it, `=?utf-8?B?…?=` (RFC 2047); any other as it is."""
    if "=?" in name:
        with suppress(HeaderParseError, LookupError, ValueError):
            return str(make_header(decode_header(name)))
    return name


@asynccontextmanager
async def _form_file(request: Request, most: int) -> AsyncIterator[UploadFile]:
    """The field `file` of the form, in a temporary file without a name, which is gone afterwards whatever happens."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "multipart/form-data":
        raise NotAForm()

    async def capped() -> AsyncGenerator[bytes, None]:
        length = 0
        async for chunk in request.stream():
            length += len(chunk)
            if length > most + _FORM_BYTES:
                raise BodyTooLarge(most_bytes=most)
            yield chunk

    if int(request.headers.get("content-length", 0)) > most + _FORM_BYTES:
        raise BodyTooLarge(most_bytes=most)
    # Beyond a megabyte the parser writes to TMPDIR, in a thread.
    parser = _FormParser(request.headers, capped(), max_files=1, max_fields=0)
    try:
        try:
            upload = (await parser.parse()).get("file")
        except (MultiPartException, FormParserError, ClientDisconnect):
            upload = None
        except OSError as error:
            log.warning("upload not taken", reason=f"{type(error).__name__} {error.errno}")
            raise StoreUnavailable() from error
        if not isinstance(upload, UploadFile):
            raise invalid("file", "missing", "one field `file`, and nothing else, of a multipart/form-data form")
        if (upload.size or 0) > most:
            raise BodyTooLarge(most_bytes=most)
        yield upload
    finally:
        # Also the file of a part that never ended, which no form names.
        for file in parser._files_to_close_on_error:
            file.close()


class _Verdict(msgspec.Struct, frozen=True):
    """What a file is, whether the harmless one is its copy, and as what its copy is kept beside it."""

    media_type: str = ""
    copied: bool = False
    beside: str | None = None
    refused: str | None = None
    most_megapixels: int | None = None


async def _made_harmless(service: Service, file: BinaryIO, copy: BinaryIO, who: tuple[str, ...]) -> _Verdict:
    """What the file is, once it or its copy is harmless. Raises FileRefused, StoreUnavailable.

    Only a process of its own looks into the file (cleaning/__main__.py), so no decoder's fault reaches this one.
    """
    turns: InTurn = service.state.setdefault("cleaning", InTurn(_AT_A_TIME, _MOST_WAITING))
    most_pixels = service.settings.attachment_megapixels * 1_000_000
    program = ["-P", "-m", "shared.files.cleaning", str(most_pixels)]
    async with turns.turn(*who):
        running = await asyncio.create_subprocess_exec(
            sys.executable,
            *program,
            stdin=file.fileno(),
            stdout=copy.fileno(),
            stderr=asyncio.subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "TMPDIR")},
        )
        try:
            async with asyncio.timeout(_CLEANING_SECONDS):
                _, said = await running.communicate()
        except TimeoutError:
            raise FileRefused(reason="too-large-inside") from None
        finally:
            if running.returncode is None:
                running.kill()
                await running.wait()
    ended = running.returncode or 0
    if ended == 0:
        verdict = msgspec.json.decode(said.strip().rpartition(b"\n")[2], type=_Verdict)
        if verdict.refused:
            most = verdict.most_megapixels or service.settings.attachment_megapixels
            raise FileRefused(
                reason=verdict.refused, **({"most_megapixels": most} if "pixels" in verdict.refused else {})
            )
        return verdict
    if ended < 0:
        # Ended by a signal: out of time or memory, or a decoder broke. The file is to blame.
        log.warning("file not read", signal=-ended)
        if -ended in (signal.SIGXCPU, signal.SIGKILL):
            raise FileRefused(reason="too-large-inside")
        raise FileRefused(reason="damaged")
    log.error("file not cleaned", reason=said.decode(errors="replace").strip().rpartition("\n")[2][:300])
    raise StoreUnavailable()


async def _keep(service: Service, folder: str, file: BinaryIO, said: str | None, media_type: str) -> Kept:
    """Put the file into the store unless its content is there already.

    The order makes it safe against the sweep, which deletes contents that no record names (sweep.py): from the touch on
    it leaves this content alone for ANTT_ATTACHMENT_GRACE_HOURS, and a deletion under way is awaited by the touch. So
    what is there after the touch stays, and what is not is put.
    """
    name = harmless_name(said or "", media_type)
    content, length = await asyncio.to_thread(_measure, file)
    store, key = store_of(service.settings), key_of(folder, content)
    await service.database.fetch(
        """INSERT INTO attachment_contents (content, touched_at) VALUES ($1, now())
        ON CONFLICT (content) DO UPDATE SET touched_at = now()""",
        content,
    )
    if await size_of(store, key) != (size := sealed_size(length)):
        await put_capped(store, key, sealed(_chunks(file), cipher_of(content)), size)
    return Kept(content, length, media_type, name)


def _measure(file: BinaryIO) -> tuple[str, int]:
    file.seek(0)
    return content_of(hashlib.file_digest(cast(BufferedReader, file), "sha256").digest()), file.tell()


async def _chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    file.seek(0)
    while chunk := await asyncio.to_thread(file.read, _CHUNK):
        yield chunk
