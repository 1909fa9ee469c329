"""JSON Lines read in slices: every row once, with its number, whatever the borders and the compression."""

import gzip
import io
import json
import random
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from classifier.batch import jsonlines
from classifier.batch.chunks import Chunk, Record, Shape, Slice
from classifier.batch.jsonlines import JsonlWriter, line_slices, rows, stream_slices
from classifier.labels import CleanedArticle
from classifier.records import BadRow

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESS: Mapping[str, Callable[[bytes], bytes]] = {"": bytes, "gz": gzip.compress, "zst": zstd.compress}


def lines_of(count: int) -> list[bytes]:
    """Return rows of many lengths, blank lines and bad ones among them."""
    lengths = random.Random(0)
    odd = {3: b"\n", 4: b"{\n", 9: b" \r\n"}
    return [
        odd.get(number % 50, f'{{"text": "{number}{"é" * lengths.randrange(40)}"}}\n'.encode())
        for number in range(count)
    ]


def read(content: bytes, compression: str, parts: Sequence[Slice], most: int = 10_000) -> list[Record | BadRow]:
    """Return what is in all slices of a file."""
    return [one for part in parts for one in rows(io.BytesIO(content), compression, part, "text", most)]


def told(found: Sequence[Record | BadRow]) -> list[tuple[int, str | None]]:
    """Return the number and the text of each row, None for a bad one."""
    return [(one.place, one.text) if isinstance(one, Record) else (one.line, None) for one in found]


@pytest.mark.parametrize("size", [1, 7, 64, 1_000, 10**6])
@pytest.mark.parametrize("compression", COMPRESS)
@pytest.mark.parametrize("end", [b"", b"\n"], ids=["no last break", "last break"])
def test_slices_hold_every_row_once(monkeypatch: pytest.MonkeyPatch, size: int, compression: str, end: bytes) -> None:
    """In order, with the numbers of the lines, as read in one piece."""
    monkeypatch.setattr(jsonlines, "SLICE_BYTES", size)
    plain = b"".join(lines_of(200)).rstrip() + end
    content = COMPRESS[compression](plain)
    if compression:
        parts = list(stream_slices(io.BytesIO(content), compression, len(content)))
    else:
        parts = list(line_slices(io.BytesIO(content)))
    assert (len(parts) > 1) == (size < len(plain))
    assert len(parts) <= (jsonlines._MOST_SLICES if compression else 200)
    whole = told(read(content, compression, [Slice()]))
    assert [number for number, _ in whole] == [n + 1 for n in range(200) if n % 50 not in (3, 9)]
    assert told(read(content, compression, parts)) == whole


@pytest.mark.parametrize("compression", ["gz", "zst"])
def test_a_file_of_several_members_is_read_whole(compression: str) -> None:
    """As tools make them that append."""
    content = b"".join(COMPRESS[compression](line) for line in lines_of(20))
    assert [number for number, _ in told(read(content, compression, [Slice()]))] == [
        n + 1 for n in range(20) if n not in (3, 9)
    ]


def _flip(content: bytes, place: int) -> bytes:
    return content[:place] + bytes(byte ^ 0x55 for byte in content[place : place + 8]) + content[place + 8 :]


@pytest.mark.parametrize(
    ("compression", "content", "most"),
    [
        ("gz", gzip.compress(b"".join(lines_of(5_000)))[:-6], 5_000),
        ("gz", gzip.compress(b"".join(lines_of(5_000)))[:9_000], 4_000),
        ("gz", _flip(gzip.compress(b"".join(lines_of(5_000))), 9_000), 5_000),
        ("gz", b"".join(lines_of(50)), 1),
        ("zst", zstd.compress(b"".join(lines_of(5_000)))[:-6], 5_000),
        ("zst", _flip(zstd.compress(b"".join(lines_of(5_000))), 9_000), 4_999),
        ("zst", b"".join(lines_of(50)), 1),
    ],
    ids=["gzip end", "gzip cut", "gzip flipped", "no gzip", "zstd end", "zstd flipped", "no zstd"],
)
def test_damage_is_told_once_where_it_is(
    monkeypatch: pytest.MonkeyPatch, compression: str, content: bytes, most: int
) -> None:
    """By the slice that holds the place; what stands before it is read, and the same with one slice as with many."""
    monkeypatch.setattr(jsonlines, "SLICE_BYTES", 20_000)
    parts = list(stream_slices(io.BytesIO(content), compression, len(content)))
    found = read(content, compression, parts)
    damage = [one for one in found if isinstance(one, BadRow) and "damaged here or before" in one.reason]
    assert len(damage) == 1
    assert found[-1] == damage[0]
    assert damage[0].line <= most + 1
    assert told(found) == told(read(content, compression, [Slice()]))


@pytest.mark.parametrize(("length", "good"), [(100, True), (400, True), (401, False), (5_000, False)])
def test_a_line_without_end_is_bad_and_does_not_fill_memory(length: int, good: bool) -> None:
    """It is told by its number and passed over; the next one is read."""
    line = b'{"text": "' + b"x" * (length - 13) + b'"}\n'
    assert len(line) == length
    found = read(line + b'{"text": "B"}\n', "", [Slice()], 100)
    assert [isinstance(one, Record) for one in found] == [good, True]
    assert told(found)[1] == (2, "B")


def test_a_huge_line_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """No read asks for more than the bound, however long the line."""
    asked: list[int] = []

    class Stream(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            asked.append(size if size is not None else -1)
            return super().readline(size)

    found = list(rows(Stream(b"x" * 100_000), "", Slice(), "text", 100))
    assert [isinstance(one, BadRow) for one in found] == [True]
    assert set(asked) == {400}


@pytest.mark.parametrize(
    ("fields", "language"),
    [
        ({"lang": "ar"}, "ar"),
        ({"language": "pt-BR"}, "pt"),
        ({"lang": "ENG"}, "eng"),
        ({"lang": None, "language": "de"}, "de"),
        ({"lang": "German language"}, ""),
        ({"lang": 5}, ""),
        ({"WARC-Identified-Content-Language": "eng,fra"}, "eng"),
        ({}, ""),
    ],
)
def test_a_row_tells_its_language(fields: dict[str, Any], language: str) -> None:
    """By the names in use for it; what is no language is none."""
    (record,) = rows(io.BytesIO(json.dumps({"text": "A", **fields}).encode()), "", Slice(), "text", 100)
    assert isinstance(record, Record)
    assert record.language == language


@pytest.mark.parametrize("compression", COMPRESS)
def test_rows_are_written_the_same_each_time(compression: str) -> None:
    """Byte for byte, without a time or a name in it, and read back."""

    def written() -> bytes:
        file = io.BytesIO()
        writer = JsonlWriter(file, compression, Shape())
        for number in range(3):
            row = {"id": number, "text": "raw"}
            writer.write(Chunk([Record(number, "raw", row)]), [CleanedArticle(f"é{number}", (), "m")])
        writer.close()
        return file.getvalue()

    content = written()
    assert content == written()
    plain = zlib.decompress(content, 31) if compression == "gz" else content
    plain = zstd.decompress(content) if compression == "zst" else plain
    assert [json.loads(line) for line in plain.splitlines()] == [
        {"id": number, "text": f"é{number}", "model": "m"} for number in range(3)
    ]
