"""The routes an orchestrator asks."""

import pytest
from flask.testing import FlaskClient


@pytest.mark.parametrize(
    ("path", "answer"), [("/livez", {"status": "ok"}), ("/readyz", {"status": "ok", "model": "stub"})]
)
def test_a_service_that_started_is_alive_and_ready(client: FlaskClient, path: str, answer: dict[str, str]) -> None:
    """Alive says ok, ready says with which model."""
    response = client.get(path)
    assert (response.status_code, response.get_json()) == (200, answer)
    assert client.head(path).status_code == 200
