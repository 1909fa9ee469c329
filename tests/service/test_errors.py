"""Bad input: the status of the answer, its one shape, and what it names."""

import gzip
import io
import json
import logging
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from service.errors import MAX_FIELD_ERRORS

JSON = {"content_type": "application/json"}
TEXT = {"content_type": "text/plain"}
GZIP = {"headers": {"Content-Encoding": "gzip"}}


def problem(response: TestResponse) -> dict[str, Any]:
    """Return the problem details of an answer, which must be complete and agree with its status."""
    assert response.content_type == "application/problem+json"
    details: dict[str, Any] = json.loads(response.data)
    assert set(details) - {"errors"} == {"type", "title", "status", "detail"}
    assert details["type"] == "about:blank"
    assert details["status"] == response.status_code
    assert details["title"]
    assert details["detail"]
    return details


@pytest.mark.parametrize(
    ("method", "path", "request_", "status"),
    [
        ("POST", "/v1/clean", {**JSON, "data": b""}, 400),
        ("POST", "/v1/clean", {**JSON, "data": b'{"text": '}, 400),
        ("POST", "/v1/clean", {**JSON, "data": b'{"text": "\xff"}'}, 400),
        ("POST", "/v1/clean", {**JSON, "data": b"[" * 900}, 400),
        ("POST", "/v1/clean", {**JSON, "data": '{"text": ""}'.encode("utf-16")}, 400),
        ("POST", "/v1/clean", {**TEXT, "data": b"caf\xe9"}, 400),
        ("POST", "/v1/clean", {**TEXT, "data": b"\xed\xa0\x80"}, 400),
        ("GET", "/", {}, 404),
        ("GET", "/v1/cleaner", {}, 404),
        ("POST", "/v1/clean/", {**TEXT, "data": b""}, 404),
        ("GET", "/static/app.js", {}, 404),
        ("GET", "/v1/clean", {}, 405),
        ("DELETE", "/v1/clean", {}, 405),
        ("POST", "/livez", {}, 405),
        ("POST", "/v1/clean", {**TEXT, "data": b"", "headers": {"Accept": "text/html"}}, 406),
        ("POST", "/v1/clean", {**TEXT, "data": b"x" * 1001}, 413),
        ("POST", "/v1/clean", {**JSON, "data": b"x" * 1001}, 413),
        ("POST", "/v1/clean", {}, 415),
        ("POST", "/v1/clean", {"data": b"text"}, 415),
        ("POST", "/v1/clean", {"data": {"text": "a form"}}, 415),
        ("POST", "/v1/clean", {"data": b"<p>text", "content_type": "text/html"}, 415),
        ("POST", "/v1/clean", {"data": b"text", "content_type": "text/plain; charset=iso-8859-1"}, 415),
        ("POST", "/v1/clean", {"data": b"{}", "content_type": "application/json; charset=utf-16"}, 415),
        ("POST", "/v1/clean", {**TEXT, "data": b"", "headers": {"Content-Encoding": "br"}}, 415),
        ("POST", "/v1/clean", {**TEXT, "data": b"no gzip", **GZIP}, 400),
        (
            "POST",
            "/v1/clean",
            {**TEXT, "data": gzip.compress(b"text")[:-3], **GZIP},
            400,
        ),
        (
            "POST",
            "/v1/clean",
            {**TEXT, "data": gzip.compress(b"x" * 1001), **GZIP},
            413,
        ),
        ("POST", "/v1/clean", {**JSON, "data": b"{}"}, 422),
    ],
)
def test_every_error_is_problem_details(
    client: FlaskClient, method: str, path: str, request_: dict[str, Any], status: int
) -> None:
    """Whatever is wrong, the answer is problem details with the status for it, and fields are named with 422 alone."""
    response = client.open(path, method=method, **request_)
    assert response.status_code == status
    assert ("errors" in problem(response)) == (status == 422)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ("[]", {"": "object"}),
        ('"text"', {"": "object"}),
        ("null", {"": "object"}),
        ("NaN", {"": "object"}),
        ("{}", {"text": "missing"}),
        ('{"text": null}', {"text": "string"}),
        ('{"text": ["a"]}', {"text": "string"}),
        ('{"text": "", "id": 7}', {"id": "string"}),
        ('{"text": "", "Keep": []}', {"Keep": "the fields are text, id, keep, min_confidence"}),
        ('{"text": "", "keep": "core"}', {"keep": "list"}),
        ('{"text": "", "keep": {"core": true}}', {"keep": "list"}),
        ('{"text": "", "keep": ["core", 1]}', {"keep[1]": "1 is not a label"}),
        ('{"text": "", "keep": [["core"]]}', {"keep[0]": "is not a label"}),
        (
            '{"text": "", "keep": ["core", "advert"]}',
            {"keep[1]": "'advert' is not a label; the labels are core, social, boilerplate, promo"},
        ),
        ('{"text": "", "keep": ["Core"]}', {"keep[0]": "'Core' is not a label"}),
        ('{"text": "", "min_confidence": "0.5"}', {"min_confidence": "number from 0 to 1"}),
        ('{"text": "", "min_confidence": true}', {"min_confidence": "number from 0 to 1"}),
        ('{"text": "", "min_confidence": null}', {"min_confidence": "number from 0 to 1"}),
        ('{"text": "", "min_confidence": NaN}', {"min_confidence": "number from 0 to 1"}),
        ('{"text": "", "min_confidence": Infinity}', {"min_confidence": "number from 0 to 1"}),
        ('{"text": "", "min_confidence": 1e999}', {"min_confidence": "number from 0 to 1"}),
        ('{"text": "", "min_confidence": -0.01}', {"min_confidence": "number from 0 to 1"}),
        ('{"text": "", "min_confidence": 1.01}', {"min_confidence": "number from 0 to 1"}),
        (f'{{"text": "", "min_confidence": {"9" * 400}}}', {"min_confidence": "number from 0 to 1"}),
        ('{"text": "a", "text": "b"}', {"text": "more than once"}),
        ('{"text": 1, "a\\ud800": 2}', {"text": "must be a string", "a\\ud800": "is not known"}),
        (
            '{"id": 1, "keep": 1, "min_confidence": 2, "x": 1}',
            dict.fromkeys(["text", "id", "keep", "min_confidence", "x"], ""),
        ),
    ],
)
def test_every_wrong_field_is_named(client: FlaskClient, body: str, fields: dict[str, str]) -> None:
    """Fields that cannot be used are all named, each with what it should be."""
    response = client.post("/v1/clean", data=body, **JSON)
    assert response.status_code == 422
    errors = problem(response)["errors"]
    messages = {error["field"]: error["message"] for error in errors}
    assert len(messages) == len(errors)
    assert messages.keys() == fields.keys()
    assert all(part in messages[field] for field, part in fields.items())


def test_a_body_full_of_wrong_fields_gets_a_bounded_answer(large_client: FlaskClient) -> None:
    """Of very many wrong fields only the first are named, those of the schema before the unknown ones."""
    response = large_client.post("/v1/clean", json={**{f"f{number}": 0 for number in range(10_000)}, "text": 0})
    errors = problem(response)["errors"]
    assert len(errors) == MAX_FIELD_ERRORS
    assert errors[0]["field"] == "text"


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        '{"text": ' * 100_000,
        f'{{"min_confidence": {"9" * 10_000}}}',
        f'{{"keep": {"[" * 500}{"]" * 500}}}',
    ],
)
def test_hostile_json_is_a_bad_request(large_client: FlaskClient, body: str) -> None:
    """JSON that is nested without end, or has endless numbers, is refused like any other that is wrong."""
    response = large_client.post("/v1/clean", data=body, **JSON)
    assert response.status_code in (400, 422)
    problem(response)


@pytest.mark.parametrize("content_type", ["text/plain", "application/json"])
@pytest.mark.parametrize(("size", "fits"), [(999, True), (1000, True), (1001, False), (200_000, False)])
@pytest.mark.parametrize("chunked", [False, True])
def test_the_limit_on_bodies(client: FlaskClient, content_type: str, size: int, fits: bool, chunked: bool) -> None:
    """A body up to the limit is read whole, a larger one is 413 with the limit, its length told or not."""
    text = "x" * size if content_type == "text/plain" else "x" * (size - len('{"text": ""}'))
    body = text.encode() if content_type == "text/plain" else json.dumps({"text": text}).encode()
    assert len(body) == size
    if chunked:  # as gunicorn passes on a chunked body: without a length, and ending where the body does
        environ = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
        response = client.post(
            "/v1/clean", input_stream=io.BytesIO(body), content_type=content_type, environ_overrides=environ
        )
    else:
        response = client.post("/v1/clean", data=body, content_type=content_type)
    if fits:
        assert response.get_json()["text"] == text
    else:
        assert response.status_code == 413
        assert "1000 bytes" in problem(response)["detail"]


def test_a_wrong_method_is_told_the_right_one(client: FlaskClient) -> None:
    """405 comes with Allow."""
    response = client.get("/v1/clean")
    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}


def test_an_unexpected_error_tells_the_log_and_not_the_caller(
    broken_client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception is 500 without what went wrong inside; where it did is in the log, but not its message, which may
    hold an article's text; the service goes on.
    """
    with caplog.at_level(logging.ERROR):
        response = broken_client.post("/v1/clean", data="text", **TEXT)
    assert response.status_code == 500
    problem(response)
    assert b"secret" not in response.data
    assert b"RuntimeError" not in response.data
    logged = vars(caplog.records[0])["fields"]
    assert logged["error"] == "RuntimeError"
    assert "conftest.py" in logged["traceback"][-1]
    assert "secret" not in caplog.text + str(logged)
    assert broken_client.get("/livez").status_code == 200
