"""How much faster two processes clean a folder than one."""

import os
from collections.abc import Sequence
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.bench.conftest import MedianSeconds, Report, RunFresh

ROUNDS = 3
FILES = 1_000
ARTICLES_A_FILE = 10
GOAL = 1.8

pytestmark = [
    pytest.mark.bench,
    pytest.mark.filterwarnings("default"),
    pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="two processes need two cores"),
]


def _fill(folder: Path, texts: Sequence[str], files: int) -> float:
    """Write so many files of a few texts each into a new folder; return their size in megabytes."""
    folder.mkdir()
    endless = cycle(texts)
    size = 0
    for number in range(files):
        content = "\n".join(islice(endless, ARTICLES_A_FILE)).encode("utf-8", "replace")
        size += (folder / f"{number}.txt").write_bytes(content)
    return size / 1e6


def test_two_processes_against_one(
    mixed_texts: list[str],
    winnow: list[str],
    run_fresh: "RunFresh",
    median_seconds: "MedianSeconds",
    report: "Report",
    tmp_path: Path,
) -> None:
    """Print how many times as fast `winnow batch` is with two processes as with one, with start-up and without."""
    many, few = tmp_path / "many", tmp_path / "few"
    size = _fill(many, mixed_texts, FILES)
    _fill(few, ["Rain expected"], 2)
    cases = {
        f"{folder.name}-{jobs}": partial(run_fresh, [*winnow, "batch", str(folder), f"{folder}-{jobs}", "--jobs", jobs])
        for folder in (many, few)
        for jobs in ("1", "2")
    }
    median = median_seconds(cases, ROUNDS)
    one, two, start_one, start_two = (median[name] for name in ("many-1", "many-2", "few-1", "few-2"))
    print(f"\n{FILES:,} files, {size:.1f} MB, medians of {ROUNDS} rounds, one thread in each process")
    print(f"one process:   {one:6.2f} s, {size / one:5.2f} MB/s; {start_one:.2f} s of it start-up")
    print(f"two processes: {two:6.2f} s, {size / two:5.2f} MB/s; {start_two:.2f} s of it start-up")
    alone = (one - start_one) / (two - start_two)
    print(f"without start-up two processes are {alone:.2f} times as fast as one")
    report.numbers["processes"] = {
        "files": FILES,
        "megabytes": size,
        "seconds": {"1": one, "2": two},
        "start_seconds": {"1": start_one, "2": start_two},
        "without_start": alone,
    }
    report.goal("two processes, times as fast as one", one / two, GOAL)
