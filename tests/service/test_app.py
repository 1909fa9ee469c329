"""The factory: what every answer has, whichever part of the service gives it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from classifier.cleaning import Cleaner
from service import create_app
from service.settings import Settings
from tests.service.conftest import MAX_BODY_BYTES, TOKEN

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
SEED = {"text": "Rain", "paragraphs": [{"start": 0, "end": 4, "label": "core"}], "language": "en"}

Ask = Callable[[FlaskClient], TestResponse]


def clean(**given: Any) -> Ask:
    """Return a request to clean."""
    return lambda client: client.post("/v1/clean", **given)


def ask(method: str, path: str, **given: Any) -> Ask:
    """Return any request."""
    return lambda client: client.open(path, method=method, **given)


def security(response: TestResponse) -> dict[str, list[str]]:
    """Return the values of each security header."""
    return {name: response.headers.getlist(name) for name in HEADERS}


ANSWERS: list[tuple[int, Ask]] = [
    (200, clean(json={"text": "Story."})),
    (200, clean(data="Story.", content_type="text/plain", headers={"Accept": "text/plain"})),
    (200, ask("POST", "/v1/clean/batch", json=[])),
    (200, ask("POST", "/v1/clean/batch", data=b'{"text": "a"}\n{', content_type="application/x-ndjson")),
    (200, ask("GET", "/v1/models")),
    (200, ask("GET", "/v1/seeds")),
    (200, ask("GET", "/livez")),
    (200, ask("HEAD", "/readyz")),
    (200, ask("GET", "/metrics")),
    (200, ask("GET", "/openapi.json")),
    (200, ask("OPTIONS", "/v1/clean")),
    (201, ask("POST", "/v1/seeds", json={**SEED, "id": "rain-1"})),
    (200, ask("PUT", "/v1/seeds/rain-1", json=SEED)),
    (204, ask("DELETE", "/v1/seeds/rain-1")),
    (308, ask("GET", "/v1//models")),
    (400, clean(data=b"{", content_type="application/json")),
    (401, ask("POST", "/v1/seeds", headers={"Authorization": "Bearer other"})),
    (404, ask("GET", "/nowhere")),
    (405, ask("GET", "/v1/clean")),
    (406, clean(json={"text": ""}, headers={"Accept": "image/png"})),
    (409, ask("POST", "/v1/train")),
    (413, clean(data=b"x" * (MAX_BODY_BYTES + 1), content_type="text/plain")),
    (415, clean(data=b"x", content_type="text/html")),
    (422, clean(json={})),
]


@pytest.mark.parametrize(("status", "answer"), ANSWERS, ids=[str(status) for status, _ in ANSWERS])
def test_every_answer_has_the_security_headers(tmp_path: Path, cleaner: Cleaner, status: int, answer: Ask) -> None:
    """Whatever its kind, once each; none tells what made it."""
    app = create_app(Settings(store=tmp_path, token=TOKEN, max_body_bytes=MAX_BODY_BYTES), cleaner)
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
    if status == 204:
        client.put("/v1/seeds/rain-1", json=SEED)
    response = answer(client)
    assert response.status_code == status
    assert security(response) == {name: [value] for name, value in HEADERS.items()}
    assert response.headers["X-Request-ID"]
    assert not {"Server", "X-Powered-By", "Set-Cookie"} & set(response.headers.keys())


def test_other_errors_have_them_too(broken_client: FlaskClient, client: FlaskClient) -> None:
    """What breaks, and what is forbidden."""
    for response, status in (
        (broken_client.post("/v1/clean", json={"text": "a"}), 500),
        (client.post("/v1/train"), 403),
    ):
        assert response.status_code == status
        assert security(response) == {name: [value] for name, value in HEADERS.items()}


def test_the_page_has_a_policy_of_its_own(client: FlaskClient) -> None:
    """It may have its own style, and nothing else."""
    found = security(client.get("/docs"))
    (policy,) = found.pop("Content-Security-Policy")
    assert "style-src 'unsafe-inline'" in policy
    assert found == {name: [value] for name, value in HEADERS.items() if name != "Content-Security-Policy"}


@pytest.mark.parametrize("path", ["/v1/clean", "/v1/clean/batch", "/v1/seeds", "/nowhere"])
@pytest.mark.parametrize(
    "given",
    [
        {"model": "/etc/passwd"}, {"path": "../../etc/passwd"}, {"text": "a", "model": "data/model"},
        {"text": "a", "store": "/tmp"}, {"url": "file:///etc/passwd"},
    ],
)  # fmt: skip
def test_no_path_is_taken_from_a_caller(keeper: FlaskClient, path: str, given: dict[str, str]) -> None:
    """A field that would name a file is not known."""
    response = keeper.post(path, json=[given] if path.endswith("batch") else given)
    if path == "/nowhere":
        assert response.status_code == 404
        return
    answer = response.get_json()
    error = answer[0]["error"] if path.endswith("batch") else answer
    assert error["status"] == 422
    assert "is not known" in json.dumps(error)
