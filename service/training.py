"""/v1/train: retraining in a process of its own, one at a time among all that share the store."""

import json
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, jsonify
from werkzeug.exceptions import Conflict, NotFound, ServiceUnavailable

from classifier.errors import WinnowError
from classifier.registry import ModelStore
from service.auth import guarded
from service.docs import describes
from service.retrain import settle
from service.schema import TrainingOut
from service.serving import Serving
from service.settings import Settings

_ID = re.compile("[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}")


class Trainings:
    """The record of trainings in a store: `DIR/trainings/<id>.json`, written by the training's own process."""

    def __init__(self, store: Path | None) -> None:
        self._store = store

    def read(self, identifier: str) -> dict[str, Any]:
        """Return how far a training is. Raises NotFound."""
        if self._store is not None and _ID.fullmatch(identifier):  # nothing else names a file
            path = self._store / "trainings" / f"{identifier}.json"
            try:
                record: dict[str, Any] = json.loads(path.read_text("utf-8"))
            except (OSError, ValueError):
                pass
            else:
                if record["state"] == "running" and not self._under_way():
                    record = settle(path)
                return record
        raise NotFound(f"There is no training {identifier!r:.80}.")

    def _under_way(self) -> bool:
        assert self._store is not None
        try:
            with ModelStore(self._store).training_lock():
                return False
        except WinnowError:
            return True


def training_routes(serving: Serving, settings: Settings) -> Blueprint:
    """Return the routes that train."""
    routes = Blueprint("training", __name__)
    trainings = Trainings(settings.store)

    @routes.post("/v1/train")
    @describes(answer=TrainingOut, status=202, errors=(409, 503), guarded=True)
    @guarded(settings)
    def start() -> Response:
        """Train a model on the shipped seeds and the corrected articles.

        It goes into use only when grouped validation shows it no worse than the one in use; the answer of
        `GET /v1/train/{identifier}` says by how much it differs.
        """
        assert settings.store is not None
        if not serving.follows_store:
            raise Conflict("WINNOW_MODEL names the model that this service uses; start it without to train here.")
        identifier = _launch(settings.store)
        response = jsonify(trainings.read(identifier))
        response.status_code = 202
        response.location = f"/v1/train/{identifier}"
        return response

    @routes.get("/v1/train/<identifier>")
    @describes(answer=TrainingOut, errors=(404,), parameters={"identifier": "Id of the training."})
    def get(identifier: str) -> Response:
        """Return how far a training is, and what came of it."""
        return jsonify(trainings.read(identifier))

    return routes


def _launch(store: Path) -> str:
    """Start a training in a process that outlives this one, and return its id once it has the store's lock."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "service.retrain", str(store)],  # no folder here called "service" is meant
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout as words:
        answer = words.readline().strip()
    if answer == "busy":
        process.wait()
        raise Conflict("Another training is under way; start this one when it has ended.")
    if not _ID.fullmatch(answer):
        process.wait()
        raise ServiceUnavailable("The training could not be started; the store cannot be written.")
    threading.Thread(target=process.wait, name="training", daemon=True).start()  # else it stays as a zombie
    return answer
