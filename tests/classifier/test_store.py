"""Models on disk: the same after loading, refused when damaged, replaced whole or not at all."""

import gc
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from classifier.errors import ModelError
from classifier.labels import LabelledArticle
from classifier.model import Model
from classifier.paragraphs import split_batch
from classifier.store import FORMAT, ModelCard, digest, load_card, load_model, save_model

FILES = ["arrays.npz", "card.json"]


@pytest.fixture
def folder(quick_folder: Path, tmp_path: Path) -> Path:
    """A copy of the quick model, to be damaged."""
    return Path(shutil.copytree(quick_folder, tmp_path / "model"))


def arrays_of(folder: Path) -> dict[str, Any]:
    """Return the arrays of a model folder."""
    with np.load(folder / "arrays.npz", allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def change_card(**changes: Any) -> Callable[[Path], None]:
    """Return what changes fields of a card; None leaves one out."""

    def change(folder: Path) -> None:
        card = json.loads((folder / "card.json").read_text("utf-8"))
        card = {name: value for name, value in {**card, **changes}.items() if value is not None}
        (folder / "card.json").write_text(json.dumps(card), "utf-8")

    return change


def write_card(content: bytes) -> Callable[[Path], None]:
    """Return what writes something else for a card."""

    def write(folder: Path) -> None:
        (folder / "card.json").write_bytes(content)

    return write


def change_arrays(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    """Return what changes arrays in place."""

    def apply(folder: Path) -> None:
        arrays = arrays_of(folder)
        change(arrays)
        np.savez(folder / "arrays.npz", allow_pickle=True, **arrays)

    return apply


def truncate(folder: Path) -> None:
    """Lose the second half of the arrays."""
    content = (folder / "arrays.npz").read_bytes()
    (folder / "arrays.npz").write_bytes(content[: len(content) // 2])


def flip(folder: Path) -> None:
    """Change a stretch of bytes amid the arrays."""
    content = bytearray((folder / "arrays.npz").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    (folder / "arrays.npz").write_bytes(content)


def self_test_off_by(difference: float) -> Callable[[Path], None]:
    """Return what moves the first promised probability."""

    def change(folder: Path) -> None:
        tests = json.loads((folder / "card.json").read_text("utf-8"))["self_test"]
        tests[0]["probabilities"][0][0] += difference
        change_card(self_test=tests)(folder)

    return change


def test_a_model_is_the_same_after_loading(
    quick: tuple[Model, ModelCard], quick_folder: Path, few_seeds: list[LabelledArticle]
) -> None:
    """It gives the very same probabilities, and its card is what was saved, with a self-test."""
    model, card = quick
    loaded = load_model(quick_folder)
    batch = split_batch([article.text for article in few_seeds])
    np.testing.assert_array_equal(loaded.predict_proba(batch), model.predict_proba(batch))
    stored = load_card(quick_folder)
    assert loaded.identifier == stored.identifier == card.identifier
    assert (stored.labels, stored.seeds, stored.figures) == (card.labels, card.seeds, card.figures)
    assert (stored.languages, stored.versions, stored.format) == (card.languages, card.versions, FORMAT)
    assert stored.self_test


def test_saving_returns_the_card_as_stored(quick: tuple[Model, ModelCard], tmp_path: Path) -> None:
    """The self-test is added on saving: some probes with a row for each of their paragraphs."""
    card = save_model(*quick, tmp_path / "new" / "model")
    assert card == load_card(tmp_path / "new" / "model")
    for test in card.self_test:
        assert len(test["probabilities"]) == len(split_batch([test["text"]]).starts)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: shutil.rmtree(folder),
        lambda folder: (folder / "card.json").unlink(),
        lambda folder: (folder / "arrays.npz").unlink(),
        write_card(b""),
        write_card(b"{"),
        write_card(b"[]"),
        write_card(b"\xff\xfe"),
        change_card(format=FORMAT + 1),
        change_card(format=None),
        change_card(labels=["core", "social", "promo", "boilerplate"]),
        change_card(labels=["core"]),
        change_card(labels=None),
        change_card(identifier=None),
        change_card(surprise=1),
        change_card(self_test=None),
        change_card(self_test=[]),
        change_card(self_test=5),
        change_card(self_test=["probe"]),
        change_card(self_test=[{"text": "One"}]),
        change_card(self_test=[{"text": "One", "probabilities": [[1, 0, 0]]}]),
        change_card(self_test=[{"text": "One\nTwo", "probabilities": [[1, 0, 0, 0]]}]),
        self_test_off_by(0.02),
        self_test_off_by(-0.02),
        self_test_off_by(float("nan")),
        truncate,
        flip,
        lambda folder: (folder / "arrays.npz").write_bytes(b"no arrays"),
        change_arrays(lambda arrays: arrays.pop("wording.bias")),
        change_arrays(lambda arrays: arrays.update({"context.mean": arrays["context.mean"][:-1]})),
        change_arrays(lambda arrays: arrays.update({"context.surprise": arrays["context.mean"]})),
        change_arrays(lambda arrays: arrays.update({"wording.weights": arrays["wording.weights"][:1000]})),
        change_arrays(lambda arrays: arrays.update({"wording.weights": arrays["wording.weights"] * 0})),
        change_arrays(lambda arrays: arrays.update({"wording.bias": arrays["wording.bias"] + np.float32("nan")})),
        change_arrays(lambda arrays: arrays.update({"context.out_bias": arrays["context.out_bias"] * np.nan})),
        change_arrays(lambda arrays: arrays.update({"breaks.bias": np.array("five")})),
    ],
    ids=[
        "no folder", "no card", "no arrays", "empty card", "torn card", "card a list", "card not UTF-8",
        "another format", "no format", "labels in another order", "other labels", "no labels", "no identifier",
        "unknown field", "no self-test", "empty self-test", "self-test a number", "self-test of strings",
        "self-test without probabilities", "self-test too narrow", "self-test too short", "too high", "too low",
        "promise no number", "arrays torn", "arrays damaged", "arrays none", "array missing", "array too short",
        "array too many", "weights too few", "weights zero", "wording no number", "context no number",
        "bias a word",
    ],
)  # fmt: skip
def test_what_is_damaged_is_refused(folder: Path, damage: Callable[[Path], object]) -> None:
    """One sentence says what is wrong and names the command that makes a new model; no file stays open."""
    damage(folder)
    with pytest.raises(ModelError, match="winnow train") as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)
    del caught
    gc.collect()  # a file left open is told of here, not in whichever test comes later


@pytest.mark.parametrize("difference", [0.003, -0.003])
def test_rounding_is_no_damage(folder: Path, difference: float) -> None:
    """Machines differ by less than the self-test bears."""
    self_test_off_by(difference)(folder)
    load_model(folder)


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", ["common.rarity", "surprise", "context.surprise"])
def test_nothing_in_a_model_is_executed(folder: Path, tmp_path: Path, name: str) -> None:
    """An array of objects, which would be unpickled, is refused and not opened."""
    trap = np.empty(1, object)
    trap[0] = Trap(tmp_path / "sprung")
    change_arrays(lambda arrays: arrays.update({name: trap}))(folder)
    with pytest.raises(ModelError, match="winnow train"):
        load_model(folder)
    assert not (tmp_path / "sprung").exists()


def test_a_pickle_in_place_of_the_arrays_is_refused(folder: Path, tmp_path: Path) -> None:
    """The same for a file that is a pickle from its first byte."""
    trap = np.empty(1, object)
    trap[0] = Trap(tmp_path / "sprung")
    trap.dump(folder / "arrays.npz")
    with pytest.raises(ModelError, match="winnow train"):
        load_model(folder)
    assert not (tmp_path / "sprung").exists()


def test_saving_replaces_the_folder_whole(folder: Path, quick: tuple[Model, ModelCard]) -> None:
    """Nothing of what was there stays, and nothing is left beside it."""
    (folder / "card.json").write_text("old", "utf-8")
    (folder / "old.npz").write_bytes(b"old")
    save_model(*quick, folder)
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    load_model(folder)


def test_a_saved_model_can_be_read_by_others(folder: Path, quick: tuple[Model, ModelCard]) -> None:
    """The service may run as another user than the one who trained."""
    save_model(*quick, folder)
    assert folder.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("name", "call"), [("numpy.savez_compressed", 1), ("json.dumps", 1), ("os.replace", 1), ("os.replace", 2)]
)
def test_a_save_that_fails_leaves_the_old_model(
    folder: Path, quick: tuple[Model, ModelCard], monkeypatch: pytest.MonkeyPatch, name: str, call: int
) -> None:
    """Whichever step fails, the model that was there still loads, and nothing is left beside it."""
    before = arrays_of(folder)
    module, function = name.split(".")
    owner = {"numpy": np, "json": json, "os": os}[module]
    right, calls = getattr(owner, function), 0

    def fail(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise OSError(28, "No space left on device")
        return right(*given, **named)

    monkeypatch.setattr(owner, function, fail)
    with pytest.raises(OSError, match="No space left"):
        save_model(*quick, folder)
    monkeypatch.undo()
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    load_model(folder)
    assert before.keys() == arrays_of(folder).keys()


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (["a", "b"], ["a", "b"], True),
        (["a", "b"], ["b", "a"], False),
        (["a", "b"], ["ab"], False),
        ([], [""], True),
        (["\ud800"], ["\udfff"], False),
    ],
)
def test_a_digest_tells_texts_apart(left: list[str], right: list[str], *, same: bool) -> None:
    """The same texts in the same order have the same digest."""
    assert (digest(left) == digest(right)) is same
    assert len(digest(left)) == 12


def test_a_folder_that_is_no_model_is_not_replaced(tmp_path: Path, quick: tuple[Model, ModelCard]) -> None:
    """Saving over a folder of other things is refused and leaves them alone."""
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.txt").write_text("one", "utf-8")
    with pytest.raises(ModelError, match="name another folder"):
        save_model(*quick, other)
    assert (other / "chapter.txt").read_text("utf-8") == "one"
