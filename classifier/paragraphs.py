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

from classifier.characters import BREAK, WHITE, code_points, folded, kinds

LONG_LINE = 1000
"""Code points from which a line is cut into sentences; of single real paragraphs one in a hundred is longer."""

LONG_POST_LINE = 280
"""The same for a line in which the text of a post ends: longer than a post, so more than the post stands in it."""

WIDE_GAP = 3
"""White characters in a row, within a line, from which they stand for a lost line break."""

_MONTH = r"[^\W\d_][^\s\d()@]{0,15}"
_DATES = (
    rf"{_MONTH}[ \xa0]{{1,2}}\d{{1,2}}(?:st|nd|rd|th)?[,،、]?[ \xa0]\d{{4}}",  # September 19, 2023
    rf"\d{{1,2}}(?:st|nd|rd|th|\.|er|º|ª)?,?[ \xa0](?:(?:de|di|du|tháng|of)[ \xa0])?(?:{_MONTH}|\d{{1,2}})[,،.]?[ \xa0]"
    r"(?:(?:de|del)[ \xa0])?\d{4}(?:[ \xa0](?:г|р)\.|\.)?",  # 19 de septiembre de 2023, 19. September 2023
    r"\d{4}[ \xa0]?[年년][ \xa0]?\d{1,2}[ \xa0]?[月월][ \xa0]?\d{1,2}[ \xa0]?[日일]",  # 2023年9月19日
    r"\d{4}\.?[ \xa0](?:m\.|gada)?[ \xa0]?(?:\d{1,2}\.[ \xa0])?[a-zß-öø-ÿāčēėęģīįķļņšųūžőű]{2,16}"
    r"(?:[ \xa0]\d{1,2}\.?(?:[ \xa0]d\.)?)?",  # 2023. szeptember 19., 2023. gada 19. septembris
    r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}",  # 19/09/2023
)
_DATE = f"(?:{'|'.join(_DATES)})"
# Both begin with a literal, which a scan finds at once; what stands before it is looked at only there.
POST_ATTRIBUTION = re.compile(rf"\(@\w{{1,30}}\)[\u200e\u200f\u202a-\u202e\u2066-\u2069]*[ \xa0]?{_DATE}")
POST_LINK = re.compile(r"\.co(?:(?<=\bt\.co)|m(?<=\bpic\.twitter\.com)|m(?<=\bpic\.x\.com))/[A-Za-z0-9]{10}")
_NEXT_LINK = r"\s*(?:https?://)?(?:t\.co|pic\.twitter\.com|pic\.x\.com)/[A-Za-z0-9]{10}"
_POST_END = re.compile(rf"{POST_ATTRIBUTION.pattern}|{POST_LINK.pattern}(?:{_NEXT_LINK})*")
_MARKERS = (
    "اقرأ أيضا", "اقرأ أيضاً", "اقرأ أيضًا", "إقرأ أيضا", "إقرأ أيضاً", "إقرأ أيضًا", "اقرأ ايضا",
    "اقرأ المزيد", "شاهد أيضا", "شاهد أيضاً", "مواضيع ذات صلة", "بیشتر بخوانید", "همچنین بخوانید",
    "یہ بھی پڑھیں", "مزید پڑھیں", "read also", "also read", "read more", "see also", "related", "more on this",
    "watch also", "à lire aussi", "a lire aussi", "lire aussi", "lire également", "voir aussi",
    "sur le même sujet", "lee también", "lea también", "leer también", "te puede interesar", "leia também",
    "leia mais", "veja também", "leggi anche", "lesen sie auch", "lesen sie mehr", "mehr zum thema",
    "siehe auch", "lees ook", "läs också", "läs även", "les også", "læs også", "lue myös", "czytaj też",
    "czytaj także", "czytaj więcej", "przeczytaj także", "zobacz też", "čtěte také", "čítajte tiež",
    "citește și", "citiți și", "citeste si", "читайте также", "читать также", "по теме", "читайте також",
    "прочетете още", "вижте още", "pročitajte još", "прочитајте још", "διαβάστε επίσης", "διαβάστε ακόμη",
    "baca juga", "simak juga", "lihat juga", "xem thêm", "đọc thêm", "ayrıca okuyun", "bunu da okuyun",
    "ilgili haber", "यह भी पढ़ें", "ये भी पढ़ें", "আরও পড়ুন", "आणखी वाचा", "soma pia", "soma zaidi",
    "olvassa el", "olvasd el", "延伸阅读", "延伸閱讀", "相关阅读", "相关报道", "関連記事", "관련기사",
    "관련 기사",
)  # fmt: skip
# A marker counts behind the end of a sentence and with a colon: elsewhere its words may be the story's own.
_SENTENCE_ENDS = ".!?؟…。！？۔।"
_BEFORE_MARKER = re.compile(rf"[{_SENTENCE_ENDS}»”\"')\]]([ \xa0]{{0,2}}[(\[«»•>*-]?[ \xa0]?)\Z")
_LONGEST_MARKER = max(map(len, _MARKERS)) + 2  # with the white space before the colon
_SENTENCE_BREAK = re.compile(rf"[{_SENTENCE_ENDS}][»”\"')\]]?(?=[^{_SENTENCE_ENDS}\w])|[\r\n]")
_LONGEST_HEADLINE = 300  # code points
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
    breaks = np.flatnonzero(kind & BREAK)
    inked = np.flatnonzero((kind & WHITE) == 0)  # a line without ink is no paragraph

    borders = [breaks, _post_ends(joined), _wide_gaps(kind), _read_also_edges(joined, codes)]
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


def _post_ends(joined: str) -> NDArray[np.int64]:
    return np.array([match.end() for match in _POST_END.finditer(joined)], np.int64)


def _read_also_edges(joined: str, codes: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Where a "read also: …" begins, and where the sentence it names ends."""
    found: list[int] = []
    for colon in np.flatnonzero((codes == ord(":")) | (codes == ord("："))).tolist():
        named = joined[max(0, colon - _LONGEST_MARKER) : colon].rstrip(" \xa0")
        lowered = named.lower()
        if not lowered.endswith(_MARKERS):
            continue
        marker = max(len(marker) for marker in _MARKERS if lowered.endswith(marker))
        start = max(0, colon - _LONGEST_MARKER) + len(named) - marker
        before = _BEFORE_MARKER.search(joined, max(0, start - 5), start)
        if before is None:
            continue
        found.append(before.start(1))
        end = _SENTENCE_BREAK.search(joined, colon + 1, colon + 1 + _LONGEST_HEADLINE)
        if end is not None and end.end() < len(joined):
            found.append(end.end())
    return np.array(found, np.int64)


def _wide_gaps(kind: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The last of each `WIDE_GAP` white characters in a row: what follows is parted from what stands before."""
    white = np.flatnonzero(kind & WHITE)
    wide = white[WIDE_GAP - 1 :] - white[: len(white) - WIDE_GAP + 1] == WIDE_GAP - 1
    return np.asarray(white[WIDE_GAP - 1 :][wide])


def _sentence_starts(joined: str, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where the sentences of over-long paragraphs begin."""
    length = ends - starts
    found: list[int] = []
    for start, end in zip(
        starts[length > LONG_POST_LINE].tolist(), ends[length > LONG_POST_LINE].tolist(), strict=True
    ):
        text = joined[start:end]
        post = _POST_END.search(text, max(0, len(text) - 250)) if end - start <= LONG_LINE else None
        if end - start <= LONG_LINE and (post is None or post.end() != len(text)):
            continue
        sentences = sentencex.get_sentence_boundaries("en", _SURROGATE.sub("\ufffd", text))
        found.extend(start + sentence["start_index"] for sentence in sentences)
    return np.array(found, np.int64)
