"""What a service imports: each kind of row, the command of single requests that it goes through, and what corrects one."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from pydantic import TypeAdapter

from shared.access import Identity
from shared.importing.columns import Convert, fields_of
from shared.importing.known import Known
from shared.outbox import UnitOfWork

# Corrects a known record (a row of the kind's table) where an input differs from it; whether it did.
Correct = Callable[[UnitOfWork, Identity, Any, Any, str], Awaitable[bool]]


class Learner(Protocol):
    """What is learnt for one import, a chunk of rows at a time, so that no row asks by itself."""

    async def learn(self, known: Known, caller: Identity, rows: Sequence[Any]) -> None:
        """Look up at once what the commands will ask about these inputs."""

    def check(self, row: Any) -> None:
        """Raise what is known to be wrong with a row before its command is asked."""


class NothingToLearn:
    """The learner of a kind whose commands ask nothing that can be asked at once."""

    async def learn(self, known: Known, caller: Identity, rows: Sequence[Any]) -> None:
        """Learn nothing."""

    def check(self, row: Any) -> None:
        """Find nothing wrong."""


class Kind(NamedTuple):
    """One kind of row: its table, its input and columns, the command that makes a record of it, and what corrects one.

    `tags`: the names by which an input of several shapes tells them apart, which are no columns.
    """

    model: type[object]
    input: TypeAdapter[Any]
    fields: dict[str, Convert]
    create: Callable[..., Awaitable[Any]]
    correct: Correct
    learner: Callable[[], Learner] = NothingToLearn
    tags: frozenset[str] = frozenset()


Kinds = Mapping[str, Kind]


def kind(
    model: type[object],
    input: Any,
    create: Callable[..., Awaitable[Any]],
    correct: Correct,
    learner: Callable[[], Learner] = NothingToLearn,
    tags: frozenset[str] = frozenset(),
) -> Kind:
    """A kind whose columns are the fields of its input."""
    return Kind(model, TypeAdapter(input), dict(fields_of(input)), create, correct, learner, tags)
