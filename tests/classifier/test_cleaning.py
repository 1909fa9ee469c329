"""Raw texts to cleaned articles: verbatim, in order, and the same one by one and together."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy

from classifier import cleaning
from classifier.cleaning import Cleaner, kept_text
from classifier.errors import ModelError
from classifier.labels import LABELS, CleanedArticle, Label, LabelledArticle, Paragraph
from classifier.paragraphs import split_paragraphs
from classifier.resources import default_model

SAMPLES = Path(__file__).parents[2] / "data" / "samples"

LABEL_SETS = st.sets(st.sampled_from(LABELS))


def bare(text: str) -> str:
    """Return the characters of a text that are not white space."""
    return "".join(text.split())


@given(data=st.data())
def test_the_cleaned_text_is_verbatim(quick_cleaner: Cleaner, raw_text: SearchStrategy[str], data: DataObject) -> None:
    """Whatever is kept, each kept paragraph stands in the text in order, and nothing else but white space."""
    text, keep = data.draw(raw_text), data.draw(LABEL_SETS)
    article = quick_cleaner.clean(text, keep)
    place, between = 0, ""
    for paragraph in article.paragraphs:
        if paragraph.label in keep:
            piece = text[paragraph.start : paragraph.end]
            found = article.text.index(piece, place)
            between += article.text[place:found]
            place = found + len(piece)
    assert not (between + article.text[place:]).strip()


@given(data=st.data())
def test_keeping_every_label_gives_every_character_back(
    quick_cleaner: Cleaner, raw_text: SearchStrategy[str], data: DataObject
) -> None:
    """The text is the raw one without the white space around it."""
    text = data.draw(raw_text)
    article = quick_cleaner.clean(text, LABELS)
    assert article.text == text.strip()
    assert article.model == quick_cleaner.model.identifier


@given(data=st.data())
def test_paragraphs_are_those_of_the_splitter(
    quick_cleaner: Cleaner, raw_text: SearchStrategy[str], data: DataObject
) -> None:
    """Spans are code points of the raw text; probabilities sum to 1, and the label has the greatest one."""
    text = data.draw(raw_text)
    paragraphs = quick_cleaner.clean(text).paragraphs
    assert [(paragraph.start, paragraph.end) for paragraph in paragraphs] == split_paragraphs(text)
    for paragraph in paragraphs:
        assert sum(paragraph.probabilities) == pytest.approx(1, abs=3e-4)
        assert paragraph.confidence == max(paragraph.probabilities)
        assert paragraph.probabilities[LABELS.index(paragraph.label)] == paragraph.confidence


@given(data=st.data())
def test_many_are_cleaned_like_one_by_one(
    quick_cleaner: Cleaner, raw_text: SearchStrategy[str], data: DataObject
) -> None:
    """Texts cleaned together have the labels and the cleaned texts they have alone, in order."""
    texts = data.draw(st.lists(raw_text, max_size=5))
    together = quick_cleaner.clean_many(texts)
    assert len(together) == len(texts)
    for text, article in zip(texts, together, strict=True):
        alone = quick_cleaner.clean(text)
        assert article.text == alone.text
        assert [paragraph.label for paragraph in article.paragraphs] == [
            paragraph.label for paragraph in alone.paragraphs
        ]


def test_articles_are_cleaned_like_one_by_one(quick_cleaner: Cleaner, few_seeds: list[LabelledArticle]) -> None:
    """The same for whole articles: the very same answers but for the rounding of probabilities."""
    texts = [article.text for article in few_seeds]
    for text, article in zip(texts, quick_cleaner.clean_many(texts), strict=True):
        alone = quick_cleaner.clean(text)
        assert article.text == alone.text
        for one, other in zip(article.paragraphs, alone.paragraphs, strict=True):
            assert one.label == other.label
            assert one.probabilities == pytest.approx(other.probabilities, abs=2e-4)


@pytest.mark.parametrize("limit", [1, 10, 40, 10_000])
def test_texts_are_scored_in_parts_that_show_nowhere(
    stub_cleaner: Cleaner, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """However many characters are scored at once, every text has its answer, empty ones too."""
    texts = ["", "Story.", "PROMO", "", "x" * 50, "\n", "Story.\n@a\nFOOT", ""]
    expected = [stub_cleaner.clean(text) for text in texts]
    monkeypatch.setattr(cleaning, "_BATCH_CHARACTERS", limit)
    assert stub_cleaner.clean_many(texts) == expected


@pytest.mark.parametrize(
    ("text", "keep", "expected"),
    [
        ("Story.\nPROMO\nMore.", {Label.CORE}, "Story.\nMore."),
        ("Story.\n\n  More.\nPROMO", {Label.CORE}, "Story.\n\n  More."),
        ("PROMO\r\nStory.\r\nMore.\r\n", {Label.CORE}, "Story.\r\nMore."),
        ("Story.   More.", {Label.CORE}, "Story.   More."),
        ("Story.   PROMO   More.", {Label.CORE}, "Story.\nMore."),
        ("Story.\n@a\nFOOT\nPROMO", {Label.SOCIAL, Label.PROMO}, "@a\nPROMO"),
        ("Story.\n@a\nFOOT\nPROMO", {Label.SOCIAL, Label.BOILERPLATE}, "@a\nFOOT"),
        ("Story.\nPROMO", set(), ""),
        ("PROMO", {Label.CORE}, ""),
        ("PROMO t.co/AbCdEfGh12The mayor said.", {Label.CORE}, "The mayor said."),
    ],
)
def test_what_is_kept_stands_as_it_stood(stub_cleaner: Cleaner, text: str, keep: set[Label], expected: str) -> None:
    """Neighbours keep the white space between them; where something was dropped there is one line break."""
    assert stub_cleaner.clean(text, keep).text == expected


def test_kept_text_follows_the_choice_and_not_the_labels() -> None:
    """A caller may keep by confidence or by hand."""
    paragraphs = [Paragraph(start, start + 1, Label.PROMO, 1.0, (0.0, 0.0, 0.0, 1.0)) for start in (0, 2, 4)]
    assert kept_text("a b c", paragraphs, [True, False, True]) == "a\nc"
    assert kept_text("a b c", paragraphs, [False, True, True]) == "b c"


@pytest.mark.parametrize(
    "text", ["", " ", "\n\r\n\t", "\u3000\u2028\x85"], ids=["nothing", "space", "line breaks", "odd white space"]
)
def test_no_ink_is_an_empty_article(quick_cleaner: Cleaner, text: str) -> None:
    """It has no paragraphs, and that is no error."""
    assert quick_cleaner.clean(text) == CleanedArticle("", (), quick_cleaner.model.identifier)
    assert quick_cleaner.clean_many([text, text])[1].paragraphs == ()


@pytest.mark.parametrize(
    "text",
    [
        "\x00",
        "The council\x00voted.\n\x00\n\x00\x00",
        "\ud83d",
        "The council \ud83d voted.\n\udfff",
        "\ud83d\ude00 two halves",
        "\u202eThe council\u202c voted.",
        "\ufeffThe council voted.",
        "😀" * 500,
        "x" * 5000,
        "\n".join(["x"] * 5000),
        "\u0301\u0301",
        "\U0010ffff",
    ],
    ids=lambda text: f"{text[:12]!a}-{len(text)}",
)
def test_odd_characters_are_text_like_any_other(quick_cleaner: Cleaner, text: str) -> None:
    """NUL, lone surrogates, bidi marks and very long lines are labelled, and come back as they stood."""
    article = quick_cleaner.clean(text, LABELS)
    assert article.text == text
    assert bare("".join(text[paragraph.start : paragraph.end] for paragraph in article.paragraphs)) == bare(text)


def test_nothing_to_clean_gives_nothing(stub_cleaner: Cleaner) -> None:
    """No texts have no answers."""
    assert stub_cleaner.clean_many([]) == []


def test_a_cleaner_loads_the_model_it_is_told(quick_folder: Path, quick_cleaner: Cleaner) -> None:
    """A folder may be given as a path or a string, and answers as the model did before it was saved."""
    text = "Council approves bus lanes\nThe council voted 14 to 9 on Tuesday.\nRead also:\nFlour prices climb"
    for folder in (quick_folder, str(quick_folder)):
        assert Cleaner.load(folder).clean(text) == quick_cleaner.clean(text)


def test_a_cleaner_without_a_model_says_so(tmp_path: Path) -> None:
    """The folder and the command that makes a model stand in the message."""
    with pytest.raises(ModelError, match=r"there is no model in .*winnow train"):
        Cleaner.load(tmp_path)


@pytest.fixture(scope="module")
def default_cleaner() -> Cleaner:
    """A cleaner with the model that ships."""
    return Cleaner.load(default_model())


@pytest.mark.parametrize("name", ["arabic-portal", "chinese-clean", "english-local", "german-live", "spanish-daily"])
def test_the_shipped_model_cleans_the_samples(default_cleaner: Cleaner, name: str) -> None:
    """It keeps nine tenths of the lines of the story verbatim, and drops at least half of the others."""
    raw = (SAMPLES / f"{name}.txt").read_text("utf-8")
    story = [line.strip() for line in (SAMPLES / f"{name}.expected.txt").read_text("utf-8").split("\n") if line.strip()]
    cleaned = [line.strip() for line in default_cleaner.clean(raw).text.split("\n")]
    others = [line.strip() for line in raw.split("\n") if line.strip() and line.strip() not in story]
    assert sum(line in cleaned for line in story) >= 0.9 * len(story)
    assert sum(line in cleaned for line in others) <= 0.5 * len(others)
