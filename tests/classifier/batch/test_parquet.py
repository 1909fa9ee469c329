"""Parquet read and written by row groups: types stay, rows stay, and damage is one sentence."""

import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from classifier.batch import parquet
from classifier.batch.chunks import Chunk, Record, Shape, Slice, articles_of
from classifier.batch.parquet import ParquetWriter, chunks, join, row_groups
from classifier.cleaning import Cleaner
from classifier.errors import InputError
from classifier.labels import LABELS, CleanedArticle

pyarrow = pytest.importorskip("pyarrow", reason="install the extra: pip install '.[parquet]'")
pq = pytest.importorskip("pyarrow.parquet")


def file_of(table: Any, rows: int = 10) -> io.BytesIO:
    """Return a Parquet file with so many rows a row group."""
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=rows)
    file.seek(0)
    return file


def odd_table(count: int) -> Any:
    """Return a table with columns of many types; each fifth text is missing."""
    times = pyarrow.array([datetime(2024, 1, 1)] * count, pyarrow.timestamp("ns"))
    return pyarrow.table(
        {
            "id": pyarrow.array(range(count), pyarrow.int16()),
            "text": [None if number % 5 == 4 else f"S{number}.\nPROMO" for number in range(count)],
            "when": times,
            "raw": [b"\xff\x00"] * count,
            "tags": [["a", "b"]] * count,
            "lang": ["ar"] * count,
        }
    )


def cleaned(cleaner: Cleaner, chunk: Chunk) -> list[CleanedArticle]:
    """Return the articles of a chunk, cleaned."""
    return cleaner.clean_many([record.text for record in articles_of(chunk)])


def rewritten(cleaner: Cleaner, file: io.BytesIO, part: Slice, shape: Shape) -> io.BytesIO:
    """Return the cleaned file of a slice."""
    out = io.BytesIO()
    writer = ParquetWriter(out, shape, ())
    for chunk in chunks(file, part, shape.text_field, 10_000, False):
        writer.write(chunk, cleaned(cleaner, chunk))
    writer.close()
    out.seek(0)
    return out


@pytest.mark.parametrize("size", [1, 500, 10**9])
def test_slices_of_row_groups_come_out_in_order(
    stub_cleaner: Cleaner, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """All rows with a text, all columns with their types, joined from the parts; bad rows by their number."""
    monkeypatch.setattr(parquet, "SLICE_BYTES", size)
    table = odd_table(57)
    file = file_of(table)
    parts = list(row_groups(file))
    assert len(parts) == {1: 6, 500: 6, 10**9: 1}[size]
    bad = [row.line for part in parts for chunk in chunks(file, part, "text", 10_000, True) for row in chunk.bad]
    assert bad == [number for number in range(1, 58) if number % 5 == 0]
    whole = io.BytesIO()
    join([rewritten(stub_cleaner, file, part, Shape()) for part in parts], whole)
    found = pq.read_table(whole)
    assert [found.schema.field(name).type for name in table.schema.names] == table.schema.types
    kept = [number for number in range(57) if number % 5 != 4]
    assert found.column("id").to_pylist() == kept
    assert found.column("text").to_pylist() == [f"S{number}." for number in kept]
    assert found.column("when").equals(table.column("when").slice(0, len(kept)))
    assert set(found.column("model").to_pylist()) == {"stub"}


def test_spans_ride_along_and_the_text_stays(stub_cleaner: Cleaner) -> None:
    """As columns of their own."""
    found = pq.read_table(rewritten(stub_cleaner, file_of(odd_table(3)), Slice(), Shape(spans=True))).to_pylist()
    assert [row["text"] for row in found] == [f"S{number}.\nPROMO" for number in range(3)]
    assert found[0]["cleaned"] == "S0."
    assert found[0]["paragraphs"] == [
        {"start": 0, "end": 3, "label": "core", "confidence": 0.75},
        {"start": 4, "end": 9, "label": "promo", "confidence": 0.75},
    ]


def test_rows_can_be_written_as_json() -> None:
    """Times, bytes and lists too; the language of a row is told."""
    (_, chunk) = chunks(file_of(odd_table(3)), Slice(), "text", 10_000, True)
    assert chunk.records[1].fields["when"].startswith("2024-01-01")
    assert chunk.records[1].fields["tags"] == ["a", "b"]
    assert {record.language for record in chunk.records} == {"ar"}


def test_a_file_without_rows_keeps_its_columns(stub_cleaner: Cleaner) -> None:
    """With none to clean there is still a table."""
    found = pq.read_table(rewritten(stub_cleaner, file_of(odd_table(5).slice(0, 0)), Slice(), Shape()))
    assert found.num_rows == 0
    assert found.schema.names == [*odd_table(5).schema.names, "model"]


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (io.BytesIO(b"PAR1 nothing"), "no Parquet or is damaged"),
        (io.BytesIO(b""), "no Parquet or is damaged"),
        (io.BytesIO(file_of(odd_table(9)).getvalue()[:-30]), "no Parquet or is damaged"),
        (file_of(pyarrow.table({"body": ["A"]})), 'no column "text".*--field'),
        (file_of(pyarrow.table({"text": [5]})), 'column "text" holds int64'),
    ],
    ids=["not", "empty", "cut", "no such column", "no strings"],
)
def test_a_file_that_cannot_be_read_is_one_sentence(file: io.BytesIO, message: str) -> None:
    """It says what to do where something can be done."""
    with pytest.raises(InputError, match=message):
        list(chunks(file, Slice(), "text", 10_000, True))


def test_damage_in_a_row_group_is_one_sentence() -> None:
    """Where the end of the file is sound."""
    table = pyarrow.table({"text": [f"{number}" * 50 for number in range(2_000)]})
    content = bytearray(file_of(table, 2_000).getvalue())
    content[100:400] = b"\xff" * 300
    with pytest.raises(InputError, match="damaged"):
        list(chunks(io.BytesIO(bytes(content)), Slice(), "text", 10_000, True))


def test_rows_of_json_lose_nothing(tmp_path: Path) -> None:
    """A column for each plain field of the sample; what does not fit stands in `other`."""
    rows: list[dict[str, Any]] = [
        {"id": 1, "name": "a", "score": 0.5, "good": True, "tags": ["x"], "text": "raw"},
        {"id": 2, "name": None, "score": 1.5, "good": False, "text": "raw"},
        {"id": "three", "name": "\ud83d", "new": {"a": 1}, "text": "raw", "model": "mine"},
        {"id": 2**70, "name": "d", "score": 2, "text": "raw"},
    ]
    out = io.BytesIO()
    writer = ParquetWriter(out, Shape(), rows[:2])
    records = [Record(number, "raw", row) for number, row in enumerate(rows)]
    writer.write(Chunk(records), [CleanedArticle("half \ud83d pair", (), "m")] * 4)
    writer.close()
    table = pq.read_table(out)
    assert {name: str(table.schema.field(name).type) for name in table.schema.names} == {
        "id": "int64", "name": "string", "score": "double", "good": "bool", "text": "string", "other": "string",
        "model": "string",
    }  # fmt: skip
    found = table.to_pylist()
    assert [row["id"] for row in found] == [1, 2, None, None]
    assert [row["name"] for row in found] == ["a", None, "\ufffd", "d"]
    assert [json.loads(row["other"] or "{}") for row in found] == [
        {"tags": ["x"]},
        {},
        {"id": "three", "new": {"a": 1}},
        {"id": 2**70, "score": 2},
    ]
    assert {row["text"] for row in found} == {"half \ufffd pair"}


def test_large_tables_are_written_in_row_groups(monkeypatch: pytest.MonkeyPatch, stub_cleaner: Cleaner) -> None:
    """So that whoever reads them needs no more memory than for one."""
    monkeypatch.setattr(parquet, "_ROW_GROUP_BYTES", 2_000)
    monkeypatch.setattr(parquet, "_CHUNK_BYTES", 500)
    found = pq.ParquetFile(rewritten(stub_cleaner, file_of(odd_table(200), 200), Slice(), Shape()))
    assert found.num_row_groups > 3
    assert found.metadata.num_rows == 160


def test_labels_are_those_of_the_library(stub_cleaner: Cleaner) -> None:
    """Written by their names."""
    found = pq.read_table(rewritten(stub_cleaner, file_of(odd_table(3)), Slice(), Shape(spans=True))).to_pylist()
    assert {one["label"] for row in found for one in row["paragraphs"]} <= {label.value for label in LABELS}
