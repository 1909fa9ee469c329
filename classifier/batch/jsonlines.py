"""JSON Lines files, plain or compressed, read in slices and written.

zstd is the standard library's own module from Python 3.14 on; its backport, for older ones, is small enough to be no
extra.
"""

import gzip
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, BinaryIO, cast

from classifier.batch.chunks import SLICE_BYTES, Chunk, Record, Shape, Slice, articles_of, language_of
from classifier.labels import CleanedArticle
from classifier.records import BadRow, dump, parse_row

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_MOST_SLICES = 16  # of a compressed file, as each slice is reached by reading all that is before it
_SAMPLE_BYTES = 8_000_000
_LINE_TO_TEXT = 4  # a line may be so many times as long as a text: escapes, and other fields


def line_slices(file: BinaryIO) -> Iterator[Slice]:
    """Cut before the first line break after each `SLICE_BYTES`; all lines are counted."""
    start = position = 0
    line = first = 1
    while block := file.read(SLICE_BYTES):
        cut = block.rfind(b"\n") + 1
        if cut and position + cut - start >= SLICE_BYTES:
            yield Slice(start, position + cut, first)
            first = line + block.count(b"\n", 0, cut)
            start = position + cut
        line += block.count(b"\n")
        position += len(block)
    if position > start or not start:
        yield Slice(start, -1, first)


def stream_slices(file: BinaryIO, compression: str, size: int) -> Iterator[Slice]:
    """Cut at multiples of a number of bytes; how many there are is guessed from the beginning, the last is open."""
    stream, errors = _decompressed(file, compression)
    read = 0
    with suppress(*errors):
        while read < _SAMPLE_BYTES and (block := stream.read(1 << 16)):
            read += len(block)
    whole = read * size // max(file.tell(), 1)
    count = max(1, min(_MOST_SLICES, whole // SLICE_BYTES))
    step = max(SLICE_BYTES, whole // count)
    for number in range(count):
        yield Slice(number * step, (number + 1) * step if number + 1 < count else -1, 1 if number == 0 else 0)


def rows(file: BinaryIO, compression: str, part: Slice, text_field: str, most: int) -> Iterator[Record | BadRow]:
    for number, line in _lines(file, compression, part, most * _LINE_TO_TEXT):
        if isinstance(line, str):
            yield BadRow(number, line)
        elif line.strip():
            row = parse_row(number, line, text_field)
            yield row if isinstance(row, BadRow) else Record(number, row[text_field], row, language_of(row))


def _lines(file: BinaryIO, compression: str, part: Slice, most: int) -> Iterator[tuple[int, bytes | str]]:
    """Yield the lines of a slice with their numbers; for one that cannot be had, why not."""
    stream, errors = _decompressed(file, compression)
    if compression:
        position, number = 0, 1
    else:
        position, number = part.start, part.line
        stream.seek(position)
    try:
        while part.end < 0 or position < part.end:
            line = stream.readline(most)
            if not line:
                break
            inside = part.holds(position)
            begun = position
            position += len(line)
            if len(line) == most and not line.endswith(b"\n"):
                while rest := stream.readline(most):
                    position += len(rest)
                    if rest.endswith(b"\n"):
                        break
                if inside:
                    yield number, f"the line is too long ({position - begun:,} bytes); allow more with --max-bytes"
            elif inside:
                yield number, line
            number += 1
    except errors as error:
        if part.holds(position):
            yield number, f"the file is damaged here or before ({error})"


def _decompressed(file: BinaryIO, compression: str) -> tuple[BinaryIO, tuple[type[Exception], ...]]:
    """Return the stream that a file holds, and the errors that say that it is damaged."""
    if compression == "gz":
        return cast(BinaryIO, gzip.GzipFile(fileobj=file)), (gzip.BadGzipFile, EOFError, zlib.error)
    if compression == "zst":
        return cast(BinaryIO, zstd.ZstdFile(file)), (zstd.ZstdError, EOFError)
    return file, ()


class JsonlWriter:
    def __init__(self, file: BinaryIO, compression: str, shape: Shape) -> None:
        self._shape = shape
        self._file: Any = file
        self._compressed = bool(compression)
        if compression == "gz":
            self._file = gzip.GzipFile("", "wb", 6, file, mtime=0)
        elif compression == "zst":
            self._file = zstd.ZstdFile(file, "wb")

    def write(self, chunk: Chunk, articles: Sequence[CleanedArticle]) -> None:
        rows = [self._shape.row(record, one) for record, one in zip(articles_of(chunk), articles, strict=True)]
        self._file.write("".join(f"{dump(row)}\n" for row in rows).encode())

    def close(self) -> None:
        if self._compressed:
            self._file.close()
