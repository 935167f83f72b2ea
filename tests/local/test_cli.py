"""The command `antt` itself."""

import subprocess
import sys
from importlib.metadata import version

import pytest


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--version"], f"antt {version('antt')}"),
        (["--help"], "migrate"),
        (["token", "--help"], "--scope"),
    ],
)
def test_the_command_tells_its_version_and_what_it_can_do(arguments: list[str], words: str) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "deploy.cli", *arguments], capture_output=True, text=True, check=True
    ).stdout
    assert words in told
