"""Java programs of a local run: their jars, each with the checksum that a lock file holds. Java comes in a wheel."""

import fcntl
import hashlib
from pathlib import Path

from jgo.config import GlobalSettings
from jgo.constants import MAVEN_CENTRAL_URL
from jgo.env import LockFile
from jgo.maven import MavenContext
from rich.console import Console
from rich.progress import track

from deploy.local import NotStarted


def jars(lock: Path, name: str) -> list[Path]:
    """The jars of a lock in the user's Maven repository, with its checksums; fetched where absent. Raises NotStarted."""
    settings = GlobalSettings.load()
    repositories = {"central": MAVEN_CENTRAL_URL, **settings.repositories}
    context = MavenContext(repo_cache=settings.repo_cache, remote_repos=repositories)
    locked = {}
    for jar in LockFile.load(lock).dependencies:
        artifact = context.project(jar.groupId, jar.artifactId).at_version(jar.version).artifact()
        locked[settings.repo_cache / artifact.component.path_prefix / artifact.filename] = (
            artifact,
            jar.sha256,
        )
    settings.cache_dir.mkdir(parents=True, exist_ok=True)
    # One process fetches while others wait, since two would write the same file.
    with (settings.cache_dir / "antt.lock").open("w") as fetching:
        fcntl.flock(fetching, fcntl.LOCK_EX)
        missing = [file for file, (_, sha256) in locked.items() if checksum(file) != sha256]
        for file in track(missing, f"Fetching {name} …", console=Console(stderr=True), disable=not missing):
            artifact, sha256 = locked[file]
            # What is there is half a file of a fetch that was killed, or not what it says it is.
            file.unlink(missing_ok=True)
            artifact.resolve()
            if checksum(file) != sha256:
                raise NotStarted(f"{file} has not the checksum that {lock.name} holds for it")
    return list(locked)


def checksum(file: Path) -> str:
    """The file's SHA-256 in hexadecimal; empty where there is no file."""
    if not file.exists():
        return ""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
