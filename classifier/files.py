"""Files that are there whole or not at all."""

import os
import tempfile
from contextlib import suppress
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
