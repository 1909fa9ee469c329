"""What a batch reads and writes: articles as records, in chunks of bounded size, from files and slices of files."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from classifier.labels import CleanedArticle
from classifier.records import BadRow, spans

SLICE_BYTES = 16_000_000
"""Larger files are cut into slices of about this size, of their text before compression."""

OWN_FIELDS = ("cleaned", "paragraphs", "model")
"""The fields that Winnow adds to a record; the first two only with spans."""

_CHUNK_CHARACTERS = 400_000
_CHUNK_ROWS = 1_000
_LANGUAGE = re.compile(r"([A-Za-z]{2,3})(?:[-_,].*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Format:
    """What a file holds, by the end of its name, and how it is compressed."""

    name: str
    suffix: str
    compression: str = ""


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a file: what begins at `start` or later and before `end`, which is -1 at the end of the file.

    Bytes of JSON Lines before compression, bytes of WET as compressed, row groups of Parquet. `line` is the number of
    the first line or row, 0 when it is not known.
    """

    start: int = 0
    end: int = -1
    line: int = 1

    def holds(self, position: int) -> bool:
        """Whether what begins at a position belongs to this slice."""
        return position >= self.start and not 0 <= self.end <= position


@dataclass(slots=True)
class Record:
    """An article as read: its place (line, row or byte) in the file, raw text, and all fields, the text's among them.

    What is no article but is passed on as it is (the head of a WET file) has no text but `passed`.
    """

    place: int
    text: str
    fields: Mapping[str, Any]
    language: str = ""
    origin: Any = None
    passed: bytes = b""


@dataclass(slots=True)
class Chunk:
    """Some records of a file, those that are none, and the Arrow table of the records when they came from Parquet."""

    records: list[Record] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    table: Any = None
    characters: int = 0

    def add(self, one: Record | BadRow) -> None:
        """Add a record, or what is wrong with one."""
        if isinstance(one, BadRow):
            self.bad.append(one)
        else:
            self.records.append(one)
            self.characters += len(one.text) + len(one.passed)

    @property
    def is_full(self) -> bool:
        """Whether it should be cleaned before more is read."""
        return self.characters >= _CHUNK_CHARACTERS or len(self.records) + len(self.bad) >= _CHUNK_ROWS


def articles_of(chunk: Chunk) -> list[Record]:
    """Return the records of a chunk that are articles."""
    return [record for record in chunk.records if not record.passed]


def gather(found: Iterable[Record | BadRow], most: int) -> Iterator[Chunk]:
    """Yield records and what is wrong with others as chunks; texts of more than `most` bytes of UTF-8 are bad rows."""
    chunk = Chunk()
    for one in found:
        chunk.add(checked(one, most))
        if chunk.is_full:
            yield chunk
            chunk = Chunk()
    if chunk.records or chunk.bad:
        yield chunk


def checked(one: Record | BadRow, most: int) -> Record | BadRow:
    """Return a record, or why its text is not cleaned when that has more than `most` bytes of UTF-8."""
    if isinstance(one, Record) and len(one.text) * 4 > most:
        size = len(one.text.encode("utf-8", "surrogatepass"))
        if size > most:
            return BadRow(one.place, too_large(size, most))
    return one


def too_large(size: int, most: int) -> str:
    """Return the reason why a text of so many bytes is not cleaned."""
    return f"its text is too large ({size:,} bytes); split it, or allow more than {most:,} bytes with --max-bytes"


def language_of(fields: Mapping[str, Any]) -> str:
    """Return the language that a row names for itself, or nothing."""
    for name in ("lang", "language", "WARC-Identified-Content-Language"):
        value = fields.get(name)
        if isinstance(value, str) and (found := _LANGUAGE.fullmatch(value)):
            return found[1].lower()
    return ""


def text_content(article: CleanedArticle) -> bytes:
    """Return what a text file of a cleaned article holds."""
    return (f"{article.text}\n" if article.text else "").encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Shape:
    """How a record is told: the field of the text, and whether its paragraphs go with it.

    Without spans the text is replaced by what is left of it. With them the record stays as it was, its raw text too,
    and what is left stands beside it.
    """

    text_field: str = "text"
    spans: bool = False

    def row(self, record: Record, article: CleanedArticle) -> dict[str, Any]:
        """Return a record with Winnow's fields, whose names win."""
        if self.spans:
            own = {"cleaned": article.text, "paragraphs": spans(article), "model": article.model}
            return {**record.fields, **own}
        return {**record.fields, self.text_field: article.text, "model": article.model}


class Writer(Protocol):
    """Writes chunks of cleaned records into an open file, in order."""

    def write(self, chunk: Chunk, articles: Sequence[CleanedArticle]) -> None:
        """Write the records of a chunk; there is an article for each that is one."""

    def close(self) -> None:
        """Write what is left, and leave the file open."""
