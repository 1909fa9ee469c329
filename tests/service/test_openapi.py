"""The OpenAPI document: it is sound, it tells of every route, and the service keeps to it; and the page made of it."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import settings
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import missing_required_header

from classifier.cleaning import Cleaner
from classifier.model import Model
from classifier.registry import ModelStore
from service import create_app
from service.settings import Settings
from tests.service.conftest import BEARER, MAX_BODY_BYTES, TOKEN, StubModel

OFF = [
    ("POST", "/v1/clean/batch", "negative_data_rejection", "a bad article is a row of the answer, which is 200"),
    ("POST", "/v1/seeds", "positive_data_acceptance", "no schema says that the paragraphs cover the text"),
    ("PUT", "/v1/seeds/{identifier}", "positive_data_acceptance", "no schema says that the paragraphs cover the text"),
]
"""Checks that cannot hold, by route, and why."""

REFUSED = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422]
"""Statuses that refuse what is not fit: a body may be too large as well, which schemathesis would not count."""

CONFIG = {
    "headers": BEARER,
    "seed": 1,
    "checks": {"negative_data_rejection": {"expected-statuses": REFUSED}},
    "operations": [
        {"include-path": path, "include-method": method, "checks": {check: {"enabled": False}}}
        for method, path, check, _ in OFF
    ],
}
SMALL = Settings(max_body_bytes=MAX_BODY_BYTES, max_batch_bytes=10 * MAX_BODY_BYTES, max_articles=5)
KEEPS = settings(derandomize=True, deadline=None, max_examples=60)


schemathesis.serializer.alias("application/x-ndjson", "text/plain")  # any text, as the document has it
stub = Cleaner(cast(Model, StubModel()))
document = schemathesis.openapi.from_wsgi(
    "/openapi.json", create_app(Settings(), stub), config=SchemathesisConfig.from_dict(CONFIG)
)


@pytest.fixture(scope="module")
def open_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """A service with a store and a token, in which another training is under way, so that none begins."""
    store = ModelStore(tmp_path_factory.mktemp("open"))
    with store.training_lock():
        yield create_app(replace(SMALL, store=store.directory, token=TOKEN))


@pytest.fixture(scope="module")
def closed_app() -> Flask:
    """A service that changes nothing."""
    return create_app(SMALL, stub)


@document.parametrize()
@KEEPS
def test_the_service_keeps_to_the_document(case: schemathesis.Case[Any], open_app: Flask) -> None:
    """Whatever is sent, fit or not, with the token or without, the answer is one that the document has; none is 5xx."""
    case.call_and_validate(app=open_app)


@document.parametrize()
@KEEPS
def test_a_service_that_changes_nothing_keeps_to_it(case: schemathesis.Case[Any], closed_app: Flask) -> None:
    """The same document holds without a store and a token; a token that is not sent is then not asked for."""
    case.call_and_validate(app=closed_app, excluded_checks=[missing_required_header])


ROUTES = {
    ("POST", "/v1/clean"): {200, 400, 406, 408, 413, 415, 422, 503},
    ("POST", "/v1/clean/batch"): {200, 400, 406, 408, 413, 415, 422, 503},
    ("GET", "/v1/seeds"): {200, 422},
    ("POST", "/v1/seeds"): {201, 400, 401, 403, 408, 409, 413, 415, 422, 503},
    ("GET", "/v1/seeds/{identifier}"): {200, 404, 409},
    ("PUT", "/v1/seeds/{identifier}"): {200, 400, 401, 403, 404, 408, 413, 415, 422, 503},
    ("DELETE", "/v1/seeds/{identifier}"): {204, 401, 403, 404, 503},
    ("POST", "/v1/train"): {202, 401, 403, 409, 503},
    ("GET", "/v1/train/{identifier}"): {200, 404},
    ("GET", "/v1/models"): {200},
    ("POST", "/v1/models/{identifier}/use"): {200, 401, 403, 404, 409, 503},
    ("GET", "/livez"): {200},
    ("GET", "/readyz"): {200},
    ("GET", "/metrics"): {200},
    ("GET", "/openapi.json"): {200},
    ("GET", "/docs"): {200},
}


@pytest.fixture
def described(client: FlaskClient) -> dict[str, Any]:
    """The document."""
    response = client.get("/openapi.json")
    assert response.content_type == "application/json"
    answer: dict[str, Any] = response.get_json()
    return answer


def test_the_document_is_openapi(described: dict[str, Any]) -> None:
    """Version 3.1, and valid by the schema of that version."""
    assert described["openapi"].startswith("3.1.")
    schemathesis.openapi.from_dict(described).validate()


def test_every_route_is_described_with_its_statuses(app: Flask, described: dict[str, Any]) -> None:
    """The routes of the app are those of the document, and each has its errors, which are problem details."""
    served = {
        (method, re.sub("<(.*?)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    found = {
        (method.upper(), path): operation
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
    }
    assert served == found.keys()
    assert {route: set(map(int, operation["responses"])) for route, operation in found.items()} == ROUTES
    for operation in found.values():
        assert operation["summary"]
        for status, answer in operation["responses"].items():
            assert status < "400" or list(answer["content"]) == ["application/problem+json"]


def test_what_needs_the_token_says_so(described: dict[str, Any]) -> None:
    """The routes that change state, and only these, name the bearer's token."""
    guarded = {
        (method.upper(), path)
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
        if operation.get("security")
    }
    assert guarded == {route for route, statuses in ROUTES.items() if 401 in statuses}
    assert described["components"]["securitySchemes"]["token"] == {"type": "http", "scheme": "bearer"}


@pytest.mark.parametrize(
    ("method", "path", "sent", "answered"),
    [
        ("post", "/v1/clean", {"application/json", "text/plain"}, {"application/json", "text/plain"}),
        (
            "post",
            "/v1/clean/batch",
            {"application/json", "application/x-ndjson"},
            {"application/json", "application/x-ndjson"},
        ),
        ("put", "/v1/seeds/{identifier}", {"application/json"}, {"application/json"}),
        ("get", "/metrics", set(), {"text/plain"}),
        ("get", "/docs", set(), {"text/html"}),
    ],
)
def test_every_form_of_body_and_answer_is_described(
    described: dict[str, Any], method: str, path: str, sent: set[str], answered: set[str]
) -> None:
    """JSON is not the only one."""
    operation = described["paths"][path][method]
    assert set(operation.get("requestBody", {}).get("content", {})) == sent
    assert set(operation["responses"]["200"]["content"]) == answered


def test_the_examples_are_taken(described: dict[str, Any], keeper: FlaskClient) -> None:
    """What the document shows as a corrected article is one."""
    (example,) = described["components"]["schemas"]["NewSeed"]["examples"]
    assert keeper.post("/v1/seeds", json=example).status_code == 201
    (example,) = described["components"]["schemas"]["SeedBody"]["examples"]
    assert keeper.put("/v1/seeds/other", json=example).status_code == 200


def test_the_page_tells_all_and_loads_nothing(client: FlaskClient, described: dict[str, Any]) -> None:
    """Every path, schema and status of the document is on it; its links stay here, and its policy lets nothing in."""
    response = client.get("/docs")
    assert response.content_type == "text/html; charset=utf-8"
    for path, operations in described["paths"].items():
        for method in operations:
            assert f"{method.upper()}</span> {path}</h2>" in response.text
    for name in described["components"]["schemas"]:
        assert f'<h2 id="{name}">' in response.text
    targets = re.findall(r"""\b(?:href|src|action|data|srcset)\s*=\s*["']?([^"'\s>]*)""", response.text)
    assert "openapi.json" in targets
    ids = set(re.findall(r'id="(\w+)"', response.text))
    assert all(target == "openapi.json" or target.removeprefix("#") in ids for target in targets)
    assert not re.search(r"<(script|link|img|iframe|object|embed|base|form)\b|@import|url\(", response.text)
    policy = set(response.headers["Content-Security-Policy"].split("; "))
    assert policy >= {"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"}
    assert {rule.split()[0] for rule in policy if "'none'" not in rule} == {"style-src"}
