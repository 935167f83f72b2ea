"""Places to listen at: ports that are free, and folders for Unix sockets.

Such a folder is short, since a socket's path ends at 107 bytes, and closed to other users.
"""

import hashlib
import os
import pwd
import random
import socket
import tempfile
import time
from pathlib import Path
from stat import S_ISDIR


def private_folder(note: Path, user: str = "") -> Path:
    """A folder of mode 0700 that belongs to `user` (empty: to ourselves); the file `note` remembers it.

    Who may enter it may use the sockets in it: its mode is the access control of what listens there.
    """
    owner = pwd.getpwnam(user).pw_uid if user else os.getuid()
    # The name carries the note's path, so that the copy of a data folder doesn't reach the original's server.
    prefix = f"antt-{hashlib.sha256(str(note.resolve()).encode()).hexdigest()[:8]}-"
    if note.exists():
        folder = Path(note.read_text().strip())
        if folder.name.startswith(prefix) and is_private(folder, owner):
            return folder
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    os.chown(folder, owner, -1)
    # In one step: whoever reads the note finds the old or the new folder, never half a path.
    written = note.with_name(f"{note.name}.new")
    written.write_text(f"{folder}\n")
    written.replace(note)
    return folder


def is_private(folder: Path, owner: int) -> bool:
    """Whether this is a folder, no link to one, that nobody but its owner may enter."""
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return False
    return S_ISDIR(found.st_mode) and found.st_uid == owner and found.st_mode & 0o077 == 0


def free_port() -> int:
    """A port that nobody listens on, below the range from which outgoing connections take theirs."""
    while not is_free(port := random.randrange(20_000, 32_000)):
        continue
    return port


def becomes_free(port: int, seconds: float = 5) -> bool:
    """Whether nobody listens there, after a moment for a server that is just ending."""
    deadline = time.monotonic() + seconds
    while not (free := is_free(port)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return free


def is_free(port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as probe:
        # As servers do: connections that have just ended don't count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
