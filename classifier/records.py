"""Texts and rows from outside: decoding of files, JSON Lines in and out."""

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from charset_normalizer import from_bytes

from classifier.cleaning import Cleaner
from classifier.errors import InputError
from classifier.labels import CleanedArticle, Label

_ROWS_AT_ONCE = 256
_BYTES_FOR_ONE_BROKEN = 30  # bytes beyond ASCII that must fit UTF-8 for each that does not


def decode(content: bytes) -> tuple[str, str]:
    """Return the text of a file's bytes and the encoding it was in: UTF-8, or what charset-normalizer finds.

    A few broken bytes in what is UTF-8 otherwise become U+FFFD, and the encoding is then "utf-8, damaged". Raises
    InputError when the bytes are no text in any encoding it knows.
    """
    try:
        return content.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        mended = content.decode("utf-8-sig", "replace")
    broken = mended.count("\ufffd")
    beyond_ascii = len(content) - len(content.decode("ascii", "ignore"))
    if broken * _BYTES_FOR_ONE_BROKEN <= beyond_ascii:
        return mended, "utf-8, damaged"
    found = from_bytes(content).best()
    if found is None:
        raise InputError("it is not text in any known encoding; save it as UTF-8")
    return str(found), found.encoding


@dataclass(frozen=True, slots=True)
class BadRow:
    """A line that could not be cleaned, and why."""

    line: int
    reason: str


def clean_rows(cleaner: Cleaner, lines: Iterable[bytes], keep: frozenset[Label]) -> Iterator[str | BadRow]:
    """Clean JSON Lines rows `{"text", …}`; yield for each non-blank line, in order, the row that answers it or what
    is wrong with it.

    All fields of a row are carried through; `text`, `paragraphs` and `model` are Winnow's own and win.
    """
    numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    while chunk := list(islice(numbered, _ROWS_AT_ONCE)):
        parsed = [parse_row(number, line) for number, line in chunk]
        cleaned = iter(cleaner.clean_many([row["text"] for row in parsed if isinstance(row, dict)], keep))
        for row in parsed:
            yield row if isinstance(row, BadRow) else dump({**row, **answer(next(cleaned))})


def answer(article: CleanedArticle) -> dict[str, Any]:
    """Return a cleaned article as the fields of a row."""
    return {"text": article.text, "paragraphs": spans(article), "model": article.model}


def spans(article: CleanedArticle) -> list[dict[str, Any]]:
    """Return the paragraphs of a cleaned article as the values of a row."""
    return [
        {"start": p.start, "end": p.end, "label": p.label.value, "confidence": p.confidence} for p in article.paragraphs
    ]


def dump(row: Mapping[str, Any]) -> str:
    """Return a row as one line of JSON without its line break: readable, and escaped only where half a surrogate pair
    stands.

    Values that JSON does not have are written as strings, bytes that are no UTF-8 in base64.
    """
    line = json.dumps(row, ensure_ascii=False, default=_plain)
    try:
        line.encode()
    except UnicodeEncodeError:
        return json.dumps(row, default=_plain)
    return line


def _plain(value: object) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return b64encode(value).decode()
    return str(value)


def parse_row(number: int, line: bytes, field: str = "text") -> dict[str, Any] | BadRow:
    """Return the row that a line holds, or what is wrong with it; its text stands in `field`."""
    try:
        row = json.loads(line)
    except UnicodeDecodeError:
        return BadRow(number, "it is not UTF-8")
    except (ValueError, RecursionError) as error:
        return BadRow(number, f"it is not JSON ({str(error)[:80]})")
    if not isinstance(row, dict):
        return BadRow(number, "it is no JSON object")
    if not isinstance(row.get(field), str):
        return BadRow(number, f'its field "{field}" is missing or no string')
    return row
