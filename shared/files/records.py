"""Which records of a service may have files: what differs from one kind of record to another, and nothing else does."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol
from uuid import UUID

from shared import events
from shared.access import Identity
from shared.http import Reader
from shared.outbox import UnitOfWork

FileChange = Literal["add", "remove"]


class SeenRecord(Protocol):
    """A record as its room shows it to a caller."""

    @property
    def unit(self) -> str:
        """Where it counts."""


class Holder(NamedTuple):
    """A record to which a file is added, or from which one is taken; `concerns`: as `UnitOfWork.emit` takes it."""

    id: UUID
    unit: str
    concerns: tuple[str, ...] = ()


class FileFact(Protocol):
    """Makes the fact that the events of a file carry."""

    def __call__(self, *, unit: str, media_type: str, bytes: int) -> events.Fact:
        """A file of this kind and size, in the unit of its record."""


async def itself(reader: Reader, record_id: UUID) -> Sequence[UUID]:
    """Shown with a record are its own files alone."""
    return (record_id,)


class FilesOf(NamedTuple):
    """The files of one kind of record. Each function raises as the record's own room does.

    `see` returns the record if the caller may see it, `may_change` if the caller may add a file or take one away (for a
    reason) as the record stands. `shown_with`: the records whose files are shown with one that the caller may see.
    `fact`: what events carry of a file; they link to its record under the name `link`.
    """

    link: str
    fact: FileFact
    see: Callable[[Reader, UUID], Awaitable[SeenRecord]]
    may_change: Callable[[UnitOfWork, Identity, UUID, FileChange, str | None], Awaitable[Holder]]
    shown_with: Callable[[Reader, UUID], Awaitable[Sequence[UUID]]] = itself


class Files(NamedTuple):
    """All files of a service: of which kinds of record, by the names that addresses have for them.

    `folder`: where the store keeps them. Services that share a store have a folder each, for what nobody names in it is
    deleted.
    """

    kinds: Mapping[str, FilesOf]
    folder: str
