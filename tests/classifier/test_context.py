"""Inputs of the models that look beyond a paragraph."""

import numpy as np
import pytest
from numpy.typing import NDArray

from classifier.context import ROLES, break_inputs, context_inputs, feature, is_prose
from classifier.features import FEATURES, PROSE_LENGTH, describe
from classifier.labels import LabelledArticle
from classifier.ngrams import find_words
from classifier.paragraphs import split_batch
from classifier.segments import Segments


def both_inputs(texts: list[str], roles: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the inputs of both models side by side; `roles` are dealt to the paragraphs of each article in turn."""
    batch = split_batch(texts)
    segments = Segments(batch.bounds)
    features = describe(batch, find_words(batch))
    dealt = roles[segments.index % len(roles)]
    known = dealt[:, 0]
    return np.hstack([context_inputs(features, dealt, known, segments), break_inputs(features, dealt, segments)])


@pytest.fixture(scope="module")
def roles() -> NDArray[np.float32]:
    """Probabilities of the roles of paragraphs."""
    return np.random.default_rng(0).dirichlet(np.full(len(ROLES), 0.3), 37).astype(np.float32)


def test_an_article_has_the_same_inputs_in_any_batch(
    few_seeds: list[LabelledArticle], roles: NDArray[np.float32]
) -> None:
    """No input knows of another article, and all are finite."""
    texts = ["", "One", *(article.text for article in few_seeds[:20]), " \n", "One\nTwo"]
    together = both_inputs(texts, roles)
    alone = np.concatenate([both_inputs([text], roles) for text in texts])
    assert np.isfinite(together).all()
    np.testing.assert_allclose(together, alone, atol=1e-3)


def test_no_paragraphs_have_no_inputs(roles: NDArray[np.float32]) -> None:
    """An empty batch has as many columns as any other."""
    assert both_inputs([], roles).shape == (0, both_inputs(["One"], roles).shape[1])


@pytest.mark.parametrize(
    ("text", "prose"),
    [
        ("x" * (PROSE_LENGTH - 1) + ".", True),
        ("x" * (PROSE_LENGTH - 2) + ".", False),
        ("x" * (PROSE_LENGTH + 50), False),
        ("قال الوزير " * 10 + "أمس؟", True),
        ("市议会周二批准了环路上的新公交专用道，工程将于六月开始，为期九个月左右。", True),
        ("市议会周二批准了。", False),
        ("“" + "x" * PROSE_LENGTH + ".”", True),
    ],
)
def test_prose_is_long_and_ends_like_a_sentence(text: str, *, prose: bool) -> None:
    """Letters of scripts without spaces count for more, as they hold more."""
    batch = split_batch([text])
    assert is_prose(describe(batch, find_words(batch))).tolist() == [prose]


def test_a_feature_is_its_column() -> None:
    """Columns are found by name."""
    rows = np.arange(2 * len(FEATURES), dtype=np.float32).reshape(2, -1)
    assert feature(rows, FEATURES[3]).tolist() == [3, 3 + len(FEATURES)]
