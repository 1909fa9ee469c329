"""Parquet files, read and written by row groups with pyarrow, which is an extra."""

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, BinaryIO

from classifier.batch.chunks import (
    OWN_FIELDS,
    SLICE_BYTES,
    Chunk,
    Record,
    Shape,
    Slice,
    articles_of,
    checked,
    language_of,
)
from classifier.errors import InputError
from classifier.labels import CleanedArticle
from classifier.records import BadRow, dump, spans

_ROWS_AT_ONCE = 1_000
_CHUNK_BYTES = 400_000
_ROW_GROUP_BYTES = 16_000_000
_HALF_PAIRS = re.compile("[\ud800-\udfff]")


def row_groups(file: BinaryIO) -> Iterator[Slice]:
    with _arrow_errors():
        metadata = import_module("pyarrow.parquet").ParquetFile(file).metadata
    start = size = 0
    line = first = 1
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        if size and size + group.total_byte_size > SLICE_BYTES:
            yield Slice(start, number, first)
            start, size, first = number, 0, line
        size += group.total_byte_size
        line += group.num_rows
    yield Slice(start, -1, first)


def chunks(file: BinaryIO, part: Slice, text_field: str, most: int, fields: bool) -> Iterator[Chunk]:
    arrow, compute = import_module("pyarrow"), import_module("pyarrow.compute")
    with _arrow_errors():
        parquet = import_module("pyarrow.parquet").ParquetFile(file, pre_buffer=False, buffer_size=1 << 20)
        schema = parquet.schema_arrow
        if text_field not in schema.names:
            raise InputError(f'it has no column "{text_field}"; name the one of the text with --field')
        kind = schema.field(text_field).type
        if not (arrow.types.is_string(kind) or arrow.types.is_large_string(kind)):
            raise InputError(f'its column "{text_field}" holds {kind}; name one of strings with --field')
        metadata = parquet.metadata
        groups = range(part.start, part.end if part.end >= 0 else metadata.num_row_groups)
        size = sum(metadata.row_group(group).total_byte_size for group in groups)
        rows = sum(metadata.row_group(group).num_rows for group in groups)
        at_once = max(1, min(_ROWS_AT_ONCE, _CHUNK_BYTES * rows // max(size, 1)))
        number = part.line
        # Also for no row groups at all: a chunk tells the writer the columns.
        yield Chunk(table=schema.empty_table())
        for batch in parquet.iter_batches(at_once, row_groups=list(groups)) if groups else ():
            table = arrow.Table.from_batches([batch])
            chunk, good = Chunk(), []
            texts = table.column(text_field).to_pylist()
            languages = [table.column(name).to_pylist() for name in ("lang", "language") if name in schema.names]
            rest = _plain_columns(table, arrow, compute).to_pylist() if fields else [{}] * len(texts)
            for place, text in enumerate(texts):
                if isinstance(text, str):
                    told = {"lang": languages[0][place]} if languages else {}
                    one = checked(Record(number + place, text, rest[place], language_of(told)), most)
                else:
                    one = BadRow(number + place, f'its field "{text_field}" is missing or no string')
                chunk.add(one)
                good.append(isinstance(one, Record))
            chunk.table = table if all(good) else table.filter(arrow.array(good))
            number += len(texts)
            yield chunk


def _plain_columns(table: Any, arrow: Any, compute: Any) -> Any:
    """Return a table whose times are strings, as Python's own are not as fine as Arrow's."""
    for place, column in enumerate(table.schema):
        if arrow.types.is_temporal(column.type):
            table = table.set_column(place, column.name, compute.cast(table.column(place), arrow.string()))
    return table


class _arrow_errors:  # noqa: N801 (a context manager)
    """Turns what Arrow raises about a file into InputError."""

    def __enter__(self) -> None:
        self._errors = import_module("pyarrow").ArrowException

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        # Arrow's own IOError is OSError without a number.
        if isinstance(error, self._errors) or (isinstance(error, OSError) and error.errno is None):
            raise InputError(f"it is no Parquet or is damaged ({str(error)[:120]})") from error


class ParquetWriter:
    """Writes a table; rows that came from Parquet keep the types of their columns, others get those of a sample.

    What does not fit its column, or has none, stands as JSON in a column `other`: nothing is lost.
    """

    def __init__(self, file: BinaryIO, shape: Shape, sample: Sequence[Mapping[str, Any]]) -> None:
        self._arrow = import_module("pyarrow")
        self._file = file
        self._shape = shape
        self._columns = _columns(sample, shape)
        self._parquet: Any = None
        self._waiting: list[Any] = []
        self._size = 0

    def write(self, chunk: Chunk, articles: Sequence[CleanedArticle]) -> None:
        if chunk.table is None:
            self._add(self._table(articles_of(chunk), articles))
        else:
            self._add(self._replaced(chunk.table, articles))

    def close(self) -> None:
        if self._parquet is None and not self._waiting:
            self._add(self._table([], []))
        self._flush()
        self._parquet.close()

    def _add(self, table: Any) -> None:
        self._waiting.append(table)
        self._size += table.nbytes
        if self._size >= _ROW_GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            table = self._arrow.concat_tables(self._waiting).combine_chunks()
            if self._parquet is None:
                writer = import_module("pyarrow.parquet").ParquetWriter
                self._parquet = writer(self._file, table.schema, compression="zstd")
            if table.num_rows:
                self._parquet.write_table(table)
        self._waiting, self._size = [], 0

    def _own(self, articles: Sequence[CleanedArticle]) -> list[tuple[str, Any]]:
        """Return Winnow's columns."""
        arrow = self._arrow
        own = [("model", arrow.array([article.model for article in articles], arrow.string()))]
        if self._shape.spans:
            whole = [("start", arrow.int64()), ("end", arrow.int64())]
            kind = arrow.list_(arrow.struct([*whole, ("label", arrow.string()), ("confidence", arrow.float64())]))
            texts = arrow.array([_fit(article.text) for article in articles], arrow.string())
            own = [("cleaned", texts), ("paragraphs", arrow.array(list(map(spans, articles)), kind)), *own]
        return own

    def _replaced(self, table: Any, articles: Sequence[CleanedArticle]) -> Any:
        arrow, name = self._arrow, self._shape.text_field
        if not self._shape.spans:
            column = table.schema.field(name)
            texts = arrow.array([_fit(article.text) for article in articles], column.type)
            table = table.set_column(table.schema.get_field_index(name), column, texts)
        for name, values in self._own(articles):
            if name in table.schema.names:
                table = table.drop_columns([name])
            table = table.append_column(name, values)
        return table

    def _table(self, records: Sequence[Record], articles: Sequence[CleanedArticle]) -> Any:
        arrow, text_field = self._arrow, self._shape.text_field
        kinds = {str: arrow.string(), int: arrow.int64(), float: arrow.float64(), bool: arrow.bool_()}
        columns: dict[str, list[Any]] = {name: [] for name in self._columns}
        texts, other = [], []
        for record, article in zip(records, articles, strict=True):
            texts.append(_fit(record.text if self._shape.spans else article.text))
            rest = {}
            for name, value in record.fields.items():
                if name != text_field and name not in OWN_FIELDS[0 if self._shape.spans else 2 :]:
                    kind = self._columns.get(name)
                    if value is not None and not _fits(value, kind):
                        rest[name] = value
            for name, kind in self._columns.items():
                value = record.fields.get(name)
                columns[name].append(None if name in rest else _fit(value) if kind is str and value else value)
            other.append(_fit(dump(rest)) if rest else None)
        named = [(name, arrow.array(values, kinds[self._columns[name]])) for name, values in columns.items()]
        named += [(text_field, arrow.array(texts, arrow.string())), ("other", arrow.array(other, arrow.string()))]
        named += self._own(articles)
        return arrow.Table.from_arrays([values for _, values in named], [name for name, _ in named])


def _columns(sample: Sequence[Mapping[str, Any]], shape: Shape) -> dict[str, type]:
    """Return the columns that rows need, as far as all their values are of one plain kind."""
    kinds: dict[str, set[type]] = {}
    for row in sample:
        for name, value in row.items():
            kinds.setdefault(name, set()).update([type(value)] if value is not None else [])
    taken = {shape.text_field, "other", "model", *(OWN_FIELDS if shape.spans else ())}
    return {
        name: next(iter(found))
        for name, found in kinds.items()
        if len(found) == 1 and found <= {str, int, float, bool} and name not in taken and _fit(name) == name
    }


def _fits(value: Any, kind: type | None) -> bool:
    return type(value) is kind and not (isinstance(value, int) and not -(2**63) <= value < 2**63)


def _fit(text: Any) -> Any:
    """Return a text as Arrow takes it, which has no half surrogate pairs."""
    return _HALF_PAIRS.sub("\ufffd", text)


def join(parts: Sequence[BinaryIO], whole: BinaryIO) -> None:
    """Write the row groups of all parts, which have the same columns, as one file."""
    parquet = import_module("pyarrow.parquet")
    joined = None
    for part in parts:
        source = parquet.ParquetFile(part)
        joined = joined or parquet.ParquetWriter(whole, source.schema_arrow, compression="zstd")
        for group in range(source.num_row_groups):
            joined.write_table(source.read_row_group(group))
    if joined:
        joined.close()
