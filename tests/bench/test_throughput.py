"""Throughput beside other cleaners, on the same texts in the same run: medians of alternating rounds, as ratios.

The texts are the raw articles of the shipped seeds, or those of the JSON Lines file that WINNOW_BENCH_TEXTS names. The
others get each line as an HTML paragraph, which is the input they are made for. One thread each.
"""

import html
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

from classifier import Cleaner, read_seeds
from classifier.resources import default_seeds

justext = pytest.importorskip("justext", reason="install the extra: pip install '.[bench]'")
trafilatura = pytest.importorskip("trafilatura", reason="install the extra: pip install '.[bench]'")

ROUNDS = 5

pytestmark = [pytest.mark.bench, pytest.mark.filterwarnings("default")]


def _texts() -> list[str]:
    named = os.environ.get("WINNOW_BENCH_TEXTS")
    if named:
        return [json.loads(line)["text"] for line in Path(named).read_text("utf-8").splitlines() if line.strip()]
    return [article.text for article in read_seeds(default_seeds())[::5]]


def _page(text: str) -> str:
    body = "".join(f"<p>{html.escape(line)}</p>\n" for line in text.splitlines() if line.strip())
    return f"<!DOCTYPE html><html><head><title>-</title></head><body>{body}</body></html>"


def test_throughput_against_other_cleaners() -> None:
    """Print megabytes of text a second for each cleaner and Winnow's ratio to it; Winnow must be the fastest."""
    texts = _texts()
    pages = [_page(text) for text in texts]
    cleaner = Cleaner.load()
    stop_words = justext.get_stoplist("English")
    contestants: dict[str, Callable[[], object]] = {
        "winnow, clean_many": lambda: cleaner.clean_many(texts),
        "winnow, clean": lambda: [cleaner.clean(text) for text in texts],
        "justext": lambda: [justext.justext(page.encode(), stop_words) for page in pages],
        "trafilatura": lambda: [trafilatura.extract(page) for page in pages],
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    with threadpool_limits(1):
        for _ in range(ROUNDS + 1):  # the first round warms up
            for name, run in contestants.items():
                start = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - start)
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts) / 1e6
    median = {name: statistics.median(times[1:]) for name, times in seconds.items()}
    print(f"\n{len(texts)} articles, {size:.2f} MB, medians of {ROUNDS} rounds, one thread")
    for name, time_taken in median.items():
        ratio = time_taken / median["winnow, clean_many"]
        print(f"{name:20s} {size / time_taken:7.2f} MB/s   winnow clean_many is {ratio:5.2f} times as fast")
    assert median["winnow, clean_many"] < min(median["justext"], median["trafilatura"])
