"""/v1/models: the versions of a store, which of them answers, and that a request sees one from start to end."""

import errno
import json
import os
import shutil
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from classifier.errors import ModelError
from classifier.registry import ModelStore
from classifier.resources import default_model
from classifier.store import load_card
from service import create_app
from service.settings import Settings
from tests.service.conftest import ONE, TOKEN, TWO, bearing

SECONDS = 2.0
"""Within which every worker serves the model that was taken into use."""

LONG = 30.0

BAD_IDS = [
    "..", "%2e%2e", "..%2f..", "winnow-", "winnow-00000000000", "winnow-0000000000011", "WINNOW-000000000001",
    "winnow-00000000000A", "winnow-000000000001%00", "winnow-000000000001%0A", "%20winnow-000000000001",
    "winnow-%D9%A0%D9%A0%D9%A0%D9%A0%D9%A0%D9%A0%D9%A0%D9%A0%D9%A0%D9%A0%D9%A0%D9%A1",
    "..%2fmodels%2fwinnow-000000000001",
    "secret", "x" * 10_000, "%ED%A0%80",
]  # fmt: skip


@pytest.fixture
def served(store: ModelStore) -> FlaskClient:
    """A client that bears the token of a service on the store."""
    return bearing(create_app(Settings(store=store.directory, token=TOKEN)))


@pytest.fixture(scope="module")
def shipped() -> str:
    """The identifier of the model that ships."""
    return load_card(default_model()).identifier


def answers_with(client: FlaskClient) -> str:
    """Return the model that cleans."""
    answer = client.post("/v1/clean", json={"text": "The council voted on Tuesday."})
    assert answer.status_code == 200
    model: str = answer.get_json()["model"]
    return model


def wait_for(client: FlaskClient, model: str, seconds: float = LONG) -> None:
    """Return when a model cleans; it must be within so many seconds."""
    deadline = time.monotonic() + seconds
    while answers_with(client) != model:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_versions_are_listed(served: FlaskClient, shipped: str) -> None:
    """Oldest first, the one that ships among them, with what they learned from, their figures, and which is in use."""
    models = served.get("/v1/models").get_json()["models"]
    assert [model["id"] for model in models] == [ONE, TWO, shipped]
    assert [model["in_use"] for model in models] == [True, False, False]
    assert models[0]["created"] == "2001-01-01T00:00:00Z"
    assert models[0]["figures"]["core_recall"] > 0.9
    assert models[0]["seeds"]["core"] > 0


def test_without_a_store_there_is_one(shipped: str) -> None:
    """The model that ships; and the list needs no token."""
    models = create_app(Settings()).test_client().get("/v1/models").get_json()["models"]
    assert [(model["id"], model["in_use"]) for model in models] == [(shipped, True)]


def test_a_version_is_taken_into_use_and_back(served: FlaskClient, shipped: str) -> None:
    """The worker that was asked serves it with the next request; the list says so."""
    assert answers_with(served) == ONE
    for identifier in (TWO, shipped, ONE):
        answer = served.post(f"/v1/models/{identifier}/use")
        assert (answer.status_code, answer.get_json()["id"], answer.get_json()["in_use"]) == (200, identifier, True)
        assert answers_with(served) == identifier
        assert served.get("/readyz").get_json()["model"] == identifier
        models = served.get("/v1/models").get_json()["models"]
        assert [model["id"] for model in models if model["in_use"]] == [identifier]


def test_another_worker_takes_it_up(served: FlaskClient, store: ModelStore, shipped: str) -> None:
    """A second service on the same store serves what the first was told within two seconds, without a restart; what
    the command line takes into use as well.
    """
    other = bearing(create_app(Settings(store=store.directory, token=TOKEN)))
    assert answers_with(other) == ONE
    for identifier in (TWO, ONE):
        assert served.post(f"/v1/models/{identifier}/use").status_code == 200
        wait_for(other, identifier, SECONDS)
    store.use(shipped)
    wait_for(served, shipped)
    wait_for(other, shipped)


def damage_arrays(folder: Path) -> None:
    """Tear the arrays."""
    (folder / "arrays.npz").write_bytes(b"torn")


def fail_self_test(folder: Path) -> None:
    """Promise other probabilities."""
    card = json.loads((folder / "card.json").read_text("utf-8"))
    card["self_test"][0]["probabilities"][0] = [0.25] * 4
    (folder / "card.json").write_text(json.dumps(card), "utf-8")


def exchange(folder: Path) -> None:
    """Put another model into the folder."""
    shutil.copytree(folder.parent / ONE, folder, dirs_exist_ok=True)


@pytest.mark.parametrize("damage", [damage_arrays, fail_self_test, exchange])
def test_a_damaged_version_is_not_taken_into_use(
    served: FlaskClient, store: ModelStore, damage: Callable[[Path], None]
) -> None:
    """It is 409, without a path, and the one before answers."""
    damage(store.path(TWO))
    answer = served.post(f"/v1/models/{TWO}/use")
    assert answer.status_code == 409
    assert "damaged" in answer.get_json()["detail"]
    assert str(store.directory) not in answer.text
    assert store.current() == answers_with(served) == ONE


@pytest.mark.parametrize("damage", [damage_arrays, fail_self_test, shutil.rmtree])
def test_a_version_that_comes_into_use_damaged_is_not_taken_up(
    served: FlaskClient, store: ModelStore, damage: Callable[[Path], None]
) -> None:
    """Whoever names it in the store: the model in memory goes on answering, and the next good one is taken up."""
    assert answers_with(served) == ONE
    damage(store.path(TWO))
    (store.directory / "current").write_text(f"{TWO}\n", "utf-8")
    time.sleep(1.2)  # two looks at the store
    assert answers_with(served) == ONE
    store.use(ONE)
    store.use(load_card(default_model()).identifier)
    wait_for(served, load_card(default_model()).identifier)


def test_a_store_that_cannot_be_written_is_told(
    served: FlaskClient, store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 without a path; what was in use stays so."""

    def full(*given: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(store.directory))

    monkeypatch.setattr(os, "replace", full)
    answer = served.post(f"/v1/models/{TWO}/use")
    assert answer.status_code == 503
    assert "cannot be written" in answer.get_json()["detail"]
    assert str(store.directory) not in answer.text
    assert served.get("/readyz").get_json()["model"] == ONE


def test_a_store_that_goes_away_leaves_the_model(served: FlaskClient, store: ModelStore) -> None:
    """Its disk may be unmounted while the service runs; when it is there again, what it says is taken up."""
    assert answers_with(served) == ONE
    away = store.directory.with_name("away")
    store.directory.rename(away)
    time.sleep(1.2)
    assert answers_with(served) == ONE
    ModelStore(away).use(TWO)
    away.rename(store.directory)
    wait_for(served, TWO)


def test_a_store_whose_model_does_not_load_does_not_start(store: ModelStore) -> None:
    """An operator sees the sentence, not its callers."""
    damage_arrays(store.path(ONE))
    with pytest.raises(ModelError, match="winnow models use ID"):
        create_app(Settings(store=store.directory))


def test_an_id_that_names_no_version(served: FlaskClient, store: ModelStore) -> None:
    """It is 404, short and without a path, and the one in use stays, whatever it tries to reach."""
    shutil.copytree(store.path(TWO), store.directory.parent / "secret")
    shutil.copytree(store.path(TWO), store.directory / "secret")
    stamp = store.stamp()
    for identifier in [*BAD_IDS, "winnow-00000000000f"]:
        answer = served.post(f"/v1/models/{identifier}/use")
        assert answer.status_code == 404, identifier
        assert len(answer.data) < 300
        assert str(store.directory) not in answer.text
    assert (store.stamp(), answers_with(served)) == (stamp, ONE)


def test_a_fixed_model_is_not_changed(store: ModelStore, shipped: str) -> None:
    """Where WINNOW_MODEL names the model there is nothing to choose or to train, and the answer says what to do."""
    client = bearing(create_app(Settings(model=default_model(), store=store.directory, token=TOKEN)))
    for path in (f"/v1/models/{TWO}/use", "/v1/train"):
        answer = client.post(path)
        assert answer.status_code == 409
        assert "WINNOW_MODEL" in answer.get_json()["detail"]
    assert (store.current(), answers_with(client)) == (ONE, shipped)
    assert [model["id"] for model in client.get("/v1/models").get_json()["models"]] == [ONE, TWO, shipped]


def test_only_the_bearer_chooses(store: ModelStore) -> None:
    """401 without the token, 403 where there is none."""
    for token, status in ((TOKEN, 401), (None, 403)):
        client = create_app(Settings(store=store.directory, token=token)).test_client()
        assert client.post(f"/v1/models/{TWO}/use").status_code == status
    assert store.current() == ONE


def rows(app: Flask, number: int) -> Any:
    """Return the lines of a streamed answer as they are made, a row for each of so many articles."""
    body = "\n".join(json.dumps({"text": f"Story {place}."}) for place in range(number))
    response = app.test_client().post("/v1/clean/batch", data=body, content_type="application/x-ndjson")
    assert response.status_code == 200
    return response.iter_encoded()


def test_a_stream_keeps_the_model_that_it_began_with(served: FlaskClient) -> None:
    """A switch in its middle is for the requests that come after: all rows, also those that are cleaned later, have the
    first model.
    """
    lines = rows(served.application, 300)
    first = [json.loads(line) for line in islice(lines, 10)]
    assert served.post(f"/v1/models/{TWO}/use").status_code == 200
    assert answers_with(served) == TWO
    rest = [json.loads(line) for line in lines]
    assert len(first + rest) == 300
    assert {row["model"] for row in first + rest} == {ONE}
    assert {json.loads(line)["model"] for line in rows(served.application, 3)} == {TWO}
