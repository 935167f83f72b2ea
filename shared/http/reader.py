"""Who reads, and where: the one thing that a route takes to answer a question."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import asyncpg
from fastapi import Depends, Request
from starlette.types import Scope

from shared.access import ANYONE, Caller, Identity, Seen
from shared.database import Database
from shared.errors import NotFound
from shared.service import Service
from shared.settings import Settings


@dataclass(frozen=True, slots=True)
class _Reader:
    """The caller of one request, and the service that they read from."""

    caller: Identity
    service: Service

    @property
    def database(self) -> Database:
        """Where the service's records are."""
        return self.service.database

    @property
    def settings(self) -> Settings:
        """How this installation is set."""
        return self.service.settings

    async def one(self, seen: Seen, sql: str, id: UUID) -> asyncpg.Record:
        """The record that `sql` selects by its id, in one order for every question: the role, the record, whose it is.

        NotFound alike for one that is not there and for one that the caller does not see, after the same look-up.
        """
        self.caller.require_sight(seen)
        row = await self.database.fetchrow(sql, id)
        if row is None or not self.caller.sees(seen, row.__getitem__):
            raise NotFound(id=id)
        return row


def service_of(scope: Scope) -> Service:
    """The service that a request came to."""
    service: Service = scope["app"].state.service
    return service


def reader_from(service: Service, caller: Identity) -> _Reader:
    """The reader that a caller is, for an edge that knows both."""
    return _Reader(caller, service)


async def reader_of(request: Request, caller: Caller) -> _Reader:
    """The reader whose token a request carries."""
    return _Reader(caller, service_of(request.scope))


async def open_reader_of(request: Request) -> _Reader:
    """The reader of what is the same for everybody; no token is looked at."""
    return _Reader(ANYONE, service_of(request.scope))


def client_of(scope: Scope) -> str:
    """Where a request comes from; empty for a socket of this machine."""
    client = scope.get("client")
    return client[0] if client else ""


async def address_of(request: Request) -> str:
    """Where a request comes from, as a route asks for it."""
    return client_of(request.scope)


# The seam of reading: each question that needs a caller takes this, and so does whatever reads for it.
Reader = Annotated[_Reader, Depends(reader_of)]

# The same for what anyone may read, or who holds a receipt: it has no caller but anyone.
OpenReader = Annotated[_Reader, Depends(open_reader_of)]

# Where a request comes from, as the ingress names it (FORWARDED_ALLOW_IPS); it limits how often one may guess.
ClientAddress = Annotated[str, Depends(address_of)]
