"""Raw text to paragraphs: lossless spans, one for each line, and a line cut where it glues kinds together.

A line is cut after the attribution of an embedded post (`— Name (@handle) September 19, 2023`, in the date forms
of many languages), after a post's link stubs, before and behind a "read also: …" between sentences, at wide gaps
(three spaces and more) and, when it is longer than `LONG_LINE` or holds a post beside other text, between its
sentences. Nothing is normalised and nothing is lost: spans are in order, do not overlap and hold every character that
is not white space.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sentencex
from numpy.typing import NDArray

from classifier import glue
from classifier.characters import BREAK, WHITE, code_points, folded, kinds

LONG_LINE = 1000
"""Code points from which a line is cut into sentences; of single real paragraphs one in a hundred is longer."""

LONG_POST_LINE = 280
"""The same for a line in which the text of a post ends: longer than a post, so more than the post stands in it."""

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class TextBatch:
    """Many texts as one array, and the paragraphs in it.

    `joined` is all texts, a line break behind each, and `codes` its code points; text `i` begins at `offsets[i]`, and
    `offsets` has one entry more than there are texts. `kind` and `folded` are `characters.kinds` and
    `characters.folded` of the codes. Paragraph `j` is `codes[starts[j]:ends[j]]`, belongs to text `article[j]` and
    stands on line `line[j]` (numbered through the batch: pieces of one glued line share it).
    """

    joined: str
    codes: NDArray[np.uint32]
    kind: NDArray[np.uint8]
    folded: NDArray[np.uint32]
    offsets: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    article: NDArray[np.int64]
    line: NDArray[np.int64]

    @property
    def bounds(self) -> NDArray[np.int64]:
        """First paragraph of each text, and the number of paragraphs at the end: shape (texts + 1,)."""
        return np.searchsorted(self.article, np.arange(len(self.offsets)))

    @property
    def owner(self) -> NDArray[np.int64]:
        """The paragraph of each code point from the first paragraph on, the white space behind it included."""
        return np.repeat(np.arange(len(self.starts)), np.diff(self.starts, append=len(self.codes)))


def split_paragraphs(text: str) -> list[tuple[int, int]]:
    """Return the paragraphs of a raw text as `(start, end)` spans of code points, lossless and in order."""
    batch = split_batch([text])
    return list(zip(batch.starts.tolist(), batch.ends.tolist(), strict=True))


def split_batch(texts: Sequence[str]) -> TextBatch:
    """Split many texts at once; the spans of each are what `split_paragraphs` gives for it alone."""
    joined = "".join(f"{text}\n" for text in texts)
    codes = code_points(joined)
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) + 1 for text in texts], out=offsets[1:])
    kind = kinds()[codes]
    white = (kind & WHITE) != 0
    breaks = np.flatnonzero((kind & BREAK) != 0)
    inked = np.flatnonzero(~white)  # a line without ink is no paragraph

    heads = _segments(inked, [breaks])[0]
    borders = [
        breaks,
        glue.post_ends(joined),
        glue.wide_gaps(white),
        glue.separators(joined, codes, heads),
        glue.labels(joined, codes, heads),
        glue.credits(joined, codes, heads),
    ]
    starts, ends = _segments(inked, borders)
    sentences = _sentence_starts(joined, starts, ends)
    if len(sentences):
        starts, ends = _segments(inked, [*borders, sentences])
    line = np.searchsorted(breaks, starts)
    article = np.repeat(np.arange(len(texts)), np.diff(np.searchsorted(starts, offsets)))
    return TextBatch(joined, codes, kind, folded()[codes], offsets, starts, ends, article, line)


def _segments(
    inked: NDArray[np.int64], borders: Sequence[NDArray[np.int64]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Group the inked positions into runs without a border (before or at a character) between them."""
    first = np.unique(np.searchsorted(inked, np.concatenate([[0], *borders])))
    first = first[first < len(inked)]
    if not len(first):
        return inked, inked
    return inked[first], inked[np.append(first[1:], len(inked)) - 1] + 1


def _sentence_starts(joined: str, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where the sentences of over-long paragraphs begin."""
    length = ends - starts
    found: list[int] = []
    for start, end in zip(
        starts[length > LONG_POST_LINE].tolist(), ends[length > LONG_POST_LINE].tolist(), strict=True
    ):
        text = joined[start:end]
        post = glue.POST_END.search(text, max(0, len(text) - 250)) if end - start <= LONG_LINE else None
        if end - start <= LONG_LINE and (post is None or post.end() != len(text)):
            continue
        sentences = sentencex.get_sentence_boundaries("en", _SURROGATE.sub("\ufffd", text))
        found.extend(start + sentence["start_index"] for sentence in sentences)
    return np.array(found, np.int64)
