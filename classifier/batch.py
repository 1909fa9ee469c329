"""A folder of articles cleaned on all cores: `.txt` and `.jsonl` files in, the same tree out.

Texts of many small files are scored together, as one call of `clean_many`. The output of each file appears whole or not
at all, and what cannot be cleaned is named in `failures.jsonl` and never stops the rest.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from joblib import Parallel, delayed, effective_n_jobs

from classifier.cleaning import CORE_ONLY, Cleaner
from classifier.errors import InputError, WinnowError
from classifier.files import write_whole
from classifier.labels import Label
from classifier.records import BadRow, clean_rows, decode, dump

SUFFIXES = (".txt", ".jsonl")
FAILURES = "failures.jsonl"
_GROUP_BYTES = 500_000  # text files are cleaned together up to this size...
_GROUPS_A_JOB = 4  # ...or less, so that every process has some of the work


@dataclass(frozen=True, slots=True)
class Failure:
    """An input, or a row of one (`line` is 0 for the whole file), that was not cleaned, and why."""

    path: str
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class FileResult:
    """What became of one file: articles cleaned, characters read and kept, and failures."""

    path: str
    articles: int
    read: int
    kept: int
    failures: tuple[Failure, ...]


def clean_folder(
    source: Path,
    target: Path,
    model: Path | None = None,
    keep: frozenset[Label] = CORE_ONLY,
    jobs: int = -1,
    done: Callable[[FileResult, int], None] = lambda result, files: None,
) -> list[FileResult]:
    """Clean every `.txt` and `.jsonl` file below `source` into the same place below `target`.

    `done` is told of each finished file and the number of files. Returns the results in the order of the paths; the
    failures among them also stand in `target`/failures.jsonl, which is there only when there are any. Raises
    InputError when the folders cannot be used, and ModelError.
    """
    source, target = _check_folders(source, target)
    paths = sorted(
        path for path in source.rglob("*") if path.suffix in SUFFIXES and (path.is_file() or path.is_symlink())
    )
    if not paths:
        raise InputError(f"there is no .txt or .jsonl file in {source}; name a folder that holds some")
    identifier = Cleaner.load(model).model.identifier  # a model that cannot be used should fail once, here
    target.mkdir(parents=True, exist_ok=True)
    most = min(_GROUP_BYTES, sum(map(_size, paths)) // (_GROUPS_A_JOB * effective_n_jobs(jobs)))
    tasks = (delayed(_clean_files)(group, source, target, model, identifier, keep) for group in _groups(paths, most))
    results: list[FileResult] = []
    for cleaned in Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)(tasks):
        for result in cleaned:
            results.append(result)
            done(result, len(paths))
    results.sort(key=lambda result: result.path)
    failures = [failure for result in results for failure in result.failures]
    if failures:
        rows = [
            dump({"path": failure.path, "line": failure.line, "reason": failure.reason}) + "\n" for failure in failures
        ]
        write_whole(target / FAILURES, "".join(rows).encode())
    else:
        (target / FAILURES).unlink(missing_ok=True)
    return results


def _check_folders(source: Path, target: Path) -> tuple[Path, Path]:
    if not source.is_dir():
        raise InputError(f"{source} is no folder; name one that holds .txt or .jsonl files")
    source, target = source.resolve(), target.resolve()
    if target == source or target.is_relative_to(source) or source.is_relative_to(target):
        raise InputError(
            f"{target} and {source} lie within each other; name a folder for the output that is apart from the input"
        )
    if target.exists() and not target.is_dir():
        raise InputError(f"{target} is a file; name a folder for the output")
    return source, target


@cache
def _cleaner(model: Path | None, identifier: str) -> Cleaner:
    """Load the model once in each worker; `identifier` tells it from another that was in the same folder before."""
    return Cleaner.load(model)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # which is told when the file is read
        return 0


def _groups(paths: Sequence[Path], most: int) -> Iterator[list[Path]]:
    """Group text files up to `most` bytes; a JSON Lines file, which is read bit by bit, is a group by itself."""
    group: list[Path] = []
    size = 0
    for path in paths:
        if path.suffix != ".txt":
            yield [path]
            continue
        if group and size + _size(path) > most:
            yield group
            group, size = [], 0
        group.append(path)
        size += _size(path)
    if group:
        yield group


def _clean_files(
    paths: Sequence[Path], source: Path, target: Path, model: Path | None, identifier: str, keep: frozenset[Label]
) -> list[FileResult]:
    """Clean a group of files: whatever befalls one of them is its own failure."""
    results: list[FileResult] = []
    texts: dict[Path, str] = {}
    cleaner = None
    for path in paths:
        name = path.relative_to(source).as_posix()
        with _failing(name, results):
            if name == FAILURES:
                raise InputError("this name is kept for the list of failures; rename the file")
            if not path.resolve().is_relative_to(source):
                raise InputError("it is a link that leads out of the source folder")
            cleaner = cleaner or _cleaner(model, identifier)
            if path.suffix == ".txt":
                texts[path], _ = decode(path.read_bytes())
            else:
                results.append(_clean_lines(cleaner, path, name, target / name, keep))
    if cleaner is None:
        return results
    for (path, text), article in zip(texts.items(), cleaner.clean_many(list(texts.values()), keep), strict=True):
        name = path.relative_to(source).as_posix()
        with _failing(name, results):
            write_whole(target / name, (article.text + "\n" if article.text else "").encode("utf-8", "surrogatepass"))
            results.append(FileResult(name, 1, len(text), len(article.text), ()))
    return results


@contextmanager
def _failing(name: str, results: list[FileResult]) -> Iterator[None]:
    """Turn an error into the result of a file that was not cleaned."""
    try:
        yield
    except OSError as error:
        results.append(FileResult(name, 0, 0, 0, (Failure(name, 0, error.strerror or str(error)),)))
    except WinnowError as error:
        results.append(FileResult(name, 0, 0, 0, (Failure(name, 0, str(error)),)))


def _clean_lines(cleaner: Cleaner, path: Path, name: str, target: Path, keep: frozenset[Label]) -> FileResult:
    rows: list[str] = []
    failures = []
    with path.open("rb") as lines:
        for row in clean_rows(cleaner, lines, keep):
            if isinstance(row, BadRow):
                failures.append(Failure(name, row.line, row.reason))
            else:
                rows.append(row)
    content = "".join(f"{row}\n" for row in rows).encode()
    write_whole(target, content)
    return FileResult(name, len(rows), path.stat().st_size, len(content), tuple(failures))
