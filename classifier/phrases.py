"""Stock phrases of news pages ("read also", "photo", "share this", "said"), in many languages, by what they announce.

The wording model learns from the seeds what their words mean; of a language with few seeds it knows little. The lists
in `data/phrases` (a file for each language, a line for each concept) tell what to expect of such phrases anywhere: a
phrase counts as its concept, so what is learned of it in one language holds in all. A model keeps the lists it was
trained with.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from classifier.errors import SeedError
from classifier.ngrams import Words, find_words, mix
from classifier.paragraphs import split_batch
from classifier.resources import default_phrases

CONCEPTS = (
    "read_also", "latest", "source", "photo", "video", "advert", "offer", "share", "follow", "subscribe",
    "comments", "tags", "legal", "byline", "time", "menu", "error", "post", "says", "correction",
)  # fmt: skip
PHRASES = tuple(f"{kind}_{concept}" for kind in ("opens", "holds") for concept in CONCEPTS)
"""Columns of `Phrases.describe`: whether a phrase opens the paragraph, and how much of it such phrases are."""

_LONGEST = 12  # words of a phrase; letters where a script has no spaces
_FIRST_WORDS = 2  # words of a paragraph at which a phrase still opens it: icons and numbers may stand before
_TABLE_BITS = 20
_PRIME = np.uint64(0x100000001B3)


@dataclass(frozen=True)
class Phrases:
    """Hashed phrases: `hashes` (phrases,) is sorted, bit `i` of `concepts` (phrases,) stands for `CONCEPTS[i]`, and
    `beginnings` (beginnings,) holds the hashes of the first words of longer phrases, one word up to all but one.
    """

    hashes: NDArray[np.uint64]
    concepts: NDArray[np.uint32]
    beginnings: NDArray[np.uint64]

    @classmethod
    def read(cls, directory: Path | None = None) -> Self:
        """Read the lists in a folder, by default those that ship. Raises SeedError when a line is not understood."""
        phrases: list[str] = []
        bits: list[int] = []
        for path in sorted((directory or default_phrases()).glob("*.txt")):
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                concept, colon, listed = line.partition(":")
                if not line.strip():
                    continue
                if not colon or concept.strip() not in CONCEPTS:
                    raise SeedError(
                        f"{path}, line {number}: write 'concept: phrase | phrase', with a concept of "
                        f"{', '.join(CONCEPTS)}"
                    )
                found = [phrase.strip() for phrase in listed.split("|") if phrase.strip()]
                phrases += found
                bits += [1 << CONCEPTS.index(concept.strip())] * len(found)
        return cls._compile(phrases, np.array(bits, np.uint32))

    @classmethod
    def _compile(cls, phrases: list[str], bits: NDArray[np.uint32]) -> Self:
        batch = split_batch(phrases)
        words = find_words(batch)
        of_phrase = batch.article[words.paragraph]
        begins = np.flatnonzero(np.diff(of_phrase, prepend=-1))
        counts = np.diff(np.append(begins, len(of_phrase)))
        usable = counts <= _LONGEST
        begins, counts, bits = begins[usable], counts[usable], bits[of_phrase[begins[usable]]]
        hashes = np.zeros(len(begins), np.uint64)
        beginnings = []
        for size in range(1, _LONGEST + 1):
            long = counts >= size
            hashes[long] = _extend(hashes[long], words.hashes[begins[long] + size - 1])
            beginnings.append(hashes[counts > size])
        distinct, number = np.unique(hashes, return_inverse=True)
        concepts = np.zeros(len(distinct), np.uint32)
        np.bitwise_or.at(concepts, number, bits)
        return cls(distinct, concepts, np.unique(np.concatenate(beginnings)))

    def describe(self, words: Words, rows: int) -> NDArray[np.float32]:
        """Return the columns `PHRASES` of each of `rows` paragraphs, shape (rows, len(PHRASES))."""
        if not len(self.hashes):
            return np.zeros((rows, len(PHRASES)), np.float32)
        opens = np.zeros((rows, len(CONCEPTS)), np.float32)
        cells: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
        sizes: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
        count = np.bincount(words.paragraph, minlength=rows)
        order = np.arange(len(words.hashes)) - (np.cumsum(count) - count)[words.paragraph]
        left = count[words.paragraph] - order
        place = np.arange(len(words.hashes))
        running = np.zeros(len(place), np.uint64)
        for size in range(1, _LONGEST + 1):
            running = _extend(running, words.hashes[place + size - 1])
            bits = _bits(running)
            maybe = np.flatnonzero(self._ends[bits])
            at = np.minimum(np.searchsorted(self.hashes, running[maybe]), len(self.hashes) - 1)
            hit = self.hashes[at] == running[maybe]
            found, concepts = place[maybe[hit]], self.concepts[at[hit]]
            paragraph = words.paragraph[found]
            marked = (concepts[:, None] >> np.arange(len(CONCEPTS), dtype=np.uint32)) & 1
            row, concept = np.nonzero(marked)
            cells.append(paragraph[row] * len(CONCEPTS) + concept)
            sizes.append(np.full(len(row), size))
            early = order[found[row]] < _FIRST_WORDS
            opens[paragraph[row[early]], concept[early]] = 1.0
            going = np.flatnonzero(self._goes_on[bits] & (left[place] > size))
            place, running = place[going], running[going]
            if not len(place):
                break
        covered = np.bincount(np.concatenate(cells), np.concatenate(sizes), rows * len(CONCEPTS)).reshape(opens.shape)
        holds = np.sqrt(np.minimum(1.0, covered / np.maximum(1, count)[:, None]))
        return np.hstack([opens, holds.astype(np.float32)])

    @cached_property
    def _ends(self) -> NDArray[np.bool_]:
        return _table(self.hashes)

    @cached_property
    def _goes_on(self) -> NDArray[np.bool_]:
        return _table(self.beginnings)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Return what is stored."""
        return {"hashes": self.hashes, "concepts": self.concepts, "beginnings": self.beginnings}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Come back from what `arrays` gave."""
        return cls(arrays["hashes"], arrays["concepts"], arrays["beginnings"])


NO_PHRASES = Phrases(np.zeros(0, np.uint64), np.zeros(0, np.uint32), np.zeros(0, np.uint64))


def _bits(hashes: NDArray[np.uint64]) -> NDArray[np.intp]:
    return (hashes >> np.uint64(64 - _TABLE_BITS)).astype(np.intp)


def _table(hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """What part of a hash tells whether it may be one of these: most are not, and are not looked up."""
    table = np.zeros(2**_TABLE_BITS, bool)
    table[_bits(hashes)] = True
    return table


def _extend(running: NDArray[np.uint64], word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return mix(running * _PRIME + word, salt=31)
