"""The process of one training: `python -m service.retrain STORE`, with low priority.

It says one line on standard output, its id or `busy`, and from then on writes what it does into
`STORE/trainings/<id>.json`. It holds the store's lock until it ends, however it ends.
"""

import json
import os
import sys
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from classifier.errors import StoreBusyError, WinnowError
from classifier.files import write_whole
from classifier.registry import ModelStore

_LOWEST_PRIORITY = 19
_UNEXPECTED = "The training broke off with an unexpected {}; start it again."


def main(store: Path) -> int:
    """Train, save the model in the store, and take it into use when it is no worse. Returns the exit status."""
    os.nice(_LOWEST_PRIORITY)
    versions = ModelStore(store)
    try:
        with versions.training_lock():
            for path in (store / "trainings").glob("*.json"):
                with suppress(OSError, ValueError):
                    settle(path)
            record = _Record(store)
            print(record.identifier, flush=True)
            try:
                _train(versions, record)
            except WinnowError as error:
                told = str(error).replace(f"{store}/", "").replace(f" {store}", "")  # where the store is, is no news
                record.write(state="failed", ended=_now(), error=told)
                return 1
            except BaseException as error:
                record.write(state="failed", ended=_now(), error=_UNEXPECTED.format(type(error).__name__))
                raise
    except StoreBusyError:
        print("busy", flush=True)
        return 1
    return 0


def settle(path: Path) -> dict[str, Any]:
    """Return the record of a training whose process is gone, and say so in it when it does not.

    For the one who holds the store's lock, or has just held it. Raises OSError and ValueError when there is no record.
    """
    record: dict[str, Any] = json.loads(path.read_text("utf-8"))  # read anew, for it may have ended since
    if record["state"] == "running":
        record |= {"state": "interrupted", "error": "The training's process was stopped; start it again."}
        write_whole(path, json.dumps(record).encode())
    return record


class _Record:
    """What is told of the training, in its file whole at any moment."""

    def __init__(self, store: Path) -> None:
        self.identifier = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"
        self._path = store / "trainings" / f"{self.identifier}.json"
        self._told: dict[str, Any] = {
            "id": self.identifier, "state": "running", "started": _now(), "ended": None, "progress": [], "model": None,
            "promoted": None, "comparison": None, "error": None,
        }  # fmt: skip
        self.write()

    def write(self, **told: Any) -> None:
        self._told |= told
        write_whole(self._path, json.dumps(self._told).encode())

    def step(self, message: str) -> None:
        self.write(progress=[*self._told["progress"], message])


def _train(versions: ModelStore, record: _Record) -> None:
    # Heavy, and not needed to say that another training is under way.
    from classifier.comparison import compare_cards
    from classifier.resources import default_seeds
    from classifier.seeds import read_seeds, read_seeds_with
    from classifier.store import load_card, load_model
    from classifier.training import train

    own = versions.directory / "seeds"
    has_own = own.is_dir() and any(own.rglob("*.tsv"))
    articles = read_seeds_with(default_seeds(), [own]) if has_own else read_seeds(default_seeds())
    model, card = train(articles, report=record.step)
    card = versions.add(model, card)
    record.step("comparing with the model in use")
    before = versions.path(versions.current())
    comparison = compare_cards(card, load_card(before), load_model(before), articles)
    if comparison.no_worse:
        versions.use(card.identifier)
    record.write(
        state="done",
        ended=_now(),
        model=card.identifier,
        promoted=comparison.no_worse,
        comparison=comparison.to_json(),
    )


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
