"""The model store: which versions there are, which is in use, and that no kill and no name can harm it."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from classifier import registry
from classifier.errors import ModelError, OutputError, StoreBusyError
from classifier.model import Model
from classifier.paragraphs import split_batch
from classifier.registry import ModelStore
from classifier.resources import default_model
from classifier.store import ModelCard, load_card, load_model

ROOT = Path(__file__).parents[2]
ONE, TWO = "winnow-000000000001", "winnow-000000000002"
NAMES = [
    "", ".", "..", "/", "winnow-", "winnow-00000000000", "winnow-0000000000011", "winnow-00000000000G",
    "winnow-00000000000A", "WINNOW-000000000001", "winnow-000000000001\n", " winnow-000000000001",
    "winnow-٠٠٠٠٠٠٠٠٠٠٠١", "../winnow-000000000001", "winnow-000000000001/..", "../../secret", "/etc/passwd",
    "winnow-000000000001\x00", "x" * 100_000, "\ud800",
]  # fmt: skip

Version = Callable[..., tuple[Model, ModelCard]]


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """A store whose folder is not there yet."""
    return ModelStore(tmp_path / "store")


@pytest.fixture
def filled(store: ModelStore, two_versions: Path) -> ModelStore:
    """A store with two versions, the first in use."""
    shutil.copytree(two_versions, store.directory)
    return store


@pytest.fixture(scope="session")
def shipped() -> str:
    """The identifier of the model that ships."""
    return load_card(default_model()).identifier


def identifiers(store: ModelStore) -> list[str]:
    """Return the identifiers of all versions, in the store's order."""
    return [card.identifier for card in store.cards()]


def test_a_store_that_is_not_there_has_the_model_that_ships(store: ModelStore, shipped: str) -> None:
    """It is listed, in use and loads; looking makes no folder."""
    assert identifiers(store) == [shipped]
    assert store.current() == shipped
    assert store.path(shipped) == default_model()
    assert store.stamp() is None
    assert store.load().identifier == shipped
    assert not store.directory.exists()


def test_versions_are_listed_oldest_first(store: ModelStore, version: Version, shipped: str) -> None:
    """By when they were made, the one that ships among them; none is in use for having been added."""
    store.add(*version(TWO, created="2001-01-01T00:00:00Z"))
    store.add(*version(ONE, created="2999-01-01T00:00:00Z"))
    assert identifiers(store) == [TWO, shipped, ONE]
    assert store.current() == shipped


def test_an_added_version_loads_as_it_was(store: ModelStore, version: Version) -> None:
    """With the card that was returned; nothing else is left in the folder."""
    model, card = version(ONE)
    stored = store.add(model, card)
    assert stored == load_card(store.path(ONE))
    assert replace(stored, self_test=()) == card
    batch = split_batch(["The council voted on Tuesday.\nRead also: Flour prices climb"])
    np.testing.assert_array_equal(load_model(store.path(ONE)).predict_proba(batch), model.predict_proba(batch))
    assert [path.name for path in (store.directory / "models").iterdir()] == [ONE]
    assert store.path(ONE).stat().st_mode & 0o777 == 0o755


def test_use_switches_and_switches_back(filled: ModelStore, shipped: str) -> None:
    """The stamp tells of each switch, to whoever looks."""
    stamps = [filled.stamp()]
    for identifier in (TWO, ONE, shipped, TWO):
        filled.use(identifier)
        assert (filled.current(), filled.load().identifier) == (identifier, identifier)
        stamps.append(ModelStore(filled.directory).stamp())
        assert stamps[-1] == filled.stamp()
        assert None not in stamps
        assert stamps[-1] != stamps[-2]


def test_the_shipped_model_stays_in_use_when_another_one_ships(
    filled: ModelStore, shipped: str, quick_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it was chosen by name, it is kept in the store."""
    filled.use(shipped)
    monkeypatch.setattr(registry, "default_model", lambda: quick_folder)
    assert filled.current() == filled.load().identifier == shipped
    assert sorted(identifiers(filled)) == sorted([ONE, TWO, shipped, load_card(quick_folder).identifier])


def test_adding_a_version_again_keeps_it(filled: ModelStore, version: Version) -> None:
    """Also while it is in use: the new card is there, and the model loads."""
    filled.add(*version(ONE, created="2030-01-01T00:00:00Z"))
    assert load_card(filled.path(ONE)).created == "2030-01-01T00:00:00Z"
    assert filled.load().identifier == filled.current() == ONE


def test_adding_a_version_again_mends_it(filled: ModelStore, version: Version) -> None:
    """What was damaged is replaced."""
    (filled.path(ONE) / "arrays.npz").write_bytes(b"torn")
    filled.add(*version(ONE))
    assert filled.load().identifier == ONE


@pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name)[:30])
def test_a_name_of_another_form_is_refused(filled: ModelStore, version: Version, name: str) -> None:
    """In a short sentence; it is not looked up, used, nor saved, and what is in use stays."""
    secret = filled.directory.parent / "secret"
    shutil.copytree(filled.path(ONE), secret)
    for call in (filled.path, filled.use):
        with pytest.raises(ModelError, match=r"there is no model .* in the store; ") as caught:
            call(name)
        assert len(str(caught.value)) < 200
    with pytest.raises(ModelError, match="is no identifier"):
        filled.add(*version(name))
    (filled.directory / "current").write_text(name, "utf-8", errors="surrogatepass")
    if name.strip() != ONE:
        with pytest.raises(ModelError, match="winnow models use ID"):
            filled.current()


def test_a_model_and_a_card_of_two_names_are_refused(store: ModelStore, version: Version) -> None:
    """They would be a version that cannot be told from another."""
    with pytest.raises(ModelError, match="is no identifier"):
        store.add(version(ONE)[0], version(TWO)[1])
    assert not store.directory.exists()


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"winnow-00000000000f\n", b"\xff\xfe", b"x" * 1000, b"winnow-000000000001 winnow", None]
)
def test_a_current_that_names_nothing_is_told(filled: ModelStore, shipped: str, content: bytes | None) -> None:
    """The sentence names the command that mends it, and that command does; the list of versions is there meanwhile."""
    if content is None:
        shutil.rmtree(filled.path(ONE))
    else:
        (filled.directory / "current").write_bytes(content)
    for call in (filled.current, filled.load):
        with pytest.raises(ModelError, match="winnow models use ID") as caught:
            call()
        assert len(str(caught.value)) < 300
    assert {shipped, TWO} <= set(identifiers(filled))
    filled.use(TWO)
    assert filled.load().identifier == TWO


def damage_arrays(folder: Path) -> None:
    """Tear the arrays."""
    (folder / "arrays.npz").write_bytes(b"torn")


def damage_card(folder: Path) -> None:
    """Tear the card."""
    (folder / "card.json").write_text("{", "utf-8")


def fail_self_test(folder: Path) -> None:
    """Promise other probabilities."""
    card = json.loads((folder / "card.json").read_text("utf-8"))
    card["self_test"][0]["probabilities"][0] = [0.25] * 4
    (folder / "card.json").write_text(json.dumps(card), "utf-8")


def rename(folder: Path) -> None:
    """Put another model into the folder."""
    shutil.copytree(folder.parent / ONE, folder, dirs_exist_ok=True)


@pytest.mark.parametrize("damage", [shutil.rmtree, damage_arrays, damage_card, fail_self_test, rename])
def test_what_does_not_load_is_not_taken_into_use(filled: ModelStore, damage: Callable[[Path], None]) -> None:
    """What was in use stays so, to the stamp."""
    damage(filled.path(TWO))
    stamp = filled.stamp()
    with pytest.raises(ModelError):
        filled.use(TWO)
    assert (filled.current(), filled.stamp()) == (ONE, stamp)


def test_a_damaged_model_in_use_is_told_with_the_way_out(filled: ModelStore) -> None:
    """Loading says that another version can be taken."""
    damage_arrays(filled.path(ONE))
    with pytest.raises(ModelError, match="winnow models use ID"):
        filled.load()


def test_what_is_no_version_is_left_out(filled: ModelStore, shipped: str) -> None:
    """Folders that a killed save left, other names, files, torn cards, and a model in another one's place."""
    models = filled.directory / "models"
    for name in (f".{ONE}-abc", ".new-abc", "thesis"):
        shutil.copytree(models / ONE, models / name)
    shutil.copytree(models / ONE, models / "winnow-00000000000a")
    (models / "winnow-00000000000b").write_text("a file", "utf-8")
    (models / "winnow-00000000000c").mkdir()
    shutil.copytree(models / ONE, models / "winnow-00000000000d")
    damage_card(models / "winnow-00000000000d")
    assert sorted(identifiers(filled)) == sorted([ONE, TWO, shipped])


def test_a_store_where_a_file_stands_is_told(tmp_path: Path, version: Version, shipped: str) -> None:
    """To read there is what ships; to write is refused in one sentence, and the file stays."""
    (tmp_path / "file").write_text("kept", "utf-8")
    store = ModelStore(tmp_path / "file")
    assert (identifiers(store), store.current(), store.stamp()) == ([shipped], shipped, None)
    for call in (lambda: store.add(*version(ONE)), lambda: store.use(shipped), store.training_lock().__enter__):
        with pytest.raises(OutputError, match="cannot be written"):
            call()
    assert (tmp_path / "file").read_text("utf-8") == "kept"


@pytest.mark.parametrize("step", ["os.replace", "os.fsync", "numpy.savez_compressed"])
def test_a_full_disk_changes_nothing(
    filled: ModelStore, version: Version, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """One sentence says so; no part of the new version is left."""

    def fail(*given: object, **named: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(step, fail)
    with pytest.raises(OutputError, match="No space left on device"):
        filled.add(*version("winnow-000000000003"))
    if step != "numpy.savez_compressed":
        with pytest.raises(OutputError, match="No space left on device"):
            filled.use(TWO)
    monkeypatch.undo()
    assert sorted(path.name for path in (filled.directory / "models").iterdir()) == [ONE, TWO]
    assert filled.load().identifier == ONE


HOLD = """
import sys, time
from pathlib import Path
from classifier.registry import ModelStore
with ModelStore(Path(sys.argv[1])).training_lock():
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_lock_is_held_by_one_at_a_time(store: ModelStore) -> None:
    """In one process as between two; it is free again after the holder, however that ended."""
    with store.training_lock(), pytest.raises(StoreBusyError, match="try again"), store.training_lock():
        pass
    with suppress(KeyError), store.training_lock():
        raise KeyError
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, store.directory], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        try:
            with pytest.raises(StoreBusyError), store.training_lock():
                pass
        finally:
            holder.send_signal(signal.SIGKILL)
    with store.training_lock():
        pass


# Forks from a process that has a model in memory, so that a child begins at once. A child adds versions and takes them
# into use, writing down what it is about to do and what is done, until it is killed: after a time, or before its n-th
# step of one kind.
KILLED = """
import itertools, json, os, random, signal, sys, time
from dataclasses import replace
from pathlib import Path
from classifier.registry import ModelStore
from classifier.store import load_card, load_model

folder, directory, log, plan = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), json.loads(sys.argv[4])
model, card = load_model(folder), load_card(folder)
store = ModelStore(directory)

def work(begin, step, count):
    def kill_at(function):
        def counted(*given, **named):
            nonlocal count
            count -= 1
            if not count:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*given, **named)
        return counted
    if step:
        setattr(os, step, kill_at(getattr(os, step)))
    for number in itertools.count(begin):
        name = f"winnow-{number // 2 % 4:012x}"  # each twice in a row, so that it is added while it is in use
        store.add(replace(model, identifier=name), replace(card, identifier=name, created=str(number)))
        with log.open("a") as file:
            print("begin", name, file=file, flush=True)
            store.use(name)
            print("done", name, file=file, flush=True)

for begin, (step, count) in enumerate(plan):
    child = os.fork()
    if not child:
        work(2 * begin, step, count)
    if not step:
        time.sleep(count)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL, status
    current = store.current()
    told = [line.split() for line in log.read_text().splitlines()]
    may = [name for word, name in told if word == "done"][-1:] or [sys.argv[5]]
    may += [name for word, name in told[-1:] if word == "begin"]
    assert current in may, (begin, current, told[-3:])
    assert store.load().identifier == current
    log.write_text(f"done {current}\\n" if store.stamp() else "")
for card in store.cards():
    load_model(store.path(card.identifier))
print("sound")
"""


@pytest.mark.slow
def test_a_store_survives_being_killed(store: ModelStore, quick_folder: Path, shipped: str) -> None:
    """Killed at 20 random moments, and before every step of adding and using a version, it loads every version, and
    the one in use is the last that was taken into use or the one that was just being taken.
    """
    chance = random.Random(0)
    plan: list[tuple[str, float]] = [("replace", count) for count in range(1, 10)]
    plan += [("fsync", count) for count in (2, 5, 10, 14)]
    plan += [("", chance.uniform(0, 0.4)) for _ in range(20)]
    log = store.directory.parent / "log"
    log.touch()
    done = subprocess.run(
        [sys.executable, "-c", KILLED, quick_folder, store.directory, log, json.dumps(plan), shipped],
        cwd=ROOT,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "sound\n"), done.stderr
    names = [path.name for path in (store.directory / "models").iterdir()]
    assert all(re.fullmatch(r"winnow-[0-9a-f]{12}|\.new-\w+", name) for name in names)
    assert any(name.startswith(".new-") for name in names), "no kill hit a save"
