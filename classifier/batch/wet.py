"""Common Crawl's WET files, a gzip member for each record, read with FastWARC, which is an extra, and written."""

import base64
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, BinaryIO

from classifier.batch.chunks import SLICE_BYTES, Chunk, Record, Slice, language_of, text_content
from classifier.errors import InputError
from classifier.labels import CleanedArticle
from classifier.records import BadRow, decode

_STEP = SLICE_BYTES // 4  # of compressed bytes
_SAMPLE_BYTES = 1_000_000
_MOST_RECORD = 32_000_000
_GZIP_START = b"\x1f\x8b\x08"


def member_slices(file: BinaryIO, size: int) -> Iterator[Slice]:
    """Cut at multiples of bytes when each record is compressed by itself, which lets a reader begin anywhere."""
    count = max(1, size // _STEP) if _is_by_record(file) else 1
    for number in range(count):
        yield Slice(number * _STEP, (number + 1) * _STEP if number + 1 < count else -1, 0)


def _is_by_record(file: BinaryIO) -> bool:
    """Whether the first gzip member, which holds the head of the file, is a small one."""
    beginning = zlib.decompressobj(31)
    file.seek(0)
    with suppress(zlib.error):
        beginning.decompress(file.read(_SAMPLE_BYTES), _SAMPLE_BYTES)
        return beginning.eof
    return True  # damaged: what comes after is looked for


def records(file: BinaryIO, part: Slice, text_field: str) -> Iterator[Record | BadRow]:
    """Yield the records of a slice; a damaged one is told of, and those after it are found again."""
    warc = import_module("fastwarc.warc")
    if part.start == 0 and part.end < 0 and not _is_by_record(file):
        yield from _stream(file, text_field, warc)
        return
    for position, content in _members(file, part):
        if isinstance(content, str):
            yield BadRow(0, f"{content} at byte {position:,}")
            continue
        try:
            for record in warc.ArchiveIterator(io.BytesIO(content), parse_http=False):
                yield _record(position, record, text_field, warc)
        except (OSError, ValueError) as error:
            yield BadRow(0, f"the record at byte {position:,} is damaged ({error})")


def _stream(file: BinaryIO, text_field: str, warc: Any) -> Iterator[Record | BadRow]:
    """Yield the records of a file that is compressed as a whole."""
    position = 0
    file.seek(0)
    try:
        for record in warc.ArchiveIterator(gzip.GzipFile(fileobj=file), parse_http=False):
            record.freeze()
            position = int(record.stream_pos)
            yield _record(position, record, text_field, warc)
    except (OSError, ValueError, EOFError, zlib.error) as error:
        yield BadRow(0, f"the file is damaged after the record at byte {position:,} ({error})")


def _record(position: int, record: Any, text_field: str, warc: Any) -> Record | BadRow:
    content = record.reader.read()
    if len(content) != record.content_length:
        return BadRow(0, f"the record at byte {position:,} is cut off")
    headers = (record.headers.status_line, tuple(record.headers.items()))
    if record.record_type != warc.WarcRecordType.conversion:
        return Record(position, "", {}, passed=_written(headers, content))
    try:
        text, _ = decode(content)
    except InputError as error:
        return BadRow(0, f"the record at byte {position:,}: {error}")
    fields = {**dict(headers[1]), text_field: text}
    return Record(position, text, fields, language_of(fields), origin=headers)


def _written(headers: tuple[str, tuple[tuple[str, str], ...]], content: bytes) -> bytes:
    """Return a record with its length and its digest, when it has one, made to fit the content."""
    status, fields = headers
    digest = base64.b32encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode()
    fitting = {"content-length": str(len(content)), "warc-block-digest": f"sha1:{digest}"}
    lines = [status, *(f"{name}: {fitting.get(name.lower(), value)}" for name, value in fields)]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "replace") + content + b"\r\n\r\n"


def _members(file: BinaryIO, part: Slice) -> Iterator[tuple[int, bytes | str]]:
    """Yield where each gzip member of a slice begins, and what it holds or how it is damaged.

    After damage the next member is looked for by the bytes it must begin with, and those of a WARC record in it.
    """
    position = part.start
    expected = position == 0
    while True:
        member = _member(file, position)
        if member is not None:
            if not part.holds(position):
                return
            yield position, member[0]
            position, expected = position + member[1], True
            continue
        file.seek(position)
        beginning = file.read(1)
        if expected and beginning:  # also beyond the end: who begins there does not know that one should stand there
            yield position, "the file is damaged"
        if not part.holds(position):
            return
        expected = False
        found = _next_start(file, position + (1 if beginning == _GZIP_START[:1] else 0))
        if found is None or not part.holds(found):
            return
        position = found


def _member(file: BinaryIO, position: int) -> tuple[bytes | str, int] | None:
    """Return what the gzip member at a position holds, or why not, and its length; None when there is none whole."""
    file.seek(position)
    reader = zlib.decompressobj(31)
    content = b""
    read = size = 0
    try:
        while not reader.eof:
            block = file.read(1 << 14)
            if not block:
                return None
            read += len(block)
            piece = reader.decompress(block)
            size += len(piece)
            if size <= _MOST_RECORD:
                content += piece
            if not content.startswith(b"WARC/"[: len(content)]):
                return None
    except zlib.error:
        return None
    return content if size <= _MOST_RECORD else "the record is too large", read - len(reader.unused_data)


def _next_start(file: BinaryIO, position: int) -> int | None:
    """Return where bytes stand, from a position on, that can begin a gzip member."""
    file.seek(position)
    before = b""
    while block := file.read(1 << 20):
        found = (before + block).find(_GZIP_START)
        if found >= 0:
            return position - len(before) + found
        position += len(block)
        before = block[-2:]
    return None


class WetWriter:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, chunk: Chunk, articles: Sequence[CleanedArticle]) -> None:
        cleaned = iter(articles)
        for record in chunk.records:
            content = record.passed or _written(record.origin, text_content(next(cleaned)))
            self._file.write(gzip.compress(content, 6, mtime=0))

    def close(self) -> None:
        """Nothing is left."""
