"""Hashed character and word n-grams of many paragraphs at once, as flat arrays.

An n-gram's hash is a polynomial over its folded code points, taken modulo 2**64 by plain unsigned overflow
(as in Rabin & Karp, 1987) and mixed with the finaliser of splitmix64 (Steele et al., 2014); no Python loop touches
a character.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifier.characters import DIGIT, LETTER, SOLO
from classifier.paragraphs import TextBatch

BITS = 20
"""Number of hash bits: n-grams fall into 2**BITS buckets, those of characters into the lower half, those of words
into the upper.
"""

CHARACTER_SIZES = (2, 3, 4)
HEAD = 40
"""Character n-grams are taken from this many first characters of a paragraph..."""
TAIL = 24
"""...and this many last ones: furniture shows at the edges, the middle of a long paragraph is topic."""

_BOUNDARY = np.uint64(1)
_PRIME = np.uint64(0x100000001B3)
_LONGEST_WORD = 64
_PHRASE = 5  # words that at most make a stock phrase


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a batch in order: shape (words,) each.

    A word is a run of letters, marks and digits; every letter of a script without spaces is a word of its own.
    `hashes` are of the whole folded word, `starts` and `ends` are offsets into `TextBatch.codes`, `paragraph` the
    paragraph it stands in.
    """

    hashes: NDArray[np.uint64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    paragraph: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class NGrams:
    """The n-grams of a batch, repeats included: bucket and paragraph of each, in no order."""

    buckets: NDArray[np.int32]
    paragraph: NDArray[np.int32]


def mix(values: NDArray[np.uint64], salt: int = 0) -> NDArray[np.uint64]:
    """Return the values scattered over all 64 bits; another salt scatters them otherwise."""
    mixed = values + np.uint64((salt * 0x9E3779B97F4A7C15) % 2**64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def find_words(batch: TextBatch) -> Words:
    """Return the words of all paragraphs of a batch."""
    kind = batch.kind
    inside = (kind & (LETTER | DIGIT)) != 0
    solo = (kind & SOLO) != 0
    first = inside.copy()
    first[1:] &= ~inside[:-1] | solo[1:] | solo[:-1]
    paragraph_start = batch.starts[inside[batch.starts]]
    first[paragraph_start] = True  # a glued line's pieces share no word
    positions = np.flatnonzero(inside)
    if not len(positions):
        empty = np.zeros(0, np.int64)
        return Words(np.zeros(0, np.uint64), empty, empty, empty)
    begins = np.flatnonzero(first[positions])
    starts = positions[begins]
    lengths = np.diff(begins, append=len(positions))
    place = np.minimum(np.arange(len(positions)) - np.repeat(begins, lengths), _LONGEST_WORD - 1)
    powers = np.cumprod(np.full(_LONGEST_WORD, _PRIME))
    terms = batch.folded[positions].astype(np.uint64) * powers[place]
    hashes = np.add.reduceat(terms, begins)
    return Words(hashes, starts, starts + lengths, batch.owner[starts - batch.starts[0]])


def find_ngrams(batch: TextBatch, words: Words) -> NGrams:
    """Return the character n-grams of each paragraph's edges, its words, and stock phrases at its ends."""
    buckets, paragraphs = [], []
    for half, parts in enumerate((_character_ngrams(batch), _word_ngrams(batch, words))):
        for hashes, paragraph in parts:
            bucket = (hashes >> np.uint64(65 - BITS)).astype(np.int32)
            buckets.append(bucket | np.int32(half << (BITS - 1)))
            paragraphs.append(paragraph.astype(np.int32))
    nothing = np.zeros(0, np.int32)
    return NGrams(np.concatenate([nothing, *buckets]), np.concatenate([nothing, *paragraphs]))


_Hashed = tuple[NDArray[np.uint64], NDArray[np.int64]]


def _character_ngrams(batch: TextBatch) -> list[_Hashed]:
    lengths = batch.ends - batch.starts
    short = lengths <= HEAD + TAIL
    # Each window is laid out as boundary, characters, boundary: n-grams see where a paragraph begins and ends.
    head = np.where(short, lengths, HEAD)
    window_starts = np.concatenate([batch.starts, (batch.ends - TAIL)[~short]])
    window_lengths = np.concatenate([head, np.full(np.count_nonzero(~short), TAIL)])
    window_paragraph = np.concatenate([np.arange(len(lengths)), np.flatnonzero(~short)])
    laid = window_lengths + 2
    laid_starts = np.cumsum(laid) - laid
    window = np.repeat(np.arange(len(laid)), laid)
    place = np.arange(len(window)) - laid_starts[window]
    source = np.clip(window_starts[window] + place - 1, 0, len(batch.codes) - 1)
    symbols = batch.folded[source].astype(np.uint64)
    symbols[place == 0] = _BOUNDARY
    symbols[place == window_lengths[window] + 1] = _BOUNDARY
    # The inner edge of a head or tail is no boundary: its n-grams are dropped with those that cross windows.
    usable_start = np.where(window_paragraph[window] == window, 0, 1)
    usable_end = np.where(short[window_paragraph[window]] | (window >= len(lengths)), laid[window], laid[window] - 1)
    found = []
    rolled = symbols.copy()
    for size in range(2, max(CHARACTER_SIZES) + 1):
        rolled = rolled[:-1] * _PRIME + symbols[size - 1 :]
        if size not in CHARACTER_SIZES or not len(rolled):
            continue
        count = len(rolled)
        whole = (place[:count] >= usable_start[:count]) & (place[:count] + size <= usable_end[:count])
        found.append((mix(rolled[whole], salt=size), window_paragraph[window[:count][whole]]))
    return found


def _word_ngrams(batch: TextBatch, words: Words) -> list[_Hashed]:
    count = len(words.hashes)
    if not count:
        return []
    paragraph = words.paragraph
    single = (mix(words.hashes, salt=11), paragraph)
    together = paragraph[1:] == paragraph[:-1]
    pairs = mix(words.hashes[:-1] * _PRIME + words.hashes[1:], salt=12)
    pair = (pairs[together], paragraph[1:][together])
    begins = np.flatnonzero(np.diff(paragraph, prepend=-1) != 0)
    stops = np.append(begins[1:], count)
    two = stops - begins >= 2
    edges = [
        (mix(words.hashes[begins], salt=13), paragraph[begins]),
        (mix(words.hashes[stops - 1], salt=14), paragraph[begins]),
        (mix(pairs[begins[two]], salt=15), paragraph[begins[two]]),
        (mix(pairs[stops[two] - 2], salt=16), paragraph[begins[two]]),
    ]
    # Stock phrases repeat to the letter: a paragraph of a few words counts as a whole, and so does what stands before
    # a colon.
    order = np.arange(count) - np.repeat(begins, stops - begins)
    running = np.cumsum(mix(words.hashes + order.astype(np.uint64) * _PRIME, salt=17))
    running -= np.repeat(running[begins] - mix(words.hashes[begins], salt=17), stops - begins)
    few = stops - begins <= _PHRASE
    whole = (mix(running[stops[few] - 1], salt=18), paragraph[begins[few]])
    places = words.ends[:, None] + np.arange(2)
    behind = batch.folded[np.minimum(places, len(batch.codes) - 1)]
    behind[places >= batch.ends[paragraph][:, None]] = 0
    colon = (behind[:, 0] == ord(":")) | ((behind[:, 0] == ord(" ")) & (behind[:, 1] == ord(":")))
    titled = np.flatnonzero(colon & (order < _PHRASE))
    titled = titled[np.diff(paragraph[titled], prepend=-1) != 0]
    title = (mix(running[titled], salt=19), paragraph[titled])
    return [single, pair, *edges, whole, title]
