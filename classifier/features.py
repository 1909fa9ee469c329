"""What a paragraph is like and how it stands in its article, as one row of numbers for each paragraph.

`FEATURES` lists the columns. None of them knows a word of any language, so they carry over to languages no seed is
written in; wording is the business of `ngrams`, and likeness to the rest of the article that of `likeness`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifier.characters import DIGIT, LETTER, PUNCTUATION, SCRIPTS, SOLO, SYMBOL, UPPER, kinds, scripts
from classifier.likeness import LIKENESS, NO_COMMON_STEMS, CommonStems, likeness
from classifier.ngrams import Words
from classifier.paragraphs import POST_ATTRIBUTION, POST_LINK, TextBatch
from classifier.segments import Segments

SHAPE = (
    "log_length", "log_words", "word_length", "letters", "digits", "upper", "capitalised", "punctuation",
    "symbols", "sentence_ends", "commas", "ends_sentence", "ends_colon", "ends_ellipsis", "ends_letter",
    "starts_quote", "starts_dash", "starts_digit", "starts_upper", "starts_other", "quotes", "brackets",
    "separators", "handles", "hashtags", "links", "post_link", "attribution", "years", "clock",
    "foreign_script", "latin_in_other", "glued_before", "glued_behind",
)  # fmt: skip
PLACE = (
    "index", "index_back", "share_before", "characters_before", "log_paragraphs", "log_characters",
    "share_of_article", "length_to_long", "prose_before", "prose_after", "since_prose", "until_prose", "cased",
)  # fmt: skip
FEATURES: tuple[str, ...] = SHAPE + PLACE + LIKENESS

PROSE_LENGTH = 70
"""Code points from which a paragraph that ends like a sentence counts as prose."""


_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Counts:
    """Counts masked characters in paragraphs."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def __call__(self, mask: NDArray[np.bool_]) -> _Floats:
        total = np.zeros(len(mask) + 1, np.int64)
        np.cumsum(mask, out=total[1:])
        return (total[self.ends] - total[self.starts]).astype(np.float64)


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


def describe(batch: TextBatch, words: Words, common: CommonStems = NO_COMMON_STEMS) -> NDArray[np.float32]:
    """Return the dense features of all paragraphs of a batch, shape (paragraphs, len(FEATURES))."""
    segments = Segments(batch.bounds)
    shape = _shape(batch, words, segments)
    columns = {**shape, **_place(shape, segments), **likeness(batch, words, segments, common)}
    return np.column_stack([columns[name] for name in FEATURES]).astype(np.float32)


def _shape(batch: TextBatch, words: Words, segments: Segments) -> dict[str, _Floats]:
    codes, starts, ends = batch.codes, batch.starts, batch.ends
    small = np.minimum(codes, 0xFFFF)
    kind = kinds()[codes]
    count = _Counts(starts, ends)
    length = np.maximum(1.0, (ends - starts).astype(np.float64))
    letters = count((kind & LETTER) != 0)
    some_letters = np.maximum(1.0, letters)
    word_count = np.bincount(words.paragraph, minlength=len(starts)).astype(np.float64)
    solo = count((kind & SOLO) != 0)
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

    foreign, latin = _foreign(batch, count, segments)
    same_line = np.zeros(len(starts) + 1, bool)
    same_line[1:-1] = (batch.line[1:] == batch.line[:-1]) & (batch.article[1:] == batch.article[:-1])
    flags = _pattern_counts(batch, count, kind)
    return {
        "log_length": np.log1p(length - solo + 2.2 * solo),
        "log_words": np.log1p(word_count - solo + solo / 1.7),
        "word_length": np.minimum(np.where(solo * 2 > letters, 5.0, letters / some_words), 15.0),
        "letters": letters / length,
        "digits": count((kind & DIGIT) != 0) / length,
        "upper": count((kind & UPPER) != 0) / some_letters,
        "capitalised": capital_words / some_words,
        "punctuation": count((kind & PUNCTUATION) != 0) / length,
        "symbols": np.minimum(count((kind & SYMBOL) != 0), 5.0),
        "sentence_ends": np.log1p(count(_SENTENCE_END[small])),
        "commas": np.log1p(count(_COMMAS[small])),
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
        "quotes": np.log1p(count(_QUOTES[small])),
        "brackets": np.log1p(count(_BRACKETS[small])),
        "separators": np.log1p(count(_SEPARATORS[small])),
        **flags,
        "foreign_script": foreign,
        "latin_in_other": latin,
        "glued_before": same_line[:-1].astype(np.float64),
        "glued_behind": same_line[1:].astype(np.float64),
    }


_DIGIT_RUN = 4  # digits of a year


def _pattern_counts(batch: TextBatch, count: _Counts, kind: NDArray[np.uint8]) -> dict[str, _Floats]:
    """Count handles, hashtags, links, years and times of day, at most 4 of each a paragraph."""
    codes = batch.codes
    letter, digit = (kind & LETTER) != 0, (kind & DIGIT) != 0
    word_next = np.append((letter | digit)[1:], False)
    domain_end = np.append(~(letter | digit)[_DIGIT_RUN:], np.ones(_DIGIT_RUN, bool))[: len(codes)]
    domain = np.logical_or.reduce([_occurs(codes, name) for name in (".com", ".org", ".net")]) & domain_end

    # Runs of digits, by where they begin and how long they are.
    begins = np.flatnonzero(digit & ~np.append(False, digit[:-1]))
    lengths = np.flatnonzero(digit & ~np.append(digit[1:], False)) + 1 - begins
    four = begins[lengths == _DIGIT_RUN]
    century = 10 * (codes[four] & 0xF) + (codes[four + 1] & 0xF)  # Latin, Arabic and Persian digits end in their value
    years = np.zeros(len(codes), bool)
    years[four[np.isin(century, (13, 14, 19, 20))]] = True
    clock = np.zeros(len(codes), bool)
    separated = (begins[1:] == (begins + lengths)[:-1] + 1) & (lengths[:-1] <= 2) & (lengths[1:] == 2)
    hours = np.flatnonzero(separated)
    clock[begins[hours][_CLOCK[np.minimum(codes[(begins + lengths)[hours]], 0xFFFF)]]] = True
    found = {
        "handles": count((codes == ord("@")) & word_next),
        "hashtags": count(((codes == ord("#")) | (codes == ord("＃"))) & np.append(letter[1:], False)),
        "links": count(_occurs(codes, "://") | _occurs(codes, "www.") | domain),
        "years": count(years),
        "clock": count(clock),
    }
    for name, pattern in (("post_link", POST_LINK), ("attribution", POST_ATTRIBUTION)):
        places = np.array([match.start() for match in pattern.finditer(batch.joined)], np.int64)
        paragraph = np.searchsorted(batch.starts, places, side="right") - 1
        found[name] = np.bincount(paragraph[paragraph >= 0], minlength=len(batch.starts)).astype(np.float64)
    return {name: np.minimum(counts, 4.0) for name, counts in found.items()}


def _occurs(codes: NDArray[np.uint32], literal: str) -> NDArray[np.bool_]:
    """Tell at which code points a literal begins."""
    found = np.zeros(len(codes), bool)
    places = np.flatnonzero(codes[: max(0, len(codes) - len(literal) + 1)] == ord(literal[0]))
    for offset, character in enumerate(literal[1:], 1):
        places = places[codes[places + offset] == ord(character)]
    found[places] = True
    return found


def _foreign(batch: TextBatch, count: _Counts, segments: Segments) -> tuple[_Floats, _Floats]:
    """Share of letters not in the article's main script, and of Latin ones where the main script is another."""
    script = scripts()[batch.codes]
    by_script = np.column_stack([count(script == number) for number in range(1, len(SCRIPTS))])
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
