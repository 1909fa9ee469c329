"""/v1/seeds: corrected articles go in and come out, are kept as seed files, and nothing leaves the store."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from classifier.cleaning import Cleaner
from classifier.labels import LABELS
from classifier.seeds import check_seeds, read_seeds
from service import create_app
from service.settings import Settings
from tests.service.conftest import BEARER, TOKEN, bearing

CORE, SOCIAL, BOILERPLATE, PROMO = LABELS
TEXT = "Rain expected\nHeavy rain is expected on Sunday.Read more"
PARAGRAPHS = [
    {"start": 0, "end": 13, "label": CORE},
    {"start": 14, "end": 47, "label": CORE},
    {"start": 47, "end": 56, "label": BOILERPLATE},
]
BODY: dict[str, Any] = {"text": TEXT, "paragraphs": PARAGRAPHS, "language": "en"}
BAD_IDS = [
    "..", ".", "%2e%2e", "%2e%2e%2fsecret", "..%2f..%2fsecret", "../secret", "../../secret", "%2fetc%2fpasswd", "a%2fb",
    "a/b", "a%00", "%00", "secret%00.tsv", "a" * 81, "a" * 10_000, "Rain", "RAIN-1", "-a", "a_b", "a.tsv", "a b",
    "%C3%A9", "٣", "*", "%3F", "[a]", "%ED%A0%80", "rain%0A",
]  # fmt: skip


def article(*rows: tuple[str, str, str]) -> dict[str, Any]:
    """Return a body with a paragraph for each (white space in front, text, label)."""
    text, paragraphs = "", []
    for white, words, label in rows:
        text += white
        paragraphs.append({"start": len(text), "end": len(text) + len(words), "label": label})
        text += words
    return {"text": text, "paragraphs": paragraphs, "language": "en"}


def rows_of(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the paragraphs of an answer with their labels."""
    return [(answer["text"][one["start"] : one["end"]], one["label"]) for one in answer["paragraphs"]]


def tree(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder with what is in them."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([("", "One.", CORE)], "One."),
        ([("", "One.", CORE), ("\n", "Two", PROMO)], "One.\nTwo"),
        ([("", "One.", CORE), ("", "Two", SOCIAL), ("", "Three", CORE)], "One.TwoThree"),
        ([("", "One.", CORE), (" ", "Two", SOCIAL), ("   ", "Three", CORE)], "One. Two   Three"),
        ([("", "One.", CORE), ("\t", "Two", SOCIAL)], "One. Two"),
        ([("", "One.", CORE), ("\u3000", "Two", SOCIAL)], "One. Two"),
        ([("\n \n", "One.", CORE), (" \r\n\n\t", "Two", PROMO)], "One.\nTwo"),
        ([("", "One.", CORE), ("\u2028", "Two", PROMO)], "One.\nTwo"),
        ([("", " One.\t", CORE), ("\n", "\u3000Two ", PROMO)], "One.\nTwo"),
        ([("", "One\ttwo.", CORE)], "One two."),
        ([("", "# note: a", CORE), ("\n", "core\tTwo", PROMO)], "# note: a\ncore Two"),
        ([("", "قال الوزير.", CORE), ("", "— (@a) ٣ مايو", SOCIAL), ("", "وأضاف", CORE)],
         "قال الوزير.— (@a) ٣ مايووأضاف"),
        ([("", "😀 a\x00b", CORE), ("\n", "\u202bقال\u202c", PROMO)], "😀 a\x00b\n\u202bقال\u202c"),
        ([("\ufeff", "One.", CORE)], None),
    ],
)  # fmt: skip
def test_a_corrected_article_comes_back(
    keeper: FlaskClient, tmp_path: Path, rows: list[tuple[str, str, str]], text: str | None
) -> None:
    """Its paragraphs and labels as they were, glued where they were glued; of the white space around them only line
    breaks are kept. What is kept is a sound seed, and goes in again as it came out.
    """
    body = article(*rows)
    answer = keeper.post("/v1/seeds", json={**body, "id": "rain-1"})
    if text is None:  # a byte order mark is no white space: it must be in a paragraph
        assert answer.status_code == 422
        return
    assert (answer.status_code, answer.location) == (201, "/v1/seeds/rain-1")
    kept = answer.get_json()
    assert kept["text"] == text
    assert rows_of(kept) == [(words.replace("\t", " ").strip(), label) for _, words, label in rows]
    assert (kept["id"], kept["language"], kept["group"]) == ("rain-1", "en", "rain-1")
    assert keeper.get("/v1/seeds/rain-1").get_json() == kept
    again = {name: kept[name] for name in ("text", "paragraphs", "language", "group")}
    assert keeper.put("/v1/seeds/rain-1", json=again).get_json() == kept
    (seed,) = read_seeds(tmp_path / "store" / "seeds")
    assert (seed.text, seed.identifier, seed.language) == (text, "rain-1", "en")


BAD_BODIES: list[tuple[dict[str, Any], str, str]] = [
    ({"paragraphs": []}, "paragraphs", "at least 1"),
    ({"paragraphs": PARAGRAPHS[:2]}, "", "characters from 47 on are in no paragraph"),
    ({"paragraphs": PARAGRAPHS[1:]}, "", "characters 0 to 14 are in no paragraph"),
    ({"paragraphs": [PARAGRAPHS[0], PARAGRAPHS[2]]}, "", "characters 13 to 47 are in no paragraph"),
    ({"paragraphs": PARAGRAPHS[::-1]}, "", "characters 0 to 47 are in no paragraph"),
    ({"paragraphs": [*PARAGRAPHS, PARAGRAPHS[2]]}, "", "paragraph 3 is out of order or range"),
    ({"paragraphs": [{"start": 0, "end": 57, "label": CORE}]}, "", "paragraph 0 is out of order or range"),
    ({"paragraphs": [{"start": 0, "end": 10**30, "label": CORE}]}, "", "paragraph 0 is out of order or range"),
    ({"paragraphs": [{"start": 5, "end": 5, "label": CORE}]}, "", "paragraph 0 is out of order or range"),
    ({"paragraphs": [{"start": 5, "end": 4, "label": CORE}]}, "", "paragraph 0 is out of order or range"),
    ({"paragraphs": [{"start": -1, "end": 56, "label": CORE}]}, "paragraphs[0].start", "greater than or equal to 0"),
    ({"paragraphs": [{"start": 0, "end": 0, "label": CORE}]}, "paragraphs[0].end", "greater than or equal to 1"),
    ({"paragraphs": [{"start": 0.5, "end": 56, "label": CORE}]}, "paragraphs[0].start", "integer"),
    ({"paragraphs": [{"start": "0", "end": 56, "label": CORE}]}, "paragraphs[0].start", "integer"),
    ({"paragraphs": [{"start": True, "end": 56, "label": CORE}]}, "paragraphs[0].start", "integer"),
    ({"paragraphs": [{"start": 0, "end": 56, "label": "news"}]}, "paragraphs[0].label", "'news' is not a label"),
    ({"paragraphs": [{"start": 0, "end": 56}]}, "paragraphs[0].label", "is missing"),
    ({"paragraphs": [{"start": 0, "end": 56, "label": CORE, "x": 1}]}, "paragraphs[0].x", "is not known"),
    ({"paragraphs": [[0, 56, CORE]]}, "paragraphs[0]", "must be a JSON object"),
    ({"paragraphs": {}}, "paragraphs", "list"),
    ({"paragraphs": [{"start": 0, "end": 56, "label": CORE}]}, "paragraphs", "paragraph 0 holds a line break"),
    (article(("", "a", CORE), ("\n", " ", PROMO), ("", "b", CORE)), "", "paragraph 1 holds only white space"),
    (article(("", "a\rb", CORE)), "paragraphs", "paragraph 0 holds a line break"),
    (article(("", "a\u2028b", CORE)), "paragraphs", "paragraph 0 holds a line break"),
    (article(("", "a", CORE), ("\n", "b\ud800", PROMO)), "paragraphs", "paragraph 1 holds half a surrogate pair"),
    (article(("\ud800", "a", CORE)), "", "characters 0 to 1 are in no paragraph"),
    ({"text": ""}, "", "paragraph 0 is out of order or range"),
    ({"text": 7}, "text", "must be a string"),
    ({"language": "EN"}, "language", "pattern"),
    ({"language": "english"}, "language", "pattern"),
    ({"language": "en\n"}, "language", "pattern"),
    ({"language": "../en"}, "language", "pattern"),
    ({"language": ".."}, "language", "pattern"),
    ({"language": "\ud800\ud800"}, "language", "valid string"),
    ({"group": "a\ncore\tmore"}, "group", "pattern"),
    ({"group": "a\rb"}, "group", "pattern"),
    ({"group": "a\x1fb"}, "group", "pattern"),
    ({"group": " a"}, "group", "pattern"),
    ({"group": "a "}, "group", "pattern"),
    ({"group": ""}, "group", "pattern"),
    ({"group": "a" * 201}, "group", "200"),
    ({"group": "\ud800"}, "group", "valid string"),
    ({"note": "a"}, "note", "is not known"),
]


@pytest.mark.parametrize(("change", "field", "message"), BAD_BODIES)
def test_a_bad_article_is_told_and_not_kept(
    keeper: FlaskClient, tmp_path: Path, change: dict[str, Any], field: str, message: str
) -> None:
    """Alike by POST and by PUT, with the field and what is wrong with it; no file is written."""
    body = {**BODY, **change}
    by_post = keeper.post("/v1/seeds", data=json.dumps({**body, "id": "rain-1"}), content_type="application/json")
    by_put = keeper.put("/v1/seeds/rain-1", data=json.dumps(body), content_type="application/json")
    for answer in (by_post, by_put):
        assert answer.status_code == 422
        found = {error["field"]: error["message"] for error in answer.get_json()["errors"]}
        assert message in found[field]
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("identifier", BAD_IDS, ids=lambda name: name[:20])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_id_of_another_form_names_nothing(keeper: FlaskClient, tmp_path: Path, method: str, identifier: str) -> None:
    """Whatever the id tries to reach, the answer is 404, short and without a path; no file comes, goes or changes."""
    keeper.put("/v1/seeds/rain-1", json=BODY)
    for place in ("secret.tsv", "store/secret.tsv", "store/seeds/secret.tsv", "store/models/card.json"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("core\tsecret\n", "utf-8")
    before = tree(tmp_path)
    answer = keeper.open(f"/v1/seeds/{identifier}", method=method, json=BODY if method == "PUT" else None)
    assert answer.status_code == 404
    assert len(answer.data) < 600
    assert str(tmp_path) not in answer.text
    assert tree(tmp_path) == before


@pytest.mark.parametrize("identifier", ["", "..", "../a", "a/b", "Rain", "a\x00", "a" * 81, "-a", "a\n", "é", 7, None])
def test_a_new_article_of_another_id_is_refused(keeper: FlaskClient, tmp_path: Path, identifier: object) -> None:
    """The id of a POST is a field like others."""
    answer = keeper.post("/v1/seeds", json={**BODY, "id": identifier})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.get_json()["errors"]] == ["id"]
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("identifier", ["a", "0", "a-", "a" * 80, "con", "rain-2024-05-03"])
def test_an_id_of_the_form_is_kept(keeper: FlaskClient, tmp_path: Path, identifier: str) -> None:
    """In a file of that name, and removed with it."""
    assert keeper.put(f"/v1/seeds/{identifier}", json=BODY).status_code == 200
    assert list(tree(tmp_path)) == [f"store/seeds/en/{identifier}.tsv"]
    answer = keeper.delete(f"/v1/seeds/{identifier}")
    assert (answer.status_code, answer.data) == (204, b"")
    assert tree(tmp_path) == {}
    assert keeper.delete(f"/v1/seeds/{identifier}").status_code == 404
    assert keeper.get(f"/v1/seeds/{identifier}").status_code == 404


def test_an_id_is_given_once(keeper: FlaskClient, tmp_path: Path) -> None:
    """Another article under it is 409, in another language too, and says what replaces it; the first one stays."""
    assert keeper.post("/v1/seeds", json={**BODY, "id": "rain-1"}).status_code == 201
    before = tree(tmp_path)
    for language in ("en", "de"):
        answer = keeper.post("/v1/seeds", json={**BODY, "id": "rain-1", "language": language})
        assert answer.status_code == 409
        assert "PUT /v1/seeds/rain-1" in answer.get_json()["detail"]
    assert tree(tmp_path) == before


def test_put_replaces_and_moves(keeper: FlaskClient, tmp_path: Path) -> None:
    """It adds, replaces, and moves to another language, where the old file does not stay."""
    assert keeper.put("/v1/seeds/rain-1", json=BODY).get_json()["language"] == "en"
    changed = article(("", "Regen", PROMO))
    assert rows_of(keeper.put("/v1/seeds/rain-1", json=changed).get_json()) == [("Regen", PROMO)]
    moved = keeper.put("/v1/seeds/rain-1", json={**changed, "language": "deu", "group": "bay news"}).get_json()
    assert (moved["language"], moved["group"]) == ("deu", "bay news")
    assert list(tree(tmp_path)) == ["store/seeds/deu/rain-1.tsv"]
    assert keeper.get("/v1/seeds/rain-1").get_json() == moved
    assert keeper.get("/v1/seeds").get_json()["total"] == 1


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [0, 1, 2, 3, 4]),
        ("limit=2", [0, 1]),
        ("limit=2&offset=2", [2, 3]),
        ("limit=2&offset=4", [4]),
        ("offset=5", []),
        ("offset=999999999", []),
        ("limit=1000&offset=0", [0, 1, 2, 3, 4]),
        ("limit=1&limit=3", [0]),
    ],
)
def test_the_list_comes_in_pages(keeper: FlaskClient, query: str, found: list[int]) -> None:
    """By id, whatever the language, with counts by label and how many there are in all."""
    for number in (3, 0, 4, 1, 2):
        body = {**BODY, "language": ("en", "de")[number % 2], "group": "bay"}
        assert keeper.put(f"/v1/seeds/a{number}", json=body).status_code == 200
    answer = keeper.get(f"/v1/seeds?{query}").get_json()
    assert answer["total"] == 5
    assert answer["seeds"] == [
        {
            "id": f"a{number}",
            "language": ("en", "de")[number % 2],
            "group": "bay",
            "paragraphs": {"core": 2, "boilerplate": 1},
        }
        for number in found
    ]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=", "limit"),
        ("limit=ten", "limit"),
        ("limit=1.5", "limit"),
        ("limit=9999999999", "limit"),
        ("offset=-1", "offset"),
        ("offset=%00", "offset"),
        ("page=1", "page"),
    ],
)
def test_a_page_that_is_none_is_told(client: FlaskClient, query: str, field: str) -> None:
    """With the field, like those of a body."""
    answer = client.get(f"/v1/seeds?{query}")
    assert answer.status_code == 422
    assert [error["field"] for error in answer.get_json()["errors"]] == [field]


@pytest.mark.parametrize("path", ["/v1/seeds", "/v1/seeds/rain-1"])
@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"x" * 1001, "application/json", 413),
        (b"core\tOne.", "text/plain", 415),
        (b"{}", None, 415),
        (b"[]", "application/json", 422),
        (b"{}", "application/json", 422),
        (b'{"text": "a", "text": "b"}', "application/json", 422),
    ],
)
def test_a_body_that_is_no_article(
    cleaner: Cleaner, tmp_path: Path, path: str, body: bytes, content_type: str | None, status: int
) -> None:
    """Refused as everywhere, and nothing is kept."""
    client = bearing(create_app(Settings(store=tmp_path, token=TOKEN, max_body_bytes=1000), cleaner))
    method = "POST" if path == "/v1/seeds" else "PUT"
    assert client.open(path, method=method, data=body, content_type=content_type).status_code == status
    assert tree(tmp_path) == {}


CHANGES = [("POST", "/v1/seeds"), ("PUT", "/v1/seeds/rain-1"), ("DELETE", "/v1/seeds/rain-1")]


@pytest.mark.parametrize(("method", "path"), CHANGES)
@pytest.mark.parametrize(
    ("settings", "headers", "status"),
    [
        ({"token": TOKEN}, {}, 401),
        ({"token": TOKEN}, {"Authorization": "Bearer other"}, 401),
        ({}, {}, 403),
        ({}, BEARER, 403),
    ],
)
def test_only_the_bearer_changes(
    cleaner: Cleaner,
    keeper: FlaskClient,
    tmp_path: Path,
    settings: dict[str, Any],
    headers: dict[str, str],
    status: int,
    method: str,
    path: str,
) -> None:
    """Without the token, or where there is none, nothing changes; reading goes on."""
    keeper.put("/v1/seeds/rain-1", json=BODY)
    before = tree(tmp_path)
    client = create_app(Settings(store=tmp_path / "store", **settings), cleaner).test_client()
    assert client.open(path, method=method, json={**BODY, "id": "other"}, headers=headers).status_code == status
    assert tree(tmp_path) == before
    assert client.get("/v1/seeds/rain-1").status_code == 200
    assert client.get("/v1/seeds").get_json()["total"] == 1


def test_without_a_store_there_are_none(client: FlaskClient) -> None:
    """The list is empty, and no id names one."""
    assert client.get("/v1/seeds").get_json() == {"seeds": [], "total": 0}
    assert client.get("/v1/seeds/rain-1").status_code == 404


@pytest.mark.parametrize("content", [b"core One.", b"core\t\xff", b"", b"news\tOne."])
def test_a_file_that_someone_damaged_is_told(keeper: FlaskClient, tmp_path: Path, content: bytes) -> None:
    """It is 409 without the path, the others are listed and served, and PUT replaces it."""
    keeper.put("/v1/seeds/rain-1", json=BODY)
    keeper.put("/v1/seeds/rain-2", json=BODY)
    (tmp_path / "store/seeds/en/rain-1.tsv").write_bytes(content)
    answer = keeper.get("/v1/seeds/rain-1")
    assert answer.status_code == 409
    assert "PUT /v1/seeds/rain-1 replaces it" in answer.get_json()["detail"]
    assert str(tmp_path) not in answer.text
    listed = keeper.get("/v1/seeds").get_json()
    assert ([one["id"] for one in listed["seeds"]], listed["total"]) == (["rain-2"], 2)
    assert keeper.put("/v1/seeds/rain-1", json=BODY).status_code == 200
    assert keeper.get("/v1/seeds/rain-1").status_code == 200


def test_a_disk_that_takes_nothing_is_told(
    keeper: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 without a path, and what was there stays."""
    keeper.put("/v1/seeds/rain-1", json=BODY)

    def full(*given: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path))

    monkeypatch.setattr(os, "replace", full)
    monkeypatch.setattr(Path, "unlink", full)
    for answer in (
        keeper.put("/v1/seeds/rain-1", json={**BODY, "group": "other"}),
        keeper.post("/v1/seeds", json={**BODY, "id": "rain-2"}),
        keeper.delete("/v1/seeds/rain-1"),
    ):
        assert (answer.status_code, answer.content_type) == (503, "application/problem+json")
        assert "cannot be written" in answer.get_json()["detail"]
        assert str(tmp_path) not in answer.text
    assert [one["group"] for one in keeper.get("/v1/seeds").get_json()["seeds"]] == ["rain-1"]


def test_what_is_kept_is_as_good_as_a_file(keeper: FlaskClient, tmp_path: Path) -> None:
    """The checker of seed files finds nothing wrong, and a seed goes by its group."""
    for number, story in enumerate(("The council voted for new bus lanes.", "Flour prices climbed for a third week.")):
        body = article(("", story, CORE), ("", "— (@bay) 2024", SOCIAL))
        assert keeper.put(f"/v1/seeds/a{number}", json={**body, "group": "bay news"}).status_code == 200
    folder = tmp_path / "store" / "seeds"
    assert check_seeds(folder) == []
    assert {seed.group for seed in read_seeds(folder)} == {"bay news"}
