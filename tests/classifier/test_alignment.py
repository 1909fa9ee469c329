"""Labels carried over from one segmentation to another."""

import numpy as np
import pytest

from classifier.alignment import UNLABELLED, character_labels, majority
from classifier.labels import LABELS, Label, LabelledArticle
from classifier.paragraphs import split_batch

NUMBERS = {"c": 0, "s": 1, "b": 2, "p": 3, ".": UNLABELLED}


def article(text: str, *spans: tuple[int, int, Label]) -> LabelledArticle:
    """Return a labelled article."""
    return LabelledArticle("a", text, spans)


@pytest.mark.parametrize(
    ("articles", "expected"),
    [
        ([article("ab", (0, 2, Label.CORE))], "cc."),
        ([article("a b", (0, 3, Label.PROMO))], "p.p."),
        ([article("ab", (1, 2, Label.SOCIAL))], ".s."),
        ([article("ab\ncd", (0, 2, Label.CORE), (3, 5, Label.BOILERPLATE))], "cc.bb."),
        ([article("a", (0, 1, Label.CORE)), article(""), article("b", (0, 1, Label.PROMO))], "c..p."),
        ([article("😀a", (0, 1, Label.SOCIAL), (1, 2, Label.CORE))], "sc."),
        ([], ""),
    ],
)
def test_characters_have_the_label_of_their_span(articles: list[LabelledArticle], expected: str) -> None:
    """White space and what no span holds have none; a line break stands behind each text of the batch."""
    batch = split_batch([one.text for one in articles])
    assert character_labels(batch, articles).tolist() == [NUMBERS[name] for name in expected]


@pytest.mark.parametrize(
    ("labels", "span", "expected"),
    [
        ("ccp", (0, 3), "c"),
        ("cpp", (0, 3), "p"),
        ("c..........", (0, 11), "c"),
        ("sb", (0, 2), "s"),
        ("pppc", (3, 4), "c"),
        ("...", (0, 3), "c"),
        ("b", (0, 0), "c"),
    ],
)
def test_a_span_has_the_label_of_most_of_its_characters(labels: str, span: tuple[int, int], expected: str) -> None:
    """Characters without a label do not vote; a tie goes to the first label, and so does a span without any."""
    values = np.array([NUMBERS[name] for name in labels], np.uint8)
    assert majority(values, np.array([span[0]]), np.array([span[1]])).tolist() == [NUMBERS[expected]]


def test_no_spans_have_no_labels() -> None:
    """An empty batch is no error."""
    none = np.zeros(0, np.int64)
    assert majority(np.zeros(0, np.uint8), none, none).tolist() == []
    assert len(LABELS) == UNLABELLED
