"""The model store: versions of models in one folder, and which of them is in use.

`DIR/models/<identifier>/` is a version, a model folder that is not changed any more; `DIR/current` is one line, the
identifier in use. The model that ships is always a version too, and in use while there is no `current`. Whatever is
written appears in one step, so that a process killed at any moment leaves a store that loads; what it had begun stays
behind in folders whose names begin with a dot, which are not looked at.
"""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from classifier.errors import ModelError, OutputError, StoreBusyError
from classifier.files import locked, settle, write_whole
from classifier.model import Model
from classifier.resources import default_model
from classifier.store import ModelCard, load_card, load_model, save_model

Stamp = tuple[int, int, int]

_IDENTIFIER = re.compile(r"winnow-[0-9a-f]{12}")
_CHOOSE = "choose one with 'winnow models use ID'"


class ModelStore:
    """The versions in a folder, which need not exist yet; holds nothing in memory, so any number may share a folder."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._models = directory / "models"
        self._current = directory / "current"

    def cards(self) -> list[ModelCard]:
        """Return the cards of all versions, oldest first; what cannot be read is left out.

        Raises ModelError when the folder itself cannot be read.
        """
        cards = {}
        for name in self._names():
            card = _card(self._models / name)
            if card and card.identifier == name:
                cards[name] = card
        shipped = _card(default_model())
        if shipped:
            cards[shipped.identifier] = shipped
        return sorted(cards.values(), key=lambda card: (str(card.created), card.identifier))

    def current(self) -> str:
        """Return the identifier of the version in use.

        Raises ModelError, saying what to do, when `current` names none that is there.
        """
        try:
            named = self._current.read_text("utf-8").strip()
        except (FileNotFoundError, NotADirectoryError):
            return load_card(default_model()).identifier
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"{self._current} cannot be read ({error}); {_CHOOSE}") from error
        if not _IDENTIFIER.fullmatch(named):
            raise ModelError(f"{self._current} names no model but {named!r:.40}; {_CHOOSE}")
        try:
            load_card(self.path(named))
        except ModelError as error:
            raise ModelError(f"the model in use, {named}, is gone or damaged; {_CHOOSE}") from error
        return named

    def path(self, identifier: str) -> Path:
        """Return the folder of a version. Raises ModelError when there is none of that name."""
        if _IDENTIFIER.fullmatch(identifier):
            shipped = _card(default_model())
            if shipped and shipped.identifier == identifier:
                return default_model()
            if os.path.isfile(self._models / identifier / "card.json"):  # false also when it may not be looked at
                return self._models / identifier
        raise ModelError(
            f"there is no model {identifier!r:.40} in the store; 'winnow models list' names those that there are"
        )

    def add(self, model: Model, card: ModelCard) -> ModelCard:
        """Save a version, whole or not at all, and return its card as stored; it is not in use yet.

        The same version again replaces it file by file: as identifiers are made from the arrays, the old and the new
        file mean the same. Raises ModelError for an identifier of another form, and OutputError when the store cannot
        be written.
        """
        if not _IDENTIFIER.fullmatch(card.identifier) or model.identifier != card.identifier:
            raise ModelError(f"{card.identifier!r:.40} is no identifier for a store; give a model as 'train' makes it")
        target = self._models / card.identifier
        with self._writing():
            self._models.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".new-", dir=self._models) as beside:
                saved = Path(beside) / "model"
                card = save_model(model, card, saved)
                files = sorted(saved.iterdir())
                for path in (*files, saved):
                    settle(path)
                try:
                    os.replace(saved, target)
                except OSError:
                    if not target.is_dir():
                        raise
                    for path in files:
                        os.replace(path, target / path.name)
                    settle(target)
            for folder in (self._models, self.directory):
                settle(folder)
        return card

    def use(self, identifier: str) -> None:
        """Take a version into use, once it has passed its self-test.

        The model that ships is saved in the store first, so that it stays in use when another one ships. Raises
        ModelError when the version is not there or does not load, and OutputError when the store cannot be written.
        What was in use then stays so.
        """
        folder = self.path(identifier)
        model = load_model(folder)
        if model.identifier != identifier:
            raise ModelError(f"the model in {folder} is {model.identifier}; rename the folder to that")
        if folder != self._models / identifier:
            self.add(model, load_card(folder))
        with self._writing():
            write_whole(self._current, f"{identifier}\n".encode(), durable=True)

    def load(self) -> Model:
        """Return the model in use. Raises ModelError, saying what to do, when it does not load."""
        identifier = self.current()
        try:
            return load_model(self.path(identifier))
        except ModelError as error:
            raise ModelError(f"{error}; or take another one into use with 'winnow models use ID'") from error

    def stamp(self) -> Stamp | None:
        """Return what changes whenever a version is taken into use, at the price of one look at the file system.

        A process that takes the stamp before it loads the model sees by a new stamp that it should load again.
        """
        try:
            seen = self._current.stat()
        except OSError:
            return None
        return seen.st_mtime_ns, seen.st_ino, seen.st_size

    @contextmanager
    def training_lock(self) -> Iterator[None]:
        """Hold the store's lock (`files.locked`) for one training at a time, among all processes and hosts that share
        the folder.

        Raises StoreBusyError at once when another one holds it, and OutputError when the store cannot be written.
        """
        with ExitStack() as stack:
            with self._writing():
                self.directory.mkdir(parents=True, exist_ok=True)
                try:
                    stack.enter_context(locked(self.directory / "training.lock"))
                except BlockingIOError as error:
                    raise StoreBusyError(
                        f"another training is under way in {self.directory}; try again when it has ended"
                    ) from error
            yield

    def _names(self) -> list[str]:
        try:
            return [path.name for path in self._models.iterdir() if _IDENTIFIER.fullmatch(path.name)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise ModelError(f"{self._models} cannot be read ({error.strerror}); name another store") from error

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(
                f"the store {self.directory} cannot be written ({reason}); name another folder"
            ) from error


def _card(folder: Path) -> ModelCard | None:
    try:
        return load_card(folder)
    except ModelError:
        return None
