"""Rows and files from outside."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy

from classifier.cleaning import CORE_ONLY, Cleaner
from classifier.errors import InputError
from classifier.labels import Label
from classifier.records import BadRow, answer, clean_rows, decode, dump

ARABIC = (
    "وأعلنت وزارة التعليم اليوم الأحد أن المدارس ستفتح أبوابها للطلاب في جميع المحافظات ابتداء من الأسبوع المقبل، "
    "وقال الوزير إن الاستعدادات مكتملة.\nاقرأ أيضا: ارتفاع أسعار الطحين\n"
)
RUSSIAN = "Городской совет одобрил новые автобусные полосы на кольцевой дороге, работы начнутся в июне.\n" * 2


def cleaned(cleaner: Cleaner, *lines: bytes | dict[str, Any]) -> list[dict[str, Any] | BadRow]:
    """Return the answers to lines, rows decoded."""
    written = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    return [row if isinstance(row, BadRow) else json.loads(row) for row in clean_rows(cleaner, written, CORE_ONLY)]


@pytest.mark.parametrize(
    ("content", "text", "encoding"),
    [
        (ARABIC.encode(), ARABIC, "utf-8"),
        (ARABIC.encode("utf-8-sig"), ARABIC, "utf-8"),
        (ARABIC.encode("cp1256"), ARABIC, "cp1256"),
        (ARABIC.encode("utf-16"), ARABIC, "utf_16"),
        (RUSSIAN.encode("cp1251"), RUSSIAN, "cp1251"),
        ("市議会は火曜日、環状道路に新しいバス専用車線を設けることを可決した。".encode("shift_jis"), None, "cp932"),
        ("市议会周二批准了环路上的新公交专用道，工程将于六月开始。".encode("gb18030"), None, "gb18030"),
        (b"", "", "utf-8"),
        (b"a\r\nb\x00", "a\r\nb\x00", "utf-8"),
    ],
    ids=["UTF-8", "UTF-8 with mark", "cp1256", "UTF-16", "cp1251", "shift_jis", "gb18030", "nothing", "ASCII"],
)
def test_files_are_decoded_and_their_encoding_told(content: bytes, text: str | None, encoding: str) -> None:
    """UTF-8 goes first; other encodings are found out. Line breaks stay, a byte order mark does not."""
    assert decode(content) == (content.decode(encoding) if text is None else text, encoding)


@pytest.mark.parametrize(
    "content", [bytes(range(256)), bytes(range(255, -1, -1)) * 20, b"\x89PNG\r\n\x1a\n" + bytes(range(128, 256)) * 3]
)
def test_what_is_no_text_is_refused(content: bytes) -> None:
    """The message says what to do."""
    with pytest.raises(InputError, match="save it as UTF-8"):
        decode(content)


def test_other_fields_are_carried_through(stub_cleaner: Cleaner) -> None:
    """Fields of a row come back as they were, whatever they are; Winnow's own names win."""
    row = {
        "id": 7, "url": "https://a.example/", "tags": ["x", {"y": None}], "قسم": "أخبار", "score": 0.1,
        "model": "mine", "paragraphs": "mine", "text": "Story.\nPROMO", "big": 10**30,
    }  # fmt: skip
    (given_back,) = cleaned(stub_cleaner, row)
    assert given_back == {
        **row,
        "text": "Story.",
        "model": "stub",
        "paragraphs": [
            {"start": 0, "end": 6, "label": "core", "confidence": 0.75},
            {"start": 7, "end": 12, "label": "promo", "confidence": 0.75},
        ],
    }


def test_a_row_needs_no_id(stub_cleaner: Cleaner) -> None:
    """What it does not have it does not get."""
    (row,) = cleaned(stub_cleaner, {"text": "Story."})
    assert isinstance(row, dict)
    assert set(row) == {"text", "paragraphs", "model"}


@pytest.mark.parametrize("count", [1, 255, 256, 257, 600])
def test_rows_come_back_in_order(stub_cleaner: Cleaner, count: int) -> None:
    """However many there are, with bad ones and blank lines among them, each answer stands where its row stood."""
    odd = {3: b"\n", 4: b"{"}
    lines = [odd.get(number % 50, dump({"id": number, "text": f"S{number}"}).encode()) for number in range(count)]
    expected = [
        ("bad", number + 1) if number % 50 == 4 else ("row", number) for number in range(count) if number % 50 != 3
    ]
    found = [
        ("bad", row.line) if isinstance(row, BadRow) else ("row", json.loads(row)["id"])
        for row in clean_rows(stub_cleaner, lines, CORE_ONLY)
    ]
    assert found == expected


def test_rows_keep_the_labels_asked_for(stub_cleaner: Cleaner) -> None:
    """What is kept is the caller's choice."""
    line = json.dumps({"text": "Story.\nPROMO\n@a"}).encode()
    (row,) = clean_rows(stub_cleaner, [line], frozenset({Label.PROMO, Label.SOCIAL}))
    assert isinstance(row, str)
    assert json.loads(row)["text"] == "PROMO\n@a"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "it is not JSON"),
        (b"Story.", "it is not JSON"),
        (b'{"text": "a"} {"text": "b"}', "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b"9" * 10_000, "it is not JSON"),
        (b'{"text": "\xff"}', "it is not UTF-8"),
        ('{"text": "قال"}'.encode("cp1256"), "it is not UTF-8"),
        (b"[]", "it is no JSON object"),
        (b'"text"', "it is no JSON object"),
        (b"null", "it is no JSON object"),
        (b"{}", 'its field "text" is missing or no string'),
        (b'{"text": null}', 'its field "text" is missing or no string'),
        (b'{"text": 5}', 'its field "text" is missing or no string'),
        (b'{"text": ["a"]}', 'its field "text" is missing or no string'),
        (b'{"Text": "a"}', 'its field "text" is missing or no string'),
    ],
    ids=lambda value: None if isinstance(value, str) else f"{value[:30]!r}",
)
def test_a_bad_row_is_named_by_its_line(stub_cleaner: Cleaner, line: bytes, reason: str) -> None:
    """Lines are counted with the blank ones, and the rows around it are cleaned."""
    before, bad, behind = cleaned(stub_cleaner, {"text": "A"}, b"\n", line, {"text": "B"})
    assert isinstance(bad, BadRow)
    assert (bad.line, bad.reason.startswith(reason)) == (3, True)
    assert isinstance(before, dict)
    assert isinstance(behind, dict)
    assert (before["text"], behind["text"]) == ("A", "B")


def test_a_byte_order_mark_is_no_bad_row(stub_cleaner: Cleaner) -> None:
    """Some editors write one in front."""
    (row,) = cleaned(stub_cleaner, b'\xef\xbb\xbf{"text": "Story."}\r\n')
    assert isinstance(row, dict)
    assert row["text"] == "Story."


@given(data=st.data())
def test_any_text_survives_a_row(quick_cleaner: Cleaner, raw_text: SearchStrategy[str], data: DataObject) -> None:
    """Any string goes through JSON and back on one line that is UTF-8, lone surrogates and NUL too."""
    text = data.draw(raw_text)
    (row,) = clean_rows(quick_cleaner, [json.dumps({"text": text, "raw": text}).encode()], CORE_ONLY)
    assert isinstance(row, str)
    row.encode()
    assert "\n" not in row
    assert json.loads(row)["raw"] == text
    assert json.loads(row)["text"] == quick_cleaner.clean(text).text


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("قال", '{"a": "قال"}'),
        ("é\n", '{"a": "é\\n"}'),
        ("é\ud800", '{"a": "\\u00e9\\ud800"}'),
        ("\ud83d\ude00", '{"a": "\\ud83d\\ude00"}'),
        ("😀", '{"a": "😀"}'),
    ],
    ids=ascii,
)
def test_rows_are_readable_unless_they_cannot_be(value: str, line: str) -> None:
    """Only where half a surrogate pair stands is a row escaped."""
    assert dump({"a": value}) == line


def test_an_answer_has_plain_values(stub_cleaner: Cleaner) -> None:
    """It can be written as JSON."""
    fields = answer(stub_cleaner.clean("Story.\n@a"))
    assert json.loads(json.dumps(fields)) == fields
    assert list(fields) == ["text", "paragraphs", "model"]


@pytest.mark.parametrize("place", [3, 200, 801])
def test_a_broken_byte_does_not_change_the_encoding(place: int) -> None:
    """UTF-8 with a byte that does not fit is still UTF-8; only that byte is replaced, and the encoding says so."""
    content = bytearray(("أعلنت الوزارة اليوم عن افتتاح مكتبة عامة جديدة. " * 30).encode())
    content[place] = 0xFF
    text, encoding = decode(bytes(content))
    assert encoding == "utf-8, damaged"
    assert 1 <= text.count("\ufffd") <= 2
    assert text.count("الوزارة") >= 29
