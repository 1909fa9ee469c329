"""An app with a stub model, so that these tests need no training and know every label in advance."""

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
from service import create_app
from service.settings import Settings

MAX_BODY_BYTES = 1000


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
