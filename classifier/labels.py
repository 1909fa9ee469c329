"""The nouns of Winnow: a label, a labelled paragraph, a cleaned article, a labelled article."""

from dataclasses import dataclass
from enum import StrEnum


class Label(StrEnum):
    """What a paragraph of a scraped page is; `seeds/README.md` is the labelling guide."""

    CORE = "core"
    SOCIAL = "social"
    BOILERPLATE = "boilerplate"
    PROMO = "promo"


LABELS: tuple[Label, ...] = tuple(Label)
"""All labels, in the order in which every probability array of this package has its columns."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A span of the raw text and what it was found to be.

    `start` and `end` are code point offsets into the raw text, half open. `probabilities` has one
    calibrated value for each of `LABELS`, in that order, that sum to 1; `confidence` is the one of `label`.
    """

    start: int
    end: int
    label: Label
    confidence: float
    probabilities: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class CleanedArticle:
    """The raw text's paragraphs with their labels, and the text that is left.

    `text` holds the kept paragraphs verbatim and in order. `model` is the identifier of the model used.
    """

    text: str
    paragraphs: tuple[Paragraph, ...]
    model: str


@dataclass(frozen=True, slots=True)
class LabelledArticle:
    """A raw text with the labels a person gave it.

    `spans` are `(start, end, label)`, in order, without overlap, holding every character that is not
    white space. `language` is an ISO 639-1 code or empty; `group` names what may not be split over
    folds (a site, an outlet); `origin` says where the article was read from, for messages.
    """

    identifier: str
    text: str
    spans: tuple[tuple[int, int, Label], ...]
    language: str = ""
    group: str = ""
    origin: str = ""
