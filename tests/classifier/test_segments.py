"""Values within articles, against the same in plain Python."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from classifier.segments import Segments

Reference = Callable[[list[float]], list[float]]

ARTICLES = st.lists(st.lists(st.floats(0, 1, width=32), max_size=6), max_size=6)

OF_VALUES: dict[str, tuple[Callable[[Segments, NDArray[np.float64]], NDArray[np.float64]], Reference]] = {
    "before": (Segments.before, lambda values: [sum(values[:place]) for place in range(len(values))]),
    "through": (Segments.through, lambda values: [sum(values[: place + 1]) for place in range(len(values))]),
    "after": (Segments.after, lambda values: [sum(values[place + 1 :]) for place in range(len(values))]),
    "total": (Segments.total, lambda values: [sum(values)] * len(values)),
    "highest": (Segments.highest, lambda values: [max(values)] * len(values) if values else []),
    "first": (Segments.first, lambda values: values[:1] * len(values)),
    "running_max": (Segments.running_max, lambda values: [max(values[: place + 1]) for place in range(len(values))]),
    "running_max_back": (
        Segments.running_max_back,
        lambda values: [max(values[place:]) for place in range(len(values))],
    ),
    "shift 1": (lambda segments, values: segments.shift(values, 1), lambda values: [*values[1:], 0.0][: len(values)]),
    "shift -1": (lambda segments, values: segments.shift(values, -1), lambda values: [0.0, *values][: len(values)]),
    "shift -3": (
        lambda segments, values: segments.shift(values, -3, fill=0.5),
        lambda values: [0.5, 0.5, 0.5, *values][: len(values)],
    ),
    "shift 9": (lambda segments, values: segments.shift(values, 9, fill=1.0), lambda values: [1.0] * len(values)),
    "since": (
        lambda segments, values: segments.since(values > 0.5),
        lambda values: [
            next((ago for ago in range(place + 1) if values[place - ago] > 0.5), place + 1)
            for place in range(len(values))
        ],
    ),
    "until": (
        lambda segments, values: segments.until(values > 0.5),
        lambda values: [
            next((ahead for ahead in range(len(values) - place) if values[place + ahead] > 0.5), len(values) - place)
            for place in range(len(values))
        ],
    ),
    "near, before": (
        lambda segments, values: segments.near(values, 2)[0],
        lambda values: [sum(values[max(0, place - 2) : place]) for place in range(len(values))],
    ),
    "near, after": (
        lambda segments, values: segments.near(values, 2)[1],
        lambda values: [sum(values[place + 1 : place + 3]) for place in range(len(values))],
    ),
    "index": (lambda segments, values: segments.index.astype(np.float64), lambda values: list(range(len(values)))),
    "size": (lambda segments, values: segments.size.astype(np.float64), lambda values: [len(values)] * len(values)),
}
OF_COLUMNS = (
    "before",
    "through",
    "after",
    "total",
    "first",
    "shift 1",
    "shift -1",
    "shift -3",
    "shift 9",
    "near, after",
)


def segments_of(articles: list[list[float]]) -> tuple[Segments, NDArray[np.float64]]:
    """Return the segments and the values of articles, one behind the other."""
    bounds = np.cumsum([0, *(len(article) for article in articles)])
    return Segments(bounds), np.array([value for article in articles for value in article], np.float64)


@pytest.mark.parametrize("name", OF_VALUES)
@given(articles=ARTICLES)
def test_each_article_has_what_it_has_alone(articles: list[list[float]], name: str) -> None:
    """Each method gives for every article of a batch what plain Python gives for its values: no neighbour gets in."""
    method, reference = OF_VALUES[name]
    segments, values = segments_of(articles)
    expected = [value for article in articles for value in reference(article)]
    assert method(segments, values).tolist() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", OF_COLUMNS)
@given(articles=ARTICLES)
def test_columns_are_treated_each_for_itself(articles: list[list[float]], name: str) -> None:
    """Values with columns give what each column gives."""
    method, _ = OF_VALUES[name]
    segments, values = segments_of(articles)
    table = np.column_stack([values, 1.0 - values, values * 0.0])
    got = method(segments, table)
    assert got.shape == table.shape
    for number in range(table.shape[1]):
        assert got[:, number].tolist() == pytest.approx(method(segments, table[:, number]).tolist(), abs=1e-9)


@given(articles=st.lists(st.lists(st.floats(0, 1e9), max_size=6), max_size=6))
def test_a_sum_so_far_never_falls(articles: list[list[float]]) -> None:
    """However great the values of other articles are, adding what is not negative makes no sum smaller."""
    segments, values = segments_of(articles)
    through = segments.through(values)
    for start, end in pairwise(segments.bounds.tolist()):
        assert all(left <= right for left, right in pairwise(through[start:end].tolist()))


@pytest.mark.parametrize(
    ("sizes", "of_row"), [([], []), ([0], []), ([2, 0, 1], [0, 0, 2]), ([0, 0, 3, 0], [2, 2, 2]), ([1, 1], [0, 1])]
)
def test_rows_know_their_article(sizes: list[int], of_row: list[int]) -> None:
    """Articles without rows count, too."""
    segments = Segments(np.cumsum([0, *sizes]))
    assert segments.rows == sum(sizes)
    assert segments.sizes.tolist() == sizes
    assert segments.of_row.tolist() == of_row
