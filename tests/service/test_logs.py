"""The log: a line of JSON for each request, with an id that its sender knows, and never what was sent."""

import io
import json
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from flask.testing import FlaskClient

from classifier.cleaning import Cleaner
from classifier.model import Model
from service import create_app
from service.logs import JSONFormatter, set_up_logs
from service.settings import Settings
from tests.service.conftest import TOKEN, BrokenModel, bearing

SECRET = "Zanzibar"
"""A word of an article."""


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """The log as the one who runs the service gets it, on standard error."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    logger = logging.getLogger("winnow")
    handlers, level, propagate = logger.handlers, logger.level, logger.propagate
    set_up_logs()
    yield written
    logger.handlers, logger.propagate = handlers, propagate
    logger.setLevel(level)


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    """Return what was logged since the last look, which must be an object a line."""
    written = log.getvalue()
    log.seek(0)
    log.truncate()
    return [json.loads(line) for line in written.splitlines()]


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        (
            "POST",
            "/v1/clean",
            {"text": "Story.\nPROMO"},
            {"route": "/v1/clean", "status": 200, "articles": 1, "characters": 12, "model": "stub"},
        ),
        (
            "POST",
            "/v1/clean/batch",
            [{"text": "Story."}] * 3,
            {"route": "/v1/clean/batch", "status": 200, "articles": 3, "model": "stub"},
        ),
        ("POST", "/v1/clean", {"text": 1}, {"route": "/v1/clean", "status": 422, "bytes_in": 11}),
        ("GET", "/v1/seeds/rain-1", None, {"route": "/v1/seeds/<identifier>", "status": 404}),
        ("GET", "/nowhere", None, {"route": None, "status": 404}),
        ("PATCH", "/v1/clean", None, {"method": "PATCH", "route": None, "status": 405}),
    ],
)
def test_a_request_is_one_line(
    client: FlaskClient, log: io.StringIO, method: str, path: str, body: Any, expected: dict[str, Any]
) -> None:
    """That says when, what, how it was answered and how long it took, under the id that the answer has."""
    response = client.open(path, method=method, json=body)
    response.close()
    (entry,) = lines(log)
    assert entry.items() >= {"level": "info", "message": "request", "method": method, **expected}.items()
    assert entry["request_id"] == response.headers["X-Request-ID"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", entry["time"])
    assert 0 <= entry["seconds"] < 60


def test_a_stream_is_logged_at_its_end(client: FlaskClient, log: io.StringIO) -> None:
    """When its time is known, and how many articles it had."""
    response = client.post("/v1/clean/batch", data=b'{"text": "a"}\n' * 3, content_type="application/x-ndjson")
    rows = response.iter_encoded()
    next(rows)
    assert lines(log) == []
    list(rows)
    response.close()
    (entry,) = lines(log)
    assert entry.items() >= {"route": "/v1/clean/batch", "status": 200, "articles": 3, "model": "stub"}.items()


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_what_is_asked_all_the_time_is_not_logged(client: FlaskClient, log: io.StringIO, path: str) -> None:
    """Unless the level is lowered."""
    client.get(path).close()
    assert lines(log) == []
    logging.getLogger("winnow").setLevel(logging.DEBUG)
    client.get(path).close()
    assert [entry["level"] for entry in lines(log)] == ["debug"]


@pytest.mark.parametrize("given", ["a", "7f3c-1", "A.b_c:d-e", "0" * 100])
def test_an_id_that_is_fit_is_kept(client: FlaskClient, given: str) -> None:
    """So that the caller finds its request again."""
    assert client.get("/livez", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", [None, "", " ", "a b", "a" * 101, "é", 'a"b', "{}", "a;b", "<b>", "a\x7f", "٣"])
def test_an_id_that_is_not_is_replaced(client: FlaskClient, given: str | None) -> None:
    """By one that no other request has."""
    headers = {} if given is None else {"X-Request-ID": given}
    made = [client.get("/livez", headers=headers).headers["X-Request-ID"] for _ in range(2)]
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in made)
    assert made[0] != made[1]


def test_every_answer_has_its_id(client: FlaskClient) -> None:
    """Errors and streams too."""
    for method, path in (("GET", "/nowhere"), ("GET", "/v1/clean"), ("POST", "/v1/clean"), ("GET", "/docs")):
        response = client.open(path, method=method, headers={"X-Request-ID": "seven"})
        assert response.headers["X-Request-ID"] == "seven"


def test_nothing_that_was_sent_is_logged(tmp_path: Path, cleaner: Cleaner, log: io.StringIO) -> None:
    """No word of an article, no token, whether it is cleaned, refused, or breaks the model."""
    keeper = bearing(create_app(Settings(store=tmp_path, token=TOKEN), cleaner))
    broken = create_app(Settings(), Cleaner(cast(Model, BrokenModel()))).test_client()
    seed = {"text": SECRET, "paragraphs": [{"start": 0, "end": len(SECRET), "label": "core"}], "language": "en"}
    rows = json.dumps({"text": SECRET}).encode() + b"\n{" + SECRET.encode()
    answers = [
        keeper.post("/v1/clean", json={"text": SECRET, "id": SECRET}),
        keeper.post("/v1/clean", json={"text": SECRET, SECRET: 1}),
        keeper.post("/v1/clean", json={"text": SECRET, "keep": [SECRET]}),
        keeper.post("/v1/clean", data=f'{{"text": {SECRET}', content_type="application/json"),
        keeper.post("/v1/clean", data=SECRET, content_type=f"text/{SECRET}"),
        keeper.post("/v1/clean", data=SECRET, content_type="text/plain", headers={"Accept": f"text/{SECRET}"}),
        keeper.post("/v1/clean/batch", data=rows, content_type="application/x-ndjson"),
        keeper.post(f"/{SECRET}?{SECRET}={SECRET}", headers={"User-Agent": SECRET, "X-Request-ID": f"{SECRET} 1"}),
        keeper.put("/v1/seeds/rain-1", json=seed),
        keeper.put("/v1/seeds/rain-1", json={**seed, "language": SECRET}),
        keeper.get(f"/v1/seeds?{SECRET}=1"),
        keeper.get("/v1/models", headers={"Authorization": f"Bearer {TOKEN}x{SECRET}"}),
        keeper.post("/v1/seeds", headers={"Authorization": f"Bearer {TOKEN}x{SECRET}"}),
        broken.post("/v1/clean", json={"text": SECRET}),
        broken.post("/v1/clean/batch", json=[{"text": SECRET}]),
    ]
    for answer in answers:
        answer.close()
    written = log.getvalue()
    assert len([line for line in written.splitlines() if json.loads(line)["message"] == "request"]) == len(answers)
    assert SECRET not in written
    assert TOKEN not in written


def test_a_line_is_a_line() -> None:
    """Whatever is in a field."""
    record = logging.LogRecord("winnow", logging.WARNING, "", 0, "two\nlines", None, None)
    record.fields = {"reason": "a\nb\u2028c \ud800"}
    (line,) = JSONFormatter().format(record).splitlines()
    assert json.loads(line)["reason"] == "a\nb\u2028c \ud800"
