"""Words and hashed n-grams of paragraphs."""

import unicodedata

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy

from classifier.characters import SOLO, folded, kinds
from classifier.ngrams import BITS, HEAD, TAIL, NGrams, find_ngrams, find_words, mix
from classifier.paragraphs import TextBatch, split_batch, split_paragraphs

HALF = 2**BITS // 2  # character n-grams fall below, those of words from here on

# Characters of the basic plane, where the tables follow unicodedata, from many scripts.
MULTILINGUAL = st.lists(
    st.one_of(
        st.sampled_from(
            ["الوزير", "وقال", "council", "Rat", "市长", "日", "កម្ពុជា", "นายก", "한국", "2023", "٣", "कि", "n’t"]
        ),
        st.sampled_from([" ", "-", ".", ":", "\n", "@", "_", "\u200c", "\xad", " — A (@a) May 1, 2023", "   "]),
        st.characters(max_codepoint=0xFFFF),
    ),
    max_size=20,
).map("".join)


def is_inside(character: str) -> bool:
    """Tell whether a character is part of a word: a letter, a mark or a digit."""
    return unicodedata.category(character)[0] in "LM" or unicodedata.category(character) == "Nd"


def words_of(paragraph: str) -> list[tuple[int, int]]:
    """Return the words of a paragraph in plain Python."""
    words: list[tuple[int, int]] = []
    alone = True
    for place, character in enumerate(paragraph):
        if not is_inside(character):
            alone = True
            continue
        solo = bool(kinds()[ord(character)] & SOLO)
        if alone or solo:
            words.append((place, place + 1))
        else:
            words[-1] = (words[-1][0], place + 1)
        alone = solo
    return words


def ngrams_of(batch: TextBatch) -> NGrams:
    """Return the n-grams of a batch."""
    return find_ngrams(batch, find_words(batch))


def buckets_of(text: str, paragraph: int) -> list[int]:
    """Return the buckets of one paragraph of a text, in order."""
    found = ngrams_of(split_batch([text]))
    return sorted(found.buckets[found.paragraph == paragraph].tolist())


@given(texts=st.lists(MULTILINGUAL, max_size=4))
def test_words_are_those_a_plain_loop_finds(texts: list[str]) -> None:
    """A word is a run of letters, marks and digits, or one letter of a script without spaces, of one paragraph."""
    batch = split_batch(texts)
    words = find_words(batch)
    expected = [
        (start + first, start + last, number)
        for number, (start, end) in enumerate(zip(batch.starts.tolist(), batch.ends.tolist(), strict=True))
        for first, last in words_of(batch.joined[start:end])
    ]
    assert list(zip(words.starts.tolist(), words.ends.tolist(), words.paragraph.tolist(), strict=True)) == expected


@given(text=MULTILINGUAL)
def test_words_have_one_hash_if_they_fold_alike(text: str) -> None:
    """Words that fold alike have the same hash, and others another one."""
    batch = split_batch([text])
    words = find_words(batch)
    forms = [
        tuple(folded()[batch.codes[start:end]].tolist()) for start, end in zip(words.starts, words.ends, strict=True)
    ]
    hashes = words.hashes.tolist()
    assert len(set(zip(forms, hashes, strict=True))) == len(set(forms)) == len(set(hashes))


@pytest.mark.parametrize(
    ("left", "right"),
    [("Council", "COUNCIL"), ("إعلان", "اعلان"), ("مدرسة", "مدرسه"), ("2023", "١٩٤٥"), ("“Oh", '"oh'), ("A–B", "a-b")],
)
def test_wording_is_compared_folded(left: str, right: str) -> None:
    """Case, digits, letter variants, quotation marks and dashes make no difference."""
    assert buckets_of(left, 0) == buckets_of(right, 0)


@given(data=st.data())
def test_ngrams_are_in_range_and_every_paragraph_has_some(raw_text: SearchStrategy[str], data: DataObject) -> None:
    """Every paragraph has n-grams of characters, and those with words have some of words."""
    batch = split_batch(data.draw(st.lists(raw_text, max_size=4)))
    found = ngrams_of(batch)
    pairs = list(zip(found.paragraph.tolist(), found.buckets.tolist(), strict=True))
    assert all(0 <= bucket < 2**BITS for _, bucket in pairs)
    assert {paragraph for paragraph, bucket in pairs if bucket < HALF} == set(range(len(batch.starts)))
    words = find_words(batch)
    with_words = set(words.paragraph.tolist())
    assert {paragraph for paragraph, bucket in pairs if bucket >= HALF} == with_words


@given(data=st.data())
def test_a_paragraph_has_the_same_ngrams_wherever_it_stands(raw_text: SearchStrategy[str], data: DataObject) -> None:
    """What stands before and behind a paragraph, on its line or in another article, changes none of its n-grams."""
    batch = split_batch(data.draw(st.lists(raw_text, min_size=1, max_size=3)))
    assume(len(batch.starts))
    found = ngrams_of(batch)
    for number, (start, end) in enumerate(zip(batch.starts.tolist(), batch.ends.tolist(), strict=True)):
        paragraph = batch.joined[start:end]
        if len(split_paragraphs(paragraph)) == 1:  # a part of a long line may be cut anew
            assert sorted(found.buckets[found.paragraph == number].tolist()) == buckets_of(paragraph, 0)


@pytest.mark.parametrize(
    ("paragraph", "behind"),
    [
        ("See", "\nnext"),
        ("See", "\n: next"),
        ("See", "   : next"),
        ("See", "\n:"),
        ("See", "\n\n\n9"),
        ("t.co/AbCdEfGh12", ": next"),
        ("— A (@a) 1 May 2023", ": next"),
        ("— A (@a) 1 May 2023", "0 buses"),
    ],
)
def test_what_stands_behind_a_paragraph_changes_nothing(paragraph: str, behind: str) -> None:
    """A colon or a digit at the head of the next paragraph is not this one's."""
    assert buckets_of(f"{paragraph}{behind}", 0) == buckets_of(paragraph, 0)


@pytest.mark.parametrize(
    ("text", "character_grams"),
    [
        ("a", 3),  # ^a a$ ^a$
        ("ab", 6),  # ^a ab b$ ^ab ab$ ^ab$
        ("aaaa", 5 + 4 + 3),  # ^a aa aa aa a$, ^aa aaa aaa aa$, ^aaa aaaa aaa$
        ("…", 3),
    ],
)
def test_character_ngrams_see_where_a_paragraph_begins_and_ends(text: str, character_grams: int) -> None:
    """Two to four characters make an n-gram, the edges among them."""
    assert sum(bucket < HALF for bucket in buckets_of(text, 0)) == character_grams


@given(middle=st.text(st.characters(categories=["Ll", "Lo"], max_codepoint=0xFFFF), min_size=8, max_size=40))
@example(middle="a" * 8)
def test_character_ngrams_leave_out_the_middle(middle: str) -> None:
    """Of a long paragraph only its first and last characters count."""
    texts = ["h" * HEAD + part + "t" * TAIL for part in (middle, "x" * 8)]
    one, other = [[bucket for bucket in buckets_of(text, 0) if bucket < HALF] for text in texts]
    assert one == other


@pytest.mark.parametrize("texts", [[], [""], [" \n", "\u3000"]])
def test_nothing_has_no_words_and_no_ngrams(texts: list[str]) -> None:
    """An empty batch gives empty arrays."""
    batch = split_batch(texts)
    words, found = find_words(batch), ngrams_of(batch)
    sizes = [len(words.hashes), len(words.starts), len(words.ends), len(words.paragraph), len(found.buckets)]
    assert sizes == [0, 0, 0, 0, 0]


def test_paragraphs_without_words_have_character_ngrams_only() -> None:
    """Punctuation and emoji have no words, and that is no error."""
    found = ngrams_of(split_batch(["—\n😀 …"]))
    assert set(found.paragraph.tolist()) == {0, 1}
    assert int(found.buckets.max()) < HALF


def test_mixing_scatters_and_another_salt_scatters_otherwise() -> None:
    """Neighbouring values differ in about half of their bits, and no two values become one."""
    values = np.arange(10_000, dtype=np.uint64)
    mixed = mix(values)
    assert len(np.unique(mixed)) == len(values)
    assert not np.any(mix(values, salt=1) == mixed)
    flipped = np.bitwise_count(mixed[1:] ^ mixed[:-1])
    assert flipped.mean() == pytest.approx(32, abs=1)
