"""Becomes another program that ends when its parent does, even after kill -9, and that may be no longer root.

Run as a file of its own, so that it starts in milliseconds and imports nothing of this repository;
`command()` gives the command line.
"""

import argparse
import ctypes
import os
import pwd
import signal
import sys
from pathlib import Path

# From <linux/prctl.h>, <linux/securebits.h> and <linux/capability.h>.
PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAPABILITY_VERSION_3 = 0x20080522

libc = ctypes.CDLL(None, use_errno=True)


def command(
    program: list[str], *, parent: int, ending: str = "TERM", user: str = "", folder: Path | str = "."
) -> list[str]:
    """The command line of `program` as a child of process `parent`, whose death sends it SIG`ending`.

    It runs as `user` (empty: the same) and in `folder`.
    The kernel means the thread that started the child: it must be one that lives as long as the process.
    """
    # -I and -S: neither environment nor site-packages can change what this file does, and it starts sooner.
    wrapper = [sys.executable, "-I", "-S", os.path.abspath(__file__), "--parent", str(parent)]
    return [*wrapper, "--ending", ending, "--user", user, "--folder", str(folder), "--", *program]


def become(program: list[str], *, parent: int, ending: str, user: str, folder: str) -> None:
    """Run `program` in place of this process."""
    os.chdir(folder)
    # What the parent kept away from itself is none of the program's business.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    if user:
        give_up_root(user)
    # Changing the user clears this wish, so it comes after; exec keeps it.
    end_with(parent, ending)
    os.execvp(program[0], program)


def end_with(parent: int, ending: str) -> None:
    """Have the kernel send this process SIG`ending` when its parent dies."""
    check(libc.prctl(PR_SET_PDEATHSIG, signal.Signals[f"SIG{ending}"], 0, 0, 0))
    # A parent that died before this was asked for sends nothing any more.
    if os.getppid() != parent:
        sys.exit(f"not started: process {parent}, which asked for it, has gone")


def give_up_root(user: str) -> None:
    """Become `user`, keeping of root's powers only that of passing through folders closed to others.

    A clone below /root, or a temporary folder of mode 0700, is out of an ordinary user's reach, and to open
    it to everybody would be worse than to leave this one process the power to reach what lies in it.
    """
    account = pwd.getpwnam(user)
    try:
        # access(2), by which PostgreSQL finds its own files, ignores capabilities unless this bit is set;
        # it also keeps them over the change of user.
        check(libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0))
        os.setgroups([])
        os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
        os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
        # Reading is enough; containers that don't grant that power alone usually grant the wider one.
        kept = CAP_DAC_READ_SEARCH if permitted() >> CAP_DAC_READ_SEARCH & 1 else CAP_DAC_OVERRIDE
        header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
        bit = 1 << kept
        check(libc.capset(header, (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)))
        check(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, kept, 0, 0))
    except OSError as error:
        sys.exit(f"this root may not become {user} ({error.strerror}): start as an ordinary user instead")


def permitted() -> int:
    """The capabilities that this process may use, as bits."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()
    check(libc.capget(header, sets))
    return sets[1] | sets[4] << 32


def check(result: int) -> None:
    """Raise the error of a system call that failed."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def main() -> None:
    """Read what `command()` wrote."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--parent", type=int, required=True)
    arguments.add_argument("--ending", required=True)
    arguments.add_argument("--user", required=True)
    arguments.add_argument("--folder", required=True)
    arguments.add_argument("program", nargs="+")
    asked = arguments.parse_args()
    become(asked.program, parent=asked.parent, ending=asked.ending, user=asked.user, folder=asked.folder)


if __name__ == "__main__":
    main()
