"""Stock phrases and the concepts they stand for."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import DataObject, SearchStrategy, data, lists

from classifier.errors import SeedError
from classifier.ngrams import find_words
from classifier.paragraphs import split_batch
from classifier.phrases import CONCEPTS, NO_PHRASES, PHRASES, Phrases
from classifier.resources import default_phrases

LISTS = """read_also: read also | lire aussi | 延伸阅读
photo: photo | file photo
share: share | read
says: said
"""


@pytest.fixture
def phrases(tmp_path: Path) -> Phrases:
    """A few phrases of a few concepts."""
    (tmp_path / "xx.txt").write_text(LISTS, "utf-8")
    return Phrases.read(tmp_path)


def described(phrases: Phrases, *lines: str) -> list[dict[str, float]]:
    """Return the columns that are not 0 of each line."""
    batch = split_batch(["\n".join(lines)])
    rows = phrases.describe(find_words(batch), len(batch.starts))
    return [{PHRASES[place]: round(float(row[place]), 3) for place in np.flatnonzero(row)} for row in rows]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Nothing of that kind", {}),
        (
            "READ ALSO: Prices climb",
            {"opens_read_also": 1, "opens_share": 1, "holds_read_also": 0.707, "holds_share": 0.5},
        ),
        ("3 Lire aussi", {"opens_read_also": 1, "holds_read_also": 0.816}),
        ("He was seen to lire aussi", {"holds_read_also": 0.577}),
        ("延伸阅读", {"opens_read_also": 1, "holds_read_also": 1}),
        ("Also read", {"opens_share": 1, "holds_share": 0.707}),
        ("File photo", {"opens_photo": 1, "holds_photo": 1}),
        ("also", {}),
        ("!!", {}),
    ],
)
def test_a_phrase_counts_as_its_concept(phrases: Phrases, line: str, expected: dict[str, float]) -> None:
    """At the first two words it opens the paragraph; anywhere it holds its share of the words, as a root."""
    assert described(phrases, line) == [expected]


def test_a_phrase_does_not_run_into_the_next_paragraph(phrases: Phrases) -> None:
    """The end of one line and the beginning of the next make no phrase."""
    assert described(phrases, "We lire", "aussi") == [{}, {}]


@given(texts=data())
def test_paragraphs_are_described_as_they_are_alone(texts: DataObject, raw_text: SearchStrategy[str]) -> None:
    """What stands around a paragraph changes nothing, with the phrases that ship."""
    batch = split_batch(texts.draw(lists(raw_text, max_size=3)))
    together = SHIPPED.describe(find_words(batch), len(batch.starts))
    for number, (start, end) in enumerate(zip(batch.starts.tolist(), batch.ends.tolist(), strict=True)):
        alone = split_batch([batch.joined[start:end]])
        if len(alone.starts) == 1:  # a part of a long line may be cut anew
            np.testing.assert_array_equal(SHIPPED.describe(find_words(alone), 1)[0], together[number])


SHIPPED = Phrases.read()


@pytest.mark.parametrize("path", sorted(default_phrases().glob("*.txt")), ids=lambda path: path.stem)
def test_the_lists_that_ship_have_every_concept_once(path: Path) -> None:
    """Each line is a concept and its phrases, and no phrase stands for two concepts of one language."""
    rows = [line.partition(":") for line in path.read_text("utf-8").splitlines()]
    assert [concept for concept, _, _ in rows] == list(CONCEPTS)
    found = [phrase.strip() for _, _, listed in rows for phrase in set(listed.split("|"))]
    assert all(found)
    assert len(found) == len(set(found))


@pytest.mark.parametrize("line", ["read also", "nonsense: read also"])
def test_a_line_that_is_not_understood_is_named(tmp_path: Path, line: str) -> None:
    """The error names the file and the line and says what to write."""
    (tmp_path / "xx.txt").write_text(f"photo: photo\n{line}\n", "utf-8")
    with pytest.raises(SeedError, match=r"xx\.txt, line 2: write 'concept: phrase \| phrase'"):
        Phrases.read(tmp_path)


def test_stored_phrases_come_back(phrases: Phrases) -> None:
    """What was stored describes as before."""
    words = find_words(split_batch(["Read also: a photo, he said"]))
    loaded = Phrases.from_arrays(phrases.arrays())
    np.testing.assert_array_equal(loaded.describe(words, 1), phrases.describe(words, 1))


def test_without_phrases_no_column_tells_anything() -> None:
    """Models and tests that need none of it have zeros."""
    assert not NO_PHRASES.describe(find_words(split_batch(["Read also"])), 1).any()
