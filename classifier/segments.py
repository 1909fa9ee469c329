"""Sums, running values and neighbours within each article of a batch, never across the border of two articles."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Segments:
    """Rows of a batch grouped into articles.

    `bounds` has the first row of each article and the number of rows at the end, shape (articles + 1,). All methods
    take and return arrays with a row each, shape (rows,) or (rows, columns) where said.
    """

    bounds: NDArray[np.int64]

    @property
    def rows(self) -> int:
        return int(self.bounds[-1])

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """Rows of each article, shape (articles,)."""
        return np.diff(self.bounds)

    @cached_property
    def of_row(self) -> NDArray[np.int64]:
        """The article of each row."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    @cached_property
    def index(self) -> NDArray[np.int64]:
        """The place of each row in its article, from 0."""
        return np.arange(self.rows) - self._first_row

    @cached_property
    def size(self) -> NDArray[np.int64]:
        """The rows of each row's article."""
        return self.sizes[self.of_row]

    @cached_property
    def _rows(self) -> NDArray[np.int64]:
        return np.arange(self.rows)

    @cached_property
    def _first_row(self) -> NDArray[np.int64]:
        """The first row of each row's article."""
        return self.bounds[:-1][self.of_row]

    def shift(self, values: _Floats, by: int, fill: float = 0.0) -> _Floats:
        """Return for each row the values `by` rows further on in its article, `fill` beyond its ends."""
        padded = np.concatenate([values, np.full((1, *values.shape[1:]), fill)])
        place = self.index + by
        return padded[np.where((place >= 0) & (place < self.size), self._rows + by, self.rows)]

    def before(self, values: _Floats) -> _Floats:
        """Return the sum over all earlier rows of the article; columns are summed each for itself."""
        running = _running(values)
        return running[:-1] - running[self._first_row]

    def through(self, values: _Floats) -> _Floats:
        """Return the sum over the article's rows up to and with this one; it never falls when no value is negative."""
        running = _running(values)
        return running[1:] - running[self._first_row]

    def total(self, values: _Floats) -> _Floats:
        """Return for each row the sum over its whole article."""
        running = _running(values)
        return (running[self.bounds[1:]] - running[self.bounds[:-1]])[self.of_row]

    def after(self, values: _Floats) -> _Floats:
        """Return the sum over all later rows of the article."""
        return self.total(values) - self.before(values) - values

    def near(self, values: _Floats, reach: int) -> tuple[_Floats, _Floats]:
        """Return the sums over the `reach` rows before and the `reach` rows after each row, within its article."""
        running = _running(values)
        rows = np.arange(self.rows)
        first = np.maximum(rows - reach, self._first_row)
        end = np.minimum(rows + 1 + reach, self.bounds[1:][self.of_row])
        return running[:-1] - running[first], running[end] - running[1:]

    def highest(self, values: _Floats) -> _Floats:
        """Return for each row the greatest value of its article."""
        filled = self.sizes > 0
        greatest = np.zeros(len(self.sizes))
        if filled.any():
            greatest[filled] = np.maximum.reduceat(values, self.bounds[:-1][filled])
        return greatest[self.of_row]

    def first(self, values: _Floats) -> _Floats:
        """Return for each row the value of the first row of its article."""
        return values[self._first_row]

    def running_max(self, values: _Floats) -> _Floats:
        """Return the greatest value so far in the article, the row's own included; values lie within 0 and 1."""
        lift = 2.0 * self.of_row
        return np.asarray(np.maximum.accumulate(values + lift) - lift)

    def running_max_back(self, values: _Floats) -> _Floats:
        """Return the greatest value from the row to the end of its article; values lie within 0 and 1."""
        lift = 2.0 * self.of_row[::-1]
        lift = lift.max(initial=0.0) - lift
        return np.asarray((np.maximum.accumulate(values[::-1] + lift) - lift)[::-1])

    def since(self, event: NDArray[np.bool_]) -> _Floats:
        """Return how many rows ago the event last was in the article, 0 for now, the row's place + 1 for never."""
        place = np.where(event, np.arange(self.rows), self._first_row - 1)
        return (np.arange(self.rows) - np.maximum.accumulate(place)).astype(np.float64)

    def until(self, event: NDArray[np.bool_]) -> _Floats:
        """Return in how many rows the event is next in the article, 0 for now, the rows left for never."""
        place = np.where(event, np.arange(self.rows), self.bounds[1:][self.of_row])
        return (np.minimum.accumulate(place[::-1])[::-1] - np.arange(self.rows)).astype(np.float64)


def _running(values: _Floats) -> _Floats:
    """Return the sums of all rows before each row, and of all of them at the end."""
    running = np.zeros((len(values) + 1, *values.shape[1:]))
    np.cumsum(values, axis=0, out=running[1:])
    return running
