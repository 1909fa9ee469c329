"""What a process of a batch does: cleans one unit, from files to files, and says what became of it.

A unit and how to clean it are names and numbers, which go anywhere; the model is loaded once in each process.
"""

import errno
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from classifier.batch.chunks import Chunk, Record, Shape, articles_of, text_content, too_large
from classifier.batch.formats import PARQUET, read_chunks, sample_rows, write_texts, writer
from classifier.batch.places import Place, new_file, place
from classifier.batch.summary import Failure, Summary
from classifier.batch.units import Unit
from classifier.cleaning import Cleaner
from classifier.errors import InputError, WinnowError
from classifier.labels import CleanedArticle, Label
from classifier.records import decode

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""Numbers of the errors after which nothing more can be written, so that to go on would only fail the rest."""


@dataclass(frozen=True, slots=True)
class Work:
    """How a run cleans: where from and to, with which model, and what it keeps.

    `model` is the folder of the model, None for the one that ships; `identifier` and `release` are what it and Winnow
    must be wherever a unit is cleaned. `run` names the run.
    """

    source: str
    target: str
    model: str | None
    identifier: str
    release: str
    keep: frozenset[Label]
    shape: Shape
    most: int
    run: str


@dataclass(slots=True)
class Outcome:
    """What became of a unit: bytes written (-1 when nothing was), figures, failures; or why the run cannot go on."""

    size: int = -1
    summary: Summary = field(default_factory=Summary)
    failures: list[Failure] = field(default_factory=list)
    stop: str = ""


def release() -> str:
    """Return the version of Winnow."""
    return version("winnow-news")


def full(address: str, error: OSError) -> str:
    """Return what to tell of an output place that takes no more."""
    return (
        f"{address} cannot be written ({error.strerror}); make room and give the same command again: "
        "it goes on where it stopped"
    )


def follow(parent: int) -> None:
    """End this process soon after the one that started it, so that none is left over from a run that was killed."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def problem_of(work: Work) -> str:
    """Return why this process cannot do a run's work, or nothing."""
    if release() != work.release:
        return f"it has Winnow {release()}, and this run is of {work.release}; install that there"
    try:
        found = _cleaner(work.model, work.identifier).model.identifier
        if found != work.identifier:
            return f"it has the model {found}, and this run uses {work.identifier}; put that there"
        for address in (work.source, work.target):
            if not place(address).exists():
                return f"it does not see {address}; name a folder that all workers share"
        with place(work.target).scratch(work.run) as folder:
            if not folder.is_dir():
                return f"it does not see what this run has begun in {work.target}; name a folder that all workers share"
    except (WinnowError, OSError) as error:
        return str(error)
    return ""


def clean_unit(unit: Unit, work: Work) -> Outcome:
    """Clean a unit and put its output in place. Whatever befalls it is told in the outcome, nothing is raised."""
    outcome = Outcome()
    try:
        stop = _wrong_model(work)
        if stop:
            return Outcome(stop=stop)
        with place(work.target).scratch(work.run) as folder:
            try:
                if unit.form.suffix == ".txt":
                    _clean_texts(unit, work, folder, outcome)
                else:
                    _clean_rows(unit, work, folder, outcome)
            except FileNotFoundError:
                if folder.is_dir():
                    raise
                return Outcome(stop="another run has begun in the same folder")  # and has removed this one's own
    except OSError as error:
        if error.errno in FULL:
            return Outcome(stop=full(work.target, error))
        outcome = _failed(unit, error)
    except WinnowError as error:
        outcome = _failed(unit, error)
    except MemoryError:
        outcome = Outcome(failures=[Failure(name, 0, "there is not enough memory for it") for name in unit.inputs])
    except Exception as error:  # what nobody thought of may not stop the rest
        reason = f"Winnow erred ({type(error).__name__}: {str(error)[:200]}); please report it"
        outcome = Outcome(failures=[Failure(name, 0, reason) for name in unit.inputs])
    outcome.summary.fail(outcome.failures)
    return outcome


def _failed(unit: Unit, error: Exception) -> Outcome:
    return Outcome(failures=[Failure(name, 0, _reason(error)) for name in unit.inputs])


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


@lru_cache(maxsize=1)
def _cleaner(model: str | None, identifier: str) -> Cleaner:
    """Load the model once; `identifier` tells it from another that was in the same folder before."""
    return Cleaner.load(model)


def _wrong_model(work: Work) -> str:
    if release() != work.release:
        return f"a worker has Winnow {release()}, and this run is of {work.release}; install the same everywhere"
    try:
        found = _cleaner(work.model, work.identifier).model.identifier
    except WinnowError as error:
        return str(error)
    if found != work.identifier:
        return f"a worker has the model {found}, and this run uses {work.identifier}; use the same everywhere"
    return ""


def _clean_texts(unit: Unit, work: Work, folder: Path, outcome: Outcome) -> None:
    """Clean text files, into one each or into rows; one that cannot be cleaned is its own failure."""
    source, target = place(work.source), place(work.target)
    chunks = _text_chunks(unit, work, source, outcome)
    if unit.output is not None:
        _write_rows(unit, work, target, folder, chunks, [{"id": "", "encoding": ""}], outcome)
        return
    outcome.size = 0
    for chunk in chunks:
        for record, article in zip(chunk.records, _cleaned(chunk, work), strict=True):
            name = record.fields["id"]
            content = text_content(article)
            try:
                target.put(new_file(folder, content), name)
            except OSError as error:
                if error.errno in FULL or not folder.is_dir():
                    raise
                outcome.failures.append(Failure(name, 0, _reason(error)))
                continue
            outcome.size += len(content) + 1  # so that an empty file counts
            outcome.summary.add(name, 0, "", article, work.keep)


def _text_chunks(unit: Unit, work: Work, source: Place, outcome: Outcome) -> Iterator[Chunk]:
    chunk = Chunk()
    for name in unit.inputs:
        try:
            size = source.size(name)
            if size > work.most:
                raise InputError(too_large(size, work.most))
            with source.open(name) as file:
                text, encoding = decode(file.read())
        except (OSError, WinnowError) as error:
            outcome.failures.append(Failure(name, 0, _reason(error)))
            continue
        chunk.add(Record(0, text, {"id": name, work.shape.text_field: text, "encoding": encoding}))
        if chunk.is_full:
            yield chunk
            chunk = Chunk()
    if chunk.records:
        yield chunk


def _clean_rows(unit: Unit, work: Work, folder: Path, outcome: Outcome) -> None:
    source, target = place(work.source), place(work.target)
    name, field_ = unit.inputs[0], work.shape.text_field
    as_table = unit.output is not None and unit.output.name == unit.form.name == PARQUET
    with source.open(name) as file:
        sample: Sequence[Any] = ()
        if unit.output is not None and unit.output.name == PARQUET and not as_table:
            with source.open(name) as beginning:
                sample = sample_rows(beginning, unit.form, field_, work.most)
        chunks = read_chunks(file, unit.form, unit.slice, field_, work.most, fields=not as_table)
        if unit.output is not None:
            _write_rows(unit, work, target, folder, chunks, sample, outcome)
            return
        outcome.size = 0
        for chunk in chunks:
            articles = _cleaned(chunk, work)
            outcome.size += write_texts(target, folder, unit.target, unit.form, chunk, articles)
            _count(unit, work, chunk, articles, outcome)


def _write_rows(
    unit: Unit,
    work: Work,
    target: Place,
    folder: Path,
    chunks: Iterator[Chunk],
    sample: Sequence[Any],
    outcome: Outcome,
) -> None:
    """Write what becomes of chunks as one file, in the making outside its place until all of it is there."""
    assert unit.output is not None
    path = new_file(folder)
    try:
        with path.open("wb") as file:
            output = writer(file, unit.output, work.shape, sample)
            for chunk in chunks:
                articles = _cleaned(chunk, work)
                output.write(chunk, articles)
                _count(unit, work, chunk, articles, outcome)
            output.close()
        size = path.stat().st_size
        target.put(path, unit.written)
        outcome.size = size
    finally:
        path.unlink(missing_ok=True)


def _cleaned(chunk: Chunk, work: Work) -> list[CleanedArticle]:
    cleaner = _cleaner(work.model, work.identifier)
    return cleaner.clean_many([record.text for record in articles_of(chunk)], work.keep)


def _count(unit: Unit, work: Work, chunk: Chunk, articles: Sequence[CleanedArticle], outcome: Outcome) -> None:
    is_text = unit.form.suffix == ".txt"
    for record, article in zip(articles_of(chunk), articles, strict=True):
        path = record.fields["id"] if is_text else unit.inputs[0]
        outcome.summary.add(path, record.place, record.language, article, work.keep)
    outcome.failures += [Failure(unit.inputs[0], row.line, row.reason) for row in chunk.bad]
