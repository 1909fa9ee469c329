"""What a paragraph is like and how it stands in its article, as one row of numbers for each paragraph.

`FEATURES` lists the columns. None of them knows a word of any language, so they carry over to languages no seed is
written in; wording is the business of `ngrams`, and likeness to the rest of the article that of `likeness`.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from classifier.characters import (
    CODE_POINTS,
    DIGIT,
    LETTER,
    PUNCTUATION,
    SCRIPTS,
    SOLO,
    SYMBOL,
    UPPER,
    WHITE,
    kinds,
    scripts,
)
from classifier.glue import POST_ATTRIBUTION, POST_LINK
from classifier.likeness import LIKENESS, NO_COMMON_STEMS, CommonStems, likeness
from classifier.ngrams import Words
from classifier.paragraphs import TextBatch
from classifier.phrases import NO_PHRASES, PHRASES, Phrases
from classifier.segments import Segments

SHAPE = (
    "log_length", "log_words", "word_length", "letters", "digits", "upper", "capitalised", "punctuation",
    "symbols", "sentence_ends", "commas", "ends_sentence", "ends_colon", "ends_ellipsis", "ends_letter",
    "starts_quote", "starts_dash", "starts_digit", "starts_upper", "starts_other", "quotes", "brackets",
    "separators", "handles", "hashtags", "links", "post_link", "attribution", "years", "clock",
    "foreign_script", "latin_in_other", "longest_run", "glued_before", "glued_behind",
)  # fmt: skip
PLACE = (
    "index", "index_back", "share_before", "characters_before", "log_paragraphs", "log_characters",
    "share_of_article", "length_to_long", "prose_before", "prose_after", "since_prose", "until_prose", "cased",
)  # fmt: skip
FEATURES: tuple[str, ...] = SHAPE + PLACE + LIKENESS + PHRASES

PROSE_LENGTH = 70
"""Code points from which a paragraph that ends like a sentence counts as prose."""


_Floats = NDArray[np.float64]


def _table(characters: str) -> NDArray[np.bool_]:
    table = np.zeros(0x10000, bool)
    table[[ord(c) for c in characters]] = True
    return table


_SENTENCE_END = _table(".!?。！？؟۔।॥．…։።፧")
_CLOSERS = _table("\"'”’»«“„)]）」』〕】›*")
_COMMAS = _table(",،、，;；؛")
_QUOTES = _table('"“”„«»「」『』‹›＂〝〞')
_BRACKETS = _table("()[]（）【】{}")
_SEPARATORS = _table("|/»›>•·▪►▸▶←→↑↓─│■●★☆+#_=~※→")
_CLOCK = _table(":.hH")
_DASHES = _table("-–—―•·▪●*►▶■◆")

_KINDS = {
    "letters": LETTER,
    "digits": DIGIT,
    "upper": UPPER,
    "punctuation": PUNCTUATION,
    "symbols": SYMBOL,
    "solo": SOLO,
}
_MARKS = {
    "sentence_ends": _SENTENCE_END, "commas": _COMMAS, "quotes": _QUOTES, "brackets": _BRACKETS,
    "separators": _SEPARATORS,
}  # fmt: skip
_PLANE = 0x10000  # code points of the basic plane; what lies above is alike in blocks of 256


@cache
def _classes() -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return the class of each code point, and what each class counts as.

    Code points are of one class when they share all that is counted: kinds, marks and script, in this order the
    columns of the second array, shape (classes, columns). The first has an entry for each code point of the basic
    plane, and one for each block of 256 above it.
    """
    blocks = np.concatenate([np.arange(_PLANE), np.arange(_PLANE, CODE_POINTS, 256)])
    counted = [(kinds()[blocks] & kind) != 0 for kind in _KINDS.values()]
    counted += [np.append(mark, np.zeros(len(blocks) - _PLANE, bool)) for mark in _MARKS.values()]
    number = scripts()[blocks].astype(np.uint32)
    for column in counted:
        number = number << 1 | column
    _, first, classes = np.unique(number, return_index=True, return_inverse=True)
    of_script = scripts()[blocks][first][:, None] == np.arange(1, len(SCRIPTS))
    return classes.astype(np.uint8), np.column_stack([np.column_stack(counted)[first], of_script]).astype(np.float64)


def _count_classes(batch: TextBatch) -> NDArray[np.float64]:
    """Count the characters of each paragraph, shape (paragraphs, columns): see `_classes`."""
    classes, counts_as = _classes()
    if not len(batch.starts):
        return np.zeros((0, counts_as.shape[1]))
    codes = batch.codes[batch.starts[0] :]
    found = classes[np.where(codes < _PLANE, codes, _PLANE - _PLANE // 256 + (codes >> 8))]
    cells = np.bincount(batch.owner * len(counts_as) + found, minlength=len(batch.starts) * len(counts_as))
    return np.asarray(cells.reshape(-1, len(counts_as)) @ counts_as)


def describe(
    batch: TextBatch, words: Words, common: CommonStems = NO_COMMON_STEMS, phrases: Phrases = NO_PHRASES
) -> NDArray[np.float32]:
    """Return the dense features of all paragraphs of a batch, shape (paragraphs, len(FEATURES))."""
    segments = Segments(batch.bounds)
    shape = _shape(batch, words, segments)
    columns = {**shape, **_place(shape, segments), **likeness(batch, words, segments, common)}
    dense = [columns[name] for name in SHAPE + PLACE + LIKENESS]
    return np.column_stack([*dense, phrases.describe(words, len(batch.starts))]).astype(np.float32)


def _shape(batch: TextBatch, words: Words, segments: Segments) -> dict[str, _Floats]:
    codes, starts, ends, kind = batch.codes, batch.starts, batch.ends, batch.kind
    small = np.minimum(codes, 0xFFFF)
    counts = _count_classes(batch)
    counted = dict(zip((*_KINDS, *_MARKS), counts.T, strict=False))
    length = np.maximum(1.0, (ends - starts).astype(np.float64))
    letters, solo = counted["letters"], counted["solo"]
    some_letters = np.maximum(1.0, letters)
    word_count = np.bincount(words.paragraph, minlength=len(starts)).astype(np.float64)
    some_words = np.maximum(1.0, word_count)
    capital_words = np.bincount(words.paragraph, (kind[words.starts] & UPPER) != 0, minlength=len(starts))

    # The last character, and the last before closing quotes and brackets.
    last = small[ends - 1]
    inner = ends - 1
    for _ in range(2):
        inner = np.where(_CLOSERS[small[inner]] & (inner > starts), inner - 1, inner)
    first_kind = kind[starts]
    last_inner = small[inner]
    ends_sentence = _SENTENCE_END[last_inner]

    foreign, latin = _foreign(counts[:, len(counted) :], segments)
    same_line = np.zeros(len(starts) + 1, bool)
    same_line[1:-1] = (batch.line[1:] == batch.line[:-1]) & (batch.article[1:] == batch.article[:-1])
    flags = _pattern_counts(batch)
    return {
        "log_length": np.log1p(length - solo + 2.2 * solo),
        "log_words": np.log1p(word_count - solo + solo / 1.7),
        "word_length": np.minimum(np.where(solo * 2 > letters, 5.0, letters / some_words), 15.0),
        "letters": letters / length,
        "digits": counted["digits"] / length,
        "upper": counted["upper"] / some_letters,
        "capitalised": capital_words / some_words,
        "punctuation": counted["punctuation"] / length,
        "symbols": np.minimum(counted["symbols"], 5.0),
        "sentence_ends": np.log1p(counted["sentence_ends"]),
        "commas": np.log1p(counted["commas"]),
        "ends_sentence": ends_sentence.astype(np.float64),
        "ends_colon": ((last == ord(":")) | (last == ord("："))).astype(np.float64),
        "ends_ellipsis": (
            (last_inner == ord("…"))
            | ((last_inner == ord(".")) & (small[np.maximum(inner - 1, starts)] == ord(".")) & (inner > starts))
        ).astype(np.float64),
        "ends_letter": ((kind[ends - 1] & LETTER) != 0).astype(np.float64),
        "starts_quote": _QUOTES[small[starts]].astype(np.float64),
        "starts_dash": _DASHES[small[starts]].astype(np.float64),
        "starts_digit": ((first_kind & DIGIT) != 0).astype(np.float64),
        "starts_upper": ((first_kind & UPPER) != 0).astype(np.float64),
        "starts_other": ((first_kind & (LETTER | DIGIT)) == 0).astype(np.float64),
        "quotes": np.log1p(counted["quotes"]),
        "brackets": np.log1p(counted["brackets"]),
        "separators": np.log1p(counted["separators"]),
        **flags,
        "foreign_script": foreign,
        "latin_in_other": latin,
        "longest_run": np.log1p(_longest_run(kind, starts)),
        "glued_before": same_line[:-1].astype(np.float64),
        "glued_behind": same_line[1:].astype(np.float64),
    }


def _longest_run(kind: NDArray[np.uint8], starts: NDArray[np.int64]) -> _Floats:
    """Length of the longest run without white space: addresses and dumped fields; scripts without spaces apart."""
    longest = np.zeros(len(starts))
    inside = np.flatnonzero((kind & (WHITE | SOLO)) == 0)
    if not len(inside):
        return longest
    opens = np.diff(inside, prepend=-2) != 1
    opens[np.searchsorted(inside, starts[(kind[starts] & SOLO) == 0])] = True  # a glued line's pieces share no run
    begins = np.flatnonzero(opens)
    lengths = np.diff(begins, append=len(inside))
    paragraph = np.searchsorted(starts, inside[begins], side="right") - 1
    first = np.flatnonzero(np.diff(paragraph, prepend=-1))
    longest[paragraph[first]] = np.maximum.reduceat(lengths, first)
    return longest


_DIGIT_RUN = 4  # digits of a year


def _pattern_counts(batch: TextBatch) -> dict[str, _Floats]:
    """Count handles, hashtags, links, years and times of day, at most 4 of each a paragraph."""
    codes, kind = batch.codes, batch.kind
    wordlike = np.append((kind & (LETTER | DIGIT)) != 0, np.zeros(_DIGIT_RUN + 1, bool))
    letter = np.append((kind & LETTER) != 0, False)
    at = np.flatnonzero(codes == ord("@"))
    hash_signs = np.flatnonzero((codes == ord("#")) | (codes == ord("＃")))
    domains = np.concatenate([_occurs(codes, name) for name in (".com", ".org", ".net")])
    links = np.concatenate([_occurs(codes, "://"), _occurs(codes, "www."), domains[~wordlike[domains + _DIGIT_RUN]]])

    # Runs of digits, by where they begin and how long they are.
    digits = np.flatnonzero(kind & DIGIT)
    opens = np.diff(digits, prepend=-2) != 1
    begins = digits[opens]
    lengths = np.diff(np.append(np.flatnonzero(opens), len(digits)))
    four = begins[lengths == _DIGIT_RUN]
    century = 10 * (codes[four] & 0xF) + (codes[four + 1] & 0xF)  # Latin, Arabic and Persian digits end in their value
    separated = (begins[1:] == (begins + lengths)[:-1] + 1) & (lengths[:-1] <= 2) & (lengths[1:] == 2)
    hours = np.flatnonzero(separated)
    found = {
        "handles": at[wordlike[at + 1]],
        "hashtags": hash_signs[letter[hash_signs + 1]],
        "links": np.unique(links),
        "years": four[np.isin(century, (13, 14, 19, 20))],
        "clock": begins[hours][_CLOCK[np.minimum(codes[(begins + lengths)[hours]], 0xFFFF)]],
    }
    for name, pattern in (("post_link", POST_LINK), ("attribution", POST_ATTRIBUTION)):
        found[name] = np.array([match.start() for match in pattern.finditer(batch.joined)], np.int64)
    counts = {}
    for name, places in found.items():
        paragraph = np.searchsorted(batch.starts, places, side="right") - 1
        counts[name] = np.minimum(np.bincount(paragraph[paragraph >= 0], minlength=len(batch.starts)), 4).astype(float)
    return counts


def _occurs(codes: NDArray[np.uint32], literal: str) -> NDArray[np.int64]:
    """Return the places at which a literal begins."""
    places = np.flatnonzero(codes[: max(0, len(codes) - len(literal) + 1)] == ord(literal[0]))
    for offset, character in enumerate(literal[1:], 1):
        places = places[codes[places + offset] == ord(character)]
    return places


def _foreign(by_script: _Floats, segments: Segments) -> tuple[_Floats, _Floats]:
    """Share of letters not in the article's main script, and of Latin ones where the main script is another.

    `by_script` counts the letters of each script but "none", shape (paragraphs, len(SCRIPTS) - 1).
    """
    letters = np.maximum(1.0, by_script.sum(axis=1))
    main = segments.total(by_script).argmax(axis=1)
    main_share = by_script[np.arange(len(main)), main] / letters
    some = by_script.sum(axis=1) > 0
    latin = by_script[:, SCRIPTS.index("latin") - 1] / letters
    return np.where(some, 1.0 - main_share, 0.0), np.where(main != SCRIPTS.index("latin") - 1, latin, 0.0)


def _place(shape: dict[str, _Floats], segments: Segments) -> dict[str, _Floats]:
    length = np.expm1(shape["log_length"])
    total = np.maximum(1.0, segments.total(length))
    prose = (length >= PROSE_LENGTH) & (shape["ends_sentence"] > 0)
    prose_length = np.where(prose, length, 0.0)
    prose_mean = segments.total(prose_length) / np.maximum(1.0, segments.total(prose.astype(np.float64)))
    return {
        "index": np.log1p(segments.index),
        "index_back": np.log1p(segments.size - 1 - segments.index),
        "share_before": segments.index / np.maximum(1, segments.size - 1),
        "characters_before": segments.before(length) / total,
        "log_paragraphs": np.log1p(segments.size),
        "log_characters": np.log1p(total),
        "share_of_article": length / total,
        "length_to_long": np.minimum(length / np.maximum(30.0, prose_mean), 3.0),
        "prose_before": np.log1p(segments.before(prose.astype(np.float64))),
        "prose_after": np.log1p(segments.after(prose.astype(np.float64))),
        "since_prose": np.log1p(segments.since(prose)),
        "until_prose": np.log1p(segments.until(prose)),
        "cased": (segments.total(shape["upper"]) > 0).astype(np.float64),
    }
