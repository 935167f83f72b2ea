"""The documents: their examples run, their links lead somewhere, and each page is found from the first ones."""

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.problems import page
from shared.access.issuer import issue_token
from shared.access.permissions import TokenRole
from shared.settings import settings
from tests.conftest import COMMUNE, PROVINCE

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
# A newcomer, an operator and an integrator begin in the README; the others are the indexes of what lies below docs/.
FIRST = [ROOT / name for name in ("README.md", "DECISIONS.md", "CONTRIBUTING.md")]
WITH_EXAMPLES = [path for path in DOCUMENTS if re.search(r"^```(python|sh) run$", path.read_text(), re.MULTILINE)]
LONGEST_LINE = 600
# Who the examples call as, each as its page says.
CALLERS: dict[str, tuple[TokenRole, str, tuple[str, ...]]] = {
    "OFFICER": ("commune_officer", COMMUNE, ()),
    "PROVINCE": ("province_officer", PROVINCE, ()),
    "OPERATOR": ("operator", PROVINCE, ()),
    "SYSTEM": ("system", PROVINCE, ("records", "report")),
}


def named(path: Path) -> str:
    """A document as a test's name has it."""
    return path.relative_to(ROOT).as_posix()


def examples(path: Path, language: str) -> str:
    """All blocks of a page that run, as one program: a block may use what the blocks above it made."""
    return "\n".join(re.findall(rf"^```{language} run\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL))


def links(path: Path) -> Iterator[tuple[Path, str]]:
    """Where the links of a page lead inside the repository, each with its anchor."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" not in target:
            file, _, anchor = target.partition("#")
            yield (path.parent / file).resolve() if file else path, anchor


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.fixture
def variables(served: str) -> dict[str, str]:
    """What the examples stand on: the address of the services, and a token for each caller."""
    tokens = {
        name: issue_token(settings(), role, unit, scopes=scopes) for name, (role, unit, scopes) in CALLERS.items()
    }
    return {"ADDRESS": served, **tokens}


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=named)
async def test_the_examples_of_a_page_run(path: Path, variables: dict[str, str], tmp_path: Path) -> None:
    if program := examples(path, "python"):
        names = dict(variables)
        await asyncio.to_thread(exec, compile(program, named(path), "exec"), names)
    if program := examples(path, "sh"):
        if not (shutil.which("curl") and shutil.which("jq")):
            pytest.skip("needs curl and jq")
        command = ["bash", "-exuo", "pipefail", "-c", program]
        ran = await asyncio.to_thread(
            subprocess.run,
            command,
            cwd=tmp_path,
            env={**os.environ, **variables},
            text=True,
            capture_output=True,
            timeout=60,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_the_links_of_a_page_lead_somewhere_and_no_line_is_too_long(path: Path) -> None:
    for target, anchor in links(path):
        assert target.exists(), target
        assert not anchor or anchor in anchors(target), f"{target}#{anchor}"
    assert max(map(len, path.read_text().splitlines())) <= LONGEST_LINE


def test_every_page_is_found_from_the_first_ones() -> None:
    found, look = set[Path](), [*FIRST, ROOT / "CHANGELOG.md"]
    while look:
        path = look.pop()
        if path not in found and path.suffix == ".md":
            found.add(path)
            look += [target for target, _ in links(path) if target.is_file()]
    assert not set(DOCUMENTS) - found


def test_a_decision_stands_in_bold_in_the_first_line_of_its_page() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    for number, path in enumerate(pages, 1):
        assert path.name.startswith(f"{number:04}-")
        assert re.fullmatch(rf"# {number}\. \*\*[^*]+\*\*", path.read_text().splitlines()[0]), path.name


def test_the_page_of_problems_is_what_the_code_says() -> None:
    written = (ROOT / "docs" / "integrator" / "problems.md").read_text(encoding="utf-8")
    assert written == page(), "write it anew: python -m deploy.problems > docs/integrator/problems.md"
