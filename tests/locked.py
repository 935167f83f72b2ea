"""Programs of others that tests run, as the registry has them: each in an environment of its own, from locked versions."""

import subprocess
import venv
from hashlib import sha256
from pathlib import Path

PIP_INSTALL = [
    "-m",
    "pip",
    "install",
    "-q",
    "--disable-pip-version-check",
    "--require-hashes",
    "--no-cache-dir",  # so that what only a cache holds is missed here too
    "--no-deps",
    "--no-build-isolation",
    "-r",
]


def environment(name: str, *locks: Path) -> Path:
    """The Python of an environment with what the locks name, each lock installed after the one before; made once."""
    known = sha256(b"".join(lock.read_bytes() for lock in locks)).hexdigest()[:12]
    folder = Path(__file__).parents[1] / "var" / f"{name}-{known}"
    python = folder / "bin" / "python"
    if not (folder / "made").exists():
        venv.create(folder, clear=True, with_pip=True)
        for lock in locks:
            subprocess.run([python, *PIP_INSTALL, lock], check=True, timeout=300)
        (folder / "made").touch()
    return python
