"""The model that answers: the store's current one, taken up within a second of a change, without a restart."""

import logging
import os
import threading
import time
from pathlib import Path

from classifier.cleaning import Cleaner
from classifier.errors import WinnowError
from classifier.registry import ModelStore
from service.heaps import give_back

WATCH_SECONDS = 0.25
"""How often the store is asked whether another model is in use: one look at one file."""

_log = logging.getLogger("winnow")


class Serving:
    """Gives each request the cleaner to use from its start to its end.

    A fixed model (`model`), the current one of a store, or the one that ships. Raises ModelError when there is none
    that works; a model that later turns out not to work leaves the one before in service.
    """

    def __init__(self, model: Path | None, store: ModelStore | None, cleaner: Cleaner | None = None) -> None:
        self.store = store
        self._watched = store if cleaner is None and model is None else None
        self._stamp = self._watched.stamp() if self._watched else None
        if cleaner is None:
            cleaner = Cleaner(self._watched.load()) if self._watched else Cleaner.load(model)
        self._cleaner = cleaner
        self._lock = threading.Lock()
        self._watcher: int | None = None  # the process whose thread watches: a fork has no threads

    @property
    def follows_store(self) -> bool:
        """Whether another model can come into service while this one runs."""
        return self._watched is not None

    def cleaner(self) -> Cleaner:
        """Return the cleaner of this moment; whoever asks keeps it to the end of the request."""
        if self._watched and self._watcher != os.getpid():
            self._start_watching()
        return self._cleaner

    def refresh(self) -> None:
        """Take up the store's current model when it is another one."""
        if self._watched is None:
            return
        with self._lock:
            stamp = self._watched.stamp()
            if stamp is None or stamp == self._stamp:  # none: nothing was ever chosen, or the store's disk is away
                return
            try:
                if self._watched.current() != self._cleaner.model.identifier:
                    self._cleaner = Cleaner(self._watched.load())
                    _log.info("model taken up", extra={"fields": {"model": self._cleaner.model.identifier}})
            except WinnowError as error:
                _log.error("model not taken up", extra={"fields": {"reason": str(error)}})
            self._stamp = stamp

    def _start_watching(self) -> None:
        with self._lock:
            if self._watcher == os.getpid():
                return
            self._watcher = os.getpid()
        self.refresh()
        threading.Thread(target=self._watch, name="model", daemon=True).start()

    def _watch(self) -> None:
        in_use = self._cleaner.model.identifier
        while True:
            time.sleep(WATCH_SECONDS)
            if in_use != self._cleaner.model.identifier:  # by now few requests, if any, still hold the one before
                in_use = self._cleaner.model.identifier
                give_back()
            try:
                self.refresh()
            except OSError as error:  # the store's disk is away: the model in memory goes on
                _log.error("store not readable", extra={"fields": {"reason": str(error.strerror)}})
