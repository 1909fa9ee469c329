"""Throughput beside other cleaners, on the same texts in the same run: medians of alternating rounds, as ratios.

The texts are the raw articles of the shipped seeds, or those of the JSON Lines file that WINNOW_BENCH_TEXTS names; the
one page is an Arabic sample, or the text file that WINNOW_BENCH_PAGE names. The others get each line as an HTML
paragraph, which is the input they are made for. One thread each.
"""

import html
import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from classifier import Cleaner, LabelledArticle

if TYPE_CHECKING:
    from tests.bench.conftest import MedianSeconds, Report

ROUNDS = 5
PAGE = Path(__file__).parents[2] / "data" / "samples" / "arabic-portal.txt"
PAGE_CALLS = 20
MISSING = "install the extra: pip install '.[bench]'"

pytestmark = [pytest.mark.bench, pytest.mark.filterwarnings("default")]


def _other_cleaners() -> dict[str, Callable[[str], object]]:
    """Return, by name, what takes the text out of one HTML page; skip the test when one is not installed."""
    justext = pytest.importorskip("justext", reason=MISSING)
    trafilatura = pytest.importorskip("trafilatura", reason=MISSING)
    resiliparse = pytest.importorskip("resiliparse.extract.html2text", reason=MISSING)
    stop_words = justext.get_stoplist("English")
    return {
        "justext": lambda page: justext.justext(page.encode(), stop_words),
        "trafilatura": trafilatura.extract,
        "resiliparse": partial(resiliparse.extract_plain_text, main_content=True),
    }


def _texts(seeds: Sequence[LabelledArticle]) -> list[str]:
    named = os.environ.get("WINNOW_BENCH_TEXTS")
    if named:
        return [json.loads(line)["text"] for line in Path(named).read_text("utf-8").splitlines() if line.strip()]
    return [article.text for article in seeds[::5]]


def _html(text: str) -> str:
    body = "".join(f"<p>{html.escape(line)}</p>\n" for line in text.splitlines() if line.strip())
    return f"<!DOCTYPE html><html><head><title>-</title></head><body>{body}</body></html>"


def _one_at_a_time(run: Callable[[str], object], texts: Sequence[str]) -> None:
    for text in texts:
        run(text)


def _megabytes(texts: Sequence[str]) -> float:
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts) / 1e6


def test_throughput_against_other_cleaners(
    cleaner: Cleaner, seeds: list[LabelledArticle], median_seconds: "MedianSeconds", report: "Report"
) -> None:
    """Print each cleaner's megabytes of text a second and how many times as fast Winnow is, in a batch and with one
    article a call; a batch must be faster than jusText and trafilatura.
    """
    texts = _texts(seeds)
    pages = [_html(text) for text in texts]
    cases: dict[str, Callable[[], object]] = {
        "winnow, clean_many": partial(cleaner.clean_many, texts),
        "winnow, clean": partial(_one_at_a_time, cleaner.clean, texts),
    }
    cases |= {name: partial(_one_at_a_time, run, pages) for name, run in _other_cleaners().items()}
    median = median_seconds(cases, ROUNDS)
    size = _megabytes(texts)
    speed = {name: size / seconds for name, seconds in median.items()}
    report.numbers["throughput"] = {"articles": len(texts), "megabytes": size, "megabytes_per_second": speed}
    print(f"\n{len(texts)} articles, {size:.2f} MB, medians of {ROUNDS} rounds, one thread")
    print(f"{'':20s}{'MB/s':>8s}   times as fast: clean_many   clean")
    batch, single = speed["winnow, clean_many"], speed["winnow, clean"]
    for name, value in speed.items():
        print(f"{name:20s}{value:8.2f}{batch / value:28.2f}{single / value:8.2f}")
    for name, goal in (("justext", 10), ("trafilatura", 5), ("resiliparse", 0.5)):
        report.goal(f"clean_many, times as fast as {name}", batch / speed[name], goal)
    assert batch > max(speed["justext"], speed["trafilatura"])


def test_throughput_of_one_page_a_call(cleaner: Cleaner, median_seconds: "MedianSeconds", report: "Report") -> None:
    """Print how fast each cleaner is on one page, given alone, and how many times as fast Winnow is."""
    text = Path(os.environ.get("WINNOW_BENCH_PAGE", PAGE)).read_text("utf-8")
    cases: dict[str, Callable[[], object]] = {
        "winnow, clean": partial(_one_at_a_time, cleaner.clean, [text] * PAGE_CALLS)
    }
    for name, run in _other_cleaners().items():
        cases[name] = partial(_one_at_a_time, run, [_html(text)] * PAGE_CALLS)
    median = median_seconds(cases, ROUNDS)
    size = _megabytes([text])
    speed = {name: size * PAGE_CALLS / seconds for name, seconds in median.items()}
    report.numbers["one page"] = {"megabytes": size, "megabytes_per_second": speed}
    print(f"\none page of {1000 * size:.1f} KB, medians of {ROUNDS} rounds of {PAGE_CALLS} calls, one thread")
    print(f"{'':20s}{'ms':>8s}{'MB/s':>8s}   times as fast: clean")
    for name, value in speed.items():
        print(f"{name:20s}{1000 * size / value:8.2f}{value:8.2f}{speed['winnow, clean'] / value:23.2f}")
    report.goal("clean of one page, times as fast as justext", speed["winnow, clean"] / speed["justext"], 5)
