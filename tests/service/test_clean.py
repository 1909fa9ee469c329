"""POST /v1/clean: what goes in, what comes out, and in which form."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ARTICLE = "The council voted.\nRead PROMO here\n@council thanks all\nWork starts in June.\nMaybe PROMO? or not"


def post(client: FlaskClient, **fields: object) -> dict[str, Any]:
    """Return the answer to a JSON request that must succeed."""
    response = client.post("/v1/clean", json=fields)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.get_json()
    return answer


def test_json_in_json_out_tells_everything(client: FlaskClient) -> None:
    """A JSON request is answered with the text, every paragraph, counts of what was removed, the model and the
    caller's id.
    """
    answer = post(client, text="Story.\nPROMO", id="a-1")
    assert answer == {
        "id": "a-1",
        "text": "Story.",
        "paragraphs": [
            {
                "start": 0,
                "end": 6,
                "label": "core",
                "confidence": 0.9375,
                "probabilities": {"core": 0.9375, "social": 0, "boilerplate": 0.0625, "promo": 0},
                "kept": True,
            },
            {
                "start": 7,
                "end": 12,
                "label": "promo",
                "confidence": 0.875,
                "probabilities": {"core": 0, "social": 0, "boilerplate": 0.125, "promo": 0.875},
                "kept": False,
            },
        ],
        "removed": {"core": 0, "social": 0, "boilerplate": 0, "promo": 1},
        "model": "stub",
    }


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "text/plain; charset=utf-8", "text/plain;charset=UTF-8", 'Text/Plain; charset="utf8"'],
)
def test_plain_text_in(client: FlaskClient, content_type: str) -> None:
    """Plain text is cleaned as UTF-8, said or not, and has no id in its answer."""
    response = client.post("/v1/clean", data="قال الوزير.\nPROMO\n".encode(), content_type=content_type)
    assert response.status_code == 200
    answer = response.get_json()
    assert answer["text"] == "قال الوزير."
    assert "id" not in answer


def test_spans_are_code_points_of_the_raw_text(client: FlaskClient) -> None:
    """Spans count code points, also behind characters outside the basic plane."""
    text = "😀 مرحبا\n\n  PROMO 😀  \n"
    spans = [(paragraph["start"], paragraph["end"]) for paragraph in post(client, text=text)["paragraphs"]]
    assert [text[start:end] for start, end in spans] == ["😀 مرحبا", "PROMO 😀"]


@pytest.mark.parametrize("text", ["", " \n\t\u3000\n"])
def test_no_text_is_an_empty_article(client: FlaskClient, text: str) -> None:
    """Nothing, or only white space, is an article without paragraphs and no error, in both forms."""
    answer = post(client, text=text)
    assert (answer["text"], answer["paragraphs"]) == ("", [])
    plain = client.post("/v1/clean", data=text.encode(), content_type="text/plain", headers={"Accept": "text/plain"})
    assert (plain.status_code, plain.data) == (200, b"")


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/json", "application/json"),
        ("application/json; charset=utf-8", "application/json"),
        ("text/plain", "text/plain; charset=utf-8"),
        ("text/plain; charset=utf-8", "text/plain; charset=utf-8"),
        ("Text/*", "text/plain; charset=utf-8"),
        ("text/plain, application/json", "application/json"),
        ("text/plain, */*;q=0.1", "text/plain; charset=utf-8"),
        ("text/plain;q=0.5, application/json;q=0.4", "text/plain; charset=utf-8"),
        ("text/plain;q=0, */*", "application/json"),
        ("application/json;q=0, */*", "text/plain; charset=utf-8"),
    ],
)
def test_accept_chooses_the_form(client: FlaskClient, accept: str | None, content_type: str) -> None:
    """The answer has the form that Accept likes best, JSON when it does not say, and tells caches so."""
    response = client.post(
        "/v1/clean", data=ARTICLE, content_type="text/plain", headers=None if accept is None else {"Accept": accept}
    )
    assert (response.status_code, response.content_type) == (200, content_type)
    assert response.headers["Vary"] == "Accept"


@pytest.mark.parametrize("accept", ["text/html", "image/*", "application/json;q=0", "*/*;q=0"])
def test_accept_that_allows_neither_form(client: FlaskClient, accept: str) -> None:
    """An Accept header that allows neither JSON nor plain text is told which there are."""
    response = client.post("/v1/clean", data=ARTICLE, content_type="text/plain", headers={"Accept": accept})
    assert response.status_code == 406
    assert "application/json or text/plain" in response.get_json()["detail"]


@pytest.mark.parametrize(
    ("wish", "text", "removed"),
    [
        ({}, "The council voted.\nWork starts in June.", {"social": 1, "promo": 2}),
        ({"keep": ["core"]}, "The council voted.\nWork starts in June.", {"social": 1, "promo": 2}),
        ({"keep": ["core", "social"]}, "The council voted.\n@council thanks all\nWork starts in June.", {"promo": 2}),
        ({"keep": ["social", "social"]}, "@council thanks all", {"core": 2, "promo": 2}),
        ({"keep": []}, "", {"core": 2, "social": 1, "promo": 2}),
        ({"keep": ["core", "social", "boilerplate", "promo"]}, ARTICLE, {}),
        ({"min_confidence": 0}, "The council voted.\nWork starts in June.", {"social": 1, "promo": 2}),
        ({"min_confidence": 0.625}, "The council voted.\nWork starts in June.", {"social": 1, "promo": 2}),
        (
            {"min_confidence": 0.63},
            "The council voted.\nWork starts in June.\nMaybe PROMO? or not",
            {"social": 1, "promo": 1},
        ),
        (
            {"min_confidence": 0.8},
            "The council voted.\n@council thanks all\nWork starts in June.\nMaybe PROMO? or not",
            {"promo": 1},
        ),
        ({"min_confidence": 1}, ARTICLE, {}),
        (
            {"keep": ["promo"], "min_confidence": 0.8},
            "Read PROMO here\n@council thanks all\nMaybe PROMO? or not",
            {"core": 2},
        ),
    ],
)
def test_keep_and_min_confidence(
    client: FlaskClient, wish: dict[str, object], text: str, removed: dict[str, int]
) -> None:
    """Labels in keep stay, and of the others what is less sure than min_confidence; counts and flags say the same."""
    answer = post(client, text=ARTICLE, **wish)
    assert answer["text"] == text
    assert {label: count for label, count in answer["removed"].items() if count} == removed
    kept = [ARTICLE[paragraph["start"] : paragraph["end"]] for paragraph in answer["paragraphs"] if paragraph["kept"]]
    assert kept == text.splitlines()
    plain = client.post("/v1/clean", json={"text": ARTICLE, **wish}, headers={"Accept": "text/plain"})
    assert plain.text == text


def test_half_surrogate_pairs_survive_in_json(client: FlaskClient) -> None:
    """Half a surrogate pair, in the text or the id, comes back in JSON as the escape it came in as."""
    body = '{"text": "a\\ud800b\\nPROMO \\udfff", "id": "\\udead"}'
    response = client.post("/v1/clean", data=body, content_type="application/json")
    assert response.status_code == 200
    assert (response.get_json()["text"], response.get_json()["id"]) == ("a\ud800b", "\udead")
    assert b"\\ud800" in response.data


def test_half_surrogate_pairs_are_replaced_in_plain_text(client: FlaskClient) -> None:
    """Half a surrogate pair, which UTF-8 does not have, is a replacement character in plain text."""
    body = '{"text": "a\\ud800b \\ud83d\\ude00"}'
    response = client.post("/v1/clean", data=body, content_type="application/json", headers={"Accept": "text/plain"})
    assert (response.status_code, response.data.decode()) == (200, "a\ufffdb 😀")


def test_control_and_bidi_characters_come_back_as_they_are(client: FlaskClient) -> None:
    """NUL, bidi marks and a byte order mark are part of the text."""
    text = "\ufeffa\x00b \u202eقال\u202c end"
    assert post(client, text=text)["text"] == text


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=5,
)
FIELD = st.sampled_from(["text", "id", "keep", "min_confidence", "other"])


@settings(derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON_VALUES | st.dictionaries(FIELD, JSON_VALUES))
def test_no_json_value_is_an_internal_error(client: FlaskClient, value: object) -> None:
    """Whatever JSON is sent, it is cleaned or its fields are named."""
    response = client.post("/v1/clean", data=json.dumps(value), content_type="application/json")
    assert response.status_code in (200, 413, 422)
    assert response.status_code != 422 or response.get_json()["errors"]
