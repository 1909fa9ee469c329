"""The model: raw paragraphs in, calibrated label probabilities out.

Three estimators share the work. The *wording* model reads each paragraph by itself and says what part its wording
plays (`context.ROLES`). The *context* model says which label the paragraph has within its own story. The *break*
model finds where the page turns to another story, which is a run to the end: from there on all that would be story is
promo. Its answer is a distribution over the gaps of the article and "nowhere", so the final probabilities are the
mixture of what holds before and behind the break.

Tried and left out: a Markov chain over the labels (smooths away short residue, damages fewer articles but removes
less); one context model for both questions (promo creeps into late paragraphs of clean articles); a perceptron as
break model (more false breaks than trees).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifier.context import break_inputs, context_inputs, is_long
from classifier.estimators import BucketWeights, Networks, Trees
from classifier.features import describe
from classifier.labels import LABELS, Label
from classifier.likeness import CommonStems
from classifier.ngrams import find_ngrams, find_words
from classifier.paragraphs import TextBatch
from classifier.phrases import Phrases
from classifier.segments import Segments

LONG_CORE_ODDS = 1.6
"""By how much the odds of core are raised for paragraphs as long as running text."""

_CORE, _PROMO = LABELS.index(Label.CORE), LABELS.index(Label.PROMO)


@dataclass(frozen=True)
class Model:
    """A trained model; immutable, and safe to share between threads."""

    identifier: str
    common: CommonStems
    phrases: Phrases
    wording: BucketWeights
    breaks: Trees
    context: Networks

    def predict_proba(self, batch: TextBatch) -> NDArray[np.float32]:
        """Return the probability of each of `LABELS` for all paragraphs, shape (paragraphs, len(LABELS)); rows sum to
        1.
        """
        if not len(batch.starts):
            return np.zeros((0, len(LABELS)), np.float32)
        segments = Segments(batch.bounds)
        words = find_words(batch)
        ngrams = find_ngrams(batch, words)
        features = describe(batch, words, self.common, self.phrases)
        roles, known = self.wording.predict(ngrams.buckets, ngrams.paragraph, len(features))
        own = favour_core(self.context.predict_proba(context_inputs(features, roles, known, segments)), features)
        odds = self.breaks.decision_function(break_inputs(features, roles, segments))
        return mix_break(own, behind_break(odds, segments))


def favour_core(own: NDArray[np.float32], features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the label probabilities with the odds of core raised where a paragraph is long.

    To lose a paragraph of the story is worse than to keep one that is none of it, and long paragraphs are what a story
    is made of.
    """
    favoured = own.copy()
    favoured[is_long(features), _CORE] *= LONG_CORE_ODDS
    return np.asarray(favoured / favoured.sum(axis=1, keepdims=True))


def behind_break(log_odds: NDArray[np.float32], segments: Segments) -> NDArray[np.float64]:
    """Return the probability that another story has begun at or before each paragraph, shape (paragraphs,).

    `log_odds` are those of a break at the gap before each paragraph; an article has one break or none, and none
    before its first paragraph.
    """
    odds = np.where(segments.index == 0, -np.inf, np.clip(log_odds.astype(np.float64), -30.0, 30.0))
    highest = np.maximum(
        0.0, segments.highest(odds)
    )  # 0 is the log odds of no break; all are taken against the highest
    weight = np.exp(odds - highest)
    return np.asarray(segments.through(weight) / (np.exp(-highest) + segments.total(weight)))


def mix_break(own: NDArray[np.float32], behind: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the label probabilities when `own` holds before the break and, behind it, story counts as promo."""
    mixed = own.astype(np.float64)
    mixed[:, _PROMO] += behind * mixed[:, _CORE]
    mixed[:, _CORE] *= 1.0 - behind
    return mixed.astype(np.float32)
