"""What each code point is: look-up tables that turn a whole text into arrays in one step."""

import unicodedata
from functools import cache

import numpy as np
from numpy.typing import NDArray

CODE_POINTS = 0x110000

# Bits of `kinds()`.
WHITE = 1  # str.isspace
BREAK = 2  # ends a line, as in str.splitlines
LETTER = 4  # letters and the marks that belong to them
UPPER = 8
DIGIT = 16
PUNCTUATION = 32
SYMBOL = 64  # symbols, emoji among them
SOLO = 128  # a letter of a script written without spaces between words

SCRIPTS = (
    "none",
    "latin",
    "cyrillic",
    "greek",
    "arabic",
    "hebrew",
    "indic",
    "southeast",
    "hangul",
    "kana",
    "han",
    "other",
)
"""Names of the script numbers in `scripts()`, coarse on purpose: a script is a hint at a change of language."""

_SCRIPT_RANGES = (
    (0x41, 0x24F, "latin"),
    (0x370, 0x3FF, "greek"),
    (0x400, 0x52F, "cyrillic"),
    (0x530, 0x58F, "other"),
    (0x590, 0x5FF, "hebrew"),
    (0x600, 0x77F, "arabic"),
    (0x780, 0x8FF, "other"),
    (0x8A0, 0x8FF, "arabic"),
    (0x900, 0xDFF, "indic"),
    (0xE00, 0x109F, "southeast"),
    (0x10A0, 0x10FF, "other"),
    (0x1100, 0x11FF, "hangul"),
    (0x1200, 0x1779, "other"),
    (0x1780, 0x17FF, "southeast"),
    (0x1E00, 0x1EFF, "latin"),
    (0x1F00, 0x1FFF, "greek"),
    (0x2E80, 0x2FDF, "han"),
    (0x3040, 0x30FF, "kana"),
    (0x3130, 0x318F, "hangul"),
    (0x31F0, 0x31FF, "kana"),
    (0x3400, 0x9FFF, "han"),
    (0xAC00, 0xD7FF, "hangul"),
    (0xF900, 0xFAFF, "han"),
    (0xFB50, 0xFDFF, "arabic"),
    (0xFE70, 0xFEFE, "arabic"),
    (0xFF21, 0xFF5A, "latin"),
    (0x20000, 0x3FFFF, "han"),
)
_SOLO_SCRIPTS = ("southeast", "kana", "han")
_LINE_BREAKS = (0x0A, 0x0B, 0x0C, 0x0D, 0x1C, 0x1D, 0x1E, 0x85, 0x2028, 0x2029)
_FOLDED = {
    **dict.fromkeys("أإآٱ", "ا"),
    **dict.fromkeys("ىیے", "ي"),
    **dict.fromkeys("ةەہۀ", "ه"),
    "ک": "ك",
    **dict.fromkeys("“”„«»‟〝〞＂", '"'),
    **dict.fromkeys("‘’‚‛`´", "'"),
    **dict.fromkeys("‐‑‒–—―−", "-"),
    "：": ":",
    "｜": "|",
}


def code_points(text: str) -> NDArray[np.uint32]:
    """Return the code points of a text, shape (len(text),); lone surrogates stay as they are."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


@cache
def scripts() -> NDArray[np.uint8]:
    """Return the script number of every code point, an index into `SCRIPTS`; "none" for what is no letter."""
    table = np.zeros(CODE_POINTS, np.uint8)
    for first, last, name in _SCRIPT_RANGES:
        table[first : last + 1] = SCRIPTS.index(name)
    table[(kinds() & LETTER) == 0] = 0
    return table


@cache
def kinds() -> NDArray[np.uint8]:
    """Return the kind bits of every code point.

    The basic plane follows `unicodedata`; above it a few ranges are told apart (emoji, Han, letters),
    which keeps the table quick to build.
    """
    by_category = {
        "Lu": LETTER | UPPER,
        "Lt": LETTER | UPPER,
        **dict.fromkeys(("Ll", "Lm", "Lo", "Mn", "Mc", "Me"), LETTER),
        "Nd": DIGIT,
        **dict.fromkeys(("Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po"), PUNCTUATION),
        **dict.fromkeys(("Sm", "Sc", "Sk", "So"), SYMBOL),
    }
    table = np.zeros(CODE_POINTS, np.uint8)
    table[:0x10000] = [by_category.get(unicodedata.category(chr(code)), 0) for code in range(0x10000)]
    table[0x10000:0x40000] = LETTER
    table[0x1F000:0x1FB00] = SYMBOL
    white = [code for code in range(0x3001) if chr(code).isspace()]
    table[white] = WHITE
    table[list(_LINE_BREAKS)] = WHITE | BREAK
    for first, last, name in _SCRIPT_RANGES:
        if name in _SOLO_SCRIPTS:
            part = table[first : last + 1]
            part[(part & LETTER) != 0] |= SOLO
    return table


@cache
def folded() -> NDArray[np.uint32]:
    """Return what each code point counts as when wording is compared.

    Lower case; every digit is "0"; one form for the variants of Arabic letters, quotation marks and
    dashes; white space and invisible format characters are a space. One code point stays one.
    """
    table = np.arange(CODE_POINTS, dtype=np.uint32)
    lowered = [chr(code).lower() for code in range(0x10000)]
    table[:0x10000] = [ord(low) if len(low) == 1 else code for code, low in enumerate(lowered)]
    for variant, plain in _FOLDED.items():
        table[ord(variant)] = ord(plain)
    kind = kinds()
    table[(kind & DIGIT) != 0] = ord("0")
    table[(kind & WHITE) != 0] = ord(" ")
    table[[0xAD, 0xFEFF, *range(0x200E, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A)]] = ord(" ")
    return table
