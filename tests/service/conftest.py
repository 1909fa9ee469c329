"""An app with a stub model, so that these tests need no training and know every label in advance; and a store whose
versions are the model that ships under other names."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from numpy.typing import NDArray

from classifier.cleaning import Cleaner
from classifier.labels import LABELS, Label
from classifier.model import Model
from classifier.paragraphs import TextBatch
from classifier.registry import ModelStore
from classifier.resources import default_model
from classifier.store import load_card, load_model
from service import create_app
from service.settings import Settings

MAX_BODY_BYTES = 1000
TOKEN = "let-me-change-it"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
ONE, TWO = "winnow-000000000001", "winnow-000000000002"
"""The versions of the store, of which the first is in use."""


class StubModel:
    """Labels by what is written: `PROMO` is promo, `PROMO?` too but less surely, `@` in front social, all else core.

    The values are exact in binary, so that tests can name them.
    """

    identifier = "stub"

    def predict_proba(self, batch: TextBatch) -> NDArray[np.float32]:
        """Return probabilities that give what the label leaves to boilerplate."""
        paragraphs = [batch.joined[start:end] for start, end in zip(batch.starts, batch.ends, strict=True)]
        rows = np.zeros((len(paragraphs), len(LABELS)), np.float32)
        for row, paragraph in zip(rows, paragraphs, strict=True):
            label, probability = _label(paragraph)
            row[LABELS.index(label)] = probability
            row[LABELS.index(Label.BOILERPLATE)] = 1 - probability
        return rows


class BrokenModel:
    """Fails with a message that no answer may show."""

    identifier = "broken"

    def predict_proba(self, batch: TextBatch) -> NDArray[np.float32]:
        """Raise RuntimeError."""
        raise RuntimeError("the inner secret")


def _label(paragraph: str) -> tuple[Label, float]:
    if "PROMO" in paragraph:
        return Label.PROMO, 0.625 if "PROMO?" in paragraph else 0.875
    return (Label.SOCIAL, 0.75) if paragraph.startswith("@") else (Label.CORE, 0.9375)


@pytest.fixture
def cleaner() -> Cleaner:
    """A cleaner with the stub model."""
    return Cleaner(cast(Model, StubModel()))


@pytest.fixture
def app(cleaner: Cleaner) -> Flask:
    """The service with the stub model and small limits."""
    return create_app(
        Settings(max_body_bytes=MAX_BODY_BYTES, max_batch_bytes=10 * MAX_BODY_BYTES, max_articles=5), cleaner
    )


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of that service."""
    return app.test_client()


@pytest.fixture
def large_client(cleaner: Cleaner) -> FlaskClient:
    """A client of a service with the usual limits."""
    return create_app(Settings(), cleaner).test_client()


@pytest.fixture
def broken_client() -> FlaskClient:
    """A client of a service whose model fails on every text."""
    return create_app(Settings(), Cleaner(cast(Model, BrokenModel()))).test_client()


@pytest.fixture
def keeper(cleaner: Cleaner, tmp_path: Path) -> FlaskClient:
    """A client that bears the token of a service with the stub model and a store, `tmp_path / "store"`."""
    return bearing(create_app(Settings(store=tmp_path / "store", token=TOKEN), cleaner))


@pytest.fixture(scope="session")
def two_versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two versions, the first in use; not to be changed."""
    store = ModelStore(tmp_path_factory.mktemp("stores") / "two")
    model, card = load_model(default_model()), load_card(default_model())
    for year, identifier in enumerate((ONE, TWO), 2001):
        changed = replace(card, identifier=identifier, created=f"{year}-01-01T00:00:00Z")
        store.add(replace(model, identifier=identifier), changed)
    store.use(ONE)
    return store.directory


@pytest.fixture
def store(two_versions: Path, tmp_path: Path) -> ModelStore:
    """A store with two versions, the first in use."""
    shutil.copytree(two_versions, tmp_path / "versions")
    return ModelStore(tmp_path / "versions")


def bearing(app: Flask) -> FlaskClient:
    """Return a client that bears the token."""
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = BEARER["Authorization"]
    return client
