"""Raw texts to cleaned articles: the one call that the command line, the service and batch runs share."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np

from classifier.labels import LABELS, CleanedArticle, Label, Paragraph
from classifier.model import Model
from classifier.paragraphs import TextBatch, split_batch
from classifier.resources import default_model
from classifier.store import load_model

CORE_ONLY = frozenset({Label.CORE})

_BATCH_CHARACTERS = 1_000_000  # texts are scored together up to this size: memory depends on it, labels do not


class Cleaner:
    """Cleans articles with one model; safe to share between threads."""

    def __init__(self, model: Model) -> None:
        self.model = model

    @classmethod
    def load(cls, path: Path | str | None = None) -> Self:
        """Return a cleaner with the model in a folder, by default the one that ships.

        Raises ModelError when there is no usable model.
        """
        return cls(load_model(Path(path) if path is not None else default_model()))

    def clean(self, text: str, keep: Collection[Label] = CORE_ONLY) -> CleanedArticle:
        """Label the paragraphs of one raw text and keep those whose label is in `keep`."""
        return self.clean_many([text], keep)[0]

    def clean_many(self, texts: Sequence[str], keep: Collection[Label] = CORE_ONLY) -> list[CleanedArticle]:
        """Clean many raw texts, in order; faster than one at a time, and with the same labels."""
        return [article for part in _parts(texts) for article in self._clean_batch(part, keep)]

    def _clean_batch(self, texts: Sequence[str], keep: Collection[Label]) -> list[CleanedArticle]:
        batch = split_batch(texts)
        probabilities = self.model.predict_proba(batch)
        paragraphs = _paragraphs(
            batch, probabilities.argmax(axis=1).tolist(), probabilities.astype(np.float64).round(4).tolist()
        )
        bounds = batch.bounds.tolist()
        return [
            self._article(text, tuple(paragraphs[start:end]), keep)
            for text, start, end in zip(texts, bounds[:-1], bounds[1:], strict=True)
        ]

    def _article(self, text: str, paragraphs: tuple[Paragraph, ...], keep: Collection[Label]) -> CleanedArticle:
        kept = [paragraph.label in keep for paragraph in paragraphs]
        return CleanedArticle(kept_text(text, paragraphs, kept), paragraphs, self.model.identifier)


def _parts(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    start = size = 0
    for place, text in enumerate(texts):
        if size and size + len(text) > _BATCH_CHARACTERS:
            yield texts[start:place]
            start, size = place, 0
        size += len(text) + 1
    if size:
        yield texts[start:]


def _paragraphs(batch: TextBatch, numbers: list[int], probabilities: list[list[float]]) -> list[Paragraph]:
    offsets = batch.offsets[batch.article]
    starts, ends = (batch.starts - offsets).tolist(), (batch.ends - offsets).tolist()
    return [
        Paragraph(start, end, LABELS[number], row[number], tuple(row))
        for start, end, number, row in zip(starts, ends, numbers, probabilities, strict=True)
    ]  # fmt: skip


def kept_text(text: str, paragraphs: Sequence[Paragraph], kept: Sequence[bool]) -> str:
    """Return the kept paragraphs of a raw text, verbatim and in order.

    Neighbours are joined by the white space that stands between them in the raw text, others by a line break.
    """
    pieces: list[str] = []
    before: int | None = None
    for place, (paragraph, keep) in enumerate(zip(paragraphs, kept, strict=True)):
        if not keep:
            continue
        if before is not None:
            pieces.append(text[paragraphs[before].end : paragraph.start] if before == place - 1 else "\n")
        pieces.append(text[paragraph.start : paragraph.end])
        before = place
    return "".join(pieces)
