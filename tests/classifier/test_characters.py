"""Look-up tables of code points, against what Python says of each."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy

from classifier.characters import (
    BREAK,
    CODE_POINTS,
    DIGIT,
    LETTER,
    PUNCTUATION,
    SCRIPTS,
    SOLO,
    SYMBOL,
    UPPER,
    WHITE,
    code_points,
    folded,
    kinds,
    scripts,
)


def test_white_is_what_python_calls_white() -> None:
    """The WHITE bit of every code point is str.isspace."""
    expected = np.array([chr(code).isspace() for code in range(CODE_POINTS)])
    assert np.flatnonzero(((kinds() & WHITE) != 0) != expected).tolist() == []


def test_breaks_are_where_python_splits_lines() -> None:
    """The BREAK bit of every code point says whether str.splitlines splits there."""
    expected = np.array([len(f"a{chr(code)}b".splitlines()) == 2 for code in range(CODE_POINTS)])
    assert np.flatnonzero(((kinds() & BREAK) != 0) != expected).tolist() == []


@pytest.mark.parametrize(
    ("characters", "bits"),
    [
        ("azßяعक日กが한", LETTER),
        ("AÉЯΩ", LETTER | UPPER),
        ("日กがကខ", LETTER | SOLO),
        ("09٣۳३", DIGIT),
        (".,،؛。()«»—'\"@#", PUNCTUATION),
        ("+€^©😀", SYMBOL),
        (" \t\xa0\u3000", WHITE),
        ("\n\r\u2028\x85", WHITE | BREAK),
    ],
)
def test_kinds_of_characters(characters: str, bits: int) -> None:
    """Characters of many scripts have the bits one expects."""
    assert {character: int(kinds()[ord(character)]) & bits for character in characters} == dict.fromkeys(
        characters, bits
    )


@pytest.mark.parametrize(
    ("characters", "script"),
    [
        ("azÉß", "latin"),
        ("жЯ", "cyrillic"),
        ("Ωλ", "greek"),
        ("عپچﷲ", "arabic"),
        ("שא", "hebrew"),
        ("कবத", "indic"),
        ("กခខ", "southeast"),
        ("한ㄱ", "hangul"),
        ("がカ", "kana"),
        ("日漢𠀀", "han"),
        ("ხհ", "other"),
        ("1.,٣ \n😀", "none"),
    ],
)
def test_scripts_of_characters(characters: str, script: str) -> None:
    """Letters have their script, and what is no letter has none."""
    assert {SCRIPTS[scripts()[ord(character)]] for character in characters} == {script}


@pytest.mark.parametrize(
    ("variants", "plain"),
    [
        ("أإآٱا", "ا"),
        ("ىیےي", "ي"),
        ("ةەہۀه", "ه"),
        ("کك", "ك"),
        ('“”„«»"', '"'),
        ("‘’`´'", "'"),
        ("‐–—−-", "-"),
        ("：:", ":"),
        ("｜|", "|"),
        ("Aa", "a"),
        ("ЯЯя", "я"),
        ("Ａａ", "ａ"),
        ("07٣۳३๓", "0"),
        (" \t\n\xa0\u3000\u2028", " "),
        ("\xad\ufeff\u200e\u200f\u202b\u2066", " "),
        ("İ", "İ"),
        ("日", "日"),
        ("\ud800", "\ud800"),
    ],
)
def test_folding_gives_variants_one_form(variants: str, plain: str) -> None:
    """Variants of a character count as the same one."""
    assert {int(folded()[ord(variant)]) for variant in variants} == {ord(plain)}


def test_folding_keeps_one_code_point_one_and_folds_once() -> None:
    """Every code point has one folded form, itself a code point, and folding again changes nothing."""
    table = folded()
    assert table.shape == (CODE_POINTS,)
    assert int(table.max()) < CODE_POINTS
    assert np.flatnonzero(table[table] != table).tolist() == []


@given(data=st.data())
def test_code_points_are_those_of_the_text(any_text: SearchStrategy[str], data: DataObject) -> None:
    """There is one number for each character, lone surrogates and pairs of them as they stand."""
    text = data.draw(any_text)
    assert code_points(text).tolist() == [ord(character) for character in text]


@pytest.mark.parametrize("text", ["", "\ud83d\ude00", "😀", "\udfff", "a\x00b"])
def test_code_points_of_odd_texts(text: str) -> None:
    """Nothing is joined, dropped or refused."""
    assert code_points(text).tolist() == [ord(character) for character in text]
