"""Two models side by side: which articles count, when the new one is worse, and what is said of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from classifier.cleaning import Cleaner
from classifier.comparison import NOISE, Comparison, compare_cards
from classifier.errors import ModelError
from classifier.labels import LABELS, Label, LabelledArticle
from classifier.model import Model
from classifier.store import ModelCard
from classifier.training import article_digest, paragraph_figures

CORE, SOCIAL, BOILERPLATE, PROMO = range(len(LABELS))
EACH = 1000

Mistakes = Mapping[tuple[int, int], int]


def counts(mistakes: Mistakes | None = None, labels: Sequence[int] = (EACH,) * len(LABELS)) -> str:
    """Return counts as a card has them: so many paragraphs of each label, given rightly but for the mistakes."""
    confusion = np.diag(labels)
    for (label, given), number in (mistakes or {}).items():
        confusion[label, label] -= number
        confusion[label, given] += number
    return " ".join(map(str, confusion.ravel()))


def card(identifier: str, held_out: Mapping[str, str]) -> ModelCard:
    """Return a card of which only its name and what was held out matter."""
    return ModelCard(identifier, "", tuple(LABELS), "", {}, {}, {}, {}, dict(held_out))


def compare(
    new: Mapping[str, str],
    old: Mapping[str, str],
    model: Model | None = None,
    articles: Sequence[LabelledArticle] = (),
) -> Comparison:
    """Compare a new model with an old one by what was held out of them."""
    return compare_cards(card("new", new), card("old", old), model, articles)


def article(*rows: tuple[Label, str]) -> LabelledArticle:
    """Return an article with a paragraph for each row."""
    text, spans = "", []
    for label, words in rows:
        spans.append((len(text), len(text) + len(words), label))
        text += f"{words}\n"
    return LabelledArticle("a", text, tuple(spans))


@pytest.fixture
def model(stub_cleaner: Cleaner) -> Model:
    """The stub model, whose labels are known in advance: by PROMO, FOOT and @, else core."""
    return stub_cleaner.model


EASY = article((Label.CORE, "The council voted."), (Label.PROMO, "PROMO for you"), (Label.BOILERPLATE, "FOOT note"))
HARD = article((Label.CORE, "It did."), (Label.PROMO, "Flour prices climb"), (Label.BOILERPLATE, "All rights reserved"))
ON_BOTH = (1, 0, 1, 1)
"""How many paragraphs of each label either has. The stub model is right about the easy one, and takes all of the hard
one for core.
"""


@pytest.mark.parametrize(
    ("new", "old", "verdict"),
    [
        ({}, {}, "no worse"),
        ({(CORE, BOILERPLATE): 5}, {}, "no worse"),
        ({(CORE, BOILERPLATE): 6}, {}, "worse"),
        ({(CORE, BOILERPLATE): 25}, {(CORE, BOILERPLATE): 20}, "no worse"),
        ({(CORE, BOILERPLATE): 26}, {(CORE, BOILERPLATE): 20}, "worse"),
        ({(SOCIAL, BOILERPLATE): 19}, {}, "no worse"),
        ({(SOCIAL, BOILERPLATE): 21}, {}, "worse"),
        ({}, {(CORE, BOILERPLATE): 5}, "no worse"),
        ({}, {(CORE, BOILERPLATE): 6}, "better"),
        ({}, {(SOCIAL, BOILERPLATE): 21}, "better"),
        ({(CORE, PROMO): 10}, {(SOCIAL, PROMO): 500}, "worse"),
        ({(SOCIAL, PROMO): 500}, {(CORE, PROMO): 10}, "worse"),
    ],
    ids=[
        "the same", "recall lower by chance", "recall lower", "recall lower by chance, far from 1",
        "recall lower, far from 1", "F1 lower by chance", "F1 lower", "recall higher by chance", "recall higher",
        "F1 higher", "recall lower though F1 is higher", "F1 lower though recall is higher",
    ],
)  # fmt: skip
def test_a_model_is_worse_by_more_than_chance(new: Mistakes, old: Mistakes, verdict: str) -> None:
    """On the articles held out of both, in core recall or in macro-F1; one does not make up for the other."""
    result = compare({"a": counts(new)}, {"a": counts(old)})
    assert (result.better, result.worse) == (verdict == "better", verdict == "worse")
    assert (result.comparable, result.no_worse) == (True, verdict != "worse")
    assert result.reason.startswith(f"it is {verdict}")
    assert result.added is None


def test_only_articles_held_out_of_both_are_common() -> None:
    """What just one of them holds out does not count, whatever it is like."""
    bad = counts({(CORE, PROMO): EACH})
    result = compare({"a": counts(), "b": counts(), "c": bad}, {"a": counts(), "b": bad, "d": counts()})
    assert result.common is not None
    assert result.common.articles == 2
    assert result.common.new["core_recall"] == 1
    assert result.common.old["core_recall"] == 0.5
    assert result.common.gain("core_recall") == 0.5
    assert result.better


@pytest.mark.parametrize(
    ("added", "mistakes", "verdict"),
    [
        (EASY, {}, "no worse"),
        (EASY, {(PROMO, BOILERPLATE): 1}, "worse"),
        (HARD, {}, "better"),
        (HARD, {(PROMO, CORE): 1, (BOILERPLATE, CORE): 1}, "no worse"),
        (HARD, {(CORE, PROMO): 1, (PROMO, CORE): 1, (BOILERPLATE, CORE): 1}, "worse"),
    ],
)
def test_the_old_model_is_measured_on_added_articles(
    model: Model, added: LabelledArticle, mistakes: Mistakes, verdict: str
) -> None:
    """On those held out of the new one that are new to the old one, each once; macro-F1 may not be lower there."""
    both = {"a": counts()}
    result = compare({**both, article_digest(added): counts(mistakes, ON_BOTH)}, both, model, [added, added])
    assert result.added is not None
    assert (result.added.articles, result.added.old["paragraphs"]) == (1, 3)
    assert result.added.old["macro_f1"] == (0.75 if added is EASY else 0.125)
    assert (result.better, result.worse) == (verdict == "better", verdict == "worse")
    assert "on 1 article that the old one never met, paragraph macro-F1 " in result.reason


def test_many_added_articles_are_measured_in_parts(model: Model) -> None:
    """Each counts once, as it would alone."""
    added = [article((Label.CORE, f"The council met {number} times."), (Label.PROMO, "Soup")) for number in range(250)]
    held_out = {article_digest(one): counts(labels=(1, 0, 0, 1)) for one in added}
    result = compare({**held_out, "a": counts()}, {"a": counts()}, model, added)
    assert result.added is not None
    assert result.added.old == paragraph_figures(
        np.array([[250, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [250, 0, 0, 0]], np.int64)
    )


@pytest.mark.parametrize(
    ("new", "old", "articles"),
    [
        ({"a"}, {"a"}, [EASY]),
        ({"a", "easy"}, {"a", "easy"}, [EASY]),
        ({"a", "easy"}, {"a"}, []),
        ({"a", "easy"}, {"a", "hard"}, [EASY, HARD]),
    ],
    ids=["not held out", "held out of both", "not there", "folds dealt anew"],
)
def test_articles_the_old_model_may_know_are_not_measured(
    model: Model, new: set[str], old: set[str], articles: list[LabelledArticle]
) -> None:
    """It could have learned from them; where folds were dealt anew, from any."""
    names = {"a": "a", "easy": article_digest(EASY), "hard": article_digest(HARD)}
    of_new, of_old = ({names[name]: counts(labels=ON_BOTH) for name in one} for one in (new, old))
    assert compare(of_new, of_old, model, articles).added is None


def test_cards_alone_can_be_compared() -> None:
    """Without the old model nothing is measured anew."""
    result = compare({"a": counts(), article_digest(EASY): counts()}, {"a": counts()}, None, [EASY])
    assert (result.added, result.no_worse) == (None, True)


@pytest.mark.parametrize(
    ("new", "old", "reason"),
    [
        ({"a"}, {"b"}, "no article was held out of both"),
        (set(), {"b"}, "no article was held out of both"),
        ({"a"}, set(), "the card of old does not say which articles it was measured on"),
        (set(), set(), "the card of old does not say which articles it was measured on"),
    ],
)
def test_models_without_common_articles_cannot_be_compared(new: set[str], old: set[str], reason: str) -> None:
    """Neither better nor worse, and not to be taken into use."""
    result = compare(dict.fromkeys(new, counts()), dict.fromkeys(old, counts()))
    assert (result.comparable, result.no_worse, result.better, result.worse) == (False, False, False, False)
    assert result.reason == f"it cannot be compared: {reason}"


def test_what_can_be_measured_without_common_articles_is_told(model: Model) -> None:
    """The old model on the new one's articles; but however good, the new one cannot be compared."""
    result = compare({article_digest(HARD): counts(labels=ON_BOTH)}, {"b": counts()}, model, [HARD])
    assert result.added is not None
    assert result.added.gain("macro_f1") == 0.625
    assert (result.comparable, result.no_worse, result.better) == (False, False, False)
    assert result.reason.endswith("paragraph macro-F1 0.7500 against 0.1250 (+0.6250)")


@pytest.mark.parametrize("row", ["", "1 2 3", "1 " * 17, "one " * 16, "0.5 " * 16, 5, None, [1] * 16])
def test_counts_that_cannot_be_read_are_told(row: Any) -> None:
    """In a sentence that names the model."""
    damaged = replace(card("old", {}), held_out={"a": row})
    with pytest.raises(ModelError, match="the card of old has damaged counts"):
        compare_cards(card("new", {"a": counts()}), damaged)


def test_a_comparison_is_told_by_how_much(model: Model) -> None:
    """In a sentence, and as JSON with the figures of both."""
    both = {"a": counts()}
    new = {"a": counts({(CORE, PROMO): 100}), article_digest(EASY): counts(labels=ON_BOTH)}
    result = compare(new, both, model, [EASY])
    assert result.reason == (
        f"it is worse, by more than the {NOISE} that chance makes: on 1 article held out of both, "
        "core recall 0.9000 against 1.0000 (-0.1000), paragraph macro-F1 0.9749 against 1.0000 (-0.0251); "
        "on 1 article that the old one never met, paragraph macro-F1 0.7500 against 0.7500 (+0.0000)"
    )
    told = json.loads(json.dumps(result.to_json()))
    assert told["common"]["gain"] == {"core_recall": -0.1, "macro_f1": -0.0251}
    assert told["common"]["new"]["core_recall"] == 0.9
    assert (told["new"], told["old"], told["worse"], told["reason"]) == ("new", "old", True, result.reason)
    assert compare({}, both).to_json()["common"] is None


def test_a_trained_model_is_compared_by_the_articles_it_was_given(
    quick: tuple[Model, ModelCard], few_seeds: list[LabelledArticle]
) -> None:
    """A card's articles are found among the seeds: with itself a model has all in common, and what an older card has
    not held out is measured.
    """
    model, new = quick
    same = compare_cards(new, new, model, few_seeds)
    assert same.common is not None
    assert (same.common.new, same.added, same.no_worse, same.better) == (new.figures, None, True, False)
    older = replace(new, held_out=dict(sorted(new.held_out.items())[3:]))
    result = compare_cards(new, older, model, few_seeds)
    assert result.common is not None
    assert result.added is not None
    assert (result.common.articles, result.added.articles) == (len(older.held_out), 3)
    assert result.added.old["paragraphs"] == result.added.new["paragraphs"]
