"""What the benchmarks share: model, texts, fair timing, fresh processes, and a record of what was measured.

WINNOW_BENCH_MODEL names the folder of the model to measure, by default the one that ships. With WINNOW_BENCH_JSON=FILE
all numbers of a session are written to that file, with WINNOW_BENCH_PLOT=FILE.svg (or .png) a plot of them.
"""

import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
from threadpoolctl import threadpool_limits

import classifier
from classifier import Cleaner, LabelledArticle, read_seeds
from classifier.resources import default_seeds

Cases = Mapping[str, Callable[[], object]]
MedianSeconds = Callable[[Cases, int], dict[str, float]]
RunFresh = Callable[..., subprocess.CompletedProcess[str]]

_TOOLS = ("winnow-news", "numpy", "scipy", "scikit-learn", "justext", "trafilatura", "resiliparse", "lxml")
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Report:
    """The numbers of one session, by benchmark, and its goals."""

    def __init__(self) -> None:
        self.numbers: dict[str, Any] = {}
        self.goals: dict[str, dict[str, float | bool]] = {}

    def goal(self, name: str, measured: float, goal: float, *, at_most: bool = False) -> None:
        """Record a figure beside its goal, a least or a greatest value, and print whether it was reached."""
        reached = measured <= goal if at_most else measured >= goal
        self.goals[name] = {"measured": measured, "goal": goal, "reached": reached}
        bound = "at most" if at_most else "at least"
        print(f"goal: {name}, {bound} {goal:g}: {measured:.2f}, {'reached' if reached else 'missed'}")


@pytest.fixture(scope="session")
def report() -> Iterator[Report]:
    """The record of the session; the files that the environment names are written from it at the end."""
    json_file, plot_file = (os.environ.get(f"WINNOW_BENCH_{name}") for name in ("JSON", "PLOT"))
    if plot_file:
        pytest.importorskip("matplotlib.figure", reason="install the extra: pip install '.[bench]'")
    report = Report()
    yield report
    if json_file:
        content = {"machine": _machine(), "goals": report.goals, "numbers": report.numbers}
        Path(json_file).write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")
    if plot_file:
        _plot(report.numbers, Path(plot_file))


@pytest.fixture(scope="session")
def cleaner(report: Report) -> Cleaner:
    """The model to measure."""
    cleaner = Cleaner.load(os.environ.get("WINNOW_BENCH_MODEL"))
    report.numbers["model"] = cleaner.model.identifier
    return cleaner


@pytest.fixture(scope="session")
def seeds() -> list[LabelledArticle]:
    """All seeds that ship, ordered by language and name."""
    return read_seeds(default_seeds())


@pytest.fixture(scope="session")
def mixed_texts(seeds: list[LabelledArticle]) -> list[str]:
    """The raw texts of the seeds in a random order that is always the same, so that any part mixes languages."""
    texts = [article.text for article in seeds]
    return random.Random(0).sample(texts, len(texts))


@pytest.fixture(scope="session")
def median_seconds() -> MedianSeconds:
    """The function that times cases against each other."""
    return _median_seconds


def _median_seconds(cases: Cases, rounds: int) -> dict[str, float]:
    """Run all cases in turn, in one round that warms up and `rounds` that count, on one thread; return each case's
    median time.
    """
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    with threadpool_limits(1):
        for _ in range(rounds + 1):
            for name, run in cases.items():
                start = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times[1:]) for name, times in seconds.items()}


@pytest.fixture(scope="session")
def winnow() -> list[str]:
    """The words that start the command `winnow` in a new process."""
    return [sys.executable, "-c", "from classifier.cli import main; main()"]


@pytest.fixture(scope="session")
def run_fresh() -> RunFresh:
    """The function that runs a command in a new process."""
    return _run_fresh


def _run_fresh(words: Sequence[str], given: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command with the code and the model that are measured, on one thread, and fail when it fails."""
    environment = {**os.environ, **_ONE_THREAD, "PYTHONPATH": str(Path(classifier.__file__).parents[1])}
    environment.pop("WINNOW_MODEL", None)
    if "WINNOW_BENCH_MODEL" in os.environ:
        environment["WINNOW_MODEL"] = os.environ["WINNOW_BENCH_MODEL"]
    run = subprocess.run(words, input=given, capture_output=True, text=True, encoding="utf-8", env=environment)
    assert run.returncode == 0, run.stderr
    return run


def _machine() -> dict[str, Any]:
    """Return what the numbers depend on, without anything that tells one machine from another of its kind."""
    versions = {}
    for tool in _TOOLS:
        with suppress(PackageNotFoundError):
            versions[tool] = version(tool)
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "versions": versions,
    }


def _plot(numbers: Mapping[str, Any], path: Path) -> None:
    """Draw the throughputs as bars and the growth of the time per character as curves, as far as they were measured."""
    figure_module = pytest.importorskip("matplotlib.figure")
    bars = [(title, numbers[title]["megabytes_per_second"]) for title in ("throughput", "one page") if title in numbers]
    growth = numbers.get("growth", {})
    panels = len(bars) + bool(growth)
    if not panels:
        return
    figure = figure_module.Figure(figsize=(8, 3 * panels), layout="constrained")
    axes = figure.subplots(panels, squeeze=False)[:, 0]
    for axis, (title, speeds) in zip(axes, bars, strict=False):
        axis.bar_label(axis.barh(list(speeds), list(speeds.values())), fmt=" %.2f")
        axis.margins(x=0.12)
        axis.invert_yaxis()
        axis.set(title=title, xlabel="megabytes of text a second, one thread")
    for name, rows in growth.items():
        axes[-1].plot([row["characters"] for row in rows], [row["relative"] for row in rows], "o-", label=name)
    if growth:
        axes[-1].set(title="growth", xlabel="characters", ylabel="time per character,\nordinary case = 1")
        axes[-1].loglog()
        axes[-1].legend()
    figure.savefig(path)
