"""Clients that are generated from the three OpenAPI documents: they type-check, report a tip and read its figure."""

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from shared.access.issuer import issue_token
from shared.days import today
from shared.settings import Service, settings
from tests.conftest import COMMUNE
from tests.locked import environment

pytestmark = pytest.mark.slow

SERVICES = get_args(Service)
CLIENTS = Path(__file__).with_name("clients")


def run(*command: str | Path, at: Path) -> str:
    """What a program printed, which must have ended well."""
    ran = subprocess.run(command, cwd=at, text=True, capture_output=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


async def write_documents(address: str, folder: Path) -> None:
    """The OpenAPI document of each service."""
    async with httpx.AsyncClient(base_url=address) as http:
        for service in SERVICES:
            (folder / f"{service}.json").write_bytes((await http.get(f"/{service}/v1/openapi.json")).content)


def the_question(address: str) -> list[str]:
    """Whom a client asks, as whom, and about what."""
    return [address, issue_token(settings(), "commune_officer", COMMUNE), COMMUNE, today().isoformat()]


def python_client(folder: Path, question: list[str]) -> dict[str, Any]:
    """Generate with openapi-python-client, without a warning; check the types of all of it; run it."""
    python = environment("openapi-python-client", CLIENTS / "requirements.lock")
    for service in SERVICES:
        options = ["--output-path", f"antt_{service}", "--meta", "none", "--fail-on-warning"]
        generate = python.with_name("openapi-python-client"), "generate", "--config", CLIENTS / "generator.yml"
        run(*generate, "--path", f"{service}.json", *options, at=folder)
    script = shutil.copy(CLIENTS / "report_and_read.py", folder)
    packages = [f"antt_{service}" for service in SERVICES]
    run(sys.executable, "-m", "mypy", "--strict", "--python-executable", python, script, *packages, at=folder)
    answer: dict[str, Any] = json.loads(run(python, script, *question, at=folder))
    return answer


def typescript_client(folder: Path, question: list[str]) -> dict[str, Any]:
    """Generate with openapi-typescript, check the types of a client that stands on it, and run that."""
    for name in ("package.json", "package-lock.json", ".npmrc", "tsconfig.json", "report_and_read.ts"):
        shutil.copy(CLIENTS / name, folder)
    run("npm", "ci", "--silent", at=folder)
    for service in SERVICES:
        run("npx", "--no-install", "openapi-typescript", f"{service}.json", "--output", f"{service}.ts", at=folder)
    run("npx", "--no-install", "tsc", at=folder)
    answer: dict[str, Any] = json.loads(run("node", "report_and_read.js", *question, at=folder))
    return answer


async def test_a_client_by_openapi_python_client_reports_a_tip_and_reads_its_figure(
    served: str, tmp_path: Path
) -> None:
    await write_documents(served, tmp_path)
    answer = await asyncio.to_thread(python_client, tmp_path, the_question(served))
    assert answer["received"] == 1


@pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm and Node")
async def test_a_client_by_openapi_typescript_reports_a_tip_and_reads_its_figure(served: str, tmp_path: Path) -> None:
    await write_documents(served, tmp_path)
    answer = await asyncio.to_thread(typescript_client, tmp_path, the_question(served))
    assert answer["received"] == 1
