"""docs/integrator/problems.md: every problem type with its status, its two titles and when it comes, from its class.

It stands in deploy because every service's problems are on the page.
"""

import inspect
from collections.abc import Iterator
from importlib import import_module
from itertools import groupby
from pkgutil import walk_packages

import services
import shared
from shared.errors import Problem


def page() -> str:
    """The whole page, statuses and names in order."""
    for package in (shared, services):
        # Some modules are loaded only where they are needed, and declare problems too.
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                import_module(module.name)
    # Tests may declare problems of their own.
    ours = (kind for kind in declared(Problem) if kind.__module__.startswith(("shared.", "services.")))
    ordered = sorted(ours, key=lambda kind: (kind.status, kind.name, kind.en))
    lines = [_ABOUT]
    for status, kinds in groupby(ordered, key=lambda kind: kind.status):
        lines.append(f"## {status}\n")
        lines += [_section(kind) for kind in kinds]
    return "\n".join(lines)


def declared(kind: type[Problem]) -> Iterator[type[Problem]]:
    """The problem and all below it that have a name of their own; others are rendered under their base's."""
    if "name" in vars(kind):
        yield kind
    for below in kind.__subclasses__():
        yield from declared(below)


def _section(kind: type[Problem]) -> str:
    lines = [f"### {kind.name}\n", f"- Vietnamese: {kind.vi}", f"- English: {kind.en}"]
    if "Retry-After" in kind.headers:
        lines.append(f"- `Retry-After: {kind.headers['Retry-After']}`")
    if kind.__doc__ and kind is not Problem:
        said = inspect.cleandoc(kind.__doc__).partition("\n\n")[0].replace("\n", " ")
        lines.append(f"\n{said}")
    return "\n".join([*lines, ""])


_ABOUT = """\
# Problem types

<!-- Written by `python -m deploy.problems > docs/integrator/problems.md`; a test compares the two. -->
Every error is `application/problem+json` (RFC 9457). Decide by `type`, which is `urn:antt:problem:` and a name below; show
`title` to a person. The title is Vietnamese, or English for who prefers it by `Accept-Language`. Further members say what
the problem is about; `errors` lists each wrong field with `at`, `code` and `message`. A problem never repeats the input.

The OpenAPI document of a service names the problems of each route. Open311 has errors of its own shape: [Open311](open311.md).
"""

if __name__ == "__main__":
    print(page(), end="")
