"""Answers in parts and answers of other kinds: the next page of a list, a page to read, plain values, a position."""

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from fastapi import Request, Response

from shared.outbox import Position


def _id_of(item: Any) -> str:
    return str(item.id)


def link_next(
    request: Request, response: Response, items: Sequence[Any], limit: int, cursor: Callable[[Any], str] = _id_of
) -> None:
    """Name the next page in a `Link: rel="next"`, unless this page is the last; `cursor`: what `after` is for an item."""
    if len(items) == limit:
        query = urlencode(
            [(k, v) for k, v in request.query_params.multi_items() if k != "after"] + [("after", cursor(items[-1]))]
        )
        response.headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'


def page(written: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A page that may do what is written in it and load what lies beside it, and nothing else, whatever gets into it."""
    allowed = {
        kind: "".join(
            f" 'sha256-{base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()}'"
            for inline in re.findall(rf"<{kind}>(.*?)</{kind}>", written, re.DOTALL)
        )
        for kind in ("script", "style")
    }
    policy = (
        f"default-src 'none'; script-src 'self'{allowed['script']}; style-src 'self'{allowed['style']}; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Response(written, status, {"Content-Security-Policy": policy, **(headers or {})}, "text/html")


def json_response(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer of plain values, as JSON."""
    return Response(msgspec.json.encode(content), status, headers, "application/json")


def position_text(source: str, position: Position) -> str:
    """A position as headers and queries carry it: `incidents:1:1234` (source, generation, seq)."""
    return f"{source}:{position.generation}:{position.seq}"
