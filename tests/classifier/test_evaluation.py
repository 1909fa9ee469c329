"""Figures computed by hand, and the reader of labelled articles."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from classifier import evaluation
from classifier.cleaning import Cleaner
from classifier.errors import InputError
from classifier.evaluation import (
    HEADLINES,
    CalibrationBin,
    Figures,
    JudgedArticle,
    JudgedParagraph,
    LabelFigures,
    compare,
    cross_validate,
    evaluate,
    read_gold,
)
from classifier.labels import LABELS, CleanedArticle, Label, LabelledArticle, Paragraph
from classifier.model import Model
from classifier.training import QUICK, TrainingSettings

CORE, SOCIAL, BOILERPLATE, PROMO = LABELS


def labelled(name: str, language: str, *rows: tuple[str, Label]) -> LabelledArticle:
    """Return a labelled article with a row a line."""
    text, spans = "", []
    for row, label in rows:
        text += "\n" if text else ""
        spans.append((len(text), len(text) + len(row), label))
        text += row
    return LabelledArticle(name, text, tuple(spans), language, name)


def answered(article: LabelledArticle, *labels: Label) -> CleanedArticle:
    """Return what a cleaner would answer that gives these labels to the spans of an article."""
    return sure(article, *((label, 1.0) for label in labels))


def sure(article: LabelledArticle, *given: tuple[Label, float]) -> CleanedArticle:
    """The same, of a cleaner that is this sure of each label."""
    paragraphs = tuple(
        Paragraph(start, end, label, confidence, tuple(float(label is one) for one in LABELS))
        for (start, end, _), (label, confidence) in zip(article.spans, given, strict=True)
    )
    return CleanedArticle("", paragraphs, "m")


def confusion(*rows: tuple[int, int, int, int]) -> dict[str, dict[str, int]]:
    """Return a confusion matrix as an evaluation has it, from a row of counts for each gold label."""
    return {
        gold.value: {given.value: count for given, count in zip(LABELS, row, strict=True)}
        for gold, row in zip(LABELS, rows, strict=True)
    }


def calibration(**filled: CalibrationBin) -> tuple[CalibrationBin, ...]:
    """Return the ten bins of an evaluation; those not given by number (`bin9` is the last) are empty."""
    return tuple(
        filled.get(f"bin{number}", CalibrationBin(number / 10, (number + 1) / 10, 0, None, None))
        for number in range(10)
    )


# Characters without white space: A has 9 of core, 7 of boilerplate, 6 of social, 5 of promo; B twice 5 of core.
A = labelled("a", "en", ("Story one.", CORE), ("Share it", BOILERPLATE), ("@a post", SOCIAL), ("Other", PROMO))
B = labelled("b", "ar", ("Abcde", CORE), ("Fghij", CORE))
ANSWERS = [answered(A, CORE, CORE, SOCIAL, PROMO), answered(B, CORE, PROMO)]


def test_figures_are_those_computed_by_hand() -> None:
    """Of 19 characters of core 14 are kept, of 18 others 7; B lost half its story."""
    figures = compare([A, B], ANSWERS).figures
    assert figures == Figures(
        articles=2,
        core_recall=round(14 / 19, 4),
        core_precision=round(14 / 21, 4),
        residue_removed=round(11 / 18, 4),
        articles_damaged=0.5,
        articles_exact=0.0,
        character_macro_f1=round((0.7 + 1.0 + 0.0 + 0.6667) / 4, 4),
        paragraph_macro_f1=round((0.6667 + 1.0 + 0.0 + 0.6667) / 4, 4),
        expected_calibration_error=round(1 - 4 / 6, 4),
        characters={
            "core": LabelFigures(round(14 / 21, 4), round(14 / 19, 4), 0.7),
            "social": LabelFigures(1.0, 1.0, 1.0),
            "boilerplate": LabelFigures(None, 0.0, 0.0),
            "promo": LabelFigures(0.5, 1.0, round(2 / 3, 4)),
        },
        paragraphs={
            "core": LabelFigures(round(2 / 3, 4), round(2 / 3, 4), round(2 / 3, 4)),
            "social": LabelFigures(1.0, 1.0, 1.0),
            "boilerplate": LabelFigures(None, 0.0, 0.0),
            "promo": LabelFigures(0.5, 1.0, round(2 / 3, 4)),
        },
        character_confusion=confusion((14, 0, 0, 5), (0, 6, 0, 0), (7, 0, 0, 0), (0, 0, 0, 5)),
        paragraph_confusion=confusion((2, 0, 0, 1), (0, 1, 0, 0), (1, 0, 0, 0), (0, 0, 0, 1)),
        calibration=calibration(bin9=CalibrationBin(0.9, 1.0, 6, 1.0, round(4 / 6, 4))),
    )


def test_calibration_is_the_gap_between_confidence_and_accuracy() -> None:
    """Weighted by the paragraphs of each bin: one at .9 that is wrong, one at .95 and two around .68 that are right."""
    article = labelled("a", "en", ("One", CORE), ("Two", CORE), ("Three", CORE), ("Four", CORE))
    given = [(PROMO, 0.9), (CORE, 0.95), (CORE, 0.7), (CORE, 0.65)]
    figures = compare([article], [sure(article, *given)]).figures
    assert figures.calibration == calibration(
        bin6=CalibrationBin(0.6, 0.7, 2, 0.675, 1.0),
        bin8=CalibrationBin(0.8, 0.9, 1, 0.9, 0.0),
        bin9=CalibrationBin(0.9, 1.0, 1, 0.95, 1.0),
    )
    assert figures.expected_calibration_error == round((2 * 0.325 + 0.9 + 0.05) / 4, 4)


@pytest.mark.parametrize(
    ("confidence", "place"),
    [(0.0, 0), (0.1, 0), (0.1001, 1), (0.3, 2), (0.3001, 3), (0.6, 5), (0.7, 6), (0.7001, 7), (0.9, 8), (1.0, 9)],
)
def test_a_bin_holds_its_upper_edge(confidence: float, place: int) -> None:
    """As in the paper that defines the figure; the first holds zero too."""
    article = labelled("a", "en", ("One", CORE))
    bins = compare([article], [sure(article, (CORE, confidence))]).figures.calibration
    assert [number for number, one in enumerate(bins) if one.paragraphs] == [place]


def test_calibration_is_of_the_paragraphs_of_the_answer() -> None:
    """One is right when most of its characters have its label; one without any gold label does not count."""
    article = LabelledArticle("a", "One two three\nfour", ((0, 7, PROMO), (8, 13, CORE)))
    pieces = ((0, 13, PROMO, 0.95), (14, 18, CORE, 0.15))
    answer = CleanedArticle(
        "", tuple(Paragraph(start, end, label, share, (share,) * 4) for start, end, label, share in pieces), "m"
    )
    result = compare([article], [answer])
    assert result.figures.calibration == calibration(bin9=CalibrationBin(0.9, 1.0, 1, 0.95, 1.0))
    assert result.figures.expected_calibration_error == 0.05
    assert result.worst == (
        JudgedArticle(
            "a",
            "",
            5,
            (
                JudgedParagraph("One two three", PROMO, 0.95, PROMO, 11, 5),
                JudgedParagraph("four", CORE, 0.15, None, 0, 0),
            ),
        ),
    )


@pytest.mark.parametrize(("gold", "mislabelled"), [(CORE, False), (PROMO, True), (None, False)])
def test_only_another_gold_label_makes_a_paragraph_mislabelled(gold: Label | None, mislabelled: bool) -> None:
    """None is no mistake."""
    assert JudgedParagraph("A", CORE, 0.5, gold, 1, 0).mislabelled is mislabelled


def test_every_headline_is_a_figure() -> None:
    """Core recall comes first, since losing the story is the worst error."""
    assert {field for field, _, _ in HEADLINES} <= set(Figures.__dataclass_fields__)
    assert HEADLINES[0][0] == "core_recall"


def test_each_language_has_its_own_figures() -> None:
    """They are those of its articles alone, and None where there is nothing to measure."""
    by_language = compare([A, B], ANSWERS).by_language
    assert list(by_language) == ["ar", "en"]
    assert by_language["en"] == compare([A], ANSWERS[:1]).figures
    assert by_language["ar"] == compare([B], ANSWERS[1:]).figures
    assert (by_language["en"].core_recall, by_language["en"].core_precision) == (1.0, round(9 / 16, 4))
    assert (by_language["ar"].core_recall, by_language["ar"].residue_removed) == (0.5, None)


def test_the_worst_articles_come_first() -> None:
    """By wrong characters, and those without any are left out."""
    worst = compare([B, A], ANSWERS[::-1]).worst
    assert [(one.identifier, one.language, one.wrong) for one in worst] == [("a", "en", 7), ("b", "ar", 5)]
    assert worst[1].paragraphs == (
        JudgedParagraph("Abcde", CORE, 1.0, CORE, 5, 0),
        JudgedParagraph("Fghij", PROMO, 1.0, CORE, 5, 5),
    )
    assert compare([A], [answered(A, CORE, BOILERPLATE, SOCIAL, PROMO)]).worst == ()


@pytest.mark.parametrize(("kept", "damaged"), [(10, 0.0), (9, 0.0), (8, 1.0), (0, 1.0)])
def test_an_article_is_damaged_when_it_lost_over_a_tenth(kept: int, damaged: float) -> None:
    """Exactly a tenth is no damage."""
    article = labelled("a", "en", *((f"{number}", CORE) for number in range(10)))
    labels = [CORE] * kept + [PROMO] * (10 - kept)
    assert compare([article], [answered(article, *labels)]).figures.articles_damaged == damaged


@pytest.mark.parametrize(
    ("labels", "exact"),
    [
        ((CORE, BOILERPLATE, SOCIAL, PROMO), 1.0),
        ((CORE, PROMO, PROMO, SOCIAL), 1.0),
        ((CORE, CORE, SOCIAL, PROMO), 0.0),
        ((PROMO, BOILERPLATE, SOCIAL, PROMO), 0.0),
    ],
)
def test_an_article_is_exact_when_the_right_paragraphs_are_kept(labels: tuple[Label, ...], exact: float) -> None:
    """Which label the others have does not matter for that."""
    assert compare([A], [answered(A, *labels)]).figures.articles_exact == exact


def test_paragraphs_are_matched_by_their_characters() -> None:
    """Where the answer is cut otherwise, a paragraph counts as labelled the way most of its characters are."""
    article = labelled("a", "en", ("One two three", CORE))
    pieces = ((0, 3, PROMO), (4, 13, CORE))
    answer = CleanedArticle(
        "", tuple(Paragraph(start, end, label, 1.0, (1.0, 0.0, 0.0, 0.0)) for start, end, label in pieces), "m"
    )
    figures = compare([article], [answer]).figures
    assert figures.paragraphs["core"].recall == 1.0
    assert figures.core_recall == round(8 / 11, 4)


def test_a_perfect_cleaner_has_every_figure_at_its_best(stub_cleaner: Cleaner) -> None:
    """A cleaner that gives every label as the articles have it."""
    articles = [
        labelled("a", "en", ("Story.", CORE), ("@a", SOCIAL), ("FOOT", BOILERPLATE), ("PROMO", PROMO)),
        labelled("b", "ar", ("قال الوزير.", CORE), ("PROMO", PROMO)),
    ]
    result = evaluate(stub_cleaner, articles)
    best = LabelFigures(1.0, 1.0, 1.0)
    assert result.figures == Figures(
        articles=2,
        core_recall=1.0,
        core_precision=1.0,
        residue_removed=1.0,
        articles_damaged=0.0,
        articles_exact=1.0,
        character_macro_f1=1.0,
        paragraph_macro_f1=1.0,
        expected_calibration_error=0.25,
        characters=dict.fromkeys(LABELS, best),
        paragraphs=dict.fromkeys(LABELS, best),
        character_confusion=confusion((16, 0, 0, 0), (0, 2, 0, 0), (0, 0, 4, 0), (0, 0, 0, 10)),
        paragraph_confusion=confusion((2, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 2)),
        calibration=calibration(bin7=CalibrationBin(0.7, 0.8, 6, 0.75, 1.0)),
    )
    assert result.by_language["ar"].paragraphs["social"] == LabelFigures(None, None, None)
    assert result.worst == ()


def test_an_evaluation_can_be_written_as_json(stub_cleaner: Cleaner) -> None:
    """Every figure is a plain value; texts stay out of it."""
    result = evaluate(stub_cleaner, [A, B])
    written = json.loads(json.dumps(result.to_json()))
    assert written["figures"]["articles"] == 2
    assert set(written["by_language"]) == {"ar", "en"}
    assert written["figures"]["expected_calibration_error"] == result.figures.expected_calibration_error
    assert len(written["figures"]["calibration"]) == 10
    assert written["worst"] == [[one.identifier, one.wrong] for one in result.worst]
    assert A.text.split("\n")[0] not in json.dumps(written)


@pytest.mark.parametrize("whole_languages", [False, True], ids=["outlets", "languages"])
def test_cross_validation_labels_nothing_with_a_model_that_has_seen_it(
    stub_cleaner: Cleaner, monkeypatch: pytest.MonkeyPatch, whole_languages: bool
) -> None:
    """Each fold is labelled by a model trained on the others, outlets (or languages) stay together, and every article
    is measured.
    """

    def kept_together(article: LabelledArticle) -> str:
        return article.language if whole_languages else article.group

    articles = [
        LabelledArticle(f"{number}", f"Story {number}.", ((0, 8, CORE),), f"l{number % 4}", f"outlet {number % 7}")
        for number in range(20)
    ]
    trained: list[set[str]] = []

    def fake_train(given: Sequence[LabelledArticle], settings: TrainingSettings, report: Any) -> tuple[Model, None]:
        assert settings is QUICK
        trained.append({kept_together(article) for article in given})
        return stub_cleaner.model, None

    labelled_by: list[set[str]] = []
    groups = {article.text: kept_together(article) for article in articles}
    clean_many = Cleaner.clean_many

    def spy(self: Cleaner, texts: Sequence[str]) -> list[CleanedArticle]:
        labelled_by.append({groups[text] for text in texts})
        return clean_many(self, texts)

    monkeypatch.setattr(evaluation, "train", fake_train)
    monkeypatch.setattr(Cleaner, "clean_many", spy)
    told: list[str] = []
    result = cross_validate(articles, 3, QUICK, told.append, whole_languages=whole_languages)
    assert result.figures.articles == 20
    assert len(trained) == len(labelled_by) == 3
    for seen, held_out in zip(trained, labelled_by, strict=True):
        assert not seen & held_out
        assert seen | held_out == set(groups.values())
    assert told == ["fold 1 of 3", "fold 2 of 3", "fold 3 of 3"]


def test_gold_articles_are_read_as_written(tmp_path: Path) -> None:
    """Offsets are code points; language and site are taken over, blank lines passed over."""
    rows = [
        {
            "id": "a",
            "text": "😀 قال\nPROMO",
            "paragraphs": [[0, 5, "core"], [6, 11, "promo"]],
            "lang": "ar",
            "site": "s",
        },
        {"id": 2, "text": "", "paragraphs": []},
    ]
    path = tmp_path / "gold.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n\n", "utf-8")
    first, second = read_gold(path)
    assert first == LabelledArticle("a", "😀 قال\nPROMO", ((0, 5, CORE), (6, 11, PROMO)), "ar", "s", f"{path}:1")
    assert (second.identifier, second.text, second.spans, second.origin) == ("2", "", (), f"{path}:2")


@pytest.mark.parametrize(
    "row",
    [
        "{",
        "[]",
        "5",
        '"text"',
        "{}",
        '{"id": "a", "text": "Story"}',
        '{"id": "a", "paragraphs": []}',
        '{"text": "Story", "paragraphs": []}',
        '{"id": "a", "text": 12345, "paragraphs": [[0, 5, "core"]]}',
        '{"id": "a", "text": null, "paragraphs": []}',
        '{"id": "a", "text": "Story", "paragraphs": 5}',
        '{"id": "a", "text": "Story", "paragraphs": [5]}',
        '{"id": "a", "text": "Story", "paragraphs": [[0, 5]]}',
        '{"id": "a", "text": "Story", "paragraphs": [[0, 5, "news"]]}',
        '{"id": "a", "text": "Story", "paragraphs": [["x", 5, "core"]]}',
        '{"id": "a", "text": "Story", "paragraphs": [[null, 5, "core"]]}',
        '{"id": "a", "text": "Story", "paragraphs": [[0, 1e999, "core"]]}',
        '{"id": "a", "text": "Story", "paragraphs": [[0, 6, "core"]]}',
        '{"id": "a", "text": "Story", "paragraphs": [[-1, 5, "core"]]}',
        '{"id": "a", "text": "Story", "paragraphs": [[2, 2, "core"]]}',
        '{"id": "a", "text": "Story", "paragraphs": [[3, 2, "core"]]}',
        '{"id": "a", "text": "Story", "paragraphs": [[0, 3, "core"], [2, 5, "promo"]]}',
        '{"id": "a", "text": "Story", "paragraphs": [[3, 5, "core"], [0, 3, "promo"]]}',
        "[" * 100_000,
    ],
    ids=lambda row: row[-60:] if len(row) < 1000 else "deep",
)
def test_a_bad_gold_row_is_named(tmp_path: Path, row: str) -> None:
    """File and line of the first row that cannot be used stand in the message."""
    path = tmp_path / "gold.jsonl"
    path.write_text(f'{{"id": "a", "text": "Story", "paragraphs": [[0, 5, "core"]]}}\n\n{row}\n', "utf-8")
    with pytest.raises(InputError) as caught:
        read_gold(path)
    assert str(caught.value).startswith(f"{path}:3: ")


@pytest.mark.parametrize(
    "content", [None, b"", b"\n \n", b'{"id": "a\xff"}'], ids=["missing", "empty", "blank", "cp1252"]
)
def test_a_gold_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    """Nothing to measure is an error, too."""
    path = tmp_path / "gold.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_gold(path)
    assert str(caught.value).startswith(f"{path} ")
