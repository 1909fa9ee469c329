"""The file formats of a batch: which there are, how a large file is cut into slices, and who reads and writes them.

Text files are an article each and need no more than `records.decode`.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from classifier.batch import jsonlines, parquet, wet
from classifier.batch.chunks import SLICE_BYTES, Chunk, Format, Shape, Slice, Writer, articles_of, gather, text_content
from classifier.batch.places import Place, new_file
from classifier.errors import InputError
from classifier.labels import CleanedArticle

TEXT, JSONL, PARQUET, WET = "text", "jsonl", "parquet", "wet"

_SQUEEZED = 64  # times that a compressed file may be smaller than its text, where it is not worth a closer look

FORMATS = (
    Format(TEXT, ".txt"),
    Format(JSONL, ".jsonl"),
    Format(JSONL, ".jsonl.gz", "gz"),
    Format(JSONL, ".jsonl.zst", "zst"),
    Format(PARQUET, ".parquet"),
    Format(WET, ".warc.wet.gz", "gz"),
)
"""All formats that are read; none of the suffixes is the end of another one."""

_EXTRAS = {PARQUET: ("pyarrow.parquet", "pyarrow", "parquet"), WET: ("fastwarc.warc", "FastWARC", "wet")}


def format_of(name: str) -> Format | None:
    """Return the format of a file by its name, or None for a file that is not read."""
    name = name.lower()
    return next((one for one in FORMATS if name.endswith(one.suffix)), None)


def check_installed(name: str) -> None:
    """Raise InputError, saying what to install, when a format needs a library that is not there."""
    if name in _EXTRAS:
        module, library, extra = _EXTRAS[name]
        try:
            import_module(module)
        except ImportError as error:
            raise InputError(f"{name} files need {library}; install it: pip install 'winnow-news[{extra}]'") from error


def slices(place: Place, name: str, form: Format, size: int) -> Iterator[Slice]:
    """Yield the slices of a file, which hold all of it; the same ones whenever its content is the same.

    A file behind a URL is one slice, for what is before a slice would have to be fetched again, but for Parquet, where
    it need not be. Raises OSError, and InputError when a Parquet file is damaged.
    """
    if form.name == PARQUET:
        with place.open(name) as file:
            yield from parquet.row_groups(file)
    elif size <= SLICE_BYTES // (_SQUEEZED if form.compression else 1) or not place.is_local:
        yield Slice()
    else:
        with place.open(name) as file:
            if form.name == WET:
                yield from wet.member_slices(file, size)
            elif form.compression:
                yield from jsonlines.stream_slices(file, form.compression, size)
            else:
                yield from jsonlines.line_slices(file)


def read_chunks(
    file: BinaryIO, form: Format, part: Slice, text_field: str, most: int, *, fields: bool = True
) -> Iterator[Chunk]:
    """Yield the articles of a slice, chunk by chunk; texts of more than `most` bytes of UTF-8 are bad rows.

    Without `fields` those of Parquet are left out of the records, for whoever takes the table. Where a file is damaged,
    the slice that holds the place says so and ends; what comes before is there. Raises OSError, and InputError when
    the file cannot be read at all.
    """
    if form.name == PARQUET:
        yield from parquet.chunks(file, part, text_field, most, fields)
    elif form.name == WET:
        yield from gather(wet.records(file, part, text_field), most)
    else:
        yield from gather(jsonlines.rows(file, form.compression, part, text_field, most), most)


def sample_rows(file: BinaryIO, form: Format, text_field: str, most: int) -> list[Mapping[str, Any]]:
    """Return the fields of the first rows of a file, always the same ones."""
    for chunk in read_chunks(file, form, Slice(), text_field, most):
        return [record.fields for record in articles_of(chunk)]
    return []


def writer(file: BinaryIO, form: Format, shape: Shape, sample: Sequence[Mapping[str, Any]] = ()) -> Writer:
    """Return what writes a format; `sample`, rows of the beginning of the input, says the columns of Parquet."""
    if form.name == PARQUET:
        return parquet.ParquetWriter(file, shape, sample)
    return wet.WetWriter(file) if form.name == WET else jsonlines.JsonlWriter(file, form.compression, shape)


def write_texts(
    place: Place, folder: Path, name: str, form: Format, chunk: Chunk, articles: Sequence[CleanedArticle]
) -> int:
    """Write each record of a chunk as a text file of its own, named after its place; return the bytes written."""
    width = 12 if form.name == WET else 8
    size = 0
    for record, article in zip(articles_of(chunk), articles, strict=True):
        content = text_content(article)
        place.put(new_file(folder, content), f"{name}/{record.place:0{width}d}.txt")
        size += len(content)
    return size


def join(parts: Sequence[BinaryIO], form: Format, whole: BinaryIO) -> None:
    """Write the parts of a file, one after another, as one."""
    if form.name == PARQUET:
        parquet.join(parts, whole)
        return
    for part in parts:
        while block := part.read(1 << 20):
            whole.write(block)
