"""POST /v1/clean/batch: many articles in one call, as a JSON array or as JSON Lines."""

import gzip
import io
import json
import time
from typing import Any, cast

import numpy as np
import pytest
from flask.testing import FlaskClient
from numpy.typing import NDArray

from classifier.cleaning import Cleaner
from classifier.model import Model
from classifier.paragraphs import TextBatch
from service import create_app
from service.settings import Settings
from tests.service.conftest import MAX_BODY_BYTES, StubModel

ROWS = "application/x-ndjson"
GOOD: dict[str, Any] = {"text": "Story.\nPROMO", "id": "a"}
KEEPS_ALL: dict[str, Any] = {"text": "Story.\nPROMO", "keep": ["core", "promo"]}


class SlowModel(StubModel):
    """The stub model, which takes most of a second."""

    def predict_proba(self, batch: TextBatch) -> NDArray[np.float32]:
        """Return what the stub model does."""
        time.sleep(0.6)
        return super().predict_proba(batch)


def post(client: FlaskClient, articles: list[Any], form: str) -> list[dict[str, Any]]:
    """Send articles in one of the two forms; return the rows of the answer, which must succeed and have that form."""
    if form == ROWS:
        response = client.post(
            "/v1/clean/batch", data="\n".join(json.dumps(article) for article in articles), content_type=ROWS
        )
    else:
        response = client.post("/v1/clean/batch", json=articles)
    assert (response.status_code, response.mimetype) == (200, form)
    return [json.loads(line) for line in response.text.splitlines()] if form == ROWS else response.get_json()


@pytest.mark.parametrize("form", ["application/json", ROWS])
def test_articles_are_answered_in_order_as_alone(client: FlaskClient, form: str) -> None:
    """Each article of a batch, in either form, gets the answer that it would get alone."""
    articles = [GOOD, KEEPS_ALL, {"text": ""}, {"text": "PROMO? x", "min_confidence": 0.7}]
    assert post(client, articles, form) == [client.post("/v1/clean", json=article).get_json() for article in articles]


@pytest.mark.parametrize("count", [0, 1, 3, 5])
@pytest.mark.parametrize(
    ("sent", "accept", "form"),
    [
        ("application/json", None, "application/json"),
        ("application/json", "*/*", "application/json"),
        ("application/json", ROWS, ROWS),
        ("application/json", "application/jsonl", "application/jsonl"),
        ("application/json", "application/json;q=0.5, application/x-ndjson", ROWS),
        (ROWS, None, ROWS),
        (ROWS, "application/json, text/plain, */*", ROWS),
        (ROWS, "application/json", "application/json"),
        ("application/jsonl", "*/*", ROWS),
        ("application/jsonl", "application/x-ndjson;q=0, application/json;q=0.1", "application/json"),
    ],
)
def test_the_answer_has_the_form_that_is_wanted(
    client: FlaskClient, sent: str, accept: str | None, form: str, count: int
) -> None:
    """Whichever was sent; as it was sent when both will do. What it says is the same."""
    articles = [{"text": "Story.\nPROMO", "id": str(number)} for number in range(count)]
    rows = "".join(f"{json.dumps(article)}\n" for article in articles)
    response = client.post(
        "/v1/clean/batch",
        data=json.dumps(articles) if sent == "application/json" else rows,
        content_type=sent,
        headers=None if accept is None else {"Accept": accept},
    )
    assert (response.status_code, response.mimetype, response.headers["Vary"]) == (200, form, "Accept")
    found = response.get_json() if form == "application/json" else list(map(json.loads, response.text.splitlines()))
    assert found == client.post("/v1/clean/batch", json=articles).get_json()
    assert [one["id"] for one in found] == [str(number) for number in range(count)]


@pytest.mark.parametrize("sent", ["application/json", ROWS])
def test_a_form_that_there_is_not_is_406(client: FlaskClient, sent: str) -> None:
    """The message names those there are."""
    response = client.post("/v1/clean/batch", data=b"[]", content_type=sent, headers={"Accept": "text/html"})
    assert response.status_code == 406
    assert "application/json" in response.get_json()["detail"]


@pytest.mark.parametrize("form", ["application/json", ROWS])
@pytest.mark.parametrize(
    ("bad", "status"),
    [
        (7, 422),
        ("text", 422),
        (None, 422),
        ({}, 422),
        ({"text": 1}, 422),
        ({"text": "", "keep": ["x"]}, 422),
        ({"text": "", "x": 1}, 422),
    ],
)
def test_a_bad_article_is_its_own_error(client: FlaskClient, form: str, bad: object, status: int) -> None:
    """The error, problem details with the number of the article, stands in its place; the others are cleaned."""
    first, second, third = post(client, [GOOD, bad, GOOD], form)
    assert first == third == client.post("/v1/clean", json=GOOD).get_json()
    assert second["row"] == 1
    assert second["error"]["status"] == status
    assert second["error"]["errors"]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"{", 400),
        (b"\xff", 400),
        (b'{"text": "a", "text": "b"}', 422),
        (b'{"text": "%s"}' % (b"x" * MAX_BODY_BYTES), 413),
        (b"[" * 900, 400),
    ],
)
def test_a_bad_line_is_its_own_error(client: FlaskClient, line: bytes, status: int) -> None:
    """A line that is no JSON, or too long, costs only itself."""
    body = b"\n".join([json.dumps(GOOD).encode(), line, b"", json.dumps(GOOD).encode()])
    response = client.post("/v1/clean/batch", data=body, content_type=ROWS)
    rows = [json.loads(row) for row in response.text.splitlines()]
    assert [row.get("id") for row in rows] == ["a", None, "a"]
    assert rows[1]["error"]["status"] == status


@pytest.mark.parametrize("name", [ROWS, "application/ndjson", "application/jsonl", "application/jsonlines"])
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_json_lines_go_by_several_names(client: FlaskClient, name: str, end: str) -> None:
    """And their last line may lack its end."""
    response = client.post("/v1/clean/batch", data=json.dumps(GOOD) + end, content_type=name)
    assert response.status_code == 200
    assert json.loads(response.text)["text"] == "Story."


def test_gzip_goes_in(client: FlaskClient) -> None:
    """A compressed body, of several members too, is read as what it holds, in both forms and on the other route."""
    line = json.dumps(GOOD).encode() + b"\n"
    headers = {"Content-Encoding": "gzip"}
    rows = client.post(
        "/v1/clean/batch", data=gzip.compress(line) + gzip.compress(line), content_type=ROWS, headers=headers
    )
    assert len(rows.text.splitlines()) == 2
    array = client.post(
        "/v1/clean/batch", data=gzip.compress(b"[%s]" % line), content_type="application/json", headers=headers
    )
    assert len(array.get_json()) == 1
    one = client.post("/v1/clean", data=gzip.compress(line), content_type="application/json", headers=headers)
    assert one.get_json()["id"] == "a"


@pytest.mark.parametrize(("number", "fits"), [(0, True), (5, True), (6, False)])
def test_the_limit_on_articles(client: FlaskClient, number: int, fits: bool) -> None:
    """An array over the limit is refused whole; a stream is cleaned up to it and ends with the error."""
    array = client.post("/v1/clean/batch", json=[GOOD] * number)
    assert array.status_code == (200 if fits else 413)
    rows = post(client, [GOOD] * number, ROWS)
    assert len(rows) == number
    assert ("error" in rows[-1] if rows else False) == (not fits)


@pytest.mark.parametrize("size", [10 * MAX_BODY_BYTES + 1, 100 * MAX_BODY_BYTES])
def test_the_limit_on_arrays(client: FlaskClient, size: int) -> None:
    """An array may be larger than an article, but not without end."""
    response = client.post("/v1/clean/batch", data=b" " * size, content_type="application/json")
    assert response.status_code == 413


def test_the_limit_on_paragraphs(large_client: FlaskClient) -> None:
    """An article of too many paragraphs is refused, alone and in a batch, and one of many is not."""
    assert large_client.post("/v1/clean", json={"text": "a\n" * 1000}).status_code == 200
    too_many = {"text": "a\n" * 200_001}
    assert large_client.post("/v1/clean", json=too_many).status_code == 413
    assert large_client.post("/v1/clean/batch", json=[too_many]).get_json()[0]["error"]["status"] == 413


def test_an_array_that_takes_too_long_is_told_so() -> None:
    """503 with the time there was, while there is still somebody to read it; a stream gets its time for each row."""
    app = create_app(Settings(request_seconds=1), Cleaner(cast(Model, SlowModel())))
    array = app.test_client().post("/v1/clean/batch", json=[GOOD] * 200)
    assert array.status_code == 503
    assert "longer than 1 seconds" in array.get_json()["detail"]
    assert len(post(app.test_client(), [GOOD] * 200, ROWS)) == 200


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{}", "application/json", 400),
        (b"", "application/json", 400),
        (b"[", "application/json", 400),
        (b"text", "text/plain", 415),
    ],
)
def test_a_body_that_is_no_batch(client: FlaskClient, body: bytes, content_type: str, status: int) -> None:
    """What is neither an array nor JSON Lines is refused whole."""
    assert client.post("/v1/clean/batch", data=body, content_type=content_type).status_code == status


def test_an_article_the_model_fails_on_costs_only_itself(broken_client: FlaskClient) -> None:
    """It is an error row without what went wrong inside."""
    row = broken_client.post("/v1/clean/batch", json=[GOOD]).get_json()[0]
    assert (row["id"], row["row"], row["error"]["status"]) == ("a", 0, 500)
    assert "secret" not in json.dumps(row)


def test_a_stream_that_breaks_off_ends_with_the_error(client: FlaskClient) -> None:
    """What came whole is cleaned; that the rest did not come is the last row."""
    body = json.dumps(GOOD).encode() + b"\n" + b'{"text": '
    response = client.post(
        "/v1/clean/batch",
        input_stream=io.BytesIO(body),
        content_type=ROWS,
        environ_overrides={"wsgi.input_terminated": True, "CONTENT_LENGTH": str(len(body) + 10)},
    )
    rows = [json.loads(row) for row in response.text.splitlines()]
    assert rows[0]["id"] == "a"
    assert "shorter" in rows[-1]["error"]["detail"]
