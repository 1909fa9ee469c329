"""Models on disk: a folder with arrays and a card, read without running code and saved whole or not at all."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from classifier.errors import ModelError
from classifier.estimators import BucketWeights, Networks, Trees
from classifier.labels import LABELS
from classifier.likeness import CommonStems
from classifier.model import Model
from classifier.paragraphs import split_batch
from classifier.phrases import Phrases

FORMAT = 2
"""Number of the folder's layout; another one is refused."""

SELF_TEST_TOLERANCE = 0.005
"""How far a probability of the self-test may be from the card's: rounding differs between machines, models more."""

_RETRAIN = "make a new one with 'winnow train'"
_PROBES = (
    """Council approves new bus lanes
By Our Reporter | 3 March 2024
The city council voted 14 to 9 on Tuesday for new bus lanes on the ring road.
Work starts in June, the transport office said, and will last about nine months.
Read also:
Flour prices climb for a third week
All rights reserved.""",
    """افتتاح مكتبة عامة في المدينة
كتب: محرر الموقع
افتتح وزير الثقافة، اليوم الأحد، مكتبة عامة تضم خمسين ألف كتاب.
وقال الوزير إن المكتبة ستفتح أبوابها طوال أيام الأسبوع.
اقرأ أيضا:""",
)


@dataclass(frozen=True)
class ModelCard:
    """What a model says of itself.

    `figures` are those of grouped validation, and `held_out` has what they are made of: for the digest of each article
    held out, how many paragraphs have which label and were given which, row by row. `seeds` counts articles and
    paragraphs by label; `self_test` pairs probe texts with the probabilities that the model gave when it was saved.
    """

    identifier: str
    created: str
    labels: tuple[str, ...]
    seeds_digest: str
    seeds: dict[str, int]
    languages: dict[str, int]
    figures: dict[str, Any]
    versions: dict[str, str]
    held_out: dict[str, str] = field(default_factory=dict)
    self_test: tuple[dict[str, Any], ...] = ()
    format: int = FORMAT


def library_versions() -> dict[str, str]:
    """Return the versions of what a model depends on."""
    return {name: version(name) for name in ("numpy", "scikit-learn", "sentencex")}


def save_model(model: Model, card: ModelCard, directory: Path) -> ModelCard:
    """Write model and card into `directory`, replacing what is there, and return the card with its self-test.

    Arrays and card appear together or not at all: they are written beside the target and renamed. Raises ModelError
    when the folder holds something that is no model.
    """
    probabilities = model.predict_proba(split_batch(_PROBES))
    bounds = split_batch(_PROBES).bounds
    tests = tuple(
        {"text": text, "probabilities": probabilities[start:end].round(5).tolist()}
        for text, start, end in zip(_PROBES, bounds[:-1], bounds[1:], strict=True)
    )
    card = replace(card, self_test=tests)
    directory = directory.absolute()
    if directory.exists() and not (directory / "card.json").exists() and any(directory.iterdir()):
        raise ModelError(f"{directory} holds other things than a model and would be replaced; name another folder")
    directory.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    try:
        np.savez_compressed(beside / "arrays.npz", allow_pickle=False, **_flatten(model))
        (beside / "card.json").write_text(json.dumps(asdict(card), ensure_ascii=False, indent=1) + "\n", "utf-8")
        beside.chmod(0o755)
        if directory.exists():
            old = beside.with_name(beside.name + "-old")
            os.replace(directory, old)
            try:
                os.replace(beside, directory)
            except BaseException:
                os.replace(old, directory)
                raise
            shutil.rmtree(old)
        else:
            os.replace(beside, directory)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return card


def load_model(directory: Path, *, self_test: bool = True) -> Model:
    """Read a model folder; nothing in it is executed.

    Raises ModelError, saying what to do, when the folder is missing or damaged, has another format, or does not pass
    its self-test.
    """
    card = load_card(directory)
    try:
        with (directory / "arrays.npz").open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        model = Model(
            card.identifier,
            CommonStems(arrays["common.hashes"], arrays["common.rarity"]),
            Phrases.from_arrays(_part(arrays, "phrases")),
            BucketWeights.from_arrays(_part(arrays, "wording")),
            Trees.from_arrays(_part(arrays, "breaks")),
            Networks.from_arrays(_part(arrays, "context")),
        )
        if self_test:
            _check(model, card.self_test)
    except ModelError:
        raise
    except Exception as error:  # damaged files fail in many ways, all of which mean the same
        raise ModelError(
            f"the model in {directory} is damaged or made by another version of Winnow ({error}); {_RETRAIN}"
        ) from error
    return model


def load_card(directory: Path) -> ModelCard:
    """Read the card of a model folder. Raises ModelError as `load_model` does."""
    try:
        values = json.loads((directory / "card.json").read_text("utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"there is no model in {directory}; name another folder or {_RETRAIN}") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"the model card in {directory} cannot be read ({error}); {_RETRAIN}") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT or values.get("labels") != list(LABELS):
        raise ModelError(f"the model in {directory} has another format than this version of Winnow reads; {_RETRAIN}")
    try:
        card = ModelCard(**values)
        return replace(card, labels=tuple(card.labels), self_test=tuple(card.self_test))
    except TypeError as error:
        raise ModelError(f"the model card in {directory} is incomplete ({error}); {_RETRAIN}") from error


def digest(texts: Sequence[str]) -> str:
    """Return a short identifier of texts, the same for the same texts in the same order."""
    return hashlib.sha256("\x00".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def fingerprint(model: Model) -> str:
    """Return a short identifier of a model's arrays: two models share it only when they answer alike."""
    content = hashlib.sha256()
    for name, array in sorted(_flatten(model).items()):
        content.update(name.encode())
        content.update(np.ascontiguousarray(array).tobytes())
    return content.hexdigest()[:12]


def _flatten(model: Model) -> dict[str, Any]:
    parts = {"wording": model.wording.arrays(), "breaks": model.breaks.arrays(), "context": model.context.arrays()}
    flat = {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()}
    flat |= {f"phrases.{name}": array for name, array in model.phrases.arrays().items()}
    return {**flat, "common.hashes": model.common.hashes, "common.rarity": model.common.rarity}


def _part(arrays: Mapping[str, Any], part: str) -> dict[str, Any]:
    return {name.removeprefix(f"{part}."): array for name, array in arrays.items() if name.startswith(f"{part}.")}


def _check(model: Model, tests: Sequence[Mapping[str, Any]]) -> None:
    texts = [str(test["text"]) for test in tests]
    promised = np.array([row for test in tests for row in test["probabilities"]], np.float32)
    given = model.predict_proba(split_batch(texts))
    alike = promised.shape == given.shape and bool((np.abs(promised - given) <= SELF_TEST_TOLERANCE).all())
    if not texts or not alike:
        raise ModelError(f"the model {model.identifier} does not give the probabilities its card promises; {_RETRAIN}")
