"""Papers for people to keep: PDF/A that typst makes of a template and the texts filled in.

A template gets its texts as strings, so nothing in them is markup. It reads no file but those of its own folder, and its
fonts are those that come with typst, the same on each machine.
"""

import asyncio
import io
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

from shared.limits import AtMost

if TYPE_CHECKING:
    import typst

Given = ParamSpec("Given")

# A page takes some 30 ms of a core; whoever comes while so many are being drawn is asked to come again.
AT_ONCE = AtMost(4)


async def drawn(draw: Callable[Given, bytes], *given: Given.args, **named: Given.kwargs) -> bytes:
    """The paper that a function draws, in a thread. Raises Overloaded while four are being drawn."""
    with AT_ONCE.place():
        return await asyncio.to_thread(draw, *given, **named)


def pdf_of(template: Path, texts: Mapping[str, str], made_at: datetime) -> bytes:
    """The template with these texts (`sys.inputs`) as PDF/A-2a; the same bytes each time, since it says when it was made."""
    # Loaded where a page is drawn, as segno is below: most processes never need them.
    import typst

    compiler = typst.Compiler(_template(template), template.parent, font_paths=_fonts(), sys_inputs=dict(texts))
    page = compiler.compile(format="pdf", pdf_standards="a-2a", timestamp=int(made_at.timestamp()))
    assert isinstance(page, bytes)
    return page


def qr_code(address: str) -> str:
    """An address as an SVG to be photographed."""
    import segno

    drawn_code = io.BytesIO()
    segno.make(address, error="m", micro=False).save(drawn_code, kind="svg", xmldecl=False, border=0, scale=4)
    return drawn_code.getvalue().decode()


def dated(day: datetime) -> str:
    """A day as Decree 30/2020/NĐ-CP writes it: with a zero before days below 10 and the months 1 and 2."""
    month = f"{day.month:02}" if day.month < 3 else str(day.month)
    return f"ngày {day.day:02} tháng {month} năm {day.year}"


@cache
def _template(path: Path) -> bytes:
    return path.read_bytes()


@cache
def _fonts() -> "typst.Fonts":
    import typst

    # Libertinus Serif, which is among them, has every Vietnamese letter.
    return typst.Fonts(include_system_fonts=False)
