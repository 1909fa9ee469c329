"""Features of paragraphs: finite, the same alone and in a batch, and each what its name says."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy
from numpy.typing import NDArray

from classifier.characters import DIGIT, LETTER, PUNCTUATION, SOLO, SYMBOL, UPPER, WHITE, kinds
from classifier.features import FEATURES, describe
from classifier.labels import LabelledArticle
from classifier.ngrams import find_words
from classifier.paragraphs import split_batch

STORY = (
    "Council approves new bus lanes",
    "The city council voted 14 to 9 on Tuesday for new bus lanes on the ring road around the harbour.",
    "Work on the bus lanes starts in June, the transport office said, and will last about nine months.",
    "Drivers on the ring road will have to wait, the council said, until the bus lanes are open.",
)
OTHER = (
    "Flour prices climb again",
    "Mills along the river waited for barges with wheat that low water held back for a third week.",
    "Bakers now sell smaller loaves, and some have begun baking with barley instead of wheat flour.",
    "Wheat barges are expected back when the water rises, the mills and the bakers hope.",
)


def rows_of(*texts: str) -> NDArray[np.float32]:
    """Return the features of all paragraphs of texts."""
    batch = split_batch(texts)
    return describe(batch, find_words(batch))


def column(text: str, name: str) -> list[float]:
    """Return one feature of all paragraphs of a text, rounded."""
    return [round(value, 3) for value in rows_of(text)[:, FEATURES.index(name)].tolist()]


def test_columns_have_names() -> None:
    """Every column has one name."""
    assert len(set(FEATURES)) == len(FEATURES)
    assert rows_of("a", "b\nc").shape == (3, len(FEATURES))


@given(data=st.data())
def test_features_are_finite(raw_text: SearchStrategy[str], data: DataObject) -> None:
    """Whatever is written, no feature is infinite or no number."""
    rows = rows_of(*data.draw(st.lists(raw_text, max_size=4)))
    assert np.isfinite(rows).all()


@given(data=st.data())
def test_an_article_has_the_same_features_in_any_batch(raw_text: SearchStrategy[str], data: DataObject) -> None:
    """No feature knows of another article."""
    texts = data.draw(st.lists(raw_text, min_size=1, max_size=4))
    np.testing.assert_allclose(rows_of(*texts), np.concatenate([rows_of(text) for text in texts]), atol=1e-4)


def plainly_counted(paragraph: str) -> dict[str, float]:
    """Return what is counted of a paragraph's characters, one character at a time."""
    kind = [int(kinds()[ord(character)]) for character in paragraph]
    length = len(paragraph)
    letters = sum(bool(bits & LETTER) for bits in kind)
    spaced = "".join(" " if bits & (SOLO | WHITE) else mark for mark, bits in zip(paragraph, kind, strict=True))
    return {
        "letters": letters / length,
        "digits": sum(bool(bits & DIGIT) for bits in kind) / length,
        "upper": sum(bool(bits & UPPER) for bits in kind) / max(1, letters),
        "punctuation": sum(bool(bits & PUNCTUATION) for bits in kind) / length,
        "symbols": min(5, sum(bool(bits & SYMBOL) for bits in kind)),
        "sentence_ends": math.log1p(sum(character in ".!?。！？؟۔।॥．…։።፧" for character in paragraph)),
        "commas": math.log1p(sum(character in ",،、，;；؛" for character in paragraph)),
        "brackets": math.log1p(sum(character in "()[]（）【】{}" for character in paragraph)),
        "hashtags": min(4, len(re.findall(r"[#＃](?=[^\W\d_])", paragraph))),
        "links": min(4, len({m.start() for m in re.finditer(r"://|www\.|\.(?:com|org|net)(?![^\W_])", paragraph)})),
        "longest_run": math.log1p(max(len(run) for run in spaced.split(" "))),
    }


@pytest.mark.parametrize(
    "text", ["see www.a.com, b.org and c.comic", "#tag #1 ＃標籤", "日本 abc.d e", "A (b) [c]; ٣ é\u0301"]
)
def test_counts_are_those_of_a_plain_loop(text: str) -> None:
    """Counting by tables over the whole batch gives what counting character by character gives."""
    expected = plainly_counted(text)
    assert {name: column(text, name) for name in expected} == {name: [round(n, 3)] for name, n in expected.items()}


def test_counts_of_seeds_are_those_of_a_plain_loop(few_seeds: list[LabelledArticle]) -> None:
    """The same on whole articles of many languages, in one batch."""
    batch = split_batch([article.text for article in few_seeds])
    rows = describe(batch, find_words(batch))
    expected = [plainly_counted(batch.joined[start:end]) for start, end in zip(batch.starts, batch.ends, strict=True)]
    for name in expected[0]:
        wanted = [row[name] for row in expected]
        np.testing.assert_allclose(rows[:, FEATURES.index(name)], wanted, atol=1e-4, err_msg=name)


def test_seeds_have_the_same_features_in_any_batch(few_seeds: list[LabelledArticle]) -> None:
    """The same holds for whole articles, one after another and in reverse."""
    texts = [article.text for article in few_seeds]
    together, reverse = rows_of(*texts), rows_of(*texts[::-1])
    alone = [rows_of(text) for text in texts]
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-4)
    np.testing.assert_allclose(reverse, np.concatenate(alone[::-1]), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("ends_colon", "Read also:\nسؤال:\n相关：\n12:30\nend: ", [1, 1, 1, 0, 1]),
        ("ends_sentence", "It is.\nIs it?\nهل؟\n是。\n“It is.”\nheadline\n(It is.)\nहै।", [1, 1, 1, 1, 1, 0, 1, 1]),
        ("ends_ellipsis", "more…\nmore...\nmore.\n.\nmore… »", [1, 1, 0, 0, 0]),
        ("ends_letter", "word\nكلمة\nword.\n2023\n词", [1, 1, 0, 0, 1]),
        ("starts_quote", '"Oh\n“Oh\n«Oh\n「Oh\nOh"', [1, 1, 1, 1, 0]),
        ("starts_dash", "- item\n— item\n• item\nitem - item", [1, 1, 1, 0]),
        ("starts_digit", "9 buses\n٩ حافلات\nbuses 9", [1, 1, 0]),
        ("starts_upper", "Bus\nbus\nÉtat\nقال", [1, 0, 1, 0]),
        ("starts_other", "#bus\nbus\n😀 bus\n9", [1, 0, 1, 0]),
        ("handles", "@a and @b\na@b.example\nat @ noon\n(@a)\n@a @b @c @d @e", [2, 1, 0, 1, 4]),
        ("hashtags", "#bus #بلدية\n#1\nno # tag\n＃市政府", [2, 0, 0, 1]),
        ("links", "https://a.example/b\nwww.a.example\na.com\nnone", [1, 1, 1, 0]),
        ("post_link", "pic.twitter.com/AbCdEfGh12\nt.co/short\nnone", [1, 0, 0]),
        ("attribution", "— A (@a) May 1, 2023\n— A (@a)\nMay 1, 2023", [1, 0, 0]),
        ("years", "2023\n١٩٤٥\n۱۴۰۲\n20234\n1023\n1999-2004", [1, 1, 1, 0, 0, 2]),
        ("clock", "12:30\n8.45\n18h30\n123:45\nnoon", [1, 1, 1, 0, 0]),
        ("digits", "1234\n12ab\nab\n١٢كم", [1, 0.5, 0, 0.5]),
        ("letters", "abcd\nab12\n1234", [1, 0.5, 0]),
        ("upper", "ABCD\nAbCd\nabcd\n12", [1, 0.5, 0, 0]),
        ("capitalised", "Bus Lane\nBus lane\nbus lane", [1, 0.5, 0]),
        ("punctuation", "....\na.b.\nab", [1, 0.5, 0]),
        ("symbols", "😀😀\na+b\nab\n" + "★" * 9, [2, 1, 0, 5]),
        ("foreign_script", "the story\nقال الوزير\nthe end\n2023", [0, 1, 0, 0]),
        ("foreign_script", "قال الوزير إن المدينة\nRead\nقال Read", [0, 1, 0.571]),
        ("latin_in_other", "قال الوزير إن المدينة\nRead", [0, 1]),
        ("latin_in_other", "the story\nقال", [0, 0]),
        ("repeats_earlier", "Share\nStory\nSHARE\nshare\nOther", [0, 0, 1, 1, 0]),
        ("repeated_later", "Share\nStory\nSHARE\nshare\nOther", [1, 0, 1, 0, 0]),
        ("repeats_earlier", "9 May\n8 May\nab\nba", [0, 1, 0, 0]),
        ("glued_before", "one   two\nthree", [0, 1, 0]),
        ("glued_behind", "one   two\nthree", [1, 0, 0]),
        ("cased", "قال\nالوزير", [0, 0]),
        ("cased", "Bus\nlane", [1, 1]),
        ("share_before", "a\nb\nc", [0, 0.5, 1]),
        ("share_before", "a", [0]),
    ],
)
def test_columns_are_what_they_are_called(name: str, text: str, expected: list[float]) -> None:
    """Each line has the value one reads off it."""
    assert column(text, name) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "expected"), [("index", [0, 1, 2, 3]), ("index_back", [3, 2, 1, 0]), ("log_paragraphs", [4, 4, 4, 4])]
)
def test_places_are_counted_from_both_ends(name: str, expected: list[int]) -> None:
    """They are told as logarithms."""
    assert column("a\nb\nc\nd", name) == pytest.approx(np.log1p(expected), abs=1e-3)


@pytest.mark.parametrize("name", ["seen_before", "ties_before", "near_ties"])
def test_likeness_drops_where_another_story_begins(name: str) -> None:
    """Words tie a story together, and few cross to the story appended to it."""
    values = column("\n".join(STORY + OTHER), name)
    assert min(values[2 : len(STORY)]) > values[len(STORY)]


def test_the_turn_of_the_topic_is_where_the_ties_are_fewest() -> None:
    """The gap before an appended story is the loosest of the page."""
    ties = column("\n".join(STORY + OTHER), "ties_before")
    assert int(np.argmin(ties)) == len(STORY)


@pytest.mark.parametrize("text", ["", " \n "])
def test_nothing_has_no_rows(text: str) -> None:
    """An empty batch is no error."""
    assert rows_of(text).shape == rows_of().shape == (0, len(FEATURES))
