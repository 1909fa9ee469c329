"""Labels of one segmentation carried over to another, character by character."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from classifier.characters import WHITE, kinds
from classifier.labels import LABELS, LabelledArticle
from classifier.paragraphs import TextBatch

UNLABELLED = len(LABELS)
"""What a character in no labelled span counts as."""


def character_labels(batch: TextBatch, articles: Sequence[LabelledArticle]) -> NDArray[np.uint8]:
    """Return the index into `LABELS` that each code point of the batch has by its article's spans, shape (code
    points,).

    White space and what no span holds is `UNLABELLED`. The batch must be of the articles' texts, in order.
    """
    labels = np.full(len(batch.codes), UNLABELLED, np.uint8)
    numbers = {label: number for number, label in enumerate(LABELS)}
    for offset, article in zip(batch.offsets.tolist(), articles, strict=False):
        for start, end, label in article.spans:
            labels[offset + start : offset + end] = numbers[label]
    labels[(kinds()[batch.codes] & WHITE) != 0] = UNLABELLED
    return labels


def majority(labels: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the label that most labelled characters of each span have, shape (spans,); the first of `LABELS` where
    there is none.
    """
    counts = []
    for number in range(len(LABELS)):
        total = np.zeros(len(labels) + 1, np.int64)
        np.cumsum(labels == number, out=total[1:])
        counts.append(total[ends] - total[starts])
    return np.argmax(np.stack(counts, axis=1), axis=1) if len(starts) else np.zeros(0, np.int64)
