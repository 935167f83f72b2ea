"""The HTTP conventions, once, for every room of every service.

`commands.py` is the edge of what changes something, `queries.py` of what is asked all day; `reader.py` is who reads, `keys.py`
what an Idempotency-Key keeps, `problems.py` how a refusal looks, `paging.py` how answers are parted, `schemas.py` what
crosses, `middlewares.py` what happens to every request.
"""

from shared.http.commands import CommandRoute, Headers, ReadingCommand, Work, require_honoured
from shared.http.keys import is_unguessable
from shared.http.middlewares import Answered, middlewares
from shared.http.paging import json_response, link_next, page, position_text
from shared.http.problems import (
    install_problems,
    invalid_input,
    language_of,
    problems,
    render,
    with_named_schemas,
)
from shared.http.queries import QueryRoute, lists_of, require_once
from shared.http.reader import ClientAddress, OpenReader, Reader, client_of, reader_from, service_of
from shared.http.schemas import Input, LeftOut, Output, Page, Step

__all__ = [
    "Answered",
    "ClientAddress",
    "CommandRoute",
    "Headers",
    "Input",
    "LeftOut",
    "OpenReader",
    "Output",
    "Page",
    "QueryRoute",
    "Reader",
    "ReadingCommand",
    "Step",
    "Work",
    "client_of",
    "install_problems",
    "invalid_input",
    "is_unguessable",
    "json_response",
    "language_of",
    "link_next",
    "lists_of",
    "middlewares",
    "page",
    "position_text",
    "problems",
    "reader_from",
    "render",
    "require_honoured",
    "require_once",
    "service_of",
    "with_named_schemas",
]
