"""The program that alone reads what a stranger has sent, one process for each file.

It has limits on memory and time and nothing open but the file and the place for a clean copy, so that neither a bomb nor
a fault in a decoder reaches the service. Standard input is the file, standard output takes the copy, the argument is the
most pixels that a picture may have. The last line of standard error is the verdict, as JSON: `{"media_type": …,
"copied": …, "beside": …}` or `{"refused": …}`.
"""

import errno
import io
import json
import mmap
import resource
import struct
import sys
import warnings
import zlib
from typing import BinaryIO

from PIL import Image

from shared.files.cleaning import Refused
from shared.files.cleaning.kinds import kind_of, require_one_kind

# Beside what the largest picture takes twice at four bytes a pixel: the interpreter, a decoder's own tables.
_MEMORY = 400 * 1024 * 1024
_CPU_SECONDS = 5


def clean(file: BinaryIO, out: BinaryIO, most_pixels: int) -> dict[str, object]:
    """Make the file harmless: in place, or as a copy in `out`. Its media type and whether it was copied; or Refused."""
    file.seek(0, io.SEEK_END)
    if file.tell() == 0:
        raise Refused("empty")
    with mmap.mmap(file.fileno(), 0) as content:
        kind = kind_of(content)
        if kind.as_sent:
            require_one_kind(content, kind.media_type)
        try:
            kind.clean(content, out, most_pixels)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise Refused("too-many-pixels") from None
        except MemoryError:
            raise Refused("too-large-inside") from None
        # Nothing of these libraries says more than that it could not be read, by a dozen kinds of error.
        except (
            OSError,
            ValueError,
            RuntimeError,
            SyntaxError,
            IndexError,
            KeyError,
            TypeError,
            struct.error,
            zlib.error,
        ) as error:
            number = getattr(error, "errno", None)
            if number not in (None, errno.ENOMEM):
                raise
            raise Refused("damaged") from None
        content.flush()
        if not kind.copies:
            require_one_kind(content, kind.media_type)
    if kind.copies or kind.beside:
        out.flush()
        with mmap.mmap(out.fileno(), 0) as copy:
            require_one_kind(copy, kind.beside or kind.media_type)
    return {"media_type": kind.media_type, "copied": kind.copies, "beside": kind.beside}


def main() -> None:
    """Read the file, write the verdict."""
    most_pixels = int(sys.argv[1])
    memory = _MEMORY + 8 * most_pixels
    # At the first limit a signal says why it ends; the second one is for whatever would not hear.
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = most_pixels
    verdict: dict[str, object]
    with open(0, "r+b", closefd=False) as file, open(1, "w+b", closefd=False) as out:
        file.seek(0, io.SEEK_END)
        resource.setrlimit(resource.RLIMIT_AS, (memory + 2 * file.tell(), memory + 2 * file.tell()))
        try:
            verdict = clean(file, out, most_pixels)
        except Refused as refused:
            verdict = {"refused": str(refused), "most_megapixels": refused.most_megapixels}
    sys.stderr.write("\n" + json.dumps(verdict) + "\n")


if __name__ == "__main__":
    main()
