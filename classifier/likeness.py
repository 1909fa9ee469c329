"""How alike a paragraph is to the rest of its article, by the words they share.

Lexical cohesion in the sense of TextTiling (Hearst, 1997): a word that returns ties the paragraphs between its two
places together, and where few ties cross, the topic turns.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from classifier.characters import SOLO
from classifier.ngrams import Words, mix
from classifier.paragraphs import TextBatch
from classifier.segments import Segments

LIKENESS = (
    "seen_before", "seen_after", "seen_opening", "seen_headline", "headline_here", "new_words", "ties_before",
    "ties_behind", "break_so_far", "break_ahead", "side_of_break", "depth_of_break", "rest_known",
    "past_returns", "near_ties", "rest_opening", "cut", "cut_past", "cut_rest", "repeats_earlier",
    "repeated_later",
)  # fmt: skip

_OPENING = 4  # paragraphs that count as the opening
_NEAR = 4  # paragraphs over which a word that returns counts as a near tie
_FADING = 0.15  # what a tie loses with each paragraph it spans
_ENOUGH = 25.0  # weight of words that a side needs for the gap to count as a turn
_RARE = 300.0  # paragraphs of which a rare stem stands in one
_STEM = 6  # code points of a word that are compared: endings differ
_ARTICLE_PREFIXES = np.array([ord(c) for c in "وفبلك"], np.uint32)

_TABLE_BITS = 17

_Floats = NDArray[np.float64]


def _bits(stems: NDArray[np.uint64]) -> NDArray[np.intp]:
    return (stems * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(64 - _TABLE_BITS)).astype(np.intp)


@dataclass(frozen=True)
class CommonStems:
    """Word stems that any text of their language holds, so that their return ties nothing together.

    `hashes` is sorted; `rarity` lies between 0 (in every paragraph) and 1, which is also what an unknown stem has.
    Both have shape (stems,).
    """

    hashes: NDArray[np.uint64]
    rarity: NDArray[np.float32]

    def __call__(self, stems: NDArray[np.uint64]) -> NDArray[np.float32]:
        """Return the rarity of each stem."""
        if not len(self.hashes):
            return np.ones(len(stems), np.float32)
        rarity = np.ones(len(stems), np.float32)
        maybe = np.flatnonzero(self._table[_bits(stems)])
        place = np.minimum(np.searchsorted(self.hashes, stems[maybe]), len(self.hashes) - 1)
        common = self.hashes[place] == stems[maybe]
        rarity[maybe[common]] = self.rarity[place[common]]
        return rarity

    @cached_property
    def _table(self) -> NDArray[np.bool_]:
        """What part of a stem's hash tells that it may be common: most are not, and are not looked up."""
        table = np.zeros(2**_TABLE_BITS, bool)
        table[_bits(self.hashes)] = True
        return table


NO_COMMON_STEMS = CommonStems(np.zeros(0, np.uint64), np.zeros(0, np.float32))


def learn_common_stems(batch: TextBatch, words: Words, languages: NDArray[np.str_]) -> CommonStems:
    """Find the common stems of each language: `languages` names that of each text, shape (texts,).

    Rarity is the inverse paragraph frequency, -log(share of paragraphs), scaled to 1 at one paragraph in `_RARE`; a
    stem of several languages has that of the one in which it is most common.
    """
    stems, paragraph = _stems(batch, words)
    language_names, language = np.unique(languages, return_inverse=True)
    of_stem = language[batch.article[paragraph]]
    total = np.bincount(language[batch.article], minlength=len(language_names))
    hashes, number = np.unique(stems, return_inverse=True)
    once = np.unique(number * np.int64(len(batch.starts)) + paragraph)
    number, paragraph = once // len(batch.starts), once % len(batch.starts)
    of_stem = language[batch.article[paragraph]]
    pairs, count = np.unique(number * np.int64(len(language_names)) + of_stem, return_counts=True)
    share = (count - 1.0) / (total[pairs % len(language_names)] + 50.0)  # one paragraph tells nothing
    most = np.zeros(len(hashes))
    np.maximum.at(most, pairs // len(language_names), share)
    common = most > 1.0 / _RARE
    return CommonStems(hashes[common], (-np.log(most[common]) / np.log(_RARE)).astype(np.float32))


def likeness(batch: TextBatch, words: Words, segments: Segments, common: CommonStems) -> dict[str, _Floats]:
    """Return the columns `LIKENESS`, one value for each paragraph."""
    repeats = _repeats(batch)
    # What is printed twice ties nothing together: its words count where they stand first.
    found = _occurrences(batch, words, segments, common, repeats["repeats_earlier"] > 0)
    return {**found.recurrence(), **found.ties(), **found.sides(), **found.cuts(), **repeats}


@dataclass(frozen=True)
class _Occurrences:
    """Which words stand in which paragraphs: an entry for each word and paragraph, ordered by word, then by place.

    `place` is the paragraph, `weight` what the word counts, `new` whether the entry is the word's first in its
    article, `group` the number of its word and `spread` in how many paragraphs the word stands.
    """

    segments: Segments
    place: NDArray[np.int64]
    weight: _Floats
    new: NDArray[np.bool_]
    group: NDArray[np.int64]
    spread: _Floats

    @cached_property
    def first(self) -> NDArray[np.int64]:
        """The first entry of each word."""
        return np.flatnonzero(self.new)

    @cached_property
    def mass(self) -> _Floats:
        """The weight of the words of each paragraph."""
        return self._by_paragraph(self.weight)

    def _by_paragraph(self, values: _Floats, chosen: NDArray[np.bool_] | slice = slice(None)) -> _Floats:
        return np.bincount(self.place[chosen], values[chosen], minlength=self.segments.rows).astype(np.float64)

    def _crossing(self, left: NDArray[np.int64], right: NDArray[np.int64], weight: _Floats) -> _Floats:
        """Sum over the gap before each paragraph the ties from a paragraph left of it to one right of it."""
        rows = self.segments.rows
        opened = np.bincount(left + 1, weight, minlength=rows + 1)
        closed = np.bincount(right + 1, weight, minlength=rows + 2)[: rows + 1]
        return np.maximum(0.0, np.cumsum(opened - closed)[:rows])

    def recurrence(self) -> dict[str, _Floats]:
        """Share of a paragraph's words that stand elsewhere in its article, by where they stand."""
        total = np.maximum(1e-9, self.mass)
        again = ~self.new
        followed = np.append(again[1:], False)[: len(again)]
        earliest = self._earliest()
        in_headline = self._by_paragraph(self.weight, (earliest == 0) & again)
        return {
            "seen_before": self._by_paragraph(self.weight, again) / total,
            "seen_after": self._by_paragraph(self.weight, followed) / total,
            "seen_opening": self._by_paragraph(self.weight, again & (earliest < _OPENING)) / total,
            "seen_headline": in_headline / total,
            "headline_here": in_headline / np.maximum(1e-9, self.segments.first(total)),
            "new_words": np.log1p(self._by_paragraph(self.weight, self.new) / 3.0),
        }

    def _earliest(self) -> NDArray[np.int64]:
        """The place in the article at which each entry's word stands first."""
        return self.segments.index[self.place[self.first]][self.group] if len(self.place) else self.place

    def ties(self) -> dict[str, _Floats]:
        """How firmly neighbouring places of words tie the gap before each paragraph, and where it is loosest."""
        segments = self.segments
        again = ~self.new
        left, right = self.place[:-1][again[1:]], self.place[1:][again[1:]]
        tie = self.weight[1:][again[1:]] / (1.0 + _FADING * (right - left - 1))
        mass_before = segments.before(self.mass)
        mass_after = segments.total(self.mass) - mass_before
        room = np.maximum(1.0, np.minimum(np.minimum(mass_before, mass_after), 120.0))
        ties = np.minimum(self._crossing(left, right, tie) / room, 2.0) / 2.0
        ties = np.where(segments.index == 0, 1.0, ties)
        inner = np.where((mass_before > _ENOUGH) & (mass_after > _ENOUGH), 1.0 - ties, 0.0)
        so_far = segments.running_max(inner)
        ahead = segments.running_max_back(segments.shift(inner, 1))
        mean = segments.total(inner) / np.maximum(1.0, segments.total((inner > 0).astype(np.float64)))
        near = right - left <= _NEAR
        nearby = sum(segments.shift(self.mass, by) for by in range(-_NEAR, _NEAR))
        return {
            "ties_before": ties,
            "ties_behind": segments.shift(ties, 1, fill=1.0),
            "break_so_far": so_far,
            "break_ahead": ahead,
            "side_of_break": so_far - ahead,
            "depth_of_break": np.maximum(so_far, ahead) - mean,
            "near_ties": self._crossing(left[near], right[near], tie[near]) / np.maximum(1.0, nearby),
        }

    def sides(self) -> dict[str, _Floats]:
        """Vocabulary on both sides of the gap before each paragraph: words met so far, still to come, and crossing."""
        segments, rows = self.segments, self.segments.rows
        last = np.append(self.first[1:], len(self.place))[: len(self.first)] - 1
        weight = self.weight[self.first]
        begins = np.bincount(self.place[self.first], weight, minlength=rows).astype(np.float64)
        ends = np.bincount(self.place[last], weight, minlength=rows).astype(np.float64)
        met, done = segments.before(begins), segments.before(ends)
        opening = self._by_paragraph(self.weight, ~self.new & (self._earliest() < _OPENING))
        rest = segments.after(self.mass) + self.mass
        return {
            "rest_known": (met - done) / np.maximum(1.0, segments.total(begins) - done),
            "past_returns": (met - done) / np.maximum(1.0, met),
            "rest_opening": (segments.after(opening) + opening) / np.maximum(1.0, rest),
        }

    def cuts(self) -> dict[str, _Floats]:
        """Likeness across the gap against likeness within either side, over all pairs of paragraphs that share a word.

        A normalised cut (Shi & Malik, 2000; on text, Malioutov & Barzilay, 2006).
        """
        segments, mass = self.segments, self.mass
        rank = np.arange(len(self.place)) - self.first[self.group]
        pairs_past = segments.before(self._by_paragraph(self.weight * rank))
        later = self._by_paragraph(self.weight * (self.spread - 1 - rank))
        pairs_rest = segments.after(later) + later
        across = np.maximum(0.0, segments.total(later) - pairs_past - pairs_rest)
        mass_past, mass_rest = segments.before(mass), segments.after(mass) + mass
        square_past = segments.before(mass**2)
        room_past = np.maximum(0.0, mass_past**2 - square_past) / 2
        room_rest = np.maximum(0.0, mass_rest**2 - (segments.total(mass**2) - square_past)) / 2
        density = np.log((across + 0.5) / (mass_past * mass_rest + 50.0))

        def cut(pairs: _Floats, room: _Floats) -> _Floats:
            return np.asarray(np.clip(density - np.log((pairs + 0.5) / (room + 50.0)), -5.0, 5.0))

        return {
            "cut": cut(pairs_past + pairs_rest, room_past + room_rest),
            "cut_past": cut(pairs_past, room_past),
            "cut_rest": cut(pairs_rest, room_rest),
        }


def _occurrences(
    batch: TextBatch, words: Words, segments: Segments, common: CommonStems, skipped: NDArray[np.bool_]
) -> _Occurrences:
    stems, paragraph = _stems(batch, words)
    stems, paragraph = stems[~skipped[paragraph]], paragraph[~skipped[paragraph]]
    # One key sorts words of an article together and, within a word, the paragraphs it stands in.
    of_article = mix(stems + batch.article[paragraph].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15), salt=21)
    keys = (of_article & ~np.uint64(0xFFFFFF)) | paragraph.astype(np.uint64)
    order = np.argsort(keys)
    kept = order[np.diff(keys[order], prepend=keys[order][:1] + np.uint64(1)) != 0]
    keys = keys[kept]
    word, place = keys >> np.uint64(24), (keys & np.uint64(0xFFFFFF)).astype(np.int64)
    new = np.diff(word, prepend=word[:1] + np.uint64(1)) != 0
    new |= np.diff(batch.article[place], prepend=-1) != 0  # should hashes of two articles ever agree
    group = np.cumsum(new) - 1
    spread = np.bincount(group)[group].astype(np.float64)
    # A word in most paragraphs of its article ties little, and so does one that any text holds.
    weight = np.log1p(segments.size[place] / spread) * common(stems[kept])
    return _Occurrences(segments, place, weight, new, group, spread)


def _stems(batch: TextBatch, words: Words) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Hash what of each word is compared: its beginning, in Arabic without the article; pairs of solo letters; no
    short words.
    """
    alef, lam = np.uint32(ord("ا")), np.uint32(ord("ل"))
    padded = np.concatenate([batch.folded, np.zeros(_STEM + 4, np.uint32)])
    starts = words.starts
    has_article = (padded[starts] == alef) & (padded[starts + 1] == lam)
    has_prefix = np.isin(padded[starts], _ARTICLE_PREFIXES) & (padded[starts + 1] == alef) & (padded[starts + 2] == lam)
    starts = starts + np.where(has_article, 2, np.where(has_prefix, 3, 0))
    length = words.ends - starts
    solo = (batch.kind[words.starts] & SOLO) != 0
    stem = np.zeros(len(starts), np.uint64)
    for offset in range(_STEM):
        symbol = np.where(offset < length, padded[starts + offset], 0).astype(np.uint64)
        stem = stem * np.uint64(0x100000001B3) + symbol
    follows = np.zeros(len(starts), bool)
    follows[:-1] = solo[:-1] & solo[1:] & (words.ends[:-1] == words.starts[1:])
    follows[:-1] &= words.paragraph[:-1] == words.paragraph[1:]
    stem[:-1][follows[:-1]] = (stem[:-1] * np.uint64(31) + stem[1:] * np.uint64(17))[follows[:-1]]
    used = np.where(solo, follows, length >= 3)
    return stem[used], words.paragraph[used]


def _repeats(batch: TextBatch) -> dict[str, _Floats]:
    """Tell which paragraphs stand in their article before, or again, to the letter."""
    rows = len(batch.starts)
    hashes = _paragraph_hashes(batch)
    order = np.lexsort((np.arange(rows), hashes, batch.article))
    same = np.zeros(rows + 1, bool)
    same[1:-1] = (hashes[order][1:] == hashes[order][:-1]) & (batch.article[order][1:] == batch.article[order][:-1])
    repeats, repeated = np.zeros(rows), np.zeros(rows)
    repeats[order], repeated[order] = same[:-1], same[1:]
    return {"repeats_earlier": repeats, "repeated_later": repeated}


def _paragraph_hashes(batch: TextBatch) -> NDArray[np.uint64]:
    """Hash the folded characters of each paragraph, for finding repeats."""
    if not len(batch.starts):
        return np.zeros(0, np.uint64)
    lengths = batch.ends - batch.starts
    begins = np.cumsum(lengths) - lengths
    within = np.arange(begins[-1] + lengths[-1]) - np.repeat(begins, lengths)
    symbols = batch.folded[within + np.repeat(batch.starts, lengths)].astype(np.uint64)
    salts = mix(np.arange(lengths.max(), dtype=np.uint64), salt=5)
    return mix(np.add.reduceat((symbols + np.uint64(1)) * salts[within], begins), salt=6)
