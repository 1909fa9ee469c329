"""Training: what it needs, and that it gives the same model twice."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from classifier import training
from classifier.context import ROLES
from classifier.errors import SeedError
from classifier.labels import LABELS, Label, LabelledArticle
from classifier.model import Model
from classifier.paragraphs import split_batch
from classifier.resources import default_model
from classifier.store import ModelCard, library_versions, load_card, load_model
from classifier.training import DEFAULT, QUICK, deal_folds, paragraph_figures, train


def without(articles: list[LabelledArticle], *labels: Label) -> list[LabelledArticle]:
    """Return the articles with core in place of labels."""
    return [
        replace(
            article,
            spans=tuple((start, end, Label.CORE if label in labels else label) for start, end, label in article.spans),
        )
        for article in articles
    ]


@pytest.mark.parametrize("count", [0, 1, 9])
def test_too_few_seeds_are_refused(few_seeds: list[LabelledArticle], count: int) -> None:
    """The message says how many there are and how many it takes."""
    with pytest.raises(SeedError, match=f"{count} labelled articles are too few to train on; give at least 10"):
        train(few_seeds[:count], QUICK)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([Label.PROMO], "no paragraph is labelled promo"),
        ([Label.SOCIAL, Label.PROMO], "no paragraph is labelled social or promo"),
    ],
)
def test_a_label_that_never_occurs_is_told(few_seeds: list[LabelledArticle], labels: list[Label], message: str) -> None:
    """A model could not learn it."""
    with pytest.raises(SeedError, match=message):
        train(without(few_seeds, *labels), QUICK)


def test_the_same_seeds_give_the_same_model(few_seeds: list[LabelledArticle], quick: tuple[Model, ModelCard]) -> None:
    """Trained twice, a model has the same identifier, the same figures and the very same probabilities."""
    told: list[str] = []
    model, card = train(few_seeds, QUICK, told.append)
    assert replace(card, created="") == replace(quick[1], created="")
    batch = split_batch([article.text for article in few_seeds])
    np.testing.assert_array_equal(model.predict_proba(batch), quick[0].predict_proba(batch))
    assert told
    assert card.identifier in told[-1]


def test_the_card_says_what_the_model_was_made_from(
    few_seeds: list[LabelledArticle], quick: tuple[Model, ModelCard]
) -> None:
    """Counts of articles, of paragraphs by label and of articles by language, versions, and figures between 0 and 1."""
    card = quick[1]
    counts = Counter(label.value for article in few_seeds for _, _, label in article.spans)
    assert card.seeds == Counter({"articles": len(few_seeds)}) + counts
    assert card.languages == Counter(article.language for article in few_seeds)
    assert card.labels == LABELS
    assert card.versions == library_versions()
    assert all(0 <= card.figures[name] <= 1 for name in ("macro_f1", "core_recall", "residue_removed"))
    assert set(card.figures["f1"]) == set(LABELS)
    counted = [[int(number) for number in counts.split()] for counts in card.held_out.values()]
    assert sum(map(sum, counted)) == card.figures["paragraphs"]
    assert paragraph_figures(np.sum(counted, axis=0).reshape(4, 4)) == card.figures


def test_what_is_held_out_is_labelled_as_the_model_would(
    few_seeds: list[LabelledArticle], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With long paragraphs favoured as core, so that a card's figures can be set beside those of a finished model."""

    def all_core(own: NDArray[np.float32], features: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(np.eye(len(LABELS), dtype=np.float32)[np.zeros(len(features), np.int64)])

    monkeypatch.setattr(training, "favour_core", all_core)
    _, card = train(few_seeds[:24], QUICK)
    counts = np.sum([[int(number) for number in row.split()] for row in card.held_out.values()], axis=0)
    given = dict(zip(LABELS, counts.reshape(4, 4).sum(axis=0).tolist(), strict=True))
    assert given[Label.CORE] > 0
    assert given[Label.SOCIAL] == given[Label.BOILERPLATE] == 0


def check_whole(model: Model, articles: list[LabelledArticle]) -> None:
    """Check that a model knows every role and label, and gives probabilities."""
    assert model.wording.weights.shape[1] == len(ROLES)
    assert model.context.out.shape[2] == len(LABELS)
    rows = model.predict_proba(split_batch([article.text for article in articles]))
    assert rows.sum(axis=1).tolist() == pytest.approx([1] * len(rows), abs=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        lambda articles: articles[:10],
        lambda articles: [replace(article, language="en") for article in articles[:30]],
        lambda articles: [replace(article, language="") for article in articles[:30]],
        lambda articles: [replace(article, group=f"outlet {len(article.text) % 5}") for article in articles[:30]],
    ],
    ids=["as few as may be", "one language", "no language", "few outlets"],
)
def test_seeds_that_are_enough_give_a_model(few_seeds: list[LabelledArticle], change: Any) -> None:
    """They may be few, of one language or none, and from a handful of outlets."""
    articles = change(few_seeds)
    model, _ = train(articles, QUICK)
    check_whole(model, articles)


@pytest.mark.parametrize(
    "change",
    [
        lambda articles: [replace(article, group="outlet") for article in articles[:30]],
        lambda articles: articles[:1] + without(articles[1:30], Label.SOCIAL, Label.PROMO),
        lambda articles: articles[:1] + without(articles[1:30], Label.PROMO),
        lambda articles: articles[:1] + without(articles[1:30], Label.BOILERPLATE),
    ],
    ids=["one outlet", "one post and one promo", "one promo", "one with furniture"],
)
def test_seeds_that_are_hardly_enough_give_a_model_or_a_sentence(few_seeds: list[LabelledArticle], change: Any) -> None:
    """Where a fold has too little to learn from there is a model all the same, or an error that says what to do."""
    articles = change(few_seeds)
    try:
        model, _ = train(articles, QUICK)
    except SeedError:
        return
    check_whole(model, articles)


def test_training_changes_nothing_it_was_given(few_seeds: list[LabelledArticle]) -> None:
    """A model that was trained stays what it was when another one is trained."""
    first, _ = train(few_seeds[:20], QUICK)
    batch = split_batch([few_seeds[0].text])
    before = first.predict_proba(batch)
    train(few_seeds[20:40], QUICK)
    np.testing.assert_array_equal(first.predict_proba(batch), before)


def test_a_quick_model_knows_what_it_was_taught(
    few_seeds: list[LabelledArticle], quick: tuple[Model, ModelCard]
) -> None:
    """On its own seeds even the quick model gives most characters their label."""
    texts = [article.text for article in few_seeds]
    batch = split_batch(texts)
    numbers = quick[0].predict_proba(batch).argmax(axis=1)
    right = total = 0
    for article, offset in zip(few_seeds, batch.offsets.tolist(), strict=False):
        inside = (batch.starts >= offset) & (batch.starts < offset + len(article.text))
        for start, end, number in zip(batch.starts[inside], batch.ends[inside], numbers[inside], strict=True):
            gold = next((label for first, last, label in article.spans if first <= start - offset < last), None)
            total += int(end - start)
            right += int(end - start) * (LABELS[number] == gold)
    assert right / total > 0.75


def test_quick_is_less_work_than_default() -> None:
    """Tests and trials use the same steps, fewer of each (but more passes over so few rows)."""
    names = ("copies", "folds", "language_folds", "wording_iterations", "networks", "hidden_units", "trees")
    assert all(getattr(QUICK, name) < getattr(DEFAULT, name) for name in names)


@pytest.mark.parametrize(
    ("groups", "folds", "sizes"),
    [
        (["a", "b", "c", "d"], 2, [2, 2]),
        (["a", "b", "c"], 2, [1, 2]),
        (["a", "a", "a", "b"], 2, [1, 3]),
        (["a", "a"], 3, [2]),
        ([], 2, []),
    ],
)
def test_folds_are_even_and_part_no_group(groups: list[str], folds: int, sizes: list[int]) -> None:
    """Every group is in one fold, and folds have as many groups, give or take one."""
    dealt = deal_folds(groups, folds, random_state=0)
    assert sorted(Counter(dealt).values()) == sizes
    assert len(set(zip(groups, dealt, strict=True))) == len(set(groups))
    assert set(dealt) <= set(range(folds))


def test_folds_are_dealt_at_random_but_always_the_same() -> None:
    """They depend on the names of the groups and the random state, and on no order."""
    groups = [f"outlet {number}" for number in range(40)]
    dealt = deal_folds(groups, 4, random_state=0)
    assert deal_folds(groups, 4, random_state=0) == dealt
    assert deal_folds(groups[::-1], 4, random_state=0) == dealt[::-1]
    assert deal_folds(groups, 4, random_state=1) != dealt


def test_articles_added_to_many_move_no_other_one() -> None:
    """So models trained before and after can be compared on articles that neither has seen; folds stay about even."""
    groups = [f"outlet {number}" for number in range(400)]
    dealt = deal_folds(groups, 4, random_state=0)
    assert deal_folds([*groups, "one more"], 4, random_state=0)[:400] == dealt
    assert min(Counter(dealt).values()) > 70


@pytest.mark.slow
def test_the_shipped_model_is_what_training_makes(shipped_seeds: list[LabelledArticle]) -> None:
    """Trained anew from the shipped seeds, a model labels as the shipped one does.

    On the machine and library versions of the shipped one it is the same to the bit; elsewhere rounding may tip a
    paragraph that hangs in the balance.
    """
    model, card = train(shipped_seeds)
    shipped = load_card(default_model())
    assert card.seeds_digest == shipped.seeds_digest, "the seeds have changed; run winnow train --output data/model"
    batch = split_batch([article.text for article in shipped_seeds[::4]])
    given = model.predict_proba(batch).argmax(axis=1)
    wanted = load_model(default_model()).predict_proba(batch).argmax(axis=1)
    assert (given == wanted).mean() > 0.995
