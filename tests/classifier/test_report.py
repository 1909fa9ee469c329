"""The page of an evaluation, read back with a parser."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest

from classifier.evaluation import HEADLINES, Evaluation, compare
from classifier.labels import LABELS, CleanedArticle, Label, LabelledArticle, Paragraph
from classifier.pages import check_folder
from classifier.report import render, write_report

CORE, SOCIAL, BOILERPLATE, PROMO = LABELS
VOID = {"meta", "link", "br", "hr", "img", "input", "area", "base", "col", "embed", "source", "track", "wbr"}
LOADING = {"script", "link", "img", "iframe", "object", "embed", "audio", "video", "source", "image", "use", "base"}


@dataclass
class Element:
    """An element of the page: what stands in it are elements and strings."""

    tag: str
    attributes: dict[str, str]
    children: list["Element | str"] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    @property
    def classes(self) -> list[str]:
        return self.attributes.get("class", "").split()

    def walk(self) -> Iterator["Element"]:
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child.walk()

    def find(self, tag: str, name: str = "") -> list["Element"]:
        """Return the elements below with this tag and, when a name is given, this class."""
        return [one for one in self.walk() if one.tag == tag and (not name or name in one.classes)]


class TreeBuilder(HTMLParser):
    """Builds a tree, and is strict: each element that is not void is closed by its own end tag."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Element("", {})
        self.open = [self.root]
        self.declaration = ""

    def handle_decl(self, decl: str) -> None:
        self.declaration = decl

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            opened = self.open[-1].children[-1]
            assert isinstance(opened, Element)
            self.open.append(opened)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute of {tag} is there twice"
        self.open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parse(page: str) -> Element:
    """Return the page's root; fails when the page is not well formed."""
    builder = TreeBuilder()
    builder.feed(page)
    builder.close()
    assert builder.declaration == "DOCTYPE html"
    assert builder.open == [builder.root], "an element is not closed"
    return builder.root


def labelled(name: str, language: str, *rows: tuple[str, Label]) -> LabelledArticle:
    """Return a labelled article with a row a line."""
    text, spans = "", []
    for row, label in rows:
        text += "\n" if text else ""
        spans.append((len(text), len(text) + len(row), label))
        text += row
    return LabelledArticle(name, text, tuple(spans), language, name)


def answered(article: LabelledArticle, *given: tuple[Label, float]) -> CleanedArticle:
    """Return what a cleaner would answer that gives these labels, so sure of them, to the spans of an article."""
    paragraphs = tuple(
        Paragraph(start, end, label, confidence, tuple(float(label is one) for one in LABELS))
        for (start, end, _), (label, confidence) in zip(article.spans, given, strict=True)
    )
    return CleanedArticle("", paragraphs, "m")


A = labelled(
    "a", "ar", ("قال الوزير إن المدارس ستفتح.", CORE), ("شارك", BOILERPLATE), ("@a post", SOCIAL), ("Other", PROMO)
)
B = labelled("b", "en", ("Abcde", CORE), ("Fghij", CORE))
C = labelled("c", "en", ("Abcde", CORE))
ARTICLES = [A, B, C]
ANSWERS = [
    answered(A, (CORE, 0.95), (CORE, 0.55), (SOCIAL, 0.95), (PROMO, 0.65)),
    answered(B, (CORE, 1.0), (PROMO, 0.4)),
    answered(C, (CORE, 0.85)),
]


@pytest.fixture
def evaluation() -> Evaluation:
    """Three articles in two languages: A kept a button, B lost half its story, C is right."""
    return compare(ARTICLES, ANSWERS)


@pytest.fixture
def page(evaluation: Evaluation) -> Element:
    """Its page."""
    return parse(render(evaluation, "Model m on the articles of gold.jsonl"))


def judged(*rows: tuple[str, Label], name: str = "a", language: str = "") -> Evaluation:
    """Return the evaluation of one article all of whose paragraphs are taken for posts."""
    article = labelled(name, language, *rows)
    return compare([article], [answered(article, *((SOCIAL, 0.5) for _ in rows))])


def cells(row: Element) -> list[str]:
    return [cell.text for cell in row.walk() if cell.tag in ("th", "td")]


def section(page: Element, name: str) -> Element:
    (found,) = (one for one in page.find("section") if one.attributes["aria-labelledby"] == name)
    return found


def test_the_page_says_what_was_measured(page: Element) -> None:
    """In its title and at its top; it is a page in English that fits a small screen."""
    assert page.find("title")[0].text == "Winnow evaluation: Model m on the articles of gold.jsonl"
    assert page.find("p", "subject")[0].text == "Model m on the articles of gold.jsonl"
    assert page.find("html")[0].attributes["lang"] == "en"
    metas = [meta.attributes for meta in page.find("meta")]
    assert metas[0] == {"charset": "utf-8"}
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in metas
    assert {"name": "color-scheme", "content": "light dark"} in metas


def test_names_of_elements_are_unique_and_those_referred_to_are_there(page: Element) -> None:
    """What names a picture or a section for a screen reader exists, once."""
    names = [one.attributes["id"] for one in page.walk() if "id" in one.attributes]
    assert len(names) == len(set(names))
    referred = {word for one in page.walk() for word in one.attributes.get("aria-labelledby", "").split()}
    assert referred
    assert referred <= set(names)


@pytest.mark.parametrize("articles", [0, 3])
def test_nothing_is_loaded_and_nothing_runs(articles: int) -> None:
    """No element, attribute or style that fetches or executes, and a policy that forbids it besides."""
    source = render(compare(ARTICLES[:articles], ANSWERS[:articles]), "m")
    page = parse(source)
    assert not [one.tag for one in page.walk() if one.tag in LOADING]
    names = {name for one in page.walk() for name in one.attributes}
    assert not names & {"src", "srcset", "href", "xlink:href", "data", "action", "style", "background", "poster"}
    assert not [name for name in names if name.startswith("on")]
    assert not re.search(r"url\(|@import|@font-face|://", source)
    (policy,) = (meta.attributes["content"] for meta in page.find("meta") if "http-equiv" in meta.attributes)
    assert "default-src 'none'" in policy


def test_core_recall_comes_first_and_every_headline_is_explained(page: Element, evaluation: Evaluation) -> None:
    """Each has its name, its value and one line."""
    cards = page.find("div", "card")[: len(HEADLINES)]
    assert "first" in cards[0].classes
    assert [one.text for card in cards for one in (*card.find("dt"), *card.find("dd"))] == [
        text
        for field_name, name, meaning in HEADLINES
        for text in (name[0].upper() + name[1:], f"{getattr(evaluation.figures, field_name):.3f}", meaning)
    ]
    assert cards[0].find("dt")[0].text == "Core recall"


def test_every_label_has_a_row(page: Element) -> None:
    """Numbers, precision, recall and F1, by character and by paragraph; a dash where there is nothing to measure."""
    rows = {row[0]: row[1:] for row in map(cells, section(page, "by-label").find("tbody")[0].find("tr"))}
    assert list(rows) == list(LABELS)
    assert rows["core"] == ["39", "0.895", "0.872", "0.883", "4", "0.750", "0.750", "0.750"]
    assert rows["boilerplate"] == ["4", "–", "0.000", "0.000", "1", "–", "0.000", "0.000"]


def test_the_language_with_most_articles_comes_first() -> None:
    """Then by name; one that is not known is said to be so."""
    articles = [labelled(name, name[:-1], ("Abcde", CORE)) for name in ("ur1", "ar1", "en1", "en2", "1")]
    result = compare(articles, [answered(article, (CORE, 1.0)) for article in articles])
    rows = list(map(cells, section(parse(render(result, "m")), "by-language").find("tbody")[0].find("tr")))
    assert [row[:2] for row in rows] == [["en", "2"], ["not given", "1"], ["ar", "1"], ["ur", "1"]]
    assert rows[0][2:] == ["1.000", "–", "1.000", "1.000"]


@pytest.mark.parametrize(
    ("picture", "unit", "shares", "counts", "told"),
    [
        (
            0,
            "characters",
            ["87.2 %", "0.0 %", "0.0 %", "12.8 %"],
            ["34", "0", "0", "5"],
            "Of core (39) 87.2 % are given core, 0.0 % are given social, 0.0 % are given boilerplate, "
            "12.8 % are given promo; of social (6) 0.0 % are given core, 100.0 % are given social",
        ),
        (
            1,
            "paragraphs",
            ["75.0 %", "0.0 %", "0.0 %", "25.0 %"],
            ["3", "0", "0", "1"],
            "Of core (4) 75.0 % are given core, 0.0 % are given social, 0.0 % are given boilerplate, "
            "25.0 % are given promo; of social (1) 0.0 %",
        ),
    ],
)
def test_a_confusion_matrix_is_a_heat_map(
    page: Element, picture: int, unit: str, shares: list[str], counts: list[str], told: str
) -> None:
    """A row for each gold label, a column for each given, darker where the share is larger; told in words as well."""
    drawn = page.find("svg", "heat-map")[picture]
    assert drawn.attributes["role"] == "img"
    assert drawn.find("title")[0].text == f"Confusion matrix of {unit}"
    assert drawn.find("desc")[0].text.startswith(told)
    groups = drawn.find("g")
    assert [group.find("title")[0].text.split(":")[0] for group in groups] == [
        f"{gold} given {given}" for gold in LABELS for given in LABELS
    ]
    texts = [[text.text for text in group.find("text")] for group in groups]
    assert texts[:4] == [list(pair) for pair in zip(shares, counts, strict=True)]
    heat = [group.find("rect", "heat")[0].attributes for group in groups]
    assert [100 * float(one["fill-opacity"]) for one in heat[:4]] == [float(share[:-2]) for share in shares]
    places = [(int(one["y"]), int(one["x"])) for one in heat]
    assert places == sorted(places)
    assert len(set(places)) == 16
    assert len(drawn.find("rect", "right")) == 4


def test_calibration_is_a_reliability_diagram(page: Element, evaluation: Evaluation) -> None:
    """In each bin that has paragraphs a bar as high as the share right, a mark at their confidence, their number."""
    drawn = page.find("svg", "reliability")[0]
    assert drawn.attributes["role"] == "img"
    assert drawn.find("title")[0].text.startswith("Reliability diagram")
    assert "at confidence 0.9–1.0 (3) 100.0 % are right" in drawn.find("desc")[0].text
    used = [one for one in evaluation.figures.calibration if one.paragraphs]
    groups = drawn.find("g")
    assert len(groups) == len(used) == 5
    for group, one in zip(groups, used, strict=True):
        assert one.accuracy is not None
        assert one.confidence is not None
        bar, mark = group.find("rect", "bar")[0].attributes, group.find("line", "sure")[0].attributes
        assert float(bar["height"]) == pytest.approx(300 * one.accuracy, abs=0.1)
        bottom = float(bar["y"]) + float(bar["height"])
        assert bottom - float(mark["y1"]) == pytest.approx(300 * one.confidence, abs=0.1)
    rows = list(map(cells, section(page, "calibration").find("tbody")[0].find("tr")))
    assert [row[1] for row in rows] == [str(one.paragraphs) for one in evaluation.figures.calibration]
    assert rows[0] == ["0.0–0.1", "0", "–", "–"]
    assert rows[-1] == ["0.9–1.0", "3", "0.967", "1.000"]
    error = section(page, "calibration").find("figcaption")[0].text
    assert f"Expected calibration error {evaluation.figures.expected_calibration_error:.3f}" in error


def test_the_worst_articles_are_shown_whole(page: Element) -> None:
    """Worst first, each with its language and how many characters are wrong; those without any are not there."""
    articles = page.find("details", "article")
    assert [re.sub(r"\s+", " ", article.find("summary")[0].text) for article in articles] == [
        "b language en 5 wrong characters",
        "a language ar 4 wrong characters",
    ]
    assert ["open" in article.attributes for article in articles] == [True, False]
    assert [text.text for text in articles[1].find("p", "text")] == A.text.split("\n")


def test_at_most_ten_articles_are_shown() -> None:
    """However many are wrong."""
    articles = [labelled(f"{number}", "en", ("x" * number, CORE)) for number in range(1, 13)]
    result = compare(articles, [answered(article, (PROMO, 0.5)) for article in articles])
    shown = parse(render(result, "m")).find("details", "article")
    assert [one.find("h3")[0].find("bdi")[0].text for one in shown] == [str(number) for number in range(12, 2, -1)]


def test_a_paragraph_has_the_colour_of_its_label_and_a_wrong_one_is_marked(page: Element) -> None:
    """With its confidence; a wrong one names the gold label."""
    paragraphs = page.find("details", "article")[1].find("li", "paragraph")
    assert [one.classes for one in paragraphs] == [
        ["paragraph", "core"],
        ["paragraph", "core", "wrong"],
        ["paragraph", "social"],
        ["paragraph", "promo"],
    ]
    assert [one.find("p", "verdict")[0].text.split() for one in paragraphs] == [
        ["core", "0.950"],
        ["core", "0.550", "wrong:", "gold", "label", "boilerplate"],
        ["social", "0.950"],
        ["promo", "0.650"],
    ]


@pytest.mark.parametrize(
    ("gold", "verdict"),
    [
        (((0, 9, SOCIAL),), "social 0.500"),
        (((0, 4, PROMO), (4, 9, SOCIAL)), "social 0.500 4 of 9 characters wrong"),
        (((0, 5, PROMO), (5, 9, SOCIAL)), "social 0.500 wrong: gold label promo 5 of 9 characters wrong"),
        (((0, 9, PROMO),), "social 0.500 wrong: gold label promo"),
        ((), "social 0.500 no gold label"),
    ],
    ids=["right", "partly right", "partly wrong", "wrong", "unlabelled"],
)
def test_a_paragraph_that_holds_two_gold_labels_is_judged_by_most_of_it(
    gold: tuple[tuple[int, int, Label], ...], verdict: str
) -> None:
    """How much of it is wrong is told unless it is all or nothing."""
    article = LabelledArticle("a", "abcdefghi\nwrong", (*gold, (10, 15, CORE)))
    paragraphs = tuple(Paragraph(start, end, SOCIAL, 0.5, (0.2, 0.5, 0.2, 0.1)) for start, end in ((0, 9), (10, 15)))
    shown = parse(render(compare([article], [CleanedArticle("", paragraphs, "m")]), "m"))
    assert " ".join(shown.find("p", "verdict")[0].text.split()) == verdict


@pytest.mark.parametrize(
    ("language", "tag"),
    [("ar", "ar"), ("pt-BR", "pt-BR"), ("zh-Hant-TW", "zh-Hant-TW"), ("", None), ("?", None), ('ar" onclick="x', None)],
)
def test_every_paragraph_is_set_in_its_own_direction_and_language(language: str, tag: str | None) -> None:
    """Right to left where its first letters are so; the language is named when it is known and is a language tag."""
    shown = parse(render(judged(("قال الوزير", CORE), ("Subscribe", PROMO), language=language), "m"))
    texts = shown.find("p", "text")
    assert [one.attributes.get("dir") for one in texts] == ["auto", "auto"]
    assert [one.attributes.get("lang") for one in texts] == [tag, tag]


ODD = [
    ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    ("</p></li><img src=x onerror=alert(1)>", "</p></li><img src=x onerror=alert(1)>"),
    ("&amp; &lt; &#60;", "&amp; &lt; &#60;"),
    ("\"quoted\" 'twice' `back`", "\"quoted\" 'twice' `back`"),
    ("<!-- ]]> --> {{ 7 * 7 }} {% raw %}", "<!-- ]]> --> {{ 7 * 7 }} {% raw %}"),
    ("\u202eoverride \u2066isolate \u200fmark", "\u202eoverride \u2066isolate \u200fmark"),
    ("half \ud83d pair \ude00\ud83d", "half \ufffd pair \ufffd\ufffd"),
    ("nul \x00 escape \x1b bell \x07", "nul \u2400 escape \u241b bell \u2407"),
    ("delete \x7f control \x80", "delete \ufffd control \ufffd"),
    ("none \ufffe\uffff\ufdd0\U0010ffff", "none \ufffd\ufffd\ufffd\ufffd"),
    ("wide  gap\tand\xa0tab 😀", "wide  gap\tand\xa0tab 😀"),
]


@pytest.mark.parametrize(("text", "shown"), ODD)
def test_text_stands_there_as_it_is_whatever_it_holds(text: str, shown: str) -> None:
    """It is escaped; what HTML or UTF-8 cannot hold is replaced by a sign for it."""
    page = render(judged((text, CORE)), "m")
    assert [one.text for one in parse(page.encode("utf-8").decode("utf-8")).find("p", "text")] == [shown]


@pytest.mark.parametrize(("text", "shown"), ODD)
def test_names_from_outside_are_escaped_as_well(text: str, shown: str) -> None:
    """The identifier and language of an article, and the subject; each in its own direction."""
    page = parse(render(judged(("Story", CORE), name=text, language=text), text))
    isolated = [one.text for one in page.find("bdi")]
    assert isolated.count(shown) == 4
    assert page.find("title")[0].text == f"Winnow evaluation: {shown}"


@pytest.mark.parametrize("rows", [(), (("@post", SOCIAL),)], ids=["nothing to measure", "all right"])
def test_a_page_without_a_wrong_character_says_so(rows: tuple[tuple[str, Label], ...]) -> None:
    """And shows dashes for what there is nothing to measure of."""
    page = parse(render(judged(*rows), "m"))
    assert not page.find("details", "article")
    assert "No article has a wrong character." in section(page, "worst").text
    assert page.find("dd", "number")[0].text == "–"
    assert len(page.find("svg")) == 3


def test_the_report_is_one_file_in_a_folder_that_is_made(tmp_path: Path, evaluation: Evaluation) -> None:
    """The same evaluation gives the same page, byte for byte, and an older page is replaced."""
    folder = tmp_path / "new" / "report"
    check_folder(folder)
    assert not folder.parent.exists()
    written = write_report(evaluation, "m", folder)
    assert written == folder / "index.html"
    assert written.read_text("utf-8") == render(evaluation, "m")
    written.write_text("old", "utf-8")
    check_folder(folder)
    write_report(evaluation, "m", folder)
    assert written.read_bytes() == render(evaluation, "m").encode()
    assert list(folder.iterdir()) == [written]
