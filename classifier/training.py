"""From labelled articles to a model: recombined pages, out-of-fold wording scores, then the models that look beyond a
paragraph.

The context and break models learn from what the wording model says of pages it was *not* trained on (stacking;
Wolpert, 1992), else they would trust it too far. A share of the pages is scored by a wording model that has not seen
their language at all, so that they also learn to do without it.
"""

import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_matrix, vstack
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from classifier.alignment import character_labels, majority
from classifier.context import ROLES, break_inputs, context_inputs, feature, is_long, is_prose
from classifier.errors import SeedError
from classifier.estimators import BucketWeights, Networks, Trees, standardise
from classifier.features import describe
from classifier.labels import LABELS, Label, LabelledArticle
from classifier.likeness import NO_COMMON_STEMS, CommonStems, learn_common_stems
from classifier.model import Model, behind_break, favour_core, mix_break
from classifier.ngrams import BITS, NGrams, find_ngrams, find_words
from classifier.paragraphs import TextBatch, split_batch
from classifier.phrases import Phrases
from classifier.recombination import recombine
from classifier.segments import Segments
from classifier.store import ModelCard, digest, fingerprint, library_versions

Report = Callable[[str], None]

_CORE, _SOCIAL, _BOILERPLATE, _PROMO = (
    LABELS.index(label) for label in (Label.CORE, Label.SOCIAL, Label.BOILERPLATE, Label.PROMO)
)
_STORY_LENGTH = 500  # code points from which a run of promo is another story, not teasers
_REAL_SHARES = np.array([[0.94, 0.016, 0.027, 0.017], [0.44, 0.22, 0.22, 0.12], [0.36, 0.05, 0.53, 0.06]])
"""What share of prose, of other long paragraphs and of short ones each label has on real pages, roughly: pages written
to teach hold more residue."""
_LARGEST_WEIGHT = 4.0
_FEWEST_SEEDS = 10
_MANY_GROUPS = 30  # in each fold
_FEWEST_MEETINGS = 3  # paragraphs that must hold an n-gram for it to count
_TOO_LITTLE = (
    "the seeds hold too little of some label to learn it; add articles with posts, furniture and other stories"
)


@dataclass(frozen=True)
class TrainingSettings:
    """How much work training does. `QUICK` is for tests and trials: a model that works, from little."""

    copies: int = 6
    """Recombined pages for each written one."""
    folds: int = 5
    """Parts of the seeds that are scored by a wording model trained on the other parts."""
    language_folds: int = 3
    """Groups of languages that are scored by a wording model trained on the other languages."""
    foreign_share: float = 0.4
    """Share of the pages that the context model also sees as if in an unknown language."""
    inverse_penalty: float = 20.0
    """Inverse strength of the wording model's regularisation."""
    wording_iterations: int = 25
    networks: int = 8
    hidden_units: int = 64
    epochs: int = 2
    """Passes of the context model over its rows; more and it learns the seeds by heart."""
    batch_size: int = 1024
    weight_decay: float = 0.5
    trees: int = 80
    forests: int = 2
    """Runs of boosted trees that are averaged; each split sees another three tenths of the inputs."""
    learning_rate: float = 0.12
    core_weight: float = 1.5
    """Weight of the story's paragraphs in training, against how frequent they are."""
    break_caution: float = 0.3
    """What the log odds of a break are lowered by: a false one loses the rest of a story, a missed one nothing."""
    random_state: int = 0


DEFAULT = TrainingSettings()
QUICK = TrainingSettings(
    copies=2,
    folds=2,
    language_folds=2,
    wording_iterations=15,
    networks=1,
    hidden_units=16,
    epochs=10,
    batch_size=256,
    trees=40,
    forests=1,
)


@dataclass
class _Pages:
    """Pages of one fold with all that is computed of them; arrays have a row for each paragraph."""

    written: int  # pages before this index are as written, the others recombined
    languages: NDArray[np.str_]
    batch: TextBatch
    segments: Segments
    labels: NDArray[np.int64]
    ngrams: NGrams
    features: NDArray[np.float32]
    foreign_features: NDArray[np.float32]
    own_labels: NDArray[np.int64]
    role: NDArray[np.int64]
    breaks: NDArray[np.bool_]
    scores: NDArray[np.float32]
    known: NDArray[np.float32]
    foreign_scores: NDArray[np.float32]
    foreign_known: NDArray[np.float32]


def train(
    articles: Sequence[LabelledArticle], settings: TrainingSettings = DEFAULT, report: Report = lambda message: None
) -> tuple[Model, ModelCard]:
    """Train a model on labelled articles and return it with its card (the self-test is added on saving).

    The same articles, settings and library versions give the same model. `report` is told of each step. Raises
    SeedError when there are too few articles or a label never occurs.
    """
    _check_enough(articles, settings.folds)
    started = time.monotonic()

    def tell(message: str) -> None:
        report(f"[{time.monotonic() - started:5.0f} s] {message}")

    tell(f"describing {len(articles)} seeds and {settings.copies} recombined pages of each")
    whole = split_batch([article.text for article in articles])
    common = learn_common_stems(whole, find_words(whole), np.array([article.language for article in articles]))
    phrases = Phrases.read()
    folds = deal_folds([article.group for article in articles], settings.folds, settings.random_state)
    parts = [
        [article for article, fold in zip(articles, folds, strict=True) if fold == number]
        for number in range(settings.folds)
    ]
    pages = Parallel(n_jobs=-1)(
        delayed(_prepare)(part, common, phrases, settings, number) for number, part in enumerate(parts)
    )

    tell("learning wording")
    wording = _fit_wordings(pages, settings)

    tell("learning context and breaks, one fold held out")
    context, breaks = _fit_above(pages[1:], settings, min(4, settings.networks), 1.0)
    own, odds = _apply_above(context, breaks, pages[0])
    temperature = _fit_temperature(own, pages[0].own_labels)
    shift = _fit_shift(odds, pages[0]) - settings.break_caution
    favoured = favour_core(_temper(own, temperature), pages[0].features)
    counts = _confusions(mix_break(favoured, behind_break(odds + shift, pages[0].segments)), pages[0])
    figures = paragraph_figures(counts.sum(axis=0))
    held_out = {
        article_digest(article): " ".join(map(str, count.ravel().tolist()))
        for article, count in zip(parts[0], counts, strict=True)
    }

    tell("learning context and breaks from all")
    context, breaks = _fit_above(pages, settings, settings.networks, temperature)
    breaks = replace(breaks, bias=breaks.bias + shift)
    created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    seeds_digest = digest([text for article in articles for text in (article.text, repr(article.spans))])
    model = Model("", common, phrases, wording, breaks, context)
    model = replace(model, identifier=f"winnow-{fingerprint(model)}")
    by_label = Counter(label.value for article in articles for _, _, label in article.spans)
    card = ModelCard(
        identifier=model.identifier,
        created=created,
        labels=tuple(LABELS),
        seeds_digest=seeds_digest,
        seeds={"articles": len(articles), **{label: by_label[label] for label in LABELS}},
        languages=dict(sorted(Counter(article.language for article in articles).items())),
        figures=figures,
        held_out=held_out,
        versions=library_versions(),
    )
    tell(f"done: {model.identifier}")
    return model, card


def _check_enough(articles: Sequence[LabelledArticle], folds: int) -> None:
    if len(articles) < _FEWEST_SEEDS:
        raise SeedError(f"{len(articles)} labelled articles are too few to train on; give at least {_FEWEST_SEEDS}")
    groups = {article.group for article in articles}
    if len(groups) < folds:
        raise SeedError(f"the articles are of {len(groups)} groups (sites or outlets); give some of at least {folds}")
    present = {label for article in articles for _, _, label in article.spans}
    missing = [label.value for label in LABELS if label not in present]
    if missing:
        raise SeedError(f"no paragraph is labelled {' or '.join(missing)}; training needs seeds with every label")


def article_digest(article: LabelledArticle) -> str:
    """Return the short identifier that a card's `held_out` has for an article: of its text and its labels."""
    return digest([article.text, repr(article.spans)])


def deal_folds(groups: Sequence[str], folds: int, random_state: int) -> list[int]:
    """Deal groups to folds at random; return the fold of each item, whose groups are given.

    Of many groups each is dealt by its name alone, so that articles added later move no other one and models trained
    before and after can be compared on those that neither has seen. Few groups are dealt evenly.
    """
    names = sorted(set(groups))
    if len(names) >= _MANY_GROUPS * folds:
        by_name = {name: int(digest([str(random_state), name]), 16) % folds for name in names}
        return [by_name[group] for group in groups]
    order = np.random.default_rng(random_state).permutation(len(names))
    fold_of = {names[place]: number % folds for number, place in enumerate(order)}
    return [fold_of[group] for group in groups]


def _prepare(
    written: list[LabelledArticle], common: CommonStems, phrases: Phrases, settings: TrainingSettings, number: int
) -> _Pages:
    """Recombine one fold's articles (among themselves, so that nothing leaks between folds) and describe them."""
    articles = [*written, *recombine(written, settings.copies, settings.random_state * 1000 + number)]
    batch = split_batch([article.text for article in articles])
    segments = Segments(batch.bounds)
    labels = majority(character_labels(batch, articles), batch.starts, batch.ends)
    words = find_words(batch)
    features = describe(batch, words, common, phrases)
    role, breaks = _roles(labels, features, segments)
    begun = breaks.astype(np.float64)
    behind = segments.before(begun) + begun > 0
    # In a story appended behind the break a paragraph counts as what it would be at home.
    own_labels = np.where(behind & (labels == _PROMO) & (role <= ROLES.index("body")), _CORE, labels)
    nothing = np.zeros((len(labels), len(ROLES)), np.float32)
    return _Pages(
        written=len(written),
        languages=np.array([article.language for article in articles])[batch.article],
        batch=batch,
        segments=segments,
        labels=labels,
        ngrams=find_ngrams(batch, words),
        features=features,
        foreign_features=describe(batch, words, NO_COMMON_STEMS, phrases),
        own_labels=own_labels,
        role=role,
        breaks=breaks,
        scores=nothing,
        known=nothing[:, 0],
        foreign_scores=nothing.copy(),
        foreign_known=nothing[:, 0].copy(),
    )


def _roles(
    labels: NDArray[np.int64], features: NDArray[np.float32], segments: Segments
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return each paragraph's role, an index into `ROLES`, and where another story begins."""
    length = np.expm1(feature(features, "log_length"))
    prose = is_prose(features)
    of_label = {_CORE: "body", _SOCIAL: "social", _BOILERPLATE: "furniture", _PROMO: "teaser"}
    role = np.array([ROLES.index(of_label[number]) for number in range(len(LABELS))])[labels]
    role[(labels == _BOILERPLATE) & prose] = ROLES.index("notice")
    role[(labels == _PROMO) & prose] = ROLES.index("pitch")
    breaks = np.zeros(len(labels), bool)
    for first, end in zip(segments.bounds[:-1].tolist(), segments.bounds[1:].tolist(), strict=True):
        core = first + np.flatnonzero(labels[first:end] == _CORE)
        _mark_story(role, core, prose)
        promo = first + np.flatnonzero(labels[first:end] == _PROMO)
        for run in np.split(promo, np.flatnonzero(np.diff(promo) > 1) + 1):
            if len(run) >= 3 and length[run].sum() > _STORY_LENGTH and prose[run].sum() >= 2:
                _mark_story(role, run, prose)
        tail = promo[promo > core[-1]] if len(core) else promo[:0]
        running = int(prose[tail].sum())
        if length[tail].sum() > _STORY_LENGTH and (running >= 3 or running >= max(2, len(tail) / 2)):
            breaks[tail[0]] = True
            _mark_story(role, tail, prose)
    return role, breaks


def _mark_story(role: NDArray[np.int64], rows: NDArray[np.int64], prose: NDArray[np.bool_]) -> None:
    """A story's first running text is its lead; what stands before is headline, what follows is body."""
    running = rows[prose[rows]]
    lead = running[0] if len(running) else (rows[-1] + 1 if len(rows) else 0)
    role[rows[rows < lead]] = ROLES.index("headline")
    role[rows[rows == lead]] = ROLES.index("lead")
    role[rows[rows > lead]] = ROLES.index("body")


def _fit_wordings(pages: list[_Pages], settings: TrainingSettings) -> BucketWeights:
    """Fit the wording model on all pages, and score each page with one that has not seen it, and one that has not
    seen its language.
    """
    matrices = [_matrix(part.ngrams, len(part.labels)) for part in pages]
    # Written pages only: more of the same words teach nothing.
    used = [part.batch.article < part.written for part in pages]
    sizes = Counter(
        language
        for part in pages
        for language in part.languages[np.unique(part.batch.article, return_index=True)[1]].tolist()
    )
    groups: list[list[str]] = [[] for _ in range(settings.language_folds)]
    for language, _ in sizes.most_common():
        min(groups, key=lambda group: sum(sizes[name] for name in group)).append(language)
    jobs = [
        [rows if place != number else np.zeros_like(rows) for place, rows in enumerate(used)]
        for number in range(len(pages))
    ]
    jobs += [
        [rows & ~np.isin(part.languages, group) for rows, part in zip(used, pages, strict=True)] for group in groups
    ]
    roles = [part.role for part in pages]
    fitted = Parallel(n_jobs=-1)(delayed(_fit_wording)(matrices, roles, rows, settings) for rows in [*jobs, used])
    whole = fitted[-1]
    if whole is None:
        raise SeedError(_TOO_LITTLE)
    for number, part in enumerate(pages):
        count = len(part.labels)
        buckets, rows = part.ngrams.buckets, part.ngrams.paragraph
        others = fitted[number] or whole
        part.scores, part.known = others.predict(buckets, rows, count)
        part.foreign_scores, part.foreign_known = part.scores.copy(), part.known.copy()
        for group, model in zip(groups, fitted[len(pages) : -1], strict=True):
            if model is None:  # no other language is there to learn from
                continue
            foreign = np.isin(part.languages, group)
            scores, known = model.predict(buckets, rows, count)
            part.foreign_scores[foreign], part.foreign_known[foreign] = scores[foreign], known[foreign]
    return whole


def _matrix(ngrams: NGrams, rows: int) -> Any:
    """Counts of n-grams divided by the root of their number, sparse, shape (rows, 2**BITS)."""
    total = np.maximum(1, np.bincount(ngrams.paragraph, minlength=rows))
    values = (1.0 / np.sqrt(total))[ngrams.paragraph].astype(np.float32)
    return csr_matrix((values, (ngrams.paragraph, ngrams.buckets)), shape=(rows, 2**BITS))


def _fit_wording(
    matrices: list[Any], roles: list[NDArray[np.int64]], rows: list[NDArray[np.bool_]], settings: TrainingSettings
) -> BucketWeights | None:
    """Fit a wording model to the given rows; None when they are of fewer than two roles."""
    target = np.concatenate([role[mask] for role, mask in zip(roles, rows, strict=True)])
    if len(np.unique(target)) < 2:
        return None
    stacked = vstack([matrix[mask] for matrix, mask in zip(matrices, rows, strict=True)]).tocsr()
    columns = np.flatnonzero(stacked.getnnz(axis=0) >= _FEWEST_MEETINGS)
    estimator = LogisticRegression(
        C=settings.inverse_penalty,
        solver="sag",  # gets in 20 passes where lbfgs is after 200
        max_iter=settings.wording_iterations,
        random_state=settings.random_state,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # stopped early on purpose: the rest changes nothing
        estimator.fit(stacked[:, columns], target)
    return BucketWeights.from_sklearn(estimator, columns, 2**BITS, len(ROLES))


def _fit_above(
    pages: list[_Pages], settings: TrainingSettings, networks: int, temperature: float
) -> tuple[Networks, Trees]:
    """Fit the context model and the break model."""
    random = np.random.default_rng(settings.random_state)
    inputs, labels, weights, gaps, broken = [], [], [], [], []
    for part in pages:
        weight = _weights(part, settings)
        foreign = (random.random(len(part.segments.sizes)) < settings.foreign_share)[part.segments.of_row]
        inputs += [_context(part), _context(part, foreign=True)[foreign]]
        labels += [part.own_labels, part.own_labels[foreign]]
        weights += [weight, weight[foreign]]
        gaps.append(break_inputs(part.features, part.scores, part.segments))
        broken.append(part.breaks)
    together = np.concatenate(inputs)
    scaler = StandardScaler().fit(together)
    scaled = standardise(together, scaler.mean_, scaler.scale_)
    target, weight = np.concatenate(labels), np.concatenate(weights)
    if len(np.unique(target)) < len(LABELS) or not any(part.breaks.any() for part in pages):
        raise SeedError(_TOO_LITTLE)
    fitted = Parallel(n_jobs=-1)(
        delayed(_fit_network)(scaled, target, weight / weight.mean(), settings, number) for number in range(networks)
    )
    gap, breaks = np.concatenate(gaps), np.concatenate(broken)
    grown = [_fit_trees(gap, breaks, settings, number) for number in range(settings.forests)]
    context = Networks.from_sklearn(scaler, fitted, temperature)
    return context, Trees.from_sklearn(grown)


def _fit_trees(inputs: NDArray[np.float32], breaks: NDArray[np.bool_], settings: TrainingSettings, number: int) -> Any:
    trees = HistGradientBoostingClassifier(
        max_iter=settings.trees,
        learning_rate=settings.learning_rate,
        max_leaf_nodes=Trees.LEAVES,
        l2_regularization=30.0,
        min_samples_leaf=100,
        max_features=0.3,
        early_stopping=False,
        random_state=settings.random_state + number,
    )
    return trees.fit(inputs, breaks)


def _weights(part: _Pages, settings: TrainingSettings) -> NDArray[np.float64]:
    """Weigh pages by the root of their paragraphs, and labels so that they are as frequent as on real pages."""
    weight = 1.0 / np.sqrt(part.segments.size)
    kind = np.where(is_prose(part.features), 0, np.where(is_long(part.features), 1, 2))
    cell = kind * len(LABELS) + part.own_labels
    mass = np.bincount(cell, weight, minlength=_REAL_SHARES.size).reshape(_REAL_SHARES.shape)
    wanted = (
        _REAL_SHARES
        * np.where(np.arange(len(LABELS)) == _CORE, settings.core_weight, 1.0)
        * mass.sum(axis=1, keepdims=True)
    )
    factor = np.minimum(wanted / np.maximum(mass, 1e-9), _LARGEST_WEIGHT)
    return np.asarray(weight * factor.ravel()[cell])


def _context(part: _Pages, *, foreign: bool = False) -> NDArray[np.float32]:
    if foreign:
        return context_inputs(part.foreign_features, part.foreign_scores, part.foreign_known, part.segments)
    return context_inputs(part.features, part.scores, part.known, part.segments)


def _fit_network(
    inputs: NDArray[np.float32],
    labels: NDArray[np.int64],
    weights: NDArray[np.float64],
    settings: TrainingSettings,
    number: int,
) -> Any:
    network = MLPClassifier(
        (settings.hidden_units,),
        alpha=settings.weight_decay,
        max_iter=settings.epochs,
        batch_size=settings.batch_size,
        learning_rate_init=4e-3,
        random_state=settings.random_state + number,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a fixed number of epochs
        return network.fit(inputs, labels, sample_weight=weights)


def _apply_above(context: Networks, breaks: Trees, part: _Pages) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the labels' probabilities within their own stories, and the log odds of a break before each paragraph."""
    odds = breaks.decision_function(break_inputs(part.features, part.scores, part.segments))
    return context.predict_proba(_context(part)), odds


def _temper(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    raised = np.maximum(probabilities, 1e-7).astype(np.float64) ** (1.0 / temperature)
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float32)


def _fit_temperature(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return the temperature under which held-out labels are most likely."""

    def loss(temperature: float) -> float:
        return float(
            -np.log(np.maximum(_temper(probabilities, temperature)[np.arange(len(labels)), labels], 1e-7)).mean()
        )

    return round(float(minimize_scalar(loss, bounds=(0.5, 4.0), method="bounded").x), 3)


def _fit_shift(odds: NDArray[np.float32], part: _Pages) -> float:
    """Return what to add to the log odds of a break so that the held-out pages' breaks, or their lack, are most
    likely."""
    segments = part.segments
    first, last = segments.bounds[:-1], segments.bounds[1:] - 1
    broken = segments.total(part.breaks.astype(np.float64))[first] > 0
    gaps = np.flatnonzero(part.breaks)

    def loss(shift: float) -> float:
        behind = behind_break(odds + np.float32(shift), segments)
        likely = np.concatenate([behind[gaps] - behind[gaps - 1], 1.0 - behind[last[~broken]]])
        return float(-np.log(np.maximum(likely, 1e-7)).mean())

    return round(float(minimize_scalar(loss, bounds=(-2.0, 2.0), method="bounded").x), 3)


def _confusions(probabilities: NDArray[np.float32], part: _Pages) -> NDArray[np.int64]:
    """How many paragraphs of each written page have which label and were given which: (pages, labels, labels)."""
    written = part.batch.article < part.written
    counts = np.zeros((part.written, len(LABELS), len(LABELS)), np.int64)
    np.add.at(counts, (part.batch.article[written], part.labels[written], probabilities.argmax(axis=1)[written]), 1)
    return counts


def paragraph_figures(confusion: NDArray[np.int64]) -> dict[str, Any]:
    """Return the figures of a card, of paragraphs counted by their label and the one given, shape (labels, labels)."""
    right, gold, given = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    f1 = 2 * right / np.maximum(1, gold + given)
    residue = confusion.sum() - gold[_CORE]
    return {
        "paragraphs": int(confusion.sum()),
        "macro_f1": round(float(f1.mean()), 4),
        "f1": {label.value: round(float(value), 4) for label, value in zip(LABELS, f1, strict=True)},
        "core_recall": round(float(right[_CORE] / max(1, gold[_CORE])), 4),
        "residue_removed": round(float(1 - (given[_CORE] - right[_CORE]) / max(1, residue)), 4),
    }
