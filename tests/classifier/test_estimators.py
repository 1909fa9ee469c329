"""Fitted estimators as arrays give what scikit-learn gives, and come back from disk the same."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from classifier.estimators import Arrays, BucketWeights, Networks, Trees, softmax, standardise
from classifier.ngrams import BITS

BUCKETS = 64
CLASSES = 4
WORDS_FROM = 2**BITS // 2


def random_pairs(rows: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return buckets and their rows in no order, some of them twice, some rows without any."""
    present = np.random.default_rng(0).random((rows, BUCKETS)) < 0.2
    present[::17] = False
    row, bucket = np.nonzero(present)
    order = np.random.default_rng(1).integers(len(row), size=2 * len(row))
    return bucket[order].astype(np.int32), row[order].astype(np.int32)


@pytest.fixture(scope="module")
def logistic() -> tuple[Any, NDArray[np.int64], Any]:
    """A logistic regression over some of the buckets, with weights in half precision; its columns and inputs."""
    buckets, rows = random_pairs(200)
    lengths = np.sqrt(np.maximum(1, np.bincount(rows, minlength=200)))
    matrix = csr_matrix((1 / lengths[rows], (rows, buckets)), shape=(200, BUCKETS))
    columns = np.arange(0, BUCKETS, 2)
    target = np.random.default_rng(1).integers(CLASSES, size=200)
    estimator = LogisticRegression().fit(matrix[:, columns], target)
    estimator.coef_ = estimator.coef_.astype(np.float16).astype(np.float64)
    return estimator, columns, matrix


@pytest.fixture(scope="module")
def bucket_weights(logistic: tuple[Any, NDArray[np.int64], Any]) -> BucketWeights:
    """The same regression as arrays."""
    return BucketWeights.from_sklearn(logistic[0], logistic[1], BUCKETS, CLASSES)


@pytest.fixture(scope="module")
def inputs() -> NDArray[np.float32]:
    """Rows of numbers, some far out, on a coarse grid so that splits meet the very values they were learned from."""
    values = np.random.default_rng(2).normal(size=(1500, 6)) * np.array([1, 5, 0.1, 1, 100, 1])
    values[::50] *= 40
    return np.asarray(np.round(values, 1), np.float32)


@pytest.fixture(scope="module")
def perceptrons(inputs: NDArray[np.float32]) -> tuple[Any, list[Any]]:
    """A scaler and two perceptrons fitted on what it gives."""
    scaler = StandardScaler().fit(inputs)
    target = np.random.default_rng(3).integers(CLASSES, size=len(inputs))
    scaled = standardise(inputs, scaler.mean_, scaler.scale_)
    fitted = []
    for number in range(2):
        network = MLPClassifier((7,), max_iter=3, n_iter_no_change=3, random_state=number)
        for _ in range(3):
            network.partial_fit(scaled, target, classes=np.arange(CLASSES))
        fitted.append(network)
    return scaler, fitted


def boosted(inputs: NDArray[np.float32], runs: int = 1, **settings: Any) -> list[Any]:
    """Return runs of boosted trees fitted to a noisy rule, each with other noise."""
    forests = []
    for number in range(runs):
        noise = np.random.default_rng(number).normal(size=len(inputs))
        forest = HistGradientBoostingClassifier(max_leaf_nodes=8, early_stopping=False, random_state=number, **settings)
        forests.append(forest.fit(inputs, inputs[:, 0] + inputs[:, 2] * 10 + noise > 0))
    return forests


def log_odds(forests: list[Any], inputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean of what scikit-learn gives for each."""
    return np.asarray(np.mean([forest.decision_function(inputs) for forest in forests], axis=0), np.float64)


def stored(arrays: Arrays) -> dict[str, Any]:
    """Return arrays as they come back from a file."""
    file = BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    file.seek(0)
    with np.load(file, allow_pickle=False) as loaded:
        return {name: loaded[name] for name in loaded.files}


def test_bucket_weights_give_the_probabilities_of_the_regression(
    logistic: tuple[Any, NDArray[np.int64], Any], bucket_weights: BucketWeights
) -> None:
    """Rows without known buckets, and without any, have the probabilities of the intercepts."""
    estimator, columns, matrix = logistic
    got = bucket_weights.predict(*random_pairs(200), 200)[0]
    np.testing.assert_allclose(got, estimator.predict_proba(matrix[:, columns]), atol=1e-6)


def test_weights_are_stored_in_half_precision(logistic: tuple[Any, NDArray[np.int64], Any]) -> None:
    """A weight keeps three digits, which changes no probability by a thousandth."""
    estimator, columns, matrix = logistic
    estimator = LogisticRegression(C=30).fit(matrix[:, columns], np.arange(200) % CLASSES)
    got = BucketWeights.from_sklearn(estimator, columns, BUCKETS, CLASSES).predict(*random_pairs(200), 200)[0]
    np.testing.assert_allclose(got, estimator.predict_proba(matrix[:, columns]), atol=1e-3)


@pytest.mark.parametrize("met", [[0, 1, 2, 3], [0, 2, 3], [1, 2], [3, 0]], ids=str)
def test_a_class_that_was_not_met_is_never_predicted(
    logistic: tuple[Any, NDArray[np.int64], Any], met: list[int]
) -> None:
    """Every class has its own column, whichever others were there to learn."""
    _, columns, matrix = logistic
    estimator = LogisticRegression().fit(matrix[:, columns], np.array(met)[np.arange(200) % len(met)])
    got = BucketWeights.from_sklearn(estimator, columns, BUCKETS, CLASSES).predict(*random_pairs(200), 200)[0]
    expected = np.zeros((200, CLASSES))
    expected[:, estimator.classes_] = estimator.predict_proba(matrix[:, columns])
    np.testing.assert_allclose(got, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("buckets", "known"),
    [
        ([], 0),
        ([0], 0),
        ([WORDS_FROM], 1),
        ([WORDS_FROM + 1], 0),
        ([WORDS_FROM, WORDS_FROM + 1], 0.5),
        ([0, WORDS_FROM, WORDS_FROM + 1, 2**BITS - 2], 2 / 3),
    ],
)
def test_known_is_the_share_of_the_words_met_in_training(buckets: list[int], known: float) -> None:
    """Only the buckets of words count; the even ones were met."""
    weights = np.zeros((2**BITS, CLASSES), np.float16)
    weights[::2, 1] = 0.5
    pairs = np.array(buckets, np.int32), np.zeros(len(buckets), np.int32)
    _, got = BucketWeights(weights, np.zeros(CLASSES, np.float32)).predict(*pairs, 2)
    assert got.tolist() == pytest.approx([known, 0])


def test_networks_give_the_mean_probabilities_of_the_perceptrons(
    perceptrons: tuple[Any, list[Any]], inputs: NDArray[np.float32]
) -> None:
    """Inputs are standardised and clipped as in training."""
    scaler, fitted = perceptrons
    scaled = np.clip(scaler.transform(inputs), -5, 5)
    expected = np.mean([network.predict_proba(scaled) for network in fitted], axis=0)
    np.testing.assert_allclose(Networks.from_sklearn(scaler, fitted).predict_proba(inputs), expected, atol=1e-5)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_flattens_probabilities(
    perceptrons: tuple[Any, list[Any]], inputs: NDArray[np.float32], temperature: float
) -> None:
    """Probabilities are raised to its inverse and sum to 1 again."""
    plain = Networks.from_sklearn(*perceptrons).predict_proba(inputs).astype(np.float64)
    raised = plain ** (1 / temperature)
    got = Networks.from_sklearn(*perceptrons, temperature).predict_proba(inputs)
    np.testing.assert_allclose(got, raised / raised.sum(axis=1, keepdims=True), atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        {"max_iter": 30},
        {"max_iter": 1, "learning_rate": 1.0},
        {"max_iter": 5, "max_depth": 1},
        {"max_iter": 5, "min_samples_leaf": 1000},
        {"max_iter": 30, "min_samples_leaf": 1, "l2_regularization": 30.0},
        {"max_iter": 20, "runs": 3, "max_features": 0.3},
    ],
    ids=["many", "one", "stumps", "no split", "small leaves", "three runs"],
)
def test_trees_give_the_log_odds_of_the_boosted_trees(settings: dict[str, Any], inputs: NDArray[np.float32]) -> None:
    """Every row reaches the leaf it reaches in scikit-learn, also where its value is the threshold's."""
    forests = boosted(inputs, **settings)
    got = Trees.from_sklearn(forests).decision_function(inputs)
    np.testing.assert_allclose(got, log_odds(forests, inputs), atol=1e-5)


def test_trees_part_rows_at_the_threshold_itself(inputs: NDArray[np.float32]) -> None:
    """A value that is the threshold in single precision, and its neighbours, fall as they do in double precision."""
    forests = boosted(inputs, max_iter=10)
    nodes = np.concatenate([predictors[0].nodes for predictors in forests[0]._predictors])
    splits = nodes[nodes["is_leaf"] == 0]
    rows = np.repeat(inputs[: len(splits)], 3, axis=0)
    at = splits["num_threshold"].astype(np.float32)
    around = np.column_stack([np.nextafter(at, np.float32(-np.inf)), at, np.nextafter(at, np.float32(np.inf))])
    rows[np.arange(len(rows)), np.repeat(splits["feature_idx"].astype(int), 3)] = around.ravel()
    got = Trees.from_sklearn(forests).decision_function(rows)
    np.testing.assert_allclose(got, log_odds(forests, rows), atol=1e-5)


def test_arrays_come_back_exactly(
    bucket_weights: BucketWeights, perceptrons: tuple[Any, list[Any]], inputs: NDArray[np.float32]
) -> None:
    """What was stored gives the very same numbers."""
    networks = Networks.from_sklearn(*perceptrons, 1.7)
    trees = Trees.from_sklearn(boosted(inputs, max_iter=5))
    pairs = (*random_pairs(200), 200)
    weights = BucketWeights.from_arrays(stored(bucket_weights.arrays()))
    np.testing.assert_array_equal(weights.predict(*pairs)[0], bucket_weights.predict(*pairs)[0])
    np.testing.assert_array_equal(
        Networks.from_arrays(stored(networks.arrays())).predict_proba(inputs), networks.predict_proba(inputs)
    )
    np.testing.assert_array_equal(
        Trees.from_arrays(stored(trees.arrays())).decision_function(inputs), trees.decision_function(inputs)
    )


def test_many_rows_are_scored_as_few(perceptrons: tuple[Any, list[Any]], inputs: NDArray[np.float32]) -> None:
    """Rows are scored in parts, which shows nowhere."""
    many = np.tile(inputs, (6, 1))
    networks, trees = Networks.from_sklearn(*perceptrons), Trees.from_sklearn(boosted(inputs, max_iter=5))
    np.testing.assert_allclose(networks.predict_proba(many), np.tile(networks.predict_proba(inputs), (6, 1)), atol=1e-6)
    np.testing.assert_allclose(trees.decision_function(many), np.tile(trees.decision_function(inputs), 6), atol=1e-6)


def test_no_rows_have_no_probabilities(
    bucket_weights: BucketWeights, perceptrons: tuple[Any, list[Any]], inputs: NDArray[np.float32]
) -> None:
    """An empty batch gives empty arrays of the right shape."""
    none = np.zeros(0, np.int32)
    assert [part.shape for part in bucket_weights.predict(none, none, 0)] == [(0, CLASSES), (0,)]
    assert Networks.from_sklearn(*perceptrons).predict_proba(inputs[:0]).shape == (0, CLASSES)
    assert Trees.from_sklearn(boosted(inputs, max_iter=1)).decision_function(inputs[:0]).shape == (0,)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([0, 0], [0.5, 0.5]), ([1000, 0], [1, 0]), ([-1000, -1000], [0.5, 0.5]), ([np.log(3), 0], [0.75, 0.25])],
)
def test_softmax_bears_any_score(scores: list[float], expected: list[float]) -> None:
    """Great scores do not overflow."""
    assert softmax(np.array([scores], np.float32)).tolist()[0] == pytest.approx(expected)


@pytest.mark.parametrize(("value", "expected"), [(2, 0), (4, 1), (0, -1), (1000, 5), (-1000, -5)])
def test_standardised_inputs_are_clipped(value: float, expected: float) -> None:
    """Nothing is further out than five standard deviations."""
    got = standardise(np.array([[value]], np.float32), np.array([2.0]), np.array([2.0]))
    assert got.tolist() == [[expected]]
