"""How long the command takes from a cold start, and which imports that time goes into."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.bench.conftest import MedianSeconds, Report, RunFresh

ROUNDS = 5
SAMPLE = Path(__file__).parents[2] / "data" / "samples" / "english-local.txt"
SLOWEST = 10

pytestmark = [pytest.mark.bench, pytest.mark.filterwarnings("default")]


def test_cold_start(
    winnow: list[str], run_fresh: "RunFresh", median_seconds: "MedianSeconds", report: "Report"
) -> None:
    """Print how long `winnow --help` and `winnow clean` of one article take in a new process."""
    commands = {"winnow --help": ["--help"], "winnow clean": ["clean", str(SAMPLE)]}
    median = median_seconds({name: partial(run_fresh, [*winnow, *words]) for name, words in commands.items()}, ROUNDS)
    report.numbers["start"] = {"seconds": median}
    print(f"\nseconds in a new process, medians of {ROUNDS}")
    for name, goal in (("winnow --help", 0.33), ("winnow clean", 1.2)):
        report.goal(f"seconds of {name}", median[name], goal, at_most=True)


def test_imports_of_cleaning(winnow: list[str], run_fresh: "RunFresh", report: "Report") -> None:
    """Print how many modules cleaning imports, and the slowest by the time each takes without its own imports."""
    python, *words = winnow
    lines = run_fresh([python, "-X", "importtime", *words, "clean", str(SAMPLE)]).stderr.splitlines()
    cells = [line.removeprefix("import time:").split("|") for line in lines if line.startswith("import time:")]
    modules = [(int(own), int(whole), name.strip()) for own, whole, name in cells if own.strip().isdigit()]
    slowest = sorted(modules, reverse=True)[:SLOWEST]
    report.numbers["imports"] = {
        "modules": len(modules),
        "slowest": [{"module": name, "milliseconds": own / 1e3} for own, _, name in slowest],
    }
    print(f"\n{len(modules)} modules imported to clean one article; the slowest, in milliseconds")
    print("   own   with its imports")
    for own, whole, name in slowest:
        print(f"{own / 1e3:6.1f}{whole / 1e3:19.1f}   {name}")
