"""Tests of likeness by shared words: which stems count, and that articles stay apart."""

import numpy as np

from classifier.likeness import LIKENESS, NO_COMMON_STEMS, CommonStems, learn_common_stems, likeness
from classifier.ngrams import find_words
from classifier.paragraphs import split_batch
from classifier.segments import Segments


def test_common_stems_are_rarer_the_fewer_paragraphs_hold_them() -> None:
    """A word of every paragraph has a rarity near 0, one of few a higher one, and an unknown one 1."""
    lines = [f"council word{chr(97 + number % 26)}{chr(97 + number // 26)}" for number in range(300)]
    for number in range(0, 300, 10):
        lines[number] += " harbour"
    batch = split_batch(["\n".join(lines)])
    words = find_words(batch)
    common = learn_common_stems(batch, words, np.array(["en"]))
    assert np.all(np.diff(common.hashes.astype(object)) > 0)
    assert common.rarity.dtype == np.float32
    everywhere, seldom = sorted(common.rarity.tolist())
    assert 0 < everywhere < 0.1 < seldom < 1
    assert common(np.array([5], np.uint64)).tolist() == [1]


def test_without_common_stems_every_stem_is_rare() -> None:
    """No table is a table of nothing."""
    none = CommonStems(np.zeros(0, np.uint64), np.zeros(0, np.float32))
    assert none(np.array([1, 2], np.uint64)).tolist() == [1, 1]


def test_an_article_is_alike_to_itself_only() -> None:
    """The same words in another article of the batch change nothing."""
    story = "The harbour council met\nThe council chose a harbour master\nNothing else was said"
    alone, together = (split_batch(texts) for texts in ([story], [story, story]))
    one, two = (
        likeness(batch, find_words(batch), Segments(batch.bounds), NO_COMMON_STEMS) for batch in (alone, together)
    )
    assert set(one) == set(LIKENESS)
    for name in LIKENESS:
        np.testing.assert_allclose(two[name][:3], one[name], atol=1e-9)
        np.testing.assert_allclose(two[name][3:], one[name], atol=1e-9)


def test_what_is_printed_twice_ties_nothing() -> None:
    """The words of a paragraph repeated to the letter count where they stand first, and nowhere else."""
    lines = [
        "The harbour council met on Monday",
        "The council chose a harbour master",
        "Snow fell in the hills",
        "The harbour master thanked the council",
    ]
    plain, doubled = (split_batch(["\n".join(rows)]) for rows in (lines, [*lines[:2], lines[1], *lines[2:]]))
    one, two = (
        likeness(batch, find_words(batch), Segments(batch.bounds), NO_COMMON_STEMS) for batch in (plain, doubled)
    )
    assert two["repeats_earlier"].tolist() == [0, 0, 1, 0, 0]
    rest = [0, 1, 3, 4]
    for name in ("seen_headline", "seen_before"):
        assert (two[name][rest] > 0).tolist() == (one[name] > 0).tolist()
    assert two["seen_before"][2] == 0
