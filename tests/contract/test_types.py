"""Signatures of the services say what they take and return, and a class name means one thing."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import deploy
import services
import shared

# Module and function, and why mypy cannot know more there.
BOUNDARIES: dict[str, str] = {
    "incidents.open311.edge.Open311Route.get_route_handler": "FastAPI's own signature",
}


def signatures(tree: ast.AST, name: str) -> Iterator[tuple[str, ast.expr]]:
    """Each function of a module by its dotted name, with each annotation of a parameter or of what it returns."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from signatures(node, name)
            continue
        inner = f"{name}.{node.name}"
        if not isinstance(node, ast.ClassDef):
            given = node.args
            parameters = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
            annotations = [node.returns, *(each.annotation for each in parameters if each is not None)]
            yield from ((inner, annotation) for annotation in annotations if annotation is not None)
        yield from signatures(node, inner)


def says_any(annotation: ast.expr) -> bool:
    """Whether `Any` is part of it, also of one that is written as a text; what `Annotated` adds by calls is no type."""
    match annotation:
        case ast.Name(id="Any") | ast.Attribute(attr="Any"):
            return True
        case ast.Constant(value=str(text)):
            return re.search(r"\bAny\b", text) is not None
        case ast.Call():
            return False
    return any(says_any(part) for part in ast.iter_child_nodes(annotation) if isinstance(part, ast.expr))


def untyped(source: str, name: str) -> set[str]:
    """The functions of a module whose signature says `Any`."""
    return {function for function, annotation in signatures(ast.parse(source), name) if says_any(annotation)}


def test_no_signature_of_a_service_says_any() -> None:
    (root,) = map(Path, services.__path__)
    found: set[str] = set()
    for path in root.rglob("*.py"):
        found |= untyped(path.read_text("utf-8"), ".".join(path.relative_to(root).with_suffix("").parts))
    assert found - BOUNDARIES.keys() == set(), "give these a type"
    assert BOUNDARIES.keys() - found == set(), "these need no exception any more"


def test_any_is_found_wherever_it_hides() -> None:
    source = """
def plain(a: int) -> list[str]: ...
def bare(a: Any) -> None: ...
def inside(*rows: dict[str, Any]) -> None: ...
async def returned() -> "list[Any]": ...
def named(**rest: typing.Any) -> None: ...
class A:
    def method(self, a: int = 0, *, b: Callable[..., Any]) -> None: ...
def outer() -> None:
    def nested(a: Any) -> None: ...
"""
    assert untyped(source, "m") == {"m.bare", "m.inside", "m.returned", "m.named", "m.A.method", "m.outer.nested"}


# A record is a row of a table, a fact that events carry, and maybe an input: one idea under one name.
RECORDS = {"Activity", "Attachment", "Case", "Certificate", "Deadline", "MemberTerm", "Team", "Tip", "TrainingClass"}
RECORDS |= {"Handled", "Seized"}


def test_a_class_name_means_one_thing() -> None:
    names = Counter(
        node.name
        for package in (deploy, services, shared)
        for root in package.__path__
        for path in Path(root).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
    )
    assert {name for name, times in names.items() if times > 1} == RECORDS
