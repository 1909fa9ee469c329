"""How much of their text articles have in common: shingles, stretches of characters, that stand in two of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from classifier.ngrams import mix

SHINGLE = 24
"""Characters of a shingle, without white space: five or six words, or a clause of Chinese."""

COMMON = 20
"""A shingle in more articles than this is stock wording and tells nothing."""

_ODD = 0x9E3779B97F4A7C15  # each code point's place is a power of it


def shared(texts: Sequence[str]) -> list[tuple[int, int, float]]:
    """Return pairs of texts, which have no white space, and the share of the shorter one's different shingles that the
    other has as well; ordered, without pairs that have none in common.
    """
    if not texts:
        return []
    found = [_shingles(text) for text in texts]
    sizes = np.array([len(one) for one in found])
    owner = np.repeat(np.arange(len(texts)), sizes)
    _, column, meetings = np.unique(np.concatenate(found), return_inverse=True, return_counts=True)
    telling = (meetings[column] > 1) & (meetings[column] <= COMMON)
    _, column = np.unique(column[telling], return_inverse=True)
    holds = csr_matrix((np.ones(len(column), np.int64), (owner[telling], column)), shape=(len(texts), len(column)))
    common: Any = (holds @ holds.T).tocoo()  # type: ignore[misc, union-attr]
    pairs = common.row < common.col
    first, second, count = common.row[pairs], common.col[pairs], common.data[pairs]
    order = np.lexsort((second, first))
    share = count / np.minimum(sizes[first], sizes[second])
    return list(zip(first[order].tolist(), second[order].tolist(), share[order].tolist(), strict=True))


def _shingles(text: str) -> NDArray[np.uint64]:
    """Return the different shingles of a text as hashes: sums of code points times the powers of an odd number, from
    differences of running sums, in arithmetic modulo 2**64.
    """
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    count = max(1, len(codes) - SHINGLE + 1)
    powers = _powers(_ODD, len(codes))
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mix(codes) * powers)])
    ends = np.minimum(np.arange(count) + SHINGLE, len(codes))
    return np.unique((sums[ends] - sums[:count]) * _powers(pow(_ODD, -1, 2**64), count))


def _powers(base: int, count: int) -> NDArray[np.uint64]:
    factors = np.full(count, base, np.uint64)
    factors[:1] = 1
    return np.cumprod(factors)
