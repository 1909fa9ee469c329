"""Where texts lie and where results go: a folder of this machine, or one behind a URL that fsspec opens.

Names within a place are relative and have `/` between their parts. A plain path needs no fsspec.
"""

import os
import re
import shutil
import stat
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, cast

from classifier.errors import InputError

OWN = ".winnow"
"""Folder in an output place for what a run needs for itself; it is never looked into for texts."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(://|::)")
_STAMPS = ("ETag", "etag", "md5Hash", "content_md5", "mtime", "LastModified", "last_modified", "updated", "modified")
# Object stores, where what is put appears in one step when all of it is there; elsewhere it is renamed into place.
_APPEARS_WHOLE = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oss", "memory"}


@dataclass(frozen=True, slots=True)
class Found:
    """A file of a place: size in bytes, a stamp that changes with the content, and why it cannot be read, if so.

    The name of a folder, which is given only when that cannot be read, ends in `/`.
    """

    name: str
    size: int = 0
    stamp: str = ""
    problem: str = ""


class Place(ABC):
    """A folder that is read from or written to; operations raise OSError."""

    is_local: bool
    kind = "file"
    """The protocol of a URL; places of one kind may lie within each other."""
    root = ""

    def __init__(self, address: str) -> None:
        self.address = address

    def overlaps(self, other: "Place") -> bool:
        """Whether one of two places lies within the other, or both are the same."""
        one, two = (f"{place.root.rstrip('/')}/" for place in (self, other))
        return self.kind == other.kind and (one.startswith(two) or two.startswith(one))

    @abstractmethod
    def exists(self) -> bool:
        """Whether there is such a folder."""

    @abstractmethod
    def walk(self) -> Iterator[Found]:
        """Yield all files, those of a folder before those of its folders, sorted by name; not what is in `OWN`."""

    @abstractmethod
    def open(self, name: str) -> BinaryIO:
        """Open a file to be read from any position."""

    @abstractmethod
    def size(self, name: str) -> int:
        """Return the bytes of a file, or -1 when there is none."""

    @abstractmethod
    def put(self, file: Path, name: str) -> None:
        """Move a file of this machine, made in `scratch`, to a name; who reads that sees the old or the new."""

    @abstractmethod
    def append(self, name: str, content: bytes) -> str:
        """Add to the end of a file, or to what stands for one as another file; return the name of the file."""

    @abstractmethod
    def pieces(self, name: str) -> list[str]:
        """Return the names of the files that hold, in order, what was appended to a name."""

    @abstractmethod
    def names(self, folder: str) -> list[str]:
        """Return the names of what is directly in a folder, none when there is no such folder."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file or a folder with all that is in it, if it is there."""

    @abstractmethod
    @contextmanager
    def scratch(self, run: str) -> Iterator[Path]:
        """Give a folder of this machine for files in the making, for one run.

        In a local place it is removed by who begins the next run: what an orphan of this one still makes then comes
        to nothing.
        """

    def begin(self, run: str) -> None:  # noqa: B027 (a remote place needs nothing done)
        """Make the scratch folder of a run, after removing those of all others."""

    def write(self, name: str, content: bytes, run: str) -> None:
        """Write a file whole."""
        with self.scratch(run) as folder:
            self.put(new_file(folder, content), name)


@lru_cache(maxsize=8)
def place(address: str) -> Place:
    """Return the place of an address: a path, or a URL for fsspec such as `s3://bucket/folder`.

    Raises InputError, saying what to install, when the URL cannot be opened.
    """
    if not _URL.match(address):
        return _Folder(address)
    try:
        import fsspec
    except ImportError as error:
        raise InputError(f"{address} needs fsspec; install it: pip install 'winnow-news[remote]'") from error
    try:
        system, root = fsspec.core.url_to_fs(address)
    except (ImportError, ValueError, OSError) as error:
        raise InputError(f"{address} cannot be opened ({error})") from error
    return _Remote(address, system, str(root))


def new_file(folder: Path, content: bytes = b"") -> Path:
    """Make a file of a new name."""
    handle, name = tempfile.mkstemp(dir=folder)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    return Path(name)


class _Folder(Place):
    is_local = True

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.root = os.path.realpath(address)

    def exists(self) -> bool:
        return os.path.isdir(self.root)

    def walk(self) -> Iterator[Found]:
        waiting = [""]  # no recursion: folders may be nested deeper than calls
        while waiting:
            folder = waiting.pop()
            files: list[str] = []
            folders: list[str] = []
            try:
                with os.scandir(self._path(folder)) as entries:
                    for entry in entries:  # a folder may hold a million files: of each no more than its name is kept
                        (folders if entry.is_dir(follow_symlinks=False) else files).append(entry.name)
            except OSError as error:
                yield Found(folder or "./", problem=f"the folder cannot be read: {error.strerror}")
                continue
            files.sort()
            waiting += [f"{folder}{name}/" for name in sorted(folders, reverse=True) if name != OWN]
            for name in files:
                yield self._found(f"{folder}{name}")

    def _found(self, name: str) -> Found:
        path = self._path(name)
        try:
            seen = os.lstat(path)
            if stat.S_ISLNK(seen.st_mode):
                seen = os.stat(path)
                is_folder = stat.S_ISDIR(seen.st_mode)
                if not f"{os.path.realpath(path)}{os.sep}".startswith(f"{self.root.rstrip(os.sep)}{os.sep}"):
                    return Found(
                        f"{name}/" if is_folder else name, problem="it is a link that leads out of the source folder"
                    )
                if is_folder:
                    return Found(name, problem="it is a link to a folder, whose files are cleaned where they are")
        except OSError as error:
            return Found(name, problem=error.strerror or str(error))
        if not stat.S_ISREG(seen.st_mode):
            return Found(name, problem="it is no regular file")
        return Found(name, seen.st_size, str(seen.st_mtime_ns))

    def open(self, name: str) -> BinaryIO:
        return open(self._path(name), "rb")

    def size(self, name: str) -> int:
        try:
            return os.stat(self._path(name)).st_size
        except (FileNotFoundError, NotADirectoryError):
            return -1

    def put(self, file: Path, name: str) -> None:
        path = self._path(name)
        os.chmod(file, 0o644)
        try:
            os.replace(file, path)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.replace(file, path)

    def append(self, name: str, content: bytes) -> str:
        with open(self._path(name), "ab", buffering=0) as file:
            while content:
                content = content[file.write(content) :]
        return name

    def pieces(self, name: str) -> list[str]:
        return [name] if self.size(name) >= 0 else []

    def names(self, folder: str) -> list[str]:
        with suppress(FileNotFoundError):
            return sorted(os.listdir(self._path(folder)))
        return []

    def remove(self, name: str) -> None:
        path = self._path(name)
        with suppress(FileNotFoundError):
            if os.path.isdir(path):
                shutil.rmtree(path, ignore_errors=True)
            else:
                os.unlink(path)

    @contextmanager
    def scratch(self, run: str) -> Iterator[Path]:
        # Not made here: once the next run has removed the folder, this one must not bring it back.
        yield Path(self._path(f"{OWN}/new-{run}"))

    def begin(self, run: str) -> None:
        for name in self.names(OWN):
            if name.startswith("new-"):
                self.remove(f"{OWN}/{name}")
        os.makedirs(self._path(f"{OWN}/new-{run}"), exist_ok=True)

    def _path(self, name: str) -> str:
        return os.path.join(self.root, *name.split("/"))


class _Remote(Place):
    is_local = False

    def __init__(self, address: str, system: Any, root: str) -> None:
        super().__init__(address)
        self._system = system
        self.root = root.rstrip("/")
        protocols = system.protocol if isinstance(system.protocol, tuple) else (system.protocol,)
        self.kind = "file" if "file" in protocols else str(protocols[0])
        self._appears_whole = bool(_APPEARS_WHOLE & set(protocols))
        self._pieces: dict[str, int] = {}

    def exists(self) -> bool:
        return bool(self._system.isdir(self.root))

    def walk(self) -> Iterator[Found]:
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            try:
                entries = sorted(self._system.ls(self._path(folder), detail=True), key=lambda entry: str(entry["name"]))
            except OSError as error:
                yield Found(folder or "./", problem=f"the folder cannot be read: {error.strerror or error}")
                continue
            files = []
            folders = []
            for entry in entries:
                name = f"{folder}{str(entry['name']).rstrip('/').rsplit('/', 1)[-1]}"
                if entry["type"] == "directory":
                    folders.append(f"{name}/")
                elif str(entry["name"]).rstrip("/") != self._path(folder).rstrip("/"):  # some list the folder itself
                    files.append(Found(name, int(entry.get("size") or 0), _stamp(entry)))
            waiting += reversed([name for name in folders if not f"/{name}".endswith(f"/{OWN}/")])
            yield from files

    def open(self, name: str) -> BinaryIO:
        return cast(BinaryIO, BufferedReader(self._system.open(self._path(name), "rb"), 1 << 20))

    def size(self, name: str) -> int:
        try:
            return int(self._system.info(self._path(name))["size"] or 0)
        except FileNotFoundError:
            return -1

    def put(self, file: Path, name: str) -> None:
        path = self._path(name)
        self._system.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        if self._appears_whole:
            self._system.put_file(str(file), path)
        else:
            beside = f"{path.rsplit('/', 1)[0]}/.winnow-{file.name}"
            self._system.put_file(str(file), beside)
            self._system.mv(beside, path)
        file.unlink()

    def append(self, name: str, content: bytes) -> str:
        # Most remote systems cannot append, so each piece is a file of its own.
        if name not in self._pieces:
            there = self.pieces(name)
            self._pieces[name] = int(there[-1].rsplit("-", 1)[1]) + 1 if there else 0
        piece = f"{name}-{self._pieces[name]:08d}"
        self.write(piece, content, "")
        self._pieces[name] += 1
        return piece

    def pieces(self, name: str) -> list[str]:
        folder, base = name.rsplit("/", 1)
        return [f"{folder}/{one}" for one in self.names(folder) if one.startswith(f"{base}-")]

    def names(self, folder: str) -> list[str]:
        try:
            self._system.invalidate_cache(self._path(folder))
            found = self._system.ls(self._path(folder), detail=False)
        except FileNotFoundError:
            return []
        return sorted(str(name).rstrip("/").rsplit("/", 1)[-1] for name in found)

    def remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            self._system.rm(self._path(name), recursive=True)

    @contextmanager
    def scratch(self, run: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="winnow-") as folder:
            yield Path(folder)

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}"


def _stamp(entry: dict[str, Any]) -> str:
    found = next((entry[name] for name in (*_STAMPS, "created") if entry.get(name)), "")
    return str(found)
