"""The journal of a batch: what is finished, kept in the output folder so that a stopped run goes on where it stopped.

A row is added when a unit's output is in place, and another one when an output file is whole; the first row says how
all of it was made. A row that was cut off by a kill or a full disk is passed over, and its unit done again. That is
safe from a kill at any moment; as outputs are not forced to the disk one by one, a power cut may cost some, which are
missed by their size and made again.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifier.batch.places import OWN, Place
from classifier.batch.summary import Failure
from classifier.errors import InputError, OutputError, StoreBusyError
from classifier.files import locked

_NAME = f"{OWN}/journal.jsonl"


@dataclass(frozen=True, slots=True)
class Entry:
    """A finished unit: what its input was, bytes written (-1: nothing), and where in the journal its row stands."""

    key: str
    size: int
    has_failures: bool
    piece: str
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Whole:
    """A finished output file: what its input was, its bytes, and of how many units it was made."""

    key: str
    size: int
    parts: int


class Journal:
    """The journal of an output place; one run at a time may add to it."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._entries: dict[tuple[str, int], Entry] = {}
        self._wholes: dict[str, Whole] = {}
        self._piece = _NAME
        self._end = 0

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the output for one run; on this machine that is seen to, behind a URL it is the user's care.

        Raises StoreBusyError when another run holds it.
        """
        if not self._place.is_local:
            yield
            return
        path = Path(self._place.address) / OWN
        path.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(path / "lock"))
            except BlockingIOError as error:
                raise StoreBusyError(
                    f"another run is under way in {self._place.address}; try again when it has ended"
                ) from error
            yield

    def open(self, made: Mapping[str, Any], *, restart: bool) -> None:
        """Read what is finished; `made` says how this run makes its outputs.

        Raises InputError when what is there was made otherwise, unless `restart`, which forgets it.
        """
        if restart:
            self.forget()
        header: Mapping[str, Any] | None = None
        for piece in self._place.pieces(_NAME):
            with self._place.open(piece) as file:
                start = 0
                for line in file:
                    row = _row(line)
                    if row is not None and header is None:
                        header = row
                        _compare(self._place.address, header, made)
                    elif row is not None:
                        self._note(row, piece, start, len(line))
                    start += len(line)
                if start and not line.endswith(b"\n") and self._place.is_local:
                    self._place.append(_NAME, b"\n")
                    start += 1
                self._piece, self._end = piece, start
        if header is None:
            self.forget()
            self._add(made)

    def forget(self) -> None:
        """Remove the journal and all parts, but no output."""
        for piece in self._place.pieces(_NAME):
            self._place.remove(piece)
        self._place.remove(f"{OWN}/parts")
        self._entries, self._wholes = {}, {}
        self._piece, self._end = _NAME, 0

    def entry(self, target: str, part: int) -> Entry | None:
        """Return what is known of a finished unit."""
        return self._entries.get((target, part))

    def whole(self, target: str) -> Whole | None:
        """Return what is known of a finished output file."""
        return self._wholes.get(target)

    def row(self, entry: Entry) -> dict[str, Any]:
        """Return the row of a finished unit: its summary and its failures."""
        with self._place.open(entry.piece) as file:
            file.seek(entry.start)
            row = _row(file.read(entry.length))
        if row is None:
            raise OutputError(f"the journal in {self._place.address} was changed while it was in use; start again")
        return row

    def failures(self, entry: Entry) -> list[Failure]:
        """Return the failures of a finished unit."""
        return [Failure(*one) for one in self.row(entry)["failures"]] if entry.has_failures else []

    def add_unit(
        self,
        target: str,
        part: int,
        key: str,
        size: int,
        summary: Mapping[str, Any],
        failures: list[Failure],
        whole: str | None = None,
    ) -> None:
        """Note that a unit is finished, and what became of it; `whole` is the key of the output when that is all."""
        row = {"unit": [target, part], "key": key, "size": size, "summary": summary, "failures": failures}
        self._add(row if whole is None else {**row, "whole": target, "parts": 1, "whole_key": whole})

    def add_whole(self, target: str, key: str, size: int, parts: int) -> None:
        """Note that an output file is whole."""
        self._add({"whole": target, "whole_key": key, "size": size, "parts": parts})

    def _add(self, row: Mapping[str, Any]) -> None:
        line = json.dumps(row).encode() + b"\n"
        piece = self._place.append(_NAME, line)
        if piece != self._piece:
            self._piece, self._end = piece, 0
        self._note(row, self._piece, self._end, len(line))
        self._end += len(line)

    def _note(self, row: Mapping[str, Any], piece: str, start: int, length: int) -> None:
        if "unit" in row:
            target, part = row["unit"]
            entry = Entry(row["key"], row["size"], bool(row["failures"]), piece, start, length)
            self._entries[target, part] = entry
        if "whole" in row:
            self._wholes[row["whole"]] = Whole(row["whole_key"], row["size"], row["parts"])


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _compare(address: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    changed = [
        f"{name} was {before.get(name)!r} and is {now.get(name)!r}"
        for name in (*now, *before)
        if before.get(name) != now.get(name)
    ]
    if changed:
        raise InputError(
            f"{address} was begun in another way ({'; '.join(dict.fromkeys(changed))}); "
            "do as before, name another folder, or begin anew with --restart"
        )
