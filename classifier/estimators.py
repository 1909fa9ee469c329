"""Fitted estimators as plain arrays: what scikit-learn learned, evaluated with numpy alone.

A stored model is thus data, not code, loads without scikit-learn, and scores a batch in a few array operations. Each
class has `fit`-free construction `from_sklearn`, `arrays` to be stored, and `from_arrays` to come back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

Arrays = Mapping[str, NDArray[Any]]

_CLIP = 5.0  # standard deviations beyond which an input is no further out
_NEVER = -100.0  # a score that makes a probability 0
_ROWS = 4096  # rows scored at once, which bounds memory


def softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probabilities of scores, row by row, shape (rows, classes)."""
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), np.float32)


@dataclass(frozen=True)
class BucketWeights:
    """A multinomial logistic regression over counts of hashed n-grams, divided by the root of their number.

    `weights` has shape (buckets, classes), in half precision, `bias` (classes,).
    """

    weights: NDArray[np.float16]
    bias: NDArray[np.float32]

    @classmethod
    def from_sklearn(cls, estimator: Any, columns: NDArray[np.int64], buckets: int, classes: int) -> Self:
        """Take over a fitted `LogisticRegression` whose features are the given buckets.

        Its classes are numbers below `classes`; one that it has not met is never predicted.
        """
        coefficients, intercepts = estimator.coef_, estimator.intercept_
        if len(estimator.classes_) == 2:  # scikit-learn keeps the second class's scores alone
            coefficients, intercepts = np.vstack([0 * coefficients, coefficients]), np.append(0.0, intercepts)
        weights = np.zeros((buckets, classes), np.float16)
        weights[np.ix_(columns, estimator.classes_)] = coefficients.T
        bias = np.full(classes, _NEVER, np.float32)
        bias[estimator.classes_] = intercepts
        return cls(weights, bias)

    def predict(
        self, buckets: NDArray[np.int32], rows: NDArray[np.int32], count: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return class probabilities, shape (count, classes), and the share of known words, shape (count,).

        `buckets` and `rows` give the n-grams of `count` rows in any order, repeats counted. Known words are those of
        the row's buckets in the upper half that were met in training.
        """
        pairs = coo_array((np.ones(len(rows), np.float32), (rows, buckets)), shape=(count, len(self.weights)))
        sums = np.asarray(pairs @ self._table)
        lengths = np.sqrt(np.maximum(1, np.bincount(rows, minlength=count))).astype(np.float32)
        words = np.bincount(rows[buckets >= len(self.weights) // 2], minlength=count)
        probabilities = softmax(self.bias + sums[:, :-1] / lengths[:, None])
        return probabilities, np.asarray(sums[:, -1] / np.maximum(1, words), np.float32)

    @cached_property
    def _table(self) -> NDArray[np.float32]:
        """The weights, and whether a word's bucket was met in training, which one product thus sums up."""
        buckets, classes = self.weights.shape
        table = np.zeros((buckets, classes + 1), np.float32)
        table[:, :-1] = self.weights
        words = table[buckets // 2 :]
        words[:, -1] = words[:, :-1].any(axis=1)
        return table

    def arrays(self) -> Arrays:
        """Return what is stored."""
        return {"weights": self.weights, "bias": self.bias}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Come back from what `arrays` gave."""
        return cls(arrays["weights"].astype(np.float16, copy=False), arrays["bias"].astype(np.float32))


@dataclass(frozen=True)
class Networks:
    """The mean of several perceptrons with one hidden layer of rectified units, over standardised inputs.

    With n networks, d inputs, h units and c classes: `mean`, `scale` (d,); `hidden` (n, d, h); `hidden_bias` (n, h);
    `out` (n, h, c); `out_bias` (n, c). `temperature` divides the logarithms of the mean probabilities (Guo et al.,
    2017).
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    hidden: NDArray[np.float32]
    hidden_bias: NDArray[np.float32]
    out: NDArray[np.float32]
    out_bias: NDArray[np.float32]
    temperature: float = 1.0

    @classmethod
    def from_sklearn(cls, scaler: Any, estimators: Sequence[Any], temperature: float = 1.0) -> Self:
        """Take over a fitted `StandardScaler` and `MLPClassifier`s with one hidden layer and over two classes."""
        return cls(
            scaler.mean_.astype(np.float32),
            scaler.scale_.astype(np.float32),
            np.stack([estimator.coefs_[0] for estimator in estimators]).astype(np.float32),
            np.stack([estimator.intercepts_[0] for estimator in estimators]).astype(np.float32),
            np.stack([estimator.coefs_[1] for estimator in estimators]).astype(np.float32),
            np.stack([estimator.intercepts_[1] for estimator in estimators]).astype(np.float32),
            temperature,
        )

    def predict_proba(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return class probabilities, shape (rows, classes), of inputs (rows, d)."""
        parts = [self._part(inputs[start : start + _ROWS]) for start in range(0, len(inputs), _ROWS)]
        return np.concatenate(parts) if parts else np.zeros((0, self.out.shape[2]), np.float32)

    def _part(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        scaled = standardise(inputs, self.mean, self.scale)
        count, _, units = self.hidden.shape
        hidden = np.maximum(scaled @ self._hidden + self.hidden_bias.ravel(), 0.0).reshape(len(inputs), count, units)
        scores = np.matmul(hidden.transpose(1, 0, 2), self.out) + self.out_bias[:, None, :]
        mean = softmax(np.asarray(scores, np.float32).reshape(-1, scores.shape[2])).reshape(scores.shape).mean(axis=0)
        return softmax(np.asarray(np.log(np.maximum(mean, 1e-7)) / self.temperature, np.float32))

    @cached_property
    def _hidden(self) -> NDArray[np.float32]:
        """The hidden layers of all networks side by side, for one product: shape (d, n * h)."""
        return np.concatenate(list(self.hidden), axis=1)

    def arrays(self) -> Arrays:
        """Return what is stored."""
        names = ("mean", "scale", "hidden", "hidden_bias", "out", "out_bias")
        return {**{name: getattr(self, name) for name in names}, "temperature": np.array(self.temperature)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Come back from what `arrays` gave."""
        values: dict[str, Any] = dict(arrays)
        return cls(**{**values, "temperature": float(values["temperature"])})


def standardise(inputs: NDArray[np.float32], mean: NDArray[Any], scale: NDArray[Any]) -> NDArray[np.float32]:
    """Return inputs in standard deviations from the mean, clipped to what training is likely to have seen."""
    return np.clip((inputs - mean.astype(np.float32)) / scale.astype(np.float32), -_CLIP, _CLIP)


@dataclass(frozen=True)
class Trees:
    """Boosted binary trees of at most 8 leaves, all splits of all trees compared at once.

    After QuickScorer (Lucchese et al., 2015): each split that a row fails rules out the leaves of its left branch,
    and the leaf reached is the first one left. With t trees: `features`, `thresholds` and `masks` (t, 7), `values`
    (t, 8), `bias` a number.
    """

    features: NDArray[np.int16]
    thresholds: NDArray[np.float32]
    masks: NDArray[np.uint8]
    values: NDArray[np.float32]
    bias: float

    LEAVES = 8

    @classmethod
    def from_sklearn(cls, estimators: Sequence[Any]) -> Self:
        """Take over fitted binary `HistGradientBoostingClassifier`s, whose log odds are averaged.

        They must have `max_leaf_nodes` up to 8 and inputs that are numbers, none missing.
        """
        grown = [predictors[0].nodes for estimator in estimators for predictors in estimator._predictors]
        features = np.zeros((len(grown), cls.LEAVES - 1), np.int16)
        thresholds = np.full(features.shape, np.inf, np.float32)
        masks = np.full(features.shape, 0xFF, np.uint8)
        values = np.zeros((len(grown), cls.LEAVES), np.float32)
        for tree, nodes in enumerate(grown):
            splits = _Splits()
            _walk(nodes, 0, splits)
            for place, (feature, threshold, first, last) in enumerate(splits.found):
                features[tree, place] = feature
                # Splits compare in double precision; the nearest single below keeps every input on its side.
                single = np.float32(threshold)
                thresholds[tree, place] = (
                    single if float(single) <= threshold else np.nextafter(single, np.float32(-np.inf))
                )
                masks[tree, place] = 0xFF & ~sum(1 << leaf for leaf in range(first, last))
            values[tree, : len(splits.leaves)] = splits.leaves
        bias = float(np.mean([np.ravel(estimator._baseline_prediction)[0] for estimator in estimators]))
        return cls(features, thresholds, masks, np.asarray(values / len(estimators), np.float32), bias)

    def decision_function(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the log odds, shape (rows,), of inputs (rows, columns)."""
        parts = [self._part(inputs[start : start + _ROWS // 8]) for start in range(0, len(inputs), _ROWS // 8)]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def _part(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        failed = inputs.T[self.features.ravel()] > self.thresholds.ravel()[:, None]
        open_leaves = np.where(failed, self.masks.ravel()[:, None], np.uint8(0xFF)).reshape(
            *self.features.shape, len(inputs)
        )
        leaf = _LOWEST_BIT[np.bitwise_and.reduce(open_leaves, axis=1)]
        trees = np.arange(len(self.values))[:, None]
        return np.asarray(self.bias + self.values[trees, leaf].sum(axis=0), np.float32)

    def arrays(self) -> Arrays:
        """Return what is stored."""
        names = ("features", "thresholds", "masks", "values")
        return {**{name: getattr(self, name) for name in names}, "bias": np.array(self.bias)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Come back from what `arrays` gave."""
        values: dict[str, Any] = dict(arrays)
        return cls(**{**values, "bias": float(values["bias"])})


_LOWEST_BIT = np.array([(byte & -byte).bit_length() - 1 if byte else 0 for byte in range(256)], np.intp)


class _Splits:
    def __init__(self) -> None:
        self.found: list[tuple[int, float, int, int]] = []
        self.leaves: list[float] = []


def _walk(nodes: Any, number: int, splits: _Splits) -> None:
    """Collect a tree's leaves from left to right, and for each split the leaves that its left branch holds."""
    node = nodes[number]
    if node["is_leaf"]:
        splits.leaves.append(float(node["value"]))
        return
    first = len(splits.leaves)
    _walk(nodes, int(node["left"]), splits)
    splits.found.append((int(node["feature_idx"]), float(node["num_threshold"]), first, len(splits.leaves)))
    _walk(nodes, int(node["right"]), splits)
