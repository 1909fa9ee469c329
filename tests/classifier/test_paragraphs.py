"""Raw text to paragraphs: lossless for any text, and glued lines cut where they should be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy

from classifier.paragraphs import LONG_LINE, LONG_POST_LINE, split_batch, split_paragraphs

SENTENCE = "The council voted on Tuesday for new bus lanes on the ring road."


def pieces(text: str) -> list[str]:
    """Return the paragraphs of a text as written."""
    return [text[start:end] for start, end in split_paragraphs(text)]


@given(data=st.data())
def test_splitting_is_lossless(raw_text: SearchStrategy[str], data: DataObject) -> None:
    """For any text, spans are in order, apart, in range, trimmed and on one line, and hold all that is not white."""
    text = data.draw(raw_text)
    spans = split_paragraphs(text)
    ends = [0, *(end for _, end in spans)]
    for before, (start, end) in zip(ends, spans, strict=False):
        assert before <= start < end <= len(text)
        paragraph = text[start:end]
        assert not paragraph[0].isspace()
        assert not paragraph[-1].isspace()
        assert len(paragraph.splitlines()) == 1
    held = {place for start, end in spans for place in range(start, end)}
    assert [place for place, character in enumerate(text) if not character.isspace() and place not in held] == []


@given(data=st.data())
def test_a_batch_splits_like_its_texts(raw_text: SearchStrategy[str], data: DataObject) -> None:
    """Texts split together have the paragraphs they have alone, whatever stands before and behind."""
    texts = data.draw(st.lists(raw_text, max_size=5))
    batch = split_batch(texts)
    assert batch.joined == "".join(f"{text}\n" for text in texts)
    assert batch.codes.tolist() == [ord(character) for character in batch.joined]
    bounds, offsets = batch.bounds.tolist(), batch.offsets.tolist()
    assert offsets == [sum(len(text) + 1 for text in texts[:number]) for number in range(len(texts) + 1)]
    assert bounds[-1] == len(batch.starts)
    for number, text in enumerate(texts):
        rows = slice(bounds[number], bounds[number + 1])
        spans = zip(batch.starts[rows].tolist(), batch.ends[rows].tolist(), strict=True)
        assert [(start - offsets[number], end - offsets[number]) for start, end in spans] == split_paragraphs(text)
        assert set(batch.article[rows].tolist()) <= {number}


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one\ntwo", [0, 1]),
        ("one\r\n\r\ntwo   three", [0, 4, 4]),
        ("one t.co/AbCdEfGh12two\u2028three", [0, 0, 1]),
    ],
)
def test_pieces_of_one_line_share_its_number(text: str, lines: list[int]) -> None:
    """Lines are numbered by their breaks; what was glued can be told from what was not."""
    assert split_batch([text]).line.tolist() == lines


@pytest.mark.parametrize("texts", [[], [""], ["", " \n\u3000\r\n", "\x85"]])
def test_no_ink_is_no_paragraph(texts: list[str]) -> None:
    """No text, and texts of nothing but white space, have no paragraphs."""
    batch = split_batch(texts)
    assert len(batch.starts) == 0
    assert batch.bounds.tolist() == [0] * (len(texts) + 1)


@pytest.mark.parametrize(
    "parts",
    [
        ("Le ministre a parlé.", "A lire aussi : Un autre titre du jour.", "La suite de l’article est ici."),
        ("قال الوزير ذلك.", "اقرأ أيضًا: عنوان خبر آخر"),
        ("The team won again.", "RELATED: Ten ways to win!", "The coach was pleased."),
        ("Он сказал это.", "«Читайте также: Другая новость дня.", "Потом он ушёл."),
        ("他说了这番话。", "延伸阅读：另一条新闻。", "会议继续。"),
    ],
)
def test_a_read_also_in_mid_line_is_cut_out(parts: tuple[str, ...]) -> None:
    """What names another story stands apart from the sentences before and behind it."""
    assert pieces(" ".join(parts)) == list(parts)


@pytest.mark.parametrize(
    "parts",
    [
        (SENTENCE, "Tags: buses, ring road"),
        ("وأقرّ المجلس المشروع.", "الكلمات المفتاحية: حافلات، طرق"),
        ("Der Rat stimmte zu.", "Schlagwörter: Busse, Ring"),
        ("Photo: Jane Doe/Reuters", f"{SENTENCE} Works begin in June."),
        ("Foto: dpa", "Der Rat der Stadt hat am Dienstag für neue Busspuren auf dem Ring gestimmt."),
        ("صورة: رويترز", "صوّت المجلس البلدي يوم الثلاثاء على مسارات جديدة للحافلات في الطريق الدائري"),
        ("© Getty Images", f"{SENTENCE} Works begin in June."),
        ("(Photo: City Hall)", SENTENCE),
        ("[Image: City Hall]", SENTENCE),
        ("record_data", "###", "Council approves bus lanes", "###", "https://example.org/news/712627"),
        ("Council approves bus lanes", "|||", "2023-09-19", "|||", SENTENCE),
    ],
)
@pytest.mark.parametrize("gap", ["", " "], ids=["glued", "space"])
def test_furniture_glued_to_prose_is_cut_off(parts: tuple[str, ...], gap: str) -> None:
    """Tag lists behind the last sentence, credits before the first one, and the fields of a record."""
    assert pieces(gap.join(parts)) == list(parts)


@pytest.mark.parametrize(
    "text",
    [
        "He read also: books, maps and whatever else came by.",
        "The two are related. By blood, that is, and by trade: both bake.",
        "Read also what the council had to say on the matter. It was little.",
        "Her source: a clerk who keeps the books.",
        "The council published a photo: it shows the ring road at night, with a single bus on it.",
        "Photo: the ring road at night, seen from the bridge.",
        "Photo: Reuters",
        "The ring road at night. Photo: City Hall",
        "The ring road at night. (Photo: City Hall)",
        "Ten new bus lanes (photos)",
        "(Photo: City Hall) The ring road at night",
        "(Reuters) - The council voted on Tuesday for new bus lanes on the ring road, the city said.",
        "The map (photo: City Hall) shows the ring road, the old depot and the four new stops.",
        "### Council approves bus lanes",
        "The file is called a##b, and the other one a||b.",
    ],
)
def test_the_words_of_a_marker_in_prose_cut_nothing(text: str) -> None:
    """Without a colon, or inside a sentence, "read also" is the story's own."""
    assert pieces(text) == [text]


@pytest.mark.parametrize("gap", ["", " ", "\xa0"], ids=["glued", "space", "no-break space"])
@pytest.mark.parametrize(
    ("attribution", "behind"),
    [
        ("— City Hall (@cityhall) September 19, 2023", "The mayor"),
        ("— City Hall (@cityhall) September 1st, 2023", "The mayor"),
        ("— City Hall (@cityhall) Sept. 19, 2023", "The mayor"),
        ("— City Hall (@cityhall) 19 September 2023", "The mayor"),
        ("&mdash;— City Hall (@cityhall) September 19, 2023", "The mayor"),
        ("- City Hall (@cityhall) September 19, 2023", "The mayor"),
        ("— City Hall(@cityhall)September 19, 2023", "The mayor"),
        ("— News – City Hall (@city_hall_1) 2023-09-19", "The mayor"),
        ("— City Hall 🏛 (@cityhall) 19/09/2023", "The mayor"),
        ("— بلدية المدينة (@baladiya) September 19, 2023", "وقال"),
        ("— بلدية المدينة (@baladiya) 19 سبتمبر 2023", "وقال"),
        ("— بلدية المدينة (@baladiya) سبتمبر 19, 2023", "وقال"),
        ("— بلدية المدينة (@baladiya) ١٩ سبتمبر ٢٠٢٣", "وقال"),
        ("— بلدية المدينة (@baladiya) ١٩ سبتمبر، ٢٠٢٣", "وقال"),
        ("— بلدية المدينة (@baladiya)\u200e 19 أيلول 2023", "وقال"),
        ("— \u202bبلدية\u202c (@baladiya)\u202c 19 أيلول/سبتمبر 2023", "وقال"),
        ("— Mairie (@mairie) 19 septembre 2023", "Le maire"),
        ("— Mairie (@mairie) 1er octobre 2023", "Le maire"),
        ("— Rathaus (@rathaus) 19. September 2023", "Der Rat"),
        ("— Ayuntamiento (@ayto) 19 de septiembre de 2023", "El alcalde"),
        ("— Ayuntamiento (@ayto) septiembre 19, 2023", "El alcalde"),
        ("— Prefeitura (@pref) 19 de setembro de 2023", "O prefeito"),
        ("— Comune (@comune) 19 settembre 2023", "Il sindaco"),
        ("— Ajuntament (@ajt) 19 d’octubre de 2023", "El batlle"),
        ("— Gemeente (@gem) 19 september 2023", "De raad"),
        ("— Belediye (@belediye) 19 Eylül 2023", "Başkan"),
        ("— Мэрия (@meria) 19 сентября 2023 г.", "Мэр"),
        ("— Мэрия (@meria) 19 сентября 2023", "Мэр"),
        ("— Мерія (@meria) 19 вересня 2023 р.", "Мер"),
        ("— Община (@obshtina) 19 септември 2023 г.", "Кметът"),
        ("— 市政府 (@shizheng) 2023年9月19日", "市长"),
        ("— 市政府 (@shizheng) 2023 年 9 月 19 日", "市长"),
        ("— 市役所 (@shiyakusho) 2023年9月19日", "市長は"),
        ("— 시청 (@sicheong) 2023년 9월 19일", "시장은"),
        ("— شهرداری (@shahrdari) September 19, 2023", "شهردار"),
        ("— شهرداری (@shahrdari) ۱۹ سپتامبر ۲۰۲۳", "شهردار"),
        ("— بلدیہ (@baldia) 19 ستمبر 2023", "میئر"),
        ("— Urząd (@urzad) 19 września 2023", "Burmistrz"),
        ("— Úřad (@urad) 19. září 2023", "Starosta"),
        ("— Ủy ban (@uyban) 19 tháng 9, 2023", "Ông"),
        ("— Városháza (@varos) 2023. szeptember 19.", "A polgármester"),
        ("— Dome (@dome) 2023. gada 19. septembris", "Mērs"),
        ("— Savivaldybė (@sav) 2023 m. rugsėjo 19 d.", "Meras"),
        ("— Kaupunki (@kaup) 19. syyskuuta 2023", "Kaupunki"),
        ("— Δήμος (@dimos) 19 Σεπτεμβρίου 2023", "Ο δήμαρχος"),
        ("— Grad (@grad) 19. rujna 2023.", "Gradonačelnik"),
        ("— עירייה (@iriya) 19 בספטמבר 2023", "ראש העיר"),
        ("— नगर निगम (@nigam) 19 सितंबर 2023", "महापौर"),
        ("— नगर निगम (@nigam) सितंबर 19, 2023", "महापौर"),
        ("— নগর ভবন (@nagar) ১৯ সেপ্টেম্বর, ২০২৩", "মেয়র"),
        ("— เทศบาล (@tessaban) 19 กันยายน 2023", "นายก"),
        ("— เทศบาล (@tessaban) กันยายน 19, 2023", "นายก"),
        ("— Pemkot (@pemkot) 19 September 2023", "Wali kota"),
    ],
)
def test_a_line_is_cut_behind_the_attribution_of_a_post(attribution: str, gap: str, behind: str) -> None:
    """The story goes on in a paragraph of its own, whatever form the post's date has."""
    assert pieces(f"{SENTENCE} {attribution}{gap}{behind} said.") == [f"{SENTENCE} {attribution}", f"{behind} said."]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("See pic.twitter.com/AbCdEfGh12The mayor", ["See pic.twitter.com/AbCdEfGh12", "The mayor"]),
        ("See https://t.co/AbCdEfGh12The mayor", ["See https://t.co/AbCdEfGh12", "The mayor"]),
        ("See t.co/AbCdEfGh12 The mayor", ["See t.co/AbCdEfGh12", "The mayor"]),
        ("See pic.x.com/AbCdEfGh12وقال", ["See pic.x.com/AbCdEfGh12", "وقال"]),
        ("شاهد pic.twitter.com/AbCdEfGh12وقال", ["شاهد pic.twitter.com/AbCdEfGh12", "وقال"]),
        (
            "See https://t.co/AbCdEfGh12 pic.twitter.com/AbCdEfGh34The mayor",
            ["See https://t.co/AbCdEfGh12 pic.twitter.com/AbCdEfGh34", "The mayor"],
        ),
        (
            "See pic.twitter.com/AbCdEfGh12— City Hall (@cityhall) September 19, 2023The mayor",
            ["See pic.twitter.com/AbCdEfGh12", "— City Hall (@cityhall) September 19, 2023", "The mayor"],
        ),
        (
            "One — A (@a) May 1, 2023Two — B (@b) May 2, 2023Three",
            ["One — A (@a) May 1, 2023", "Two — B (@b) May 2, 2023", "Three"],
        ),
    ],
)
def test_a_line_is_cut_behind_the_links_of_a_post(text: str, expected: list[str]) -> None:
    """A post ends with its last link or attribution, however they follow each other."""
    assert pieces(text) == expected


@pytest.mark.parametrize(
    ("gap", "cut"),
    [
        (" ", False),
        ("  ", False),
        ("\xa0\xa0", False),
        ("   ", True),
        ("\t\t\t", True),
        (" \xa0\u3000", True),
        (" " * 40, True),
        ("\n", True),
        ("\r", True),
        ("\x0b", True),
        ("\x85", True),
        ("\u2029", True),
        ("\x1f", False),
        ("\u200b", False),
    ],
)
def test_wide_gaps_and_line_breaks_part_paragraphs(gap: str, *, cut: bool) -> None:
    """Three white characters in a row stand for a lost line break, fewer do not, and every line break parts."""
    assert pieces(f"Home{gap}News") == (["Home", "News"] if cut else [f"Home{gap}News"])


@pytest.mark.parametrize(
    "sentences",
    [
        [SENTENCE] * 20,
        ["¿Qué dijo el alcalde?", "¡Nada!", SENTENCE] * 12,
        ["وقال الوزير إن المكتبة ستفتح أبوابها طوال أيام الأسبوع، من الثامنة حتى العاشرة."] * 14,
        ["هل تفتح المكتبة أبوابها يوم الجمعة؟", "نعم، من العاشرة حتى الثانية."] * 20,
        ["市议会周二批准了环路上的新公交专用道，工程将于六月开始。"] * 40,
        ["市議会は専用車線を可決した。", "工事は六月に始まる！"] * 60,
        ["नगर परिषद ने मंगलवार को नई बस लेन को मंज़ूरी दी।"] * 30,
        ["Работы начнутся в июне, сообщили в управлении транспорта."] * 20,
    ],
    ids=["en", "es", "ar", "ar question", "zh", "ja", "hi", "ru"],
)
def test_an_over_long_line_is_cut_between_sentences(sentences: list[str]) -> None:
    """A page in one line becomes its sentences."""
    gap = "" if "。" in sentences[0] else " "
    text = gap.join(sentences)
    assert len(text) > LONG_LINE
    assert pieces(text) == sentences


def test_a_line_up_to_the_limit_stays_whole() -> None:
    """A long paragraph is a paragraph; only beyond the limit is it a page that lost its lines."""
    whole = (f"{SENTENCE} " * 20)[: LONG_LINE - 1] + "."
    assert pieces(whole) == [whole]


@pytest.mark.parametrize(
    "ending", ["— City Hall (@cityhall) September 19, 2023", "pic.twitter.com/AbCdEfGh12", "https://t.co/AbCdEfGh12"]
)
def test_prose_before_a_post_in_its_line_is_cut_into_sentences(ending: str) -> None:
    """A line that ends in a post and is longer than a post holds other text too, which stands apart from it."""
    text = " ".join([*[SENTENCE] * 5, f"Buses every ten minutes {ending}", "The mayor said so."])
    assert len(text) > LONG_POST_LINE
    found = pieces(text)
    assert found[:5] == [SENTENCE] * 5
    assert found[-2].endswith(ending)
    assert found[-1] == "The mayor said so."


@pytest.mark.parametrize(
    "line",
    [
        "The club – founded in 1901 – won the cup on September 19, 2023, for the third time.",
        "The mayor (Anna Lee) — once a driver herself — opened the line on 19 September 2023.",
        "Follow @cityhall for more; the account (@cityhall) was opened in 2023.",
        "She wrote as @cityhall on September 19, 2023 that buses run every ten minutes.",
        "The account — City Hall (@cityhall) — wrote on September 19, 2023 that buses run.",
        "Write to the council (@cityhall) by September 19, 2023.",
        "1999 - 2023: a chronology",
        "The score was 3-2 (2-1), on 19/09/2023.",
        "Two sentences.  Two spaces between them, as typists do.",
        "By Our Reporter | 3 March 2024",
        "LONDON, 19 September 2023 (Agency) — The council voted.",
        "سطيف، 22 أفريل 2024 – أعلنت الشركة (ذ.م.م) عن مشروع جديد.",
        "Read https://example.com/t.co/x and visit pic.example.com/AbCdEfGh12 today.",
        "See t.co/short for the plan.",
        "Mail an.t.coat/AbCdEfGh12 for the plan.",
        "本报北京2023年9月19日电（记者李明）市议会周二批准了新公交专用道。",
        "Dr. Lee vs. Mr. Kim: U.S. law. No. 5, p. 12. Vol. 3.",
    ],
)
def test_ordinary_lines_stay_whole(line: str) -> None:
    """Dashes, brackets, years, handles and double spaces in prose are no place to cut."""
    assert pieces(line) == [line]
