"""Where kinds meet inside a line: the places at which a scrape has lost a line break.

Each function takes the texts of a batch, joined by line breaks, and returns the code points before which one sort of
such places is to be cut. What could as well be the story's own is no such place.
"""

import re

import numpy as np
from numpy.typing import NDArray

WIDE_GAP = 3
"""White characters in a row, within a line, from which they stand for a lost line break."""

SEPARATOR = 3
"""Of the same separating sign in a row, within a line, from which they part the fields of a record."""

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
POST_END = re.compile(rf"{POST_ATTRIBUTION.pattern}|{POST_LINK.pattern}(?:{_NEXT_LINK})*")
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
_TAGS = (
    "tags", "tag", "keywords", "topics", "filed under", "وسوم", "الوسوم", "سمات", "كلمات مفتاحية",
    "الكلمات المفتاحية", "كلمات دلالية", "الكلمات الدلالية", "برچسب\u200cها", "برچسب ها", "کلیدواژه",
    "کلیدواژه\u200cها", "ٹیگز", "etiquetas", "palabras clave", "mots-clés", "mots clés", "étiquettes",
    "schlagwörter", "schlagworte", "stichwörter", "tagi", "słowa kluczowe", "теги", "метки", "ключевые слова",
    "ключові слова", "тагове", "ключови думи", "етикети", "etiketler", "anahtar kelimeler", "palavras-chave",
    "parole chiave", "trefwoorden", "klíčová slova", "štítky", "cuvinte cheie", "etichete", "λέξεις-κλειδιά",
    "ετικέτες", "kata kunci", "từ khóa", "关键词", "關鍵詞", "標籤", "标签", "キーワード", "タグ", "태그",
    "키워드", "टैग", "ট্যাগ", "תגיות", "nyckelord", "avainsanat", "címkék",
)  # fmt: skip
_CREDIT = (
    "photo", "photos", "photo credit", "photograph", "picture", "image", "images", "credit", "illustration",
    "file photo", "صورة", "الصورة", "تصوير", "صور", "عکس", "عكس", "تصویر", "foto", "fotos", "fotografía",
    "imagen", "crédito", "crédit", "crédits", "bild", "bildquelle", "zdjęcie", "fot.", "фото", "снимка",
    "снимки", "fotoğraf", "imagem", "immagine", "φωτογραφία", "φωτό", "ảnh", "hình ảnh", "图片", "图", "圖",
    "攝", "摄", "文/图", "写真", "사진", "फोटो", "तस्वीर", "ছবি", "תמונה", "צילום", "kuva", "fotó", "gambar",
    "dok.", "picha", "attēls", "nuotr.", "slika", "ภาพ", "©", "(c)", "📷",
)  # fmt: skip
# These count behind the end of a sentence and with a colon: elsewhere the words may be the story's own.
_SENTENCE_ENDS = ".!?؟…。！？۔।"
_BEHIND_SENTENCE = re.compile(rf"[{_SENTENCE_ENDS}»”\"')\]]([ \xa0]{{0,2}}[(\[«»•>*-]?[ \xa0]?)\Z")
_LABELS = (*_MARKERS, *_TAGS, *_CREDIT)
_LAST_TWO = frozenset(label[-2:] for label in _LABELS)
# What may stand before the colon: white space, or a label's last letter in either case.
_MAY_END = np.zeros(0x20000, bool)
_MAY_END[[ord(last) for label in _LABELS for last in (label[-1], label[-1].upper()) if len(last) == 1]] = True
_MAY_END[[ord(" "), 0xA0]] = True
_LONGEST_LABEL = max(map(len, _LABELS)) + 2  # with the white space before the colon
_SENTENCE_BREAK = re.compile(rf"[{_SENTENCE_ENDS}][»”\"')\]]?(?=[^{_SENTENCE_ENDS}\w])|[\r\n]")
_LONGEST_HEADLINE = 300  # code points
_AGENCIES = (
    "AFP", "A.F.P.", "Reuters", "REUTERS", "AP", "EPA", "EPA-EFE", "EFE", "ANSA", "APA", "PAP", "ČTK", "TASR",
    "Belga", "BELGA", "ANP", "NTB", "TT", "Ritzau", "dpa", "Getty Images", "Getty", "Shutterstock", "iStock",
    "Unsplash", "Alamy", "Xinhua", "TASS", "ТАСС", "УНІАН", "AAP", "PTI", "ANI", "ANTARA", "رويترز", "أ ف ب",
    "أ.ف.ب", "فرانس برس", "الأناضول", "غيتي", "新华社", "中新社", "연합뉴스", "뉴시스",
)  # fmt: skip
_BRACKETS = "([（【［"
_BRACKET_CREDIT = re.compile(
    rf"[{re.escape(_BRACKETS)}](?:{'|'.join(map(re.escape, sorted(_CREDIT, key=len, reverse=True)))})(?![^\W\d_])"
    r"[^()\[\]（）【】［］\r\n]{0,100}[)\]）】］]",
    re.IGNORECASE,
)
_CREDIT_END = re.compile(
    rf"[^.!?\r\n]{{0,60}}?(?<!\w)(?:{'|'.join(map(re.escape, sorted(_AGENCIES, key=len, reverse=True)))})"
    r"(?![a-zß-öø-ÿ])[)\]]?"
)
_STORY = re.compile(r"[ \xa0]{0,2}[^\W_][^\r\n]{40}")  # behind a credit: what is worth parting from it


def post_ends(joined: str) -> NDArray[np.int64]:
    """Return where posts end: behind an attribution with its date, and behind a post's last link."""
    return np.array([match.end() for match in POST_END.finditer(joined)], np.int64)


def wide_gaps(white: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the last of each `WIDE_GAP` white characters in a row: what follows is parted from what stands before.

    `white` says of each code point whether it is white space.
    """
    count = len(white) - WIDE_GAP + 1
    wide = white[WIDE_GAP - 1 :].copy()
    for place in range(WIDE_GAP - 1):
        wide &= white[place : place + max(0, count)]
    return np.flatnonzero(wide) + WIDE_GAP - 1


def separators(joined: str, codes: NDArray[np.uint32], line_heads: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return both edges of runs such as `###` and `|||`, which part the fields of a record in one line.

    `line_heads` are the first inked code points of the lines, in order: a run there is the mark of a heading.
    """
    found: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    for sign in "#|~":
        if SEPARATOR * sign not in joined:
            continue
        places = np.flatnonzero(codes == ord(sign))
        first = np.flatnonzero(np.diff(places, prepend=-2) > 1)
        last = np.append(first[1:], len(places)) - 1
        parts = (last - first >= SEPARATOR - 1) & ~np.isin(places[first], line_heads)
        found += [places[first[parts]], places[last[parts]] + 1]
    return np.concatenate(found)


def labels(joined: str, codes: NDArray[np.uint32], line_heads: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where a "read also: …" or "Tags: …" begins behind a sentence, where the sentence that a "read also" names
    ends, and where a credit at the head of a line does ("Photo: Name/Agency").

    A credit behind a sentence stays: that sentence is as a rule the caption.
    """
    found: list[int] = []
    colons = np.flatnonzero((codes == ord(":")) | (codes == ord("：")))
    for colon in colons[_MAY_END[np.minimum(codes[colons - 1], len(_MAY_END) - 1)]].tolist():
        written = joined[max(0, colon - _LONGEST_LABEL) : colon].rstrip(" \xa0")
        words = written.lower()
        if words[-2:] not in _LAST_TWO or not words.endswith(_LABELS):
            continue
        label = max((label for label in _LABELS if words.endswith(label)), key=len)
        start = max(0, colon - _LONGEST_LABEL) + len(written) - len(label)
        if label in _CREDIT:
            found += _credit_end(joined, colon + 1) if _is_head(start, line_heads) else []
            continue
        before = _BEHIND_SENTENCE.search(joined, max(0, start - 5), start)
        if before is None:
            continue
        found.append(before.start(1))
        end = _SENTENCE_BREAK.search(joined, colon + 1, colon + 1 + _LONGEST_HEADLINE)
        if label in _MARKERS and end is not None and end.end() < len(joined):
            found.append(end.end())
    return np.array(found, np.int64)


def credits(joined: str, codes: NDArray[np.uint32], line_heads: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where a credit at the head of a line ends that stands in brackets or begins with a copyright sign."""
    found: list[int] = []
    first = codes[line_heads]
    for bracket in line_heads[np.isin(first, [ord(bracket) for bracket in _BRACKETS])].tolist():
        credit = _BRACKET_CREDIT.match(joined, bracket)
        if credit is not None and _STORY.match(joined, credit.end()):
            found.append(credit.end())
    for sign in line_heads[first == ord("©")].tolist():
        found += _credit_end(joined, sign + 1)
    return np.array(found, np.int64)


def _is_head(place: int, line_heads: NDArray[np.int64]) -> bool:
    at = int(np.searchsorted(line_heads, place))
    return at < len(line_heads) and int(line_heads[at]) == place


def _credit_end(joined: str, start: int) -> list[int]:
    credit = _CREDIT_END.match(joined, start)
    return [] if credit is None or not _STORY.match(joined, credit.end()) else [credit.end()]
