"""The model that answers: taken up when another one comes into use, kept when that one does not work."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from classifier.cleaning import Cleaner
from classifier.errors import ModelError
from classifier.registry import ModelStore
from classifier.resources import default_model
from classifier.store import load_card
from service import serving
from service.serving import Serving
from tests.service.conftest import ONE, TWO

ROOT = Path(__file__).parents[2]
LONG = 30.0


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread watches: what is taken up is so because the test asked."""
    monkeypatch.setattr(serving, "WATCH_SECONDS", 3600.0)


def in_use(serves: Serving) -> str:
    """Return the model that a request would get."""
    return serves.cleaner().model.identifier


@pytest.mark.parametrize("folder", [None, default_model()], ids=["the one that ships", "a folder"])
def test_a_model_without_a_store_stays(folder: Path | None) -> None:
    """There is nothing to follow."""
    serves = Serving(folder, None)
    assert not serves.follows_store
    serves.refresh()
    assert in_use(serves) == load_card(default_model()).identifier


@pytest.mark.parametrize("given", ["model", "cleaner"])
def test_a_fixed_model_goes_before_the_store(store: ModelStore, cleaner: Cleaner, given: str) -> None:
    """Whatever comes into use there."""
    serves = Serving(default_model(), store) if given == "model" else Serving(None, store, cleaner)
    fixed = in_use(serves)
    assert not serves.follows_store
    store.use(TWO)
    serves.refresh()
    assert in_use(serves) == fixed != TWO


@pytest.mark.usefixtures("still")
def test_a_change_is_taken_up(store: ModelStore) -> None:
    """With the next look at the store, and not before; a request that has its cleaner keeps it."""
    serves = Serving(None, store)
    held = serves.cleaner()
    store.use(TWO)
    assert in_use(serves) == ONE
    serves.refresh()
    assert in_use(serves) == TWO
    assert held.model.identifier == ONE
    assert held.clean("The council voted on Tuesday.").model == ONE


def test_a_change_is_seen_without_being_asked(store: ModelStore) -> None:
    """A thread looks at the store again and again."""
    serves = Serving(None, store)
    assert in_use(serves) == ONE
    store.use(TWO)
    deadline = time.monotonic() + LONG
    while in_use(serves) != TWO:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.usefixtures("still")
def test_a_model_is_loaded_once(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks that see no change load nothing, nor does the same model taken into use again, nor a bad one looked at
    twice.
    """
    serves = Serving(None, store)
    loads = []
    load = ModelStore.load

    def noted(self: ModelStore) -> object:
        loads.append(self.current())
        return load(self)

    monkeypatch.setattr(ModelStore, "load", noted)
    for identifier in (None, ONE, TWO, None):
        if identifier:
            store.use(identifier)
        serves.refresh()
        serves.refresh()
    assert loads == [TWO]
    (store.path(ONE) / "arrays.npz").write_bytes(b"torn")
    (store.directory / "current").write_text(f"{ONE}\n", "utf-8")
    serves.refresh()
    serves.refresh()
    assert loads == [TWO, ONE]
    assert in_use(serves) == TWO


def tear(store: ModelStore) -> None:
    """Tear the arrays of the second model, and name it in the store."""
    (store.path(TWO) / "arrays.npz").write_bytes(b"torn")
    (store.directory / "current").write_text(f"{TWO}\n", "utf-8")


def name_nothing(store: ModelStore) -> None:
    """Let the store name no model."""
    (store.directory / "current").write_text("\n", "utf-8")


def remove(store: ModelStore) -> None:
    """Take the store away."""
    shutil.rmtree(store.directory)


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("harm", [tear, name_nothing, remove])
def test_what_does_not_work_leaves_the_model(store: ModelStore, harm: Callable[[ModelStore], None]) -> None:
    """The one in memory goes on, through any number of looks."""
    serves = Serving(None, store)
    harm(store)
    for _ in range(3):
        serves.refresh()
        assert in_use(serves) == ONE


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("harm", [tear, name_nothing])
def test_the_next_model_that_works_is_taken_up(store: ModelStore, harm: Callable[[ModelStore], None]) -> None:
    """After one that did not."""
    serves = Serving(None, store)
    harm(store)
    serves.refresh()
    shipped = load_card(default_model()).identifier
    store.use(shipped)
    serves.refresh()
    assert in_use(serves) == shipped


@pytest.mark.parametrize("harm", [tear, name_nothing])
def test_a_service_does_not_start_without_a_model(store: ModelStore, harm: Callable[[ModelStore], None]) -> None:
    """The sentence says what to do."""
    harm(store)
    with pytest.raises(ModelError, match="winnow models use ID"):
        Serving(None, store)


def test_a_store_that_is_not_there_yet_is_followed(tmp_path: Path, two_versions: Path) -> None:
    """It has the model that ships until another one is taken into use."""
    store = ModelStore(tmp_path / "later")
    serves = Serving(None, store)
    assert in_use(serves) == load_card(default_model()).identifier
    shutil.copytree(two_versions, store.directory)
    serves.refresh()
    assert in_use(serves) == ONE


# A model is loaded before the workers are forked, and a fork has no threads.
FORKED = """
import os, sys, time
from pathlib import Path
from classifier.registry import ModelStore
from service.serving import Serving

store = ModelStore(Path(sys.argv[1]))
serves = Serving(None, store)
serves.cleaner()
child = os.fork()
if child:
    store.use(sys.argv[2])
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
deadline = time.monotonic() + 30
while serves.cleaner().model.identifier != sys.argv[2]:
    assert time.monotonic() < deadline
    time.sleep(0.01)
os._exit(7)
"""


def test_every_worker_watches_for_itself(store: ModelStore) -> None:
    """One that was forked from a process that watched already, too."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED, store.directory, TWO],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 7, done.stderr
