"""What a paragraph is like and how it stands in its article, as one row of numbers for each paragraph.

`FEATURES` lists the columns. None of them knows a word of any language, so they carry over to languages no seed is
written in; wording is the business of `ngrams`. The likeness columns are lexical cohesion in the sense of TextTiling
(Hearst, 1997): a word that returns ties the paragraphs between its two places together, and where few ties cross, the
topic turns.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifier.characters import DIGIT, LETTER, PUNCTUATION, SCRIPTS, SOLO, SYMBOL, UPPER, folded, kinds, scripts
from classifier.ngrams import Words, mix
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
LIKENESS = (
    "seen_before", "seen_after", "seen_opening", "seen_headline", "headline_here", "new_words", "ties_before",
    "ties_behind", "break_so_far", "break_ahead", "side_of_break", "depth_of_break", "rest_known",
    "past_returns", "near_ties", "rest_opening", "cut", "cut_past", "cut_rest", "repeats_earlier",
    "repeated_later",
)  # fmt: skip
FEATURES: tuple[str, ...] = SHAPE + PLACE + LIKENESS

_PROSE = 70  # code points from which a paragraph that ends like a sentence counts as prose
_OPENING = 4  # paragraphs that count as the opening
_NEAR = 4  # paragraphs over which a word that returns counts as a near tie
_RARE = 300.0  # paragraphs of which a rare stem stands in one
_STEM = 6  # code points of a word that are compared: endings differ
_ARTICLE_PREFIXES = np.array([ord(c) for c in "وفبلك"], np.uint32)

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
        place = np.minimum(np.searchsorted(self.hashes, stems), len(self.hashes) - 1)
        return np.where(self.hashes[place] == stems, self.rarity[place], np.float32(1.0))


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


def describe(batch: TextBatch, words: Words, common: CommonStems = NO_COMMON_STEMS) -> NDArray[np.float32]:
    """Return the dense features of all paragraphs of a batch, shape (paragraphs, len(FEATURES))."""
    segments = Segments(batch.bounds)
    shape = _shape(batch, words, segments)
    columns = {**shape, **_place(shape, segments), **_likeness(batch, words, segments, common)}
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
    prose = (length >= _PROSE) & (shape["ends_sentence"] > 0)
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


def _likeness(batch: TextBatch, words: Words, segments: Segments, common: CommonStems) -> dict[str, _Floats]:
    rows = segments.rows
    stems, paragraph = _stems(batch, words)
    # One key sorts words of an article together and, within a word, the paragraphs it stands in.
    of_article = mix(stems + batch.article[paragraph].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15), salt=21)
    keys, kept = np.unique((of_article & ~np.uint64(0xFFFFFF)) | paragraph.astype(np.uint64), return_index=True)
    word, place = keys >> np.uint64(24), (keys & np.uint64(0xFFFFFF)).astype(np.int64)
    new = np.diff(word, prepend=word[:1] + np.uint64(1)) != 0
    new |= np.diff(batch.article[place], prepend=-1) != 0  # should hashes of two articles ever agree
    first_of_word = np.flatnonzero(new)
    group = np.cumsum(new) - 1
    spread = np.diff(np.append(first_of_word, len(word)))[group].astype(np.float64)
    size = segments.size[place].astype(np.float64)
    weight = np.log1p(size / spread) * common(
        stems[kept]
    )  # nor does a word tie that is in most paragraphs of its article

    def summed(values: _Floats, mask: NDArray[np.bool_] | slice = slice(None)) -> _Floats:
        return np.bincount(place[mask], values[mask], minlength=rows).astype(np.float64)

    def sum_by(mask: NDArray[np.bool_]) -> _Floats:
        return summed(weight, mask)

    total = np.maximum(1e-9, sum_by(np.ones(len(word), bool)))
    index = segments.index
    earliest = index[place[first_of_word]][group] if len(word) else place
    again = ~new
    followed = np.append(again[1:], False)[: len(again)]
    in_headline = (earliest == 0) & again
    headline_total = np.maximum(1e-9, segments.first(total))

    # Ties across the gap before each paragraph: a word's neighbouring places tie all gaps between them.
    left, right = place[:-1][again[1:]], place[1:][again[1:]]
    tie = weight[1:][again[1:]] / (1.0 + 0.15 * (right - left - 1))
    change = (
        np.bincount(left + 1, tie, minlength=rows + 1) - np.bincount(right + 1, tie, minlength=rows + 2)[: rows + 1]
        if len(left)
        else np.zeros(rows + 1)
    )
    crossing = np.maximum(0.0, np.cumsum(change)[:rows])
    mass_before = segments.before(np.where(total > 1e-9, total, 0.0))
    mass_after = segments.total(np.where(total > 1e-9, total, 0.0)) - mass_before
    ties = crossing / np.maximum(1.0, np.minimum(np.minimum(mass_before, mass_after), 120.0))
    ties = np.where(index == 0, 1.0, np.minimum(ties, 2.0) / 2.0)
    looseness = 1.0 - ties  # between 0 and 1, highest where the topic turns
    inner = np.where((mass_before > 25.0) & (mass_after > 25.0), looseness, 0.0)
    so_far = segments.running_max(inner)
    ahead = segments.running_max_back(segments.shift(inner, 1))
    highest = np.maximum(so_far, ahead)

    # Vocabulary on both sides of the gap before each paragraph: words met so far, words to come, words that cross.
    last_of_word = np.append(first_of_word[1:], len(word))[: len(first_of_word)] - 1
    begins, stops, of_word = place[first_of_word], place[last_of_word], weight[first_of_word]
    met = segments.before(np.bincount(begins, of_word, minlength=rows).astype(np.float64))
    done = segments.before(np.bincount(stops, of_word, minlength=rows).astype(np.float64))
    vocabulary = segments.total(np.bincount(begins, of_word, minlength=rows).astype(np.float64))
    crossing_words = met - done
    rest_known = crossing_words / np.maximum(1.0, vocabulary - done)
    past_returns = crossing_words / np.maximum(1.0, met)
    near = right - left <= _NEAR
    change = (
        np.bincount(left[near] + 1, tie[near], minlength=rows + 1)
        - np.bincount(right[near] + 1, tie[near], minlength=rows + 2)[: rows + 1]
    )
    mass = np.where(total > 1e-9, total, 0.0)
    nearby = sum(segments.shift(mass, by) for by in range(-_NEAR, _NEAR))
    near_ties = np.maximum(0.0, np.cumsum(change)[:rows]) / np.maximum(1.0, nearby)
    opening = sum_by(again & (earliest < _OPENING))
    rest = segments.after(mass) + mass
    rest_opening = (segments.after(opening) + opening) / np.maximum(1.0, rest)

    # Likeness across the gap against likeness within either side, over all pairs of paragraphs that share a word:
    # a normalised cut (Shi & Malik, 2000; on text, Malioutov & Barzilay, 2006).
    rank = np.arange(len(word)) - first_of_word[group]
    pairs_past = segments.before(summed(weight * rank))
    later = summed(weight * (spread - 1 - rank))
    pairs_rest = segments.after(later) + later
    across = np.maximum(0.0, segments.total(later) - pairs_past - pairs_rest)
    mass_rest = segments.after(mass) + mass
    square_past = segments.before(mass**2)
    room_past = np.maximum(0.0, mass_before**2 - square_past) / 2
    room_rest = np.maximum(0.0, mass_rest**2 - (segments.total(mass**2) - square_past)) / 2
    density = (across + 0.5) / (mass_before * mass_rest + 50.0)

    def cut(pairs: _Floats, room: _Floats) -> _Floats:
        return np.asarray(np.clip(np.log(density) - np.log((pairs + 0.5) / (room + 50.0)), -5.0, 5.0))

    hashes = _paragraph_hashes(batch)
    order = np.lexsort((np.arange(rows), hashes, batch.article))
    same = np.zeros(rows + 1, bool)
    same[1:-1] = (hashes[order][1:] == hashes[order][:-1]) & (batch.article[order][1:] == batch.article[order][:-1])
    repeats, repeated = np.zeros(rows), np.zeros(rows)
    repeats[order], repeated[order] = same[:-1], same[1:]
    return {
        "seen_before": sum_by(again) / total,
        "seen_after": sum_by(followed) / total,
        "seen_opening": sum_by(again & (earliest < _OPENING)) / total,
        "seen_headline": sum_by(in_headline) / total,
        "headline_here": sum_by(in_headline) / headline_total,
        "new_words": np.log1p(sum_by(new) / 3.0),
        "ties_before": ties,
        "ties_behind": segments.shift(ties, 1, fill=1.0),
        "break_so_far": so_far,
        "break_ahead": ahead,
        "side_of_break": so_far - ahead,
        "depth_of_break": highest
        - segments.total(inner) / np.maximum(1.0, segments.total((inner > 0).astype(np.float64))),
        "rest_known": rest_known,
        "past_returns": past_returns,
        "near_ties": near_ties,
        "rest_opening": rest_opening,
        "cut": cut(pairs_past + pairs_rest, room_past + room_rest),
        "cut_past": cut(pairs_past, room_past),
        "cut_rest": cut(pairs_rest, room_rest),
        "repeats_earlier": repeats,
        "repeated_later": repeated,
    }


def _stems(batch: TextBatch, words: Words) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Hash what of each word is compared: its beginning, in Arabic without the article; pairs of solo letters; no
    short words.
    """
    text = folded()[batch.codes]
    kind = kinds()[batch.codes]
    alef, lam = np.uint32(ord("ا")), np.uint32(ord("ل"))
    padded = np.concatenate([text, np.zeros(_STEM + 4, np.uint32)])
    starts = words.starts
    has_article = (padded[starts] == alef) & (padded[starts + 1] == lam)
    has_prefix = np.isin(padded[starts], _ARTICLE_PREFIXES) & (padded[starts + 1] == alef) & (padded[starts + 2] == lam)
    starts = starts + np.where(has_article, 2, np.where(has_prefix, 3, 0))
    length = words.ends - starts
    solo = (kind[words.starts] & SOLO) != 0
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


def _paragraph_hashes(batch: TextBatch) -> NDArray[np.uint64]:
    """Hash the folded characters of each paragraph, for finding repeats."""
    if not len(batch.starts):
        return np.zeros(0, np.uint64)
    lengths = batch.ends - batch.starts
    owner = np.repeat(np.arange(len(lengths)), lengths)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    symbols = folded()[batch.codes[batch.starts[owner] + within]].astype(np.uint64)
    terms = mix(symbols + mix(within.astype(np.uint64), salt=5), salt=6)
    return np.add.reduceat(terms, np.cumsum(lengths) - lengths)
