"""How time per character and memory grow with the input: longer lines, more lines, more articles.

Time per character is given relative to the ordinary case, a thousand seeds in one call of `clean_many`.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import cycle, islice
from typing import TYPE_CHECKING

import pytest

from classifier import Cleaner

if TYPE_CHECKING:
    from tests.bench.conftest import MedianSeconds, Report, RunFresh

ORDINARY = 1_000
ROUNDS = 3
LEAST_CHARACTERS = 100_000  # a smaller input is given as often as makes this many, so that its time can be told
LONGEST_LINE = 300
SHORTENED = 300
GOAL = 1.5
MOST_MEMORY = 1.5
PEAK_MEMORY = (
    "import resource, subprocess, sys\n"
    "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)\n"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
)

pytestmark = [pytest.mark.bench, pytest.mark.filterwarnings("default")]

Grow = Callable[[str, Mapping[int, Sequence[str]]], None]


@pytest.fixture
def grow(cleaner: Cleaner, mixed_texts: list[str], median_seconds: "MedianSeconds", report: "Report") -> Grow:
    """The function that times inputs of growing size, prints and records them, and judges the largest."""

    def clean(texts: Sequence[str], times: int) -> None:
        for _ in range(times):
            cleaner.clean_many(texts)

    def measure(name: str, inputs: Mapping[int, Sequence[str]]) -> None:
        given = {"ordinary": mixed_texts[:ORDINARY], **{f"{size:,}": texts for size, texts in inputs.items()}}
        characters = {size: sum(map(len, texts)) for size, texts in given.items()}
        times = {size: -(-LEAST_CHARACTERS // count) for size, count in characters.items()}
        median = median_seconds({size: partial(clean, texts, times[size]) for size, texts in given.items()}, ROUNDS)
        cost = {size: 1e6 * median[size] / times[size] / characters[size] for size in given}
        print(f"\n{name:>12s}{'characters':>14s}{'µs/character':>14s}{'relative':>10s}   medians of {ROUNDS} rounds")
        for size, value in cost.items():
            print(f"{size:>12s}{characters[size]:14,d}{value:14.3f}{value / cost['ordinary']:10.2f}")
        report.numbers.setdefault("growth", {})[name] = [
            {
                name: size,
                "characters": characters[f"{size:,}"],
                "microseconds_per_character": cost[f"{size:,}"],
                "relative": cost[f"{size:,}"] / cost["ordinary"],
            }
            for size in inputs
        ]
        largest = max(inputs)
        relative = cost[f"{largest:,}"] / cost["ordinary"]
        report.goal(f"time per character, {name}: {largest:,}", relative, GOAL, at_most=True)

    return measure


def test_time_of_one_line(grow: Grow, mixed_texts: list[str]) -> None:
    """One line of up to ten megabytes costs about as much a character as many articles do."""
    words = " ".join(" ".join(mixed_texts).split()) + " "
    encoded = words.encode("utf-8", "replace")
    sizes = [10**4, 10**5, 10**6, 10**7]
    content = encoded * (sizes[-1] // len(encoded) + 1)
    grow("bytes in line", {size: [content[:size].decode("utf-8", "ignore")] for size in sizes})


def test_time_of_many_lines(grow: Grow, mixed_texts: list[str]) -> None:
    """One article of up to a hundred thousand lines costs about as much a character as many articles do."""
    lines = [line for text in mixed_texts for line in text.split("\n") if len(line) <= LONGEST_LINE]
    grow("lines", {size: ["\n".join(islice(cycle(lines), size))] for size in (10, 100, 1_000, 10_000, 100_000)})


def test_time_of_many_articles(grow: Grow, mixed_texts: list[str]) -> None:
    """A call with up to a hundred thousand short articles costs about as much a character as one with ordinary ones."""
    short = [text[:SHORTENED] for text in mixed_texts]
    grow("articles", {size: list(islice(cycle(short), size)) for size in (1, 10, 100, 1_000, 10_000, 100_000)})


def test_memory_is_bounded_by_the_batch(
    mixed_texts: list[str], winnow: list[str], run_fresh: "RunFresh", report: "Report"
) -> None:
    """The peak memory of `winnow clean --jsonl` is about the same for a thousand rows and for twenty thousand."""
    pytest.importorskip("resource", reason="this platform does not tell a process's peak memory")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes of what `ru_maxrss` counts
    peaks = {}
    for articles in (1_000, 20_000):
        rows = "".join(f"{json.dumps({'text': text})}\n" for text in islice(cycle(mixed_texts), articles))
        run = run_fresh([sys.executable, "-c", PEAK_MEMORY, *winnow, "clean", "--jsonl"], rows)
        peaks[articles] = int(run.stdout) * unit / 1e6
        print(f"\npeak memory of {articles:,} rows: {peaks[articles]:.0f} MB", end="")
    growth = peaks[20_000] / peaks[1_000]
    print(f"\n{growth:.2f} times as much for twenty times the rows")
    report.numbers["peak memory"] = {"megabytes": peaks, "growth": growth}
    assert growth <= MOST_MEMORY
