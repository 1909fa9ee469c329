"""The units of work of a batch: small text files together, other files alone, large ones in slices.

Which units there are depends on the input alone, not on who cleans it or how often that was stopped, so that a later
run knows them again.
"""

import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b

from classifier.batch.chunks import Format, Slice
from classifier.batch.formats import FORMATS, JSONL, PARQUET, TEXT, WET, format_of, slices
from classifier.batch.places import OWN, Found, Place
from classifier.batch.summary import Failure
from classifier.errors import InputError

FAILURES, REPORT = "failures.jsonl", "report.json"
"""Names of the files that a run adds to its output."""

_GROUP_BYTES = 500_000  # text files are cleaned together up to this size...
_GROUP_FILES = 512
_GROUP_END = 128  # ...and up to a name that this number says: a new file moves the borders of few groups
_FOLDER_BYTES = 4_000_000  # the same for those that become rows of one file


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece of work: text files, or a slice of another file, and the output it makes a part of.

    `target` is the output file; for text files that stay such it names the first of them. `output` is None where
    articles become text files. `key` says of what content the input was. `size` is in bytes of the input.
    """

    target: str
    part: int
    is_last: bool
    key: str
    inputs: tuple[str, ...]
    form: Format
    output: Format | None
    slice: Slice = field(default_factory=Slice)
    size: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether it makes all of its output."""
        return self.part == 0 and self.is_last

    @property
    def written(self) -> str:
        """The name of what it writes: its output, or the part of one."""
        return self.target if self.is_whole or self.output is None else part_name(self.target, self.part)


@dataclass(frozen=True, slots=True)
class Job:
    """An output and the units that make it, which are found as they are asked for."""

    target: str
    key: str
    size: int
    output: Format | None
    inputs: tuple[str, ...] = ()
    units: Iterable[Unit] = field(default=(), compare=False)


def part_name(target: str, part: int) -> str:
    """Return where a part of an output lies until all are there."""
    return f"{OWN}/parts/{_digest([target])}-{part:05d}"


def plan(source: Place, to: str | None) -> Iterator[Job | Failure]:
    """Yield all work there is in a folder, file by file, and what of it cannot be done.

    `to` is the format of the output, None for that of the input.
    """
    taken: set[str] = set()
    texts: list[Found] = []
    size = 0
    rows_of_texts = to in (JSONL, PARQUET)

    def flush() -> Iterator[Job]:
        nonlocal size
        if texts:
            yield _text_rows(texts, str(to)) if rows_of_texts else _text_group(texts)
        texts.clear()
        size = 0

    for found in source.walk():
        form = format_of(found.name)
        if found.problem:
            if form or found.name.endswith("/"):
                yield from () if rows_of_texts else flush()
                yield Failure(found.name, 0, found.problem)
        elif form and form.name == TEXT:
            if texts and (_folder(texts[0]) != _folder(found) if rows_of_texts else _is_full(texts, size)):
                yield from flush()
            texts.append(found)
            size += found.size
        elif form:
            yield from () if rows_of_texts else flush()
            target, output = _output(found.name, form, to)
            if target in taken or target == FAILURES:
                kept = "is kept for the list of failures" if target == FAILURES else "is that of another file as well"
                yield Failure(found.name, 0, f"the name of its output, {target}, {kept}; rename the file")
                continue
            if to:
                taken.add(target)
            yield _file(source, found, form, target, output)
    yield from flush()


def _folder(found: Found) -> str:
    return found.name.rpartition("/")[0]


def _is_full(texts: list[Found], size: int) -> bool:
    return (
        zlib.crc32(texts[-1].name.encode("utf-8", "surrogateescape")) % _GROUP_END == 0
        or len(texts) >= _GROUP_FILES
        or size >= _GROUP_BYTES
    )


def _text_group(texts: list[Found]) -> Job:
    names = tuple(found.name for found in texts)
    key = _digest([[found.name, found.size, found.stamp] for found in texts])
    size = sum(found.size for found in texts)
    unit = Unit(names[0], 0, True, key, names, FORMATS[0], None, size=size)
    return Job(names[0], key, size, None, names, (unit,))


def _text_rows(texts: list[Found], to: str) -> Job:
    """Return the job that makes one file of all texts of a folder."""
    folder = _folder(texts[0])
    output = next(form for form in FORMATS if form.name == to)
    target = f"{folder}/texts{output.suffix}".lstrip("/")
    groups: list[list[Found]] = [[]]
    size = 0
    for found in texts:
        if groups[-1] and size >= _FOLDER_BYTES:
            groups.append([])
            size = 0
        groups[-1].append(found)
        size += found.size
    units = []
    for part, group in enumerate(groups):
        key = _digest([target, part, *([found.name, found.size, found.stamp] for found in group)])
        names = tuple(found.name for found in group)
        bytes_ = sum(found.size for found in group)
        units.append(Unit(target, part, part + 1 == len(groups), key, names, FORMATS[0], output, size=bytes_))
    return Job(target, _digest([unit.key for unit in units]), sum(unit.size for unit in units), output, (), units)


def _file(source: Place, found: Found, form: Format, target: str, output: Format | None) -> Job:
    key = _digest([target, found.name, found.size, found.stamp])
    return Job(target, key, found.size, output, (found.name,), _slices(source, found, form, target, output, key))


def _slices(source: Place, found: Found, form: Format, target: str, output: Format | None, key: str) -> Iterator[Unit]:
    """Yield a unit for each slice of a file; one that cannot be cut is one unit, which will say why."""
    part = before = 0
    ahead = Slice()
    try:
        cuts = slices(source, found.name, form, found.size)
        ahead = next(cuts)
        for following in cuts:
            size = max(0, min(_bytes(ahead, form, found.size), found.size - before))
            unit_key = _digest([key, part, ahead.start, ahead.end])
            yield Unit(target, part, False, unit_key, (found.name,), form, output, ahead, size)
            ahead, part, before = following, part + 1, before + size
    except (OSError, InputError):  # which whoever reads on from there will meet again, and tell
        ahead = Slice(ahead.start, -1, ahead.line)
    unit_key = _digest([key, part, ahead.start, ahead.end])
    yield Unit(target, part, True, unit_key, (found.name,), form, output, ahead, found.size - before)


def _bytes(part: Slice, form: Format, size: int) -> int:
    """Return about how many bytes of the file a slice that is not the last takes."""
    exact = form.name == WET or (form.name == JSONL and not form.compression)
    return part.end - part.start if exact else size // 16


def _output(name: str, form: Format, to: str | None) -> tuple[str, Format | None]:
    """Return the name and the format of what a file becomes."""
    if to is None or to == form.name:
        return name, form
    if to == TEXT:
        return name, None
    output = next(one for one in FORMATS if one.name == to)
    return name[: -len(form.suffix)] + output.suffix, output


def _digest(values: object) -> str:
    return blake2b(json.dumps(values).encode(), digest_size=12).hexdigest()
