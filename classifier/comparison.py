"""Is a newly trained model no worse than the one in use? By articles that neither of them learned from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.alignment import character_labels, majority
from classifier.errors import ModelError
from classifier.labels import LABELS, LabelledArticle
from classifier.model import Model
from classifier.paragraphs import split_batch
from classifier.store import ModelCard
from classifier.training import article_digest, paragraph_figures

NOISE = 0.005
"""How far figures of two trainings may lie apart that differ in nothing but chance."""

_TOGETHER = 100  # articles that are measured in one go


@dataclass(frozen=True, slots=True)
class SideBySide:
    """The figures of two models on the same articles, as `paragraph_figures` gives them."""

    articles: int
    new: dict[str, Any]
    old: dict[str, Any]

    def gain(self, name: str) -> float:
        """Return by how much the new model's figure is higher."""
        return round(float(self.new[name] - self.old[name]), 4)

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values, with what is gained in core recall and macro-F1."""
        gains = {name: self.gain(name) for name in ("core_recall", "macro_f1")}
        return {"articles": self.articles, "new": self.new, "old": self.old, "gain": gains}


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of comparing two models; neither `better` nor `worse` when they cannot be, then `comparable` is false.

    `common` has the figures on articles that were held out of both, `added` on those that were held out of the new one
    and that the old one never met; each is None where there are no such articles. `reason` is a sentence.
    """

    new: str
    old: str
    common: SideBySide | None
    added: SideBySide | None
    comparable: bool
    better: bool
    worse: bool
    reason: str

    @property
    def no_worse(self) -> bool:
        """Whether the new model may go into use in place of the old one."""
        return self.comparable and not self.worse

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "new": self.new,
            "old": self.old,
            "common": self.common and self.common.to_json(),
            "added": self.added and self.added.to_json(),
            "comparable": self.comparable,
            "better": self.better,
            "worse": self.worse,
            "reason": self.reason,
        }


def compare_cards(
    new: ModelCard, old: ModelCard, old_model: Model | None = None, articles: Sequence[LabelledArticle] = ()
) -> Comparison:
    """Compare a new model with an old one.

    It is worse when core recall or macro-F1 is lower by more than `NOISE` on the articles held out of both, or
    macro-F1 on the added ones; it is better when it is not worse and one of these is higher by as much. `old_model`
    and the `articles` the new one was trained on serve to measure the old one on what was added since; without them
    only the cards are compared. Raises ModelError when a card's counts cannot be read.
    """
    held_out, before = _counts(new), _counts(old)
    shared = sorted(held_out.keys() & before.keys())
    common = added = None
    if shared:
        common = _side_by_side(len(shared), _total(held_out, shared), _total(before, shared))
    unmet = _unmet(held_out, before, articles)
    if old_model and unmet:
        added = _side_by_side(len(unmet), _total(held_out, list(unmet)), _measure(old_model, list(unmet.values())))
    gains = [side.gain("macro_f1") for side in (common, added) if side]
    if common:
        gains.append(common.gain("core_recall"))
    worse = common is not None and min(gains) < -NOISE
    better = common is not None and not worse and max(gains) > NOISE
    return Comparison(
        new=new.identifier,
        old=old.identifier,
        common=common,
        added=added,
        comparable=common is not None,
        better=better,
        worse=worse,
        reason=_reason(old, common, added, better=better, worse=worse),
    )


def _unmet(
    held_out: Mapping[str, object], before: Mapping[str, object], articles: Sequence[LabelledArticle]
) -> dict[str, LabelledArticle]:
    """Return the articles that were held out of the new model and are new to the old one, by digest.

    An article that was held out before and is not now tells that folds were dealt anew. The old model may then have
    learned from any article, and none is returned; nor is any when nothing is known of what was held out before.
    """
    by_digest = {article_digest(article): article for article in articles}
    dealt_anew = any(key in before and key not in held_out for key in by_digest)
    if dealt_anew or not before:
        return {}
    return {key: article for key, article in by_digest.items() if key in held_out and key not in before}


def _counts(card: ModelCard) -> dict[str, NDArray[np.int64]]:
    shape = (len(LABELS), len(LABELS))
    try:
        return {key: np.array(row.split(), np.int64).reshape(shape) for key, row in card.held_out.items()}
    except (ValueError, AttributeError) as error:
        raise ModelError(f"the card of {card.identifier} has damaged counts; make a new one with 'winnow train'") from (
            error
        )


def _total(counts: Mapping[str, NDArray[np.int64]], keys: Sequence[str]) -> NDArray[np.int64]:
    return np.asarray(np.sum([counts[key] for key in keys], axis=0))


def _measure(model: Model, articles: Sequence[LabelledArticle]) -> NDArray[np.int64]:
    """Count the paragraphs of articles by their label and the one the model gives, shape (labels, labels)."""
    counts = np.zeros((len(LABELS), len(LABELS)), np.int64)
    for start in range(0, len(articles), _TOGETHER):
        part = articles[start : start + _TOGETHER]
        batch = split_batch([article.text for article in part])
        labels = majority(character_labels(batch, part), batch.starts, batch.ends)
        np.add.at(counts, (labels, model.predict_proba(batch).argmax(axis=1)), 1)
    return counts


def _side_by_side(articles: int, new: NDArray[np.int64], old: NDArray[np.int64]) -> SideBySide:
    return SideBySide(articles, paragraph_figures(new), paragraph_figures(old))


def _reason(old: ModelCard, common: SideBySide | None, added: SideBySide | None, *, better: bool, worse: bool) -> str:
    parts = []
    if common:
        parts.append(
            f"on {_number(common)} held out of both, {_told(common, 'core_recall')}, {_told(common, 'macro_f1')}"
        )
    elif not old.held_out:
        parts.append(f"the card of {old.identifier} does not say which articles it was measured on")
    else:
        parts.append("no article was held out of both")
    if added:
        parts.append(f"on {_number(added)} that the old one never met, {_told(added, 'macro_f1')}")
    if worse:
        verdict = f"it is worse, by more than the {NOISE} that chance makes"
    elif common:
        verdict = f"it is better, by more than the {NOISE} that chance makes" if better else "it is no worse"
    else:
        verdict = "it cannot be compared"
    return f"{verdict}: {'; '.join(parts)}"


def _number(side: SideBySide) -> str:
    return f"{side.articles} article{'s' if side.articles > 1 else ''}"


def _told(side: SideBySide, name: str) -> str:
    words = {"core_recall": "core recall", "macro_f1": "paragraph macro-F1"}
    return f"{words[name]} {side.new[name]:.4f} against {side.old[name]:.4f} ({side.gain(name):+.4f})"
