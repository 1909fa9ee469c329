"""WET files: records by gzip member, slices that begin anywhere, damage that costs one record."""

import gzip
import io
import random
import re
from collections.abc import Sequence

import pytest

from classifier.batch import wet
from classifier.batch.chunks import Chunk, Record, Slice
from classifier.batch.wet import WetWriter, member_slices, records
from classifier.labels import CleanedArticle
from classifier.records import BadRow

warc = pytest.importorskip("fastwarc.warc", reason="install the extra: pip install '.[wet]'")

HEAD = "WARC/1.0\r\nWARC-Type: {}\r\nWARC-Record-ID: <urn:uuid:{:012d}>\r\nContent-Length: {}\r\n"


def record(number: int, content: bytes, kind: str = "conversion") -> bytes:
    """Return a record as Common Crawl writes it."""
    fields = HEAD.format(kind, number, len(content)) + "WARC-Block-Digest: sha1:OLD\r\n"
    if kind == "conversion":
        fields += f"WARC-Target-URI: http://news.example/{number}\r\nWARC-Identified-Content-Language: ara,eng\r\n"
    return f"{fields}Content-Type: text/plain\r\n\r\n".encode() + content + b"\r\n\r\n"


def text(number: int) -> str:
    return f"{number} قال الوزير.\nSecond line {number * 7919}.\n"


PLAIN = [
    record(0, b"Software-Info: a crawl\r\n", "warcinfo"),
    *(record(n, text(n).encode()) for n in range(1, 60)),
]
MEMBERS = [gzip.compress(one, mtime=0) for one in PLAIN]
OFFSETS = [sum(map(len, MEMBERS[:number])) for number in range(len(MEMBERS))]
FILE = b"".join(MEMBERS)


def read(content: bytes, parts: Sequence[Slice] = (Slice(),)) -> list[Record | BadRow]:
    """Return what is in all slices of a file."""
    return [one for part in parts for one in records(io.BytesIO(content), part, "text")]


def texts(found: Sequence[Record | BadRow]) -> list[str]:
    """Return the texts of the articles."""
    return [one.text for one in found if isinstance(one, Record) and not one.passed]


@pytest.mark.parametrize("step", [1, 50, 1_000, 10**6])
def test_slices_hold_every_record_once(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """In order, wherever the borders are; each is placed by the byte where it begins."""
    monkeypatch.setattr(wet, "_STEP", step)
    parts = list(member_slices(io.BytesIO(FILE), len(FILE)))
    assert len(parts) == max(1, len(FILE) // step)
    found = read(FILE, parts)
    assert texts(found) == [text(number) for number in range(1, 60)]
    assert [one.place for one in found if isinstance(one, Record)] == OFFSETS
    first = found[1]
    assert isinstance(first, Record)
    assert first.fields["WARC-Target-URI"] == "http://news.example/1"
    assert first.language == "ara"


@pytest.mark.parametrize("step", [500, 10**6])
def test_a_file_compressed_as_a_whole_is_read(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """It is one slice, for there is nowhere to begin but at the start."""
    monkeypatch.setattr(wet, "_STEP", step)
    monkeypatch.setattr(wet, "_SAMPLE_BYTES", 500)
    content = gzip.compress(b"".join(PLAIN))
    parts = list(member_slices(io.BytesIO(content), len(content)))
    assert len(parts) == 1
    assert texts(read(content, parts)) == [text(number) for number in range(1, 60)]


def _change(number: int, place: int, *values: int) -> bytes:
    content = bytearray(FILE)
    content[OFFSETS[number] + place : OFFSETS[number] + place + len(values)] = bytes(values)
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "lost", "reason"),
    [
        (_change(30, 40, 255, 255, 255, 255), {30}, f"the file is damaged at byte {OFFSETS[30]:,}"),
        (_change(30, len(MEMBERS[30]) - 8, 1, 2, 3, 4), {30}, f"the file is damaged at byte {OFFSETS[30]:,}"),
        (_change(0, 0, 0, 0, 0, 0), {0}, "the file is damaged at byte 0"),
        (FILE[: OFFSETS[30]] + b"\x1f\x8b\x08 no" * 9 + FILE[OFFSETS[31] :], {30}, "the file is damaged"),
        (FILE[: OFFSETS[59] + 50], {59}, f"the file is damaged at byte {OFFSETS[59]:,}"),
        (FILE + b"\0\0\0", set(), "the file is damaged"),
        (
            FILE[: OFFSETS[30]] + gzip.compress(PLAIN[30].replace(b"Length: ", b"Length: 9")) + FILE[OFFSETS[31] :],
            {30},
            f"the record at byte {OFFSETS[30]:,} is cut off",
        ),
        (
            FILE[: OFFSETS[30]] + gzip.compress(record(30, bytes(range(256)))) + FILE[OFFSETS[31] :],
            {30},
            "it is not text in any known encoding",
        ),
        (b"hello " * 50, set(range(60)), "the file is damaged at byte 0"),
    ],
    ids=["flipped", "wrong sum", "at the start", "overwritten", "cut", "after the end", "length", "no text", "not WET"],
)
@pytest.mark.parametrize("step", [700, 10**6])
def test_damage_costs_what_is_damaged(
    monkeypatch: pytest.MonkeyPatch, content: bytes, lost: set[int], reason: str, step: int
) -> None:
    """It is told once, with its place; all other records are read."""
    monkeypatch.setattr(wet, "_STEP", step)
    found = read(content, list(member_slices(io.BytesIO(content), len(content))))
    (bad,) = (one for one in found if isinstance(one, BadRow))
    assert reason in bad.reason
    assert texts(found) == [text(number) for number in range(1, 60) if number not in lost]


def test_a_record_without_end_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that inflates beyond a bound is told and passed over."""
    monkeypatch.setattr(wet, "_MOST_RECORD", 50_000)
    bomb = gzip.compress(record(30, b"x" * 500_000))
    content = FILE[: OFFSETS[30]] + bomb + FILE[OFFSETS[31] :]
    found = read(content)
    assert [one.reason for one in found if isinstance(one, BadRow)] == [
        f"the record is too large at byte {OFFSETS[30]:,}"
    ]
    assert len(texts(found)) == 58


def test_damage_in_a_file_compressed_as_a_whole_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands before it is read."""
    monkeypatch.setattr(wet, "_SAMPLE_BYTES", 500)
    noise = random.Random(0)
    content = gzip.compress(
        b"".join([*PLAIN, *(record(n, noise.randbytes(5_000).hex().encode()) for n in range(60, 99))])
    )
    found = read(content[: len(content) * 3 // 4])
    assert isinstance(found[-1], BadRow)
    assert texts(found)[:59] == [text(number) for number in range(1, 60)]
    assert 59 <= len(texts(found)) < 98


def test_records_are_written_as_they_were_but_for_the_text() -> None:
    """Headers stay, length and digest are of the new text, the head of the file is passed on."""
    chunk = Chunk()
    for one in read(FILE):
        chunk.add(one)
    out = io.BytesIO()
    WetWriter(out).write(chunk, [CleanedArticle(f"Left {number}.", (), "m") for number in range(1, 60)])
    again = read(out.getvalue())
    assert isinstance(again[0], Record)
    assert again[0].passed.startswith(b"WARC/1.0\r\nWARC-Type: warcinfo")
    assert b"a crawl" in again[0].passed
    assert texts(again) == [f"Left {number}.\n" for number in range(1, 60)]
    written = list(warc.ArchiveIterator(io.BytesIO(out.getvalue()), parse_http=False, verify_digests=True))
    assert len(written) == 60  # all that have the right digest
    assert re.search(rb"WARC-Record-ID: <urn:uuid:000000000031>", gzip.decompress(out.getvalue()))
