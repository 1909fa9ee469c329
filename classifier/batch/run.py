"""A folder of articles cleaned on all cores or on a cluster: text files, JSON Lines, Parquet and WET in, the same out.

The work is cut into units, each done by one process in bounded memory. An output appears whole or not at all, what is
finished stands in a journal, so that a run that was stopped in whatever way goes on where it stopped; what cannot be
cleaned is named in `failures.jsonl` and never stops the rest.
"""

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky.process_executor import BrokenProcessPool

from classifier.batch.chunks import OWN_FIELDS, Shape
from classifier.batch.cluster import connected
from classifier.batch.formats import FORMATS, JSONL, PARQUET, check_installed, format_of, join
from classifier.batch.journal import Entry, Journal
from classifier.batch.places import OWN, Place, new_file, place
from classifier.batch.summary import Failure, Summary
from classifier.batch.units import FAILURES, REPORT, Job, Unit, part_name, plan
from classifier.batch.worker import FULL, Outcome, Work, clean_unit, follow, full, problem_of, release
from classifier.cleaning import CORE_ONLY, Cleaner
from classifier.errors import InputError, OutputError, WinnowError
from classifier.labels import LABELS, Label
from classifier.records import dump

MOST_BYTES = 2_000_000
"""Larger texts, in bytes of UTF-8, are not cleaned unless more is allowed: memory grows with the largest one."""

_LIVES = 3  # times that processes may die without a unit finished between


@dataclass(frozen=True, slots=True)
class Settings:
    """How a folder is cleaned.

    `text_field` is where rows have their text; `to` is the format of the output (text, jsonl or parquet), None for
    that of the input; with `spans` rows keep their raw text and get the labels of its paragraphs.
    """

    keep: frozenset[Label] = CORE_ONLY
    text_field: str = "text"
    to: str | None = None
    spans: bool = False
    most_bytes: int = MOST_BYTES


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: bytes of the input that were to be done by it and are, articles and failures of all runs."""

    size: int
    done: int
    articles: int
    failures: int


@dataclass(slots=True)
class BatchResult:
    """What became of a folder, over all runs, and what of it this one did."""

    summary: Summary
    settings: Settings
    model: str
    files: int
    seconds: float = 0.0
    articles: int = 0
    characters: int = 0

    def to_text(self) -> str:
        """Return the figures as lines to read."""
        return self.summary.to_text(self.settings.keep, self.seconds, self.articles, self.characters)

    def to_json(self) -> dict[str, Any]:
        """Return all figures; those of `run` depend on the machine and on how often it was stopped, no others do."""
        return {
            "winnow": release(),
            "model": self.model,
            "keep": [label for label in LABELS if label in self.settings.keep],
            "files": self.files,
            **self.summary.to_json(self.settings.keep),
            "run": {
                "seconds": round(self.seconds, 3),
                "articles": self.articles,
                "characters": self.characters,
                "articles_per_second": round(self.articles / self.seconds, 1) if self.seconds else None,
            },
        }


def clean_folder(
    source: Path | str,
    target: Path | str,
    settings: Settings | None = None,
    *,
    model: Path | None = None,
    jobs: int = -1,
    cluster: str | None = None,
    retry_failed: bool = False,
    restart: bool = False,
    told: Callable[[Progress], None] = lambda progress: None,
) -> BatchResult:
    """Clean all articles below `source` into the same places below `target`; either may be a URL for fsspec.

    What an earlier run finished is not done again, unless its input has changed, or it had failures and `retry_failed`;
    with `restart` all is. `jobs` processes work (-1: one for each core), or the workers of the Dask scheduler at
    `cluster`. `told` hears of progress. Raises InputError when the folders cannot be used or `target` was begun in
    another way, StoreBusyError when another run is under way in it, OutputError when it cannot be written, ModelError,
    and WinnowError when processes die; the same call then goes on.
    """
    settings = settings or Settings()
    here, there = _places(str(source), str(target))
    files, size = _look(here, settings)
    identifier = Cleaner.load(model).model.identifier  # a model that cannot be used should fail once, here
    work = Work(
        source=here.root if here.is_local else here.address,
        target=there.root if there.is_local else there.address,
        model=None if model is None else str(model.resolve()),
        identifier=identifier,
        release=release(),
        keep=settings.keep,
        shape=Shape(settings.text_field, settings.spans),
        most=settings.most_bytes,
        run=os.urandom(6).hex(),
    )
    with _written(work.target), ExitStack() as stack:
        journal = Journal(there)
        stack.enter_context(journal.lock())
        made = {
            "winnow": work.release,
            "model": identifier,
            "keep": [label.value for label in LABELS if label in settings.keep],
            "field": settings.text_field,
            "to": settings.to,
            "spans": settings.spans,
            "max_bytes": settings.most_bytes,
        }
        there.begin(work.run)
        try:
            journal.open(made, restart=restart)
            stack.enter_context(_backend(jobs, cluster, work))
            run = _Run(here, there, work, settings, journal, retry_failed, size, told)
            result = run.to_its_end(jobs, files)
        finally:
            there.remove(f"{OWN}/new-{work.run}")
    return result


def _places(source: str, target: str) -> tuple[Place, Place]:
    here, there = place(source), place(target)
    try:
        if not here.exists():
            raise InputError(f"{source} is no folder; name one that holds texts")
        if here.overlaps(there):
            raise InputError(
                f"{target} and {source} lie within each other; "
                "name a folder for the output that is apart from the input"
            )
    except OSError as error:
        raise InputError(f"{source} cannot be read ({error.strerror or error})") from error
    if there.is_local and Path(target).exists() and not there.exists():
        raise InputError(f"{target} is a file; name a folder for the output")
    return here, there


def _look(here: Place, settings: Settings) -> tuple[int, int]:
    """Return how many files there are to read and their bytes, once it is sure that all formats can be."""
    if settings.text_field in (*OWN_FIELDS, "id", "encoding", "other"):
        raise InputError(f'the text cannot stand in the field "{settings.text_field}", which has another meaning')
    names: dict[str, str] = {}
    files = size = 0
    for found in here.walk():
        form = format_of(found.name)
        if form:
            files += 1
            size += found.size
            names.setdefault(form.name, found.name)
    if not files:
        suffixes = ", ".join(form.suffix for form in FORMATS[:-1])
        raise InputError(
            f"there is no {suffixes} or {FORMATS[-1].suffix} file in {here.address}; name a folder that holds some"
        )
    for form_name in (*names, *([settings.to] if settings.to else ())):
        check_installed(form_name)
    for form_name, name in names.items():
        if settings.spans and (settings.to or form_name) not in (JSONL, PARQUET):
            raise InputError(f"{name} has no place for spans; write rows: --to jsonl or --to parquet")
    return files, size


@contextmanager
def _written(address: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise OutputError(full(address, error)) from error
        raise OutputError(f"{address} cannot be used ({error.strerror or error}); name another folder") from error


@contextmanager
def _backend(jobs: int, cluster: str | None, work: Work) -> Iterator[None]:
    if cluster is None:
        with parallel_config(backend="loky", initializer=follow, initargs=(os.getpid(),)):
            yield
        return
    with connected(cluster, problem_of, work) as backend, parallel_config(backend=backend):
        yield


@dataclass(slots=True)
class _Output:
    """An output in the making: its job, its parts that are done, and how many there are, once that is known."""

    job: Job
    sizes: dict[int, int] = field(default_factory=dict)
    parts: int = sys.maxsize


class _Run:
    """One run over a folder: what is to be done, what comes of it, and outputs put together from their parts.

    The work is planned in whichever thread joblib asks for more of it, and all that follows from it done in one.
    """

    def __init__(
        self,
        here: Place,
        there: Place,
        work: Work,
        settings: Settings,
        journal: Journal,
        retry_failed: bool,
        size: int,
        told: Callable[[Progress], None],
    ) -> None:
        self._here, self._there, self._work, self._settings, self._journal = here, there, work, settings, journal
        self._retry_failed = retry_failed
        self._size, self._told = size, told
        self._tried: set[tuple[str, int]] = set()
        self._begin()

    def _begin(self) -> None:
        self._summary = Summary()
        self._done = 0
        self._order: list[tuple[str, int] | Failure] = []
        self._outputs: dict[str, _Output] = {}
        self._left = self._size
        self._broken: Exception | None = None
        self._found: deque[Entry | Failure | _Output | int] = deque()  # for the other thread

    def to_its_end(self, jobs: int, files: int) -> BatchResult:
        """Do all that is not done; return what became of the folder."""
        start = time.perf_counter()
        new = Summary()
        lives = _LIVES
        while True:
            self._begin()
            before = new.articles + new.failures
            try:
                for unit, outcome in self._outcomes(jobs):
                    if outcome.stop:
                        raise OutputError(outcome.stop)
                    self._finish(unit, outcome)
                    new.merge(outcome.summary)
                if self._broken:
                    raise self._broken
                self._take_found()
                self._tell()
                break
            except BrokenProcessPool as error:
                lives = _LIVES if new.articles + new.failures > before else lives - 1
                if not lives:
                    raise WinnowError(
                        "working processes were killed again and again, which a lack of memory may do; "
                        "give the same command again with fewer --jobs: it goes on where it stopped"
                    ) from error
        result = BatchResult(
            self._summary,
            self._settings,
            self._work.identifier,
            files,
            time.perf_counter() - start,
            new.articles,
            sum(new.characters),
        )
        self._write_failures()
        self._there.write(REPORT, f"{dump(result.to_json())}\n".encode(), self._work.run)
        self._there.remove(f"{OWN}/parts")
        return result

    def _outcomes(self, jobs: int) -> Iterator[tuple[Unit, Outcome]]:
        """Yield what becomes of the units that are not done, as it comes."""
        tasks = (delayed(_numbered)(unit, self._work) for unit in self._open_units())
        parallel = Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
        outcomes: Any = parallel(tasks)  # a generator, which its types do not know
        with closing(outcomes):
            yield from outcomes

    def _open_units(self) -> Iterator[Unit]:
        """Yield the units to be done; an error of planning ends them and is raised by the other thread."""
        try:
            yield from self._planned()
        except Exception as error:
            self._broken = error

    def _planned(self) -> Iterator[Unit]:
        """Yield the units to be done; pass on what is known of all others."""
        for job in plan(self._here, self._settings.to):
            if isinstance(job, Failure):
                self._order.append(job)
                self._found.append(job)
                continue
            whole = self._journal.whole(job.target)
            if whole is not None and whole.key == job.key and self._is_there(job, whole.size, whole.parts):
                for part in range(whole.parts):
                    self._pass_on(job.target, part)
                self._found.append(job.size)
                continue
            output = self._outputs[job.target] = _Output(job)
            for unit in job.units:
                if unit.is_last:
                    output.parts = unit.part + 1
                if self._is_done(unit):
                    entry = self._pass_on(job.target, unit.part)
                    output.sizes[unit.part] = entry.size
                    self._found.append(unit.size)
                else:
                    self._order.append((unit.target, unit.part))
                    yield unit
            self._found.append(output)

    def _pass_on(self, target: str, part: int) -> Entry:
        entry = self._journal.entry(target, part)
        assert entry is not None
        self._order.append((target, part))
        self._found.append(entry)
        return entry

    def _is_there(self, job: Job, size: int, parts: int) -> bool:
        """Whether an output that is noted as whole is so still, and need not be made again."""
        entries = [self._journal.entry(job.target, part) for part in range(parts)]
        if any(entry is None or self._again(job.target, part, entry) for part, entry in enumerate(entries)):
            return False
        if size < 0:
            return True
        if job.output is not None:
            return size == self._there.size(job.target)
        if job.inputs and format_of(job.inputs[0]) == FORMATS[0]:
            failed = {one.path for entry in entries if entry for one in self._journal.failures(entry)}
            return size == sum(self._there.size(name) + 1 for name in job.inputs if name not in failed)
        return not size or bool(self._there.names(job.target))

    def _is_done(self, unit: Unit) -> bool:
        entry = self._journal.entry(unit.target, unit.part)
        if entry is None or entry.key != unit.key or self._again(unit.target, unit.part, entry):
            return False
        if unit.is_whole:
            return False  # that its output is whole was noted with it, and is so no more
        return unit.output is None or entry.size < 0 or entry.size == self._there.size(unit.written)

    def _again(self, target: str, part: int, entry: Entry) -> bool:
        """Whether a unit is done again because it had failures, once in this run."""
        return self._retry_failed and entry.has_failures and (target, part) not in self._tried

    def _finish(self, unit: Unit, outcome: Outcome) -> None:
        self._tried.add((unit.target, unit.part))
        output = self._outputs[unit.target]
        self._journal.add_unit(
            unit.target,
            unit.part,
            unit.key,
            outcome.size,
            outcome.summary.to_row(),
            outcome.failures,
            whole=output.job.key if unit.is_whole else None,
        )
        self._summary.merge(outcome.summary)
        self._done += unit.size
        if unit.is_whole:
            del self._outputs[unit.target]
        else:
            output.sizes[unit.part] = outcome.size
            self._put_together(output)
        self._take_found()
        self._tell()

    def _tell(self) -> None:
        self._told(Progress(self._left, self._done, self._summary.articles, self._summary.failures))

    def _take_found(self) -> None:
        """Count what needs no work, and see to outputs all of whose parts were there."""
        while self._found:
            found = self._found.popleft()
            if isinstance(found, Failure):
                self._summary.fail([found])
            elif isinstance(found, Entry):
                self._summary.merge(Summary.from_row(self._journal.row(found)["summary"]))
            elif isinstance(found, int):
                self._left -= found
            else:
                self._put_together(found)

    def _put_together(self, output: _Output) -> None:
        """Make an output of its parts when all of them are there."""
        job = output.job
        if len(output.sizes) < output.parts or self._outputs.get(job.target) is not output:
            return
        sizes = [output.sizes[part] for part in range(output.parts)]
        if job.output is None:
            size = sum(sizes)
        else:
            size = self._join(job, [part for part, written in enumerate(sizes) if written >= 0])
        self._journal.add_whole(job.target, job.key, size, output.parts)
        del self._outputs[job.target]
        if job.output is not None:
            for part in range(output.parts):
                self._there.remove(part_name(job.target, part))

    def _join(self, job: Job, parts: list[int]) -> int:
        assert job.output is not None
        if not parts:
            return -1
        with self._there.scratch(self._work.run) as folder, ExitStack() as stack:
            path = new_file(folder)
            names = [part_name(job.target, part) for part in parts]
            with path.open("wb") as whole:
                join([stack.enter_context(self._there.open(name)) for name in names], job.output, whole)
            size = path.stat().st_size
            self._there.put(path, job.target)
        return size

    def _write_failures(self) -> None:
        """Name what was not cleaned, in the order of the input; no such file when there is nothing."""
        if not self._summary.failures:
            self._there.remove(FAILURES)
            return
        with self._there.scratch(self._work.run) as folder:
            path = new_file(folder)
            with path.open("wb") as file:
                for one in self._order:
                    if isinstance(one, Failure):
                        failures = [one]
                    else:
                        entry = self._journal.entry(*one)
                        failures = sorted(self._journal.failures(entry)) if entry else []
                    file.writelines(f"{dump(failure._asdict())}\n".encode() for failure in failures)
            self._there.put(path, FAILURES)


def _numbered(unit: Unit, work: Work) -> tuple[Unit, Outcome]:
    """Clean a unit; outcomes come in any order."""
    return unit, clean_unit(unit, work)
