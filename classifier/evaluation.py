"""How good labels are: figures by character and by paragraph, over all articles and by language.

Characters are counted without white space. A gold paragraph counts as labelled the way most of its characters are.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
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


@dataclass(frozen=True)
class LabelFigures:
    """Precision, recall and F1 of one label; None where it neither occurs nor is given."""

    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True)
class Figures:
    """The figures of a set of articles; shares lie between 0 and 1, None where there is nothing to measure.

    `core_recall` and `core_precision` are of characters, `residue_removed` is the share of the other characters that
    are not kept, `articles_damaged` of articles that lost over a tenth of their core, `articles_exact` of those with
    every paragraph kept or dropped rightly.
    """

    articles: int
    core_recall: float | None
    core_precision: float | None
    residue_removed: float | None
    articles_damaged: float
    articles_exact: float
    character_macro_f1: float | None
    paragraph_macro_f1: float | None
    characters: dict[str, LabelFigures]
    paragraphs: dict[str, LabelFigures]


@dataclass(frozen=True)
class Evaluation:
    """Figures over all articles and by language, and the articles with most wrong characters, worst first."""

    figures: Figures
    by_language: dict[str, Figures]
    worst: tuple[tuple[str, int], ...]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return asdict(self)


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
) -> Evaluation:
    """Measure training itself: each fold of the articles, dealt by group, is labelled by a model trained on the
    others.
    """
    fold_of = deal_folds([article.group for article in articles], folds, settings.random_state)
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
    batch = split_batch([article.text for article in articles])
    gold = character_labels(batch, articles)
    given = character_labels(
        batch, [_as_labelled(article, answer) for article, answer in zip(articles, cleaned, strict=True)]
    )
    languages = np.array([article.language for article in articles])
    everything = np.arange(len(articles))
    by_language = {
        str(name): _figures(batch, articles, gold, given, np.flatnonzero(languages == name))
        for name in np.unique(languages)
    }
    article_of = np.searchsorted(batch.offsets, np.arange(len(batch.codes)), side="right") - 1
    wrong = np.bincount(article_of, (gold != given) & (gold != UNLABELLED), minlength=len(articles))
    worst = tuple(
        (articles[place].identifier, int(wrong[place]))
        for place in np.argsort(-wrong, kind="stable")[:10]
        if wrong[place]
    )
    return Evaluation(_figures(batch, articles, gold, given, everything), by_language, worst)


def _as_labelled(article: LabelledArticle, answer: CleanedArticle) -> LabelledArticle:
    return LabelledArticle(
        article.identifier, article.text, tuple((p.start, p.end, p.label) for p in answer.paragraphs)
    )


def _figures(
    batch: TextBatch,
    articles: Sequence[LabelledArticle],
    gold: NDArray[np.uint8],
    given: NDArray[np.uint8],
    places: NDArray[np.int64],
) -> Figures:
    classes = UNLABELLED + 1
    characters = np.zeros((classes, classes), np.int64)
    paragraphs = np.zeros((classes, classes), np.int64)
    damaged = exact = 0
    for place in places.tolist():
        offset, end = int(batch.offsets[place]), int(batch.offsets[place + 1])
        pairs = gold[offset:end].astype(np.int64) * classes + given[offset:end]
        counts = np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
        counts[UNLABELLED] = 0
        characters += counts
        spans = np.array([(start, stop) for start, stop, _ in articles[place].spans], np.int64).reshape(-1, 2) + offset
        right = np.array([LABELS.index(label) for _, _, label in articles[place].spans], np.int64)
        answer = majority(given, spans[:, 0], spans[:, 1])
        np.add.at(paragraphs, (right, answer), 1)
        core = counts[_CORE].sum()
        damaged += bool(core and counts[_CORE, _CORE] < _DAMAGED * core)
        exact += bool(((right == _CORE) == (answer == _CORE)).all())
    kept, core, residue = (
        characters[:, _CORE].sum(),
        characters[_CORE].sum(),
        characters[:_CORE].sum() + characters[_CORE + 1 :].sum(),
    )
    by_character, by_paragraph = _by_label(characters), _by_label(paragraphs)
    residue_kept = kept - characters[_CORE, _CORE]
    return Figures(
        articles=len(places),
        core_recall=_ratio(characters[_CORE, _CORE], core),
        core_precision=_ratio(characters[_CORE, _CORE], kept),
        residue_removed=_ratio(residue - residue_kept, residue),
        articles_damaged=round(damaged / max(1, len(places)), 4),
        articles_exact=round(exact / max(1, len(places)), 4),
        character_macro_f1=_macro(characters, by_character),
        paragraph_macro_f1=_macro(paragraphs, by_paragraph),
        characters=by_character,
        paragraphs=by_paragraph,
    )


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


def _ratio(part: int | np.int64, whole: int | np.int64) -> float | None:
    return round(float(part) / float(whole), 4) if whole else None
