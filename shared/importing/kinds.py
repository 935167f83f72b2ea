"""What a service imports: each kind of row, the command of single requests that it goes through, and what corrects one."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from pydantic import TypeAdapter

from shared.access import Identity
from shared.importing.columns import Convert, fields_of
from shared.importing.known import Known
from shared.outbox import UnitOfWork


class Row(Protocol):
    """The input that a row is: what a command of single requests takes."""

    @property
    def reference(self) -> str | None:
        """What the sending system calls it."""

    def model_dump(self, *, include: set[str], exclude_unset: bool, exclude_none: bool) -> dict[str, Any]:
        """Its fields by their names."""


InputT = TypeVar("InputT", bound=Row)
RecordT = TypeVar("RecordT")

# Makes a record of an input, and corrects a known one where an input differs from it: whether it did.
Create = Callable[[UnitOfWork, Identity, InputT], Awaitable[object]]
Correct = Callable[[UnitOfWork, Identity, RecordT, InputT, str], Awaitable[bool]]


class Learner(Generic[InputT]):
    """What is learnt for one import, a chunk of rows at a time, so that no row asks by itself. This one learns nothing."""

    async def learn(self, known: Known, caller: Identity, rows: Sequence[InputT]) -> None:
        """Look up at once what the commands will ask about these inputs; what was remembered is in the database by now."""

    def check(self, row: InputT) -> None:
        """Raise what is known to be wrong with a row before its command is asked."""

    def check_new(self, row: InputT) -> None:
        """Raise what keeps a row from becoming a record, be it in the database or in the rows before it in the chunk."""

    def remember(self, row: InputT) -> None:
        """This row becomes a record when its chunk is committed."""


class Kind(NamedTuple, Generic[RecordT, InputT]):
    """One kind of row: its table, its input and columns, the command that makes a record of it, and what corrects one.

    `action`: what a sender must be allowed to do. `flat`: columns of files that have names of their own, and the fields
    that they are. `tags`: the names of an input's several shapes, which are no columns.
    """

    action: str
    model: type[RecordT]
    input: TypeAdapter[InputT]
    fields: Mapping[str, Convert]
    create: Create[InputT]
    correct: Correct[RecordT, InputT]
    learner: Callable[[], Learner[InputT]] = Learner
    flat: Mapping[str, str] = MappingProxyType({})
    tags: frozenset[str] = frozenset()


AnyKind = Kind[Any, Any]


class Imports(NamedTuple):
    """All imports of a service: its kinds of rows by their names, and where in the store a file waits for its job.

    `folder`: services that share a store have a folder each, for what no import waits for in it is deleted.
    """

    kinds: Mapping[str, AnyKind]
    folder: str


def kind(
    action: str,
    model: type[RecordT],
    input: Any,
    create: Create[InputT],
    correct: Correct[RecordT, InputT],
    learner: Callable[[], Learner[InputT]] = Learner,
    flat: Mapping[str, str] = MappingProxyType({}),
    tags: frozenset[str] = frozenset(),
) -> Kind[RecordT, InputT]:
    """A kind whose columns are the fields of its input."""
    fields = dict(fields_of(input))
    return Kind(action, model, TypeAdapter(input), fields, create, correct, learner, flat, tags)
