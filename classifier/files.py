"""Files that are there whole or not at all, and files that one process at a time holds."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def write_whole(target: Path, content: bytes, *, durable: bool = False) -> None:
    """Write a file, making its folder and replacing what is there in one step; who reads it sees the old or the new.

    With `durable` it also survives a power cut once this returns, which takes its time. Raises OSError when that cannot
    be done; the old file is then still there.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(prefix=".winnow-", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(beside, 0o644)
        os.replace(beside, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(beside)
        raise
    if durable:
        settle(target.parent)


def settle(path: Path) -> None:
    """Return when a file's content, or a folder's list of names, is on the disk and survives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file, which is made if need be, among all processes and hosts that share it.

    It is a lock on the open file (flock), which the system lets go when the process ends in whatever way; NFS honours
    it from version 4 on. Processes forked inside hold it as well, those that are started anew do not. Raises
    BlockingIOError at once when another one holds it, and OSError when it cannot be opened.
    """
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
