"""How long training takes and how good its model is, by the number of seeds; run when WINNOW_BENCH_TRAINING is set."""

import os
import random
import time
from typing import TYPE_CHECKING

import pytest

from classifier import Cleaner, LabelledArticle
from classifier.evaluation import evaluate
from classifier.training import train

if TYPE_CHECKING:
    from tests.bench.conftest import Report

SIZES = (150, 300, 600)
HELD_OUT = 150

pytestmark = [
    pytest.mark.bench,
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),
    pytest.mark.skipif(not os.environ.get("WINNOW_BENCH_TRAINING"), reason="takes minutes: set WINNOW_BENCH_TRAINING"),
]


def _first(articles: list[LabelledArticle], least: int) -> list[LabelledArticle]:
    """Return the articles from the front, at least so many, that hold a group wholly or not at all."""
    groups = {article.group for article in articles[:least]}
    return [article for article in articles if article.group in groups]


def test_training_by_number_of_seeds(seeds: list[LabelledArticle], report: "Report") -> None:
    """Print training time and macro-F1 for growing numbers of seeds, on the same seeds held out, and on the fold that
    training itself holds out, which is all there is for a model of all seeds.
    """
    mixed = random.Random(0).sample(seeds, len(seeds))
    held_out = _first(mixed, HELD_OUT)
    groups = {article.group for article in held_out}
    others = [article for article in mixed if article.group not in groups]
    rows = []
    print(f"\nmacro-F1 by paragraph on {len(held_out)} seeds held out, and on training's own held-out fold")
    print(f"{'seeds':>8s}{'seconds':>10s}{'held out':>10s}{'own fold':>10s}")
    for given in (*(_first(others, size) for size in SIZES), others, seeds):
        start = time.perf_counter()
        model, card = train(given)
        seconds = time.perf_counter() - start
        score = None if given is seeds else evaluate(Cleaner(model), held_out).figures.paragraph_macro_f1
        own = card.figures["macro_f1"]
        rows.append({"seeds": len(given), "seconds": seconds, "macro_f1": score, "own_fold_macro_f1": own})
        print(f"{len(given):8d}{seconds:10.1f}{'–' if score is None else f'{score:.3f}':>10s}{own:10.3f}")
    report.numbers["training"] = rows
