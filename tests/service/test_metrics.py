"""GET /metrics: what was done is counted, and no caller makes series without end."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from classifier.cleaning import Cleaner
from classifier.registry import ModelStore
from service import create_app
from service.settings import Settings
from tests.service.conftest import ONE, TOKEN, TWO, bearing

ROWS = "application/x-ndjson"


def metrics(client: FlaskClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return every value by its name and labels."""
    response = client.get("/metrics")
    assert (response.status_code, response.mimetype) == (200, "text/plain")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def value(client: FlaskClient, name: str, **labels: str) -> float:
    """Return a value, 0 when there is none."""
    return metrics(client).get((f"winnow_{name}", frozenset(labels.items())), 0)


def series(client: FlaskClient) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    """Return the names and labels that there are, but for those of this route."""
    return {key for key in metrics(client) if ("route", "/metrics") not in key[1]}


@pytest.mark.parametrize(
    ("method", "path", "body", "route", "status"),
    [
        ("POST", "/v1/clean", {"text": "a"}, "/v1/clean", "200"),
        ("POST", "/v1/clean", {}, "/v1/clean", "422"),
        ("POST", "/v1/clean/batch", [], "/v1/clean/batch", "200"),
        ("GET", "/v1/seeds/rain-1", None, "/v1/seeds/<identifier>", "404"),
        ("PUT", "/v1/seeds/rain-1", {}, "/v1/seeds/<identifier>", "403"),
        ("GET", "/livez", None, "/livez", "200"),
        ("HEAD", "/livez", None, "/livez", "200"),
        ("OPTIONS", "/v1/clean", None, "/v1/clean", "200"),
        ("GET", "/nowhere", None, "none", "404"),
        ("DELETE", "/v1/clean", None, "none", "405"),
        ("PATCH", "/v1/clean", None, "none", "405"),
    ],
)
def test_requests_are_counted_and_timed(
    client: FlaskClient, method: str, path: str, body: Any, route: str, status: str
) -> None:
    """By method, route and status; with the time that they took."""
    for _ in range(3):
        client.open(path, method=method, json=body).close()
    told = "other" if method == "PATCH" else method
    assert value(client, "requests_total", method=told, route=route, status=status) == 3
    assert value(client, "request_seconds_count", route=route) == 3
    assert value(client, "request_seconds_bucket", route=route, le="+Inf") == 3
    assert 0 < value(client, "request_seconds_sum", route=route) < 60


def test_a_failed_request_is_counted(broken_client: FlaskClient) -> None:
    """As 500."""
    broken_client.post("/v1/clean", json={"text": "a"}).close()
    assert value(broken_client, "requests_total", method="POST", route="/v1/clean", status="500") == 1


@pytest.mark.parametrize(
    "path", ["/{}", "/v1/{}", "/v1/seeds/{}", "/v1/train/{}", "/v1/models/{}/use", "/v1/clean?{}={}", "/{}/../livez"]
)
def test_paths_make_no_new_series(client: FlaskClient, path: str) -> None:
    """However many a caller thinks up."""
    methods = ("GET", "POST")

    def ask(number: int) -> None:
        for method in methods:
            client.open(path.format(f"a{number}", "b"), method=method).close()

    ask(0)
    before = series(client)
    for number in range(1, 20):
        ask(number)
    assert series(client) == before


@pytest.mark.parametrize("name", ["X{}", "GET{}", "get{}"])
def test_methods_make_no_new_series(client: FlaskClient, name: str) -> None:
    """What is no method of HTTP is one of the others."""
    client.open("/livez", method=name.format(0)).close()
    before = series(client)
    for number in range(1, 20):
        client.open("/livez", method=name.format(number)).close()
    assert series(client) == before


def cleaned(client: FlaskClient) -> Mapping[str, float]:
    """Return what is counted of articles."""
    return {
        "articles": value(client, "articles_total"),
        "characters": value(client, "characters_total"),
        "failed": value(client, "failed_articles_total"),
        **{label: value(client, "paragraphs_total", label=label) for label in ("core", "social", "promo")},
    }


def test_articles_are_counted_by_what_is_in_them(client: FlaskClient) -> None:
    """Alike by each way in; what cannot be cleaned is counted for itself."""
    page = "Story.\nMore.\n@post\nPROMO"
    none = dict.fromkeys(cleaned(client), 0.0)
    one = {"articles": 1, "characters": len(page), "failed": 0, "core": 2, "social": 1, "promo": 1}
    assert cleaned(client) == none
    client.post("/v1/clean", json={"text": page}).close()
    assert cleaned(client) == one
    client.post("/v1/clean", data=page, content_type="text/plain", headers={"Accept": "text/plain"}).close()
    client.post("/v1/clean/batch", json=[{"text": page}, 7]).close()
    rows = f"{json.dumps({'text': page})}\n{{\n"
    client.post("/v1/clean/batch", data=rows, content_type=ROWS).get_data()
    client.post("/v1/clean", json={"text": 7}).close()
    assert cleaned(client) == {name: 4 * number for name, number in one.items()} | {"failed": 2}


def test_an_article_that_breaks_the_model_has_failed(broken_client: FlaskClient) -> None:
    """It is counted once, and not as cleaned."""
    broken_client.post("/v1/clean/batch", json=[{"text": "a"}, {"text": "b"}]).close()
    assert cleaned(broken_client)["failed"] == 2
    assert cleaned(broken_client)["articles"] == 0


def test_the_model_in_use_is_told(store: ModelStore) -> None:
    """And the one before is not in use any more."""
    client = bearing(create_app(Settings(store=store.directory, token=TOKEN)))
    assert value(client, "model", model=ONE) == 1
    assert client.post(f"/v1/models/{TWO}/use").status_code == 200
    assert (value(client, "model", model=ONE), value(client, "model", model=TWO)) == (0, 1)


def test_two_services_count_for_themselves(client: FlaskClient, cleaner: Cleaner) -> None:
    """In one process, as tests have them."""
    other = create_app(Settings(), cleaner).test_client()
    client.post("/v1/clean", json={"text": "a"}).close()
    assert (cleaned(client)["articles"], cleaned(other)["articles"]) == (1, 0)
