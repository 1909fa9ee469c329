"""The model: probabilities of labels for raw paragraphs."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy
from numpy.typing import NDArray

from classifier.features import describe
from classifier.labels import LABELS, Label, LabelledArticle
from classifier.model import LONG_CORE_ODDS, Model, behind_break, favour_core, mix_break
from classifier.ngrams import find_words
from classifier.paragraphs import split_batch
from classifier.segments import Segments
from classifier.store import ModelCard

CORE, PROMO = LABELS.index(Label.CORE), LABELS.index(Label.PROMO)
ODDS = st.lists(st.lists(st.floats(-40, 40, width=32), max_size=6), min_size=1, max_size=4)


def behind(articles: list[list[float]]) -> list[list[float]]:
    """Return what `behind_break` gives for the log odds of articles, one list for each."""
    bounds = np.cumsum([0, *(len(article) for article in articles)])
    values = np.array([odds for article in articles for odds in article], np.float32)
    found = behind_break(values, Segments(bounds))
    return [found[start:end].tolist() for start, end in pairwise(bounds.tolist())]


@given(data=st.data())
def test_probabilities_sum_to_one(
    quick: tuple[Model, ModelCard], raw_text: SearchStrategy[str], data: DataObject
) -> None:
    """Whatever is written, each paragraph has a probability for every label."""
    batch = split_batch(data.draw(st.lists(raw_text, max_size=4)))
    rows = quick[0].predict_proba(batch)
    assert rows.shape == (len(batch.starts), len(LABELS))
    assert (rows >= 0).all()
    assert rows.sum(axis=1).tolist() == pytest.approx([1] * len(rows), abs=1e-5)


def test_an_article_has_the_same_probabilities_in_any_batch(
    quick: tuple[Model, ModelCard], few_seeds: list[LabelledArticle]
) -> None:
    """Articles labelled together have the probabilities they have alone."""
    texts = [article.text for article in few_seeds]
    alone = np.concatenate([quick[0].predict_proba(split_batch([text])) for text in texts])
    np.testing.assert_allclose(quick[0].predict_proba(split_batch(texts)), alone, atol=1e-4)


@pytest.mark.parametrize("texts", [[], [""], ["", " \n"]])
def test_no_paragraphs_have_no_probabilities(quick: tuple[Model, ModelCard], texts: list[str]) -> None:
    """An empty batch has as many columns as any other."""
    assert quick[0].predict_proba(split_batch(texts)).shape == (0, len(LABELS))


@given(articles=ODDS)
def test_a_break_once_passed_stays_passed(articles: list[list[float]]) -> None:
    """Within an article the probability of being behind the break begins at 0 and never falls."""
    for found in behind(articles):
        assert found[:1] in ([], [0.0])
        assert all(left <= right for left, right in pairwise(found))
        assert all(0 <= value <= 1 for value in found)


@given(articles=ODDS)
def test_breaks_of_one_article_say_nothing_of_another(articles: list[list[float]]) -> None:
    """An article has the same probabilities in a batch as alone, however sure the others are."""
    for found, article in zip(behind(articles), articles, strict=True):
        assert found == pytest.approx(behind([article])[0], abs=1e-6)


@pytest.mark.parametrize(
    ("odds", "expected"),
    [
        ([], []),
        ([30], [0]),
        ([30, 0], [0, 0.5]),
        ([0, 0, 0], [0, 1 / 3, 2 / 3]),
        ([0, float(np.log(3)), -30], [0, 0.75, 0.75]),
        ([0, -30, -30], [0, 0, 0]),
        ([0, -30, 30, -30], [0, 0, 1, 1]),
    ],
)
def test_the_break_is_at_one_gap_or_nowhere(odds: list[float], expected: list[float]) -> None:
    """The gaps of an article and "nowhere" share one probability, by their odds; there is no gap before the first."""
    assert behind([odds])[0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("own", "passed", "expected"),
    [
        ([0.7, 0.1, 0.1, 0.1], 0.0, [0.7, 0.1, 0.1, 0.1]),
        ([0.7, 0.1, 0.1, 0.1], 1.0, [0.0, 0.1, 0.1, 0.8]),
        ([0.6, 0.2, 0.1, 0.1], 0.5, [0.3, 0.2, 0.1, 0.4]),
        ([0.0, 0.5, 0.5, 0.0], 0.9, [0.0, 0.5, 0.5, 0.0]),
    ],
)
def test_behind_the_break_story_counts_as_promo(own: list[float], passed: float, expected: list[float]) -> None:
    """The probability of core moves to promo as far as the break has passed; posts and furniture keep theirs."""
    rows = np.array([own], np.float32)
    mixed: NDArray[np.float32] = mix_break(rows, np.array([passed]))
    assert mixed.tolist()[0] == pytest.approx(expected, abs=1e-6)
    assert rows.tolist()[0] == pytest.approx(own)


@given(own=st.lists(st.floats(0, 1, width=32), min_size=len(LABELS), max_size=len(LABELS)), passed=st.floats(0, 1))
def test_mixing_moves_only_core_to_promo(own: list[float], passed: float) -> None:
    """For any probabilities the other labels keep theirs and the sum stays the same."""
    (mixed,) = mix_break(np.array([own], np.float32), np.array([passed])).tolist()
    for place in range(len(LABELS)):
        if place not in (CORE, PROMO):
            assert mixed[place] == own[place]
    assert mixed[CORE] <= own[CORE]
    assert sum(mixed) == pytest.approx(sum(own), abs=1e-5)


@pytest.mark.parametrize(
    ("text", "favoured"),
    [
        ("The city council voted 14 to 9 on Tuesday for new bus lanes on the ring road around the harbour.", True),
        ("The city council voted 14 to 9 on Tuesday for new bus lanes on the ring road around the harbour", True),
        ("It voted on Tuesday.", False),
    ],
)
def test_a_long_paragraph_is_taken_for_the_story_when_in_doubt(text: str, favoured: bool) -> None:
    """The odds of core are raised where a paragraph is long, and only there."""
    batch = split_batch([text])
    own = np.array([[0.4, 0.1, 0.3, 0.2]], np.float32)
    got = favour_core(own, describe(batch, find_words(batch)))[0]
    factor = LONG_CORE_ODDS if favoured else 1.0
    assert got[0] / got[2] == pytest.approx(factor * 4 / 3)
    assert got.sum() == pytest.approx(1)
    assert got[1] / got[2] == pytest.approx(1 / 3)
