"""How good labels are: figures by character and by paragraph, over all articles and by language.

Characters are counted without white space. A gold paragraph counts as labelled the way most of its characters are.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.alignment import UNLABELLED, character_labels, majority
from classifier.cleaning import Cleaner
from classifier.errors import InputError
from classifier.labels import LABELS, CleanedArticle, Label, LabelledArticle
from classifier.paragraphs import TextBatch, split_batch
from classifier.training import DEFAULT, Report, TrainingSettings, deal_folds, train

_CORE = LABELS.index(Label.CORE)
_DAMAGED = 0.9  # an article that keeps less of its core than this is damaged
_BINS = 10
_WORST = 10
_CLASSES = UNLABELLED + 1

HEADLINES = (
    ("core_recall", "core recall", "share of the story's characters that are kept"),
    ("core_precision", "core precision", "share of the characters kept that are the story's"),
    ("residue_removed", "residue removed", "share of all other characters that are removed"),
    ("articles_damaged", "articles damaged", "share of articles that lost over a tenth of their story; best is 0"),
    ("articles_exact", "articles exact", "share of articles with every paragraph kept or dropped rightly"),
    ("character_macro_f1", "macro-F1 by character", "mean F1 of the labels that occur, counting characters"),
    ("paragraph_macro_f1", "macro-F1 by paragraph", "mean F1 of the labels that occur, counting paragraphs"),
    (
        "expected_calibration_error",
        "expected calibration error",
        "mean gap between a label's confidence and how often it is right; best is 0",
    ),
)
"""The figures to look at first: field of `Figures`, name, and what it says. Best is 1 unless another best is said."""


@dataclass(frozen=True)
class LabelFigures:
    """Precision, recall and F1 of one label; None where it neither occurs nor is given."""

    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True)
class CalibrationBin:
    """The answer's paragraphs whose confidence lies above `lower` and up to `upper`: their number, mean confidence and
    the share labelled rightly, None where there are none.
    """

    lower: float
    upper: float
    paragraphs: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Figures:
    """The figures of a set of articles; shares lie between 0 and 1, None where there is nothing to measure.

    `core_recall` and `core_precision` are of characters, `residue_removed` is the share of the other characters that
    are not kept, `articles_damaged` of articles that lost over a tenth of their core, `articles_exact` of those with
    every paragraph kept or dropped rightly.

    `expected_calibration_error` is the mean distance between accuracy and confidence over the ten bins of
    `calibration`, weighted by their paragraphs (Guo et al., "On Calibration of Modern Neural Networks", 2017). These
    are the paragraphs of the answer: one is right when its label is the gold label of most of its characters.

    The confusions count, by gold label and then by label given, characters and gold paragraphs.
    """

    articles: int
    core_recall: float | None
    core_precision: float | None
    residue_removed: float | None
    articles_damaged: float
    articles_exact: float
    character_macro_f1: float | None
    paragraph_macro_f1: float | None
    expected_calibration_error: float | None
    characters: dict[str, LabelFigures]
    paragraphs: dict[str, LabelFigures]
    character_confusion: dict[str, dict[str, int]]
    paragraph_confusion: dict[str, dict[str, int]]
    calibration: tuple[CalibrationBin, ...]


@dataclass(frozen=True)
class JudgedParagraph:
    """A paragraph of an answer beside what it should be.

    `gold` is the label of most of its characters, None where none is labelled; `wrong` of its labelled `characters`
    have another label than the one given.
    """

    text: str
    given: Label
    confidence: float
    gold: Label | None
    characters: int
    wrong: int

    @property
    def mislabelled(self) -> bool:
        """Whether it has a gold label, and was given another."""
        return self.gold not in (None, self.given)


@dataclass(frozen=True)
class JudgedArticle:
    """An article's answer, judged: how many characters are wrong, and its paragraphs in order."""

    identifier: str
    language: str
    wrong: int
    paragraphs: tuple[JudgedParagraph, ...]


@dataclass(frozen=True)
class Evaluation:
    """Figures over all articles and by language, and the articles with most wrong characters, worst first."""

    figures: Figures
    by_language: dict[str, Figures]
    worst: tuple[JudgedArticle, ...]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values; of the worst articles only identifier and number of wrong characters."""
        return {
            "figures": asdict(self.figures),
            "by_language": {language: asdict(figures) for language, figures in self.by_language.items()},
            "worst": [(article.identifier, article.wrong) for article in self.worst],
        }


def read_gold(path: Path) -> list[LabelledArticle]:
    """Read labelled articles from JSON Lines, rows `{"id", "text", "paragraphs": [[start, end, label], …], "lang"?,
    "site"?}`.

    Raises InputError naming file and line of the first row that cannot be used.
    """
    articles = []
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}); name a JSON Lines file in UTF-8") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            spans = tuple((int(start), int(end), Label(label)) for start, end, label in row["paragraphs"])
            if not isinstance(row["text"], str):
                raise TypeError("its text is no string")
            article = LabelledArticle(
                str(row["id"]),
                str(row["text"]),
                spans,
                str(row.get("lang", "")),
                str(row.get("site", "")),
                f"{path}:{number}",
            )
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise InputError(
                f"{path}:{number}: no labelled article ({error}); "
                'write {"id", "text", "paragraphs": [[start, end, label], …]}'
            ) from error
        ends = [0, *(end for _, end, _ in spans)]
        if any(
            not before <= start < end <= len(article.text) for (start, end, _), before in zip(spans, ends, strict=False)
        ):
            raise InputError(
                f"{path}:{number}: paragraphs are out of order or beyond the text; "
                "give them in order, as code point offsets"
            )
        articles.append(article)
    if not articles:
        raise InputError(f"{path} holds no labelled article; name another file")
    return articles


def evaluate(cleaner: Cleaner, articles: Sequence[LabelledArticle]) -> Evaluation:
    """Measure a cleaner on labelled articles."""
    return compare(articles, cleaner.clean_many([article.text for article in articles]))


def cross_validate(
    articles: Sequence[LabelledArticle],
    folds: int,
    settings: TrainingSettings = DEFAULT,
    report: Report = lambda message: None,
    *,
    whole_languages: bool = False,
) -> Evaluation:
    """Measure training itself: each fold of the articles, dealt by group or by language, is labelled by a model
    trained on the others.
    """
    groups = [article.language if whole_languages else article.group for article in articles]
    fold_of = deal_folds(groups, folds, settings.random_state + 1)  # other folds than training's own
    cleaned: dict[int, CleanedArticle] = {}
    for fold in range(folds):
        report(f"fold {fold + 1} of {folds}")
        held_out = [place for place, number in enumerate(fold_of) if number == fold]
        model, _ = train(
            [article for article, number in zip(articles, fold_of, strict=True) if number != fold], settings, report
        )
        answers = Cleaner(model).clean_many([articles[place].text for place in held_out])
        cleaned.update(zip(held_out, answers, strict=True))
    return compare(articles, [cleaned[place] for place in range(len(articles))])


def compare(articles: Sequence[LabelledArticle], cleaned: Sequence[CleanedArticle]) -> Evaluation:
    """Measure cleaned articles against their labels, pairwise in order."""
    answers = [
        replace(article, spans=tuple((p.start, p.end, p.label) for p in answer.paragraphs))
        for article, answer in zip(articles, cleaned, strict=True)
    ]
    batch = split_batch([article.text for article in articles])
    gold, given = character_labels(batch, articles), character_labels(batch, answers)
    characters = _Pairs(np.repeat(np.arange(len(articles)), np.diff(batch.offsets)), gold, given)
    paragraphs = _paragraph_pairs(batch, articles, gold, given)
    measured = _Measured(
        characters=characters,
        paragraphs=paragraphs,
        answered=_paragraph_pairs(batch, answers, gold, given),
        confidence=np.array([p.confidence for answer in cleaned for p in answer.paragraphs], np.float64),
        damaged=_damaged(characters, len(articles)),
        exact=_exact(paragraphs, len(articles)),
    )
    languages = np.array([article.language for article in articles], np.str_)
    by_language = {str(name): _figures(measured, languages == name) for name in np.unique(languages)}
    wrong = np.bincount(characters.article[(gold != given) & (gold != UNLABELLED)], minlength=len(articles))
    worst = []
    for place in np.argsort(-wrong, kind="stable")[:_WORST].tolist():
        if wrong[place]:
            own = slice(batch.offsets[place], batch.offsets[place + 1])
            worst.append(_judge(articles[place], cleaned[place], gold[own], int(wrong[place])))
    return Evaluation(_figures(measured, np.ones(len(articles), bool)), by_language, tuple(worst))


@dataclass(frozen=True)
class _Pairs:
    """Characters or paragraphs, each with the place of its article, its gold label and the one given: indices into
    `LABELS`, or `UNLABELLED`.
    """

    article: NDArray[np.int64]
    gold: NDArray[np.integer]
    given: NDArray[np.integer]


@dataclass(frozen=True)
class _Measured:
    """Gold and answer of many articles side by side: all characters, the gold paragraphs, and the answer's paragraphs
    with their confidence; and which articles are damaged and which exact.
    """

    characters: _Pairs
    paragraphs: _Pairs
    answered: _Pairs
    confidence: NDArray[np.float64]
    damaged: NDArray[np.bool_]
    exact: NDArray[np.bool_]


def _paragraph_pairs(
    batch: TextBatch, articles: Sequence[LabelledArticle], gold: NDArray[np.uint8], given: NDArray[np.uint8]
) -> _Pairs:
    article = np.repeat(np.arange(len(articles)), np.array([len(one.spans) for one in articles], np.int64))
    spans = np.array([(start, end) for one in articles for start, end, _ in one.spans], np.int64).reshape(-1, 2)
    starts, ends = (spans + batch.offsets[article][:, None]).T
    return _Pairs(article, _label_of(gold, starts, ends), _label_of(given, starts, ends))


def _label_of(labels: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the label that most labelled characters of each span have, `UNLABELLED` where there is none."""
    known = np.zeros(len(labels) + 1, np.int64)
    np.cumsum(labels != UNLABELLED, out=known[1:])
    return np.where(known[ends] > known[starts], majority(labels, starts, ends), UNLABELLED)


def _judge(article: LabelledArticle, answer: CleanedArticle, gold: NDArray[np.uint8], wrong: int) -> JudgedArticle:
    paragraphs = []
    for paragraph in answer.paragraphs:
        counts = np.bincount(gold[paragraph.start : paragraph.end], minlength=_CLASSES)[:UNLABELLED]
        characters = int(counts.sum())
        paragraphs.append(
            JudgedParagraph(
                text=article.text[paragraph.start : paragraph.end],
                given=paragraph.label,
                confidence=paragraph.confidence,
                gold=LABELS[int(counts.argmax())] if characters else None,
                characters=characters,
                wrong=characters - int(counts[LABELS.index(paragraph.label)]),
            )
        )
    return JudgedArticle(article.identifier, article.language, wrong, tuple(paragraphs))


def _figures(measured: _Measured, chosen: NDArray[np.bool_]) -> Figures:
    """The figures of the chosen articles; `chosen` has an item for each article."""
    articles = int(chosen.sum())
    characters, paragraphs = (_confusion(pairs, chosen) for pairs in (measured.characters, measured.paragraphs))
    kept, core = characters[:, _CORE].sum(), characters[_CORE].sum()
    residue, residue_kept = characters.sum() - core, kept - characters[_CORE, _CORE]
    by_character, by_paragraph = _by_label(characters), _by_label(paragraphs)
    calibration, error = _calibration(measured.answered, measured.confidence, chosen)
    return Figures(
        articles=articles,
        core_recall=_ratio(characters[_CORE, _CORE], core),
        core_precision=_ratio(characters[_CORE, _CORE], kept),
        residue_removed=_ratio(residue - residue_kept, residue),
        articles_damaged=round(int(measured.damaged[chosen].sum()) / max(1, articles), 4),
        articles_exact=round(int(measured.exact[chosen].sum()) / max(1, articles), 4),
        character_macro_f1=_macro(characters, by_character),
        paragraph_macro_f1=_macro(paragraphs, by_paragraph),
        expected_calibration_error=error,
        characters=by_character,
        paragraphs=by_paragraph,
        character_confusion=_as_dictionary(characters),
        paragraph_confusion=_as_dictionary(paragraphs),
        calibration=calibration,
    )


def _confusion(pairs: _Pairs, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count gold labels (rows) against given ones (columns, with one more for `UNLABELLED`)."""
    used = chosen[pairs.article] & (pairs.gold != UNLABELLED)
    both = pairs.gold[used].astype(np.int64) * _CLASSES + pairs.given[used]
    return np.bincount(both, minlength=UNLABELLED * _CLASSES).reshape(UNLABELLED, _CLASSES)


def _damaged(characters: _Pairs, articles: int) -> NDArray[np.bool_]:
    core = characters.gold == _CORE
    whole = np.bincount(characters.article[core], minlength=articles)
    kept = np.bincount(characters.article[core & (characters.given == _CORE)], minlength=articles)
    return np.asarray(kept < _DAMAGED * whole)


def _exact(paragraphs: _Pairs, articles: int) -> NDArray[np.bool_]:
    wrong = (paragraphs.gold != UNLABELLED) & ((paragraphs.gold == _CORE) != (paragraphs.given == _CORE))
    return ~np.isin(np.arange(articles), paragraphs.article[wrong])


def _calibration(
    answered: _Pairs, confidence: NDArray[np.float64], chosen: NDArray[np.bool_]
) -> tuple[tuple[CalibrationBin, ...], float | None]:
    """The bins of confidence, and the expected calibration error over them."""
    used = chosen[answered.article] & (answered.gold != UNLABELLED)
    right, sure = (answered.gold == answered.given)[used], confidence[used]
    edges = np.arange(_BINS + 1) / _BINS
    place = np.searchsorted(edges[1:-1], sure, side="left")  # as in the paper, a bin holds its upper edge
    counts = np.bincount(place, minlength=_BINS)
    sums, hits = (np.bincount(place, weights, minlength=_BINS) for weights in (sure, right))
    bins = tuple(
        CalibrationBin(float(lower), float(upper), int(count), _ratio(total, count), _ratio(hit, count))
        for lower, upper, count, total, hit in zip(edges[:-1], edges[1:], counts, sums, hits, strict=True)
    )
    return bins, _ratio(np.abs(hits - sums).sum(), counts.sum())


def _as_dictionary(confusion: NDArray[np.int64]) -> dict[str, dict[str, int]]:
    return {
        gold.value: {given.value: int(confusion[row, column]) for column, given in enumerate(LABELS)}
        for row, gold in enumerate(LABELS)
    }


def _by_label(counts: NDArray[np.int64]) -> dict[str, LabelFigures]:
    figures = {}
    for number, label in enumerate(LABELS):
        hit, gold, given = counts[number, number], counts[number].sum(), counts[:, number].sum()
        figures[label.value] = LabelFigures(_ratio(hit, given), _ratio(hit, gold), _ratio(2 * hit, gold + given))
    return figures


def _macro(counts: NDArray[np.int64], by_label: dict[str, LabelFigures]) -> float | None:
    """The mean F1 of the labels that occur."""
    scores = [by_label[label.value].f1 or 0.0 for number, label in enumerate(LABELS) if counts[number].sum()]
    return round(sum(scores) / len(scores), 4) if scores else None


def _ratio(part: float | np.number, whole: float | np.number) -> float | None:
    return round(float(part) / float(whole), 4) if whole else None
