"""Winnow: labels every paragraph of a scraped news text and gives back the clean article.

The names below are the library. They are imported on first use, which keeps the command line quick to answer.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from classifier.cleaning import Cleaner
    from classifier.comparison import compare_cards
    from classifier.errors import InputError, ModelError, OutputError, SeedError, StoreBusyError, WinnowError
    from classifier.evaluation import evaluate
    from classifier.labels import LABELS, CleanedArticle, Label, LabelledArticle, Paragraph
    from classifier.paragraphs import split_paragraphs
    from classifier.registry import ModelStore
    from classifier.seeds import check_seeds, read_seeds
    from classifier.store import ModelCard, load_model, save_model
    from classifier.training import train

_HOMES = {
    "cleaning": ("Cleaner",),
    "comparison": ("compare_cards",),
    "errors": ("InputError", "ModelError", "OutputError", "SeedError", "StoreBusyError", "WinnowError"),
    "evaluation": ("evaluate",),
    "labels": ("LABELS", "CleanedArticle", "Label", "LabelledArticle", "Paragraph"),
    "paragraphs": ("split_paragraphs",),
    "registry": ("ModelStore",),
    "seeds": ("check_seeds", "read_seeds"),
    "store": ("ModelCard", "load_model", "save_model"),
    "training": ("train",),
}

__all__ = [
    "LABELS", "CleanedArticle", "Cleaner", "InputError", "Label", "LabelledArticle", "ModelCard", "ModelError",
    "ModelStore", "OutputError", "Paragraph", "SeedError", "StoreBusyError", "WinnowError", "check_seeds",
    "compare_cards", "evaluate", "load_model", "read_seeds", "save_model", "split_paragraphs", "train",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"classifier.{module}"), name)
    raise AttributeError(f"module 'classifier' has no attribute {name!r}")
