"""What texts have in common, told as sets of their pieces tell it."""

import random
from collections import Counter

import pytest

from classifier.shingles import COMMON, SHINGLE, shared


def expected(texts: list[str]) -> list[tuple[int, int, float]]:
    """Return what `shared` should, from sets of strings."""
    pieces = [{text[at : at + SHINGLE] for at in range(max(1, len(text) - SHINGLE + 1))} for text in texts]
    meetings = Counter(piece for one in pieces for piece in one)
    telling = [{piece for piece in one if meetings[piece] <= COMMON} for one in pieces]
    return [
        (first, second, len(common) / min(len(pieces[first]), len(pieces[second])))
        for first in range(len(texts))
        for second in range(first + 1, len(texts))
        if (common := telling[first] & telling[second])
    ]


@pytest.mark.parametrize("alphabet", ["ab", "abcdefghij", "新聞報導", "a\ud83d\U0001f600"])
@pytest.mark.parametrize("seed", range(3))
def test_pairs_and_shares_are_those_of_sets(alphabet: str, seed: int) -> None:
    """Of random texts, short and long ones, which quote each other and repeat themselves."""
    random_ = random.Random(seed)
    texts = ["".join(random_.choices(alphabet, k=random_.choice((1, 5, 23, 24, 25, 300)))) for _ in range(60)]
    for _ in range(30):
        quoted, into = random_.sample(range(60), 2)
        at = random_.randrange(len(texts[quoted]))
        texts[into] += texts[quoted][at : at + 60]
    found = shared(texts)
    assert found
    assert found == expected(texts)


def test_what_many_have_is_not_counted() -> None:
    """Stock wording in more articles than `COMMON` tells nothing."""
    stock = "Allrightsreservedbytheeditors"
    assert len(shared([f"{chr(97 + number)}{stock}" for number in range(COMMON)])) == COMMON * (COMMON - 1) // 2
    assert shared([f"{chr(97 + number)}{stock}" for number in range(COMMON + 1)]) == []


@pytest.mark.parametrize("texts", [[], ["a"], ["", ""], ["a", "b"]])
def test_there_may_be_nothing_to_compare(texts: list[str]) -> None:
    """No text, one, empty ones."""
    assert shared(texts) == expected(texts)
