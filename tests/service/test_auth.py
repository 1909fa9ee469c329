"""The token: who bears it may change state, nobody else, and nobody at all while there is none."""

import hmac
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from classifier.cleaning import Cleaner
from service import create_app
from service.settings import Settings
from tests.service.conftest import BEARER, TOKEN

GUARDED = [
    ("POST", "/v1/seeds"),
    ("PUT", "/v1/seeds/rain-1"),
    ("DELETE", "/v1/seeds/rain-1"),
    ("POST", "/v1/train"),
    ("POST", "/v1/models/winnow-000000000001/use"),
]
OPEN = [
    ("POST", "/v1/clean"), ("POST", "/v1/clean/batch"), ("GET", "/v1/seeds"), ("GET", "/v1/seeds/rain-1"),
    ("GET", "/v1/train/20240503T081500Z-0123abcd"), ("GET", "/v1/models"), ("GET", "/livez"), ("GET", "/readyz"),
    ("GET", "/metrics"), ("GET", "/openapi.json"), ("GET", "/docs"),
]  # fmt: skip
WRONG = [
    None, "", "Bearer", "Bearer ", "Bearer  ", TOKEN, f"Basic {TOKEN}", f"Token {TOKEN}", f"Bearer{TOKEN}",
    f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Bearer {TOKEN.upper()}", f"Bearer {TOKEN}, Bearer {TOKEN}",
    f"Bearer Bearer {TOKEN}", f'Bearer "{TOKEN}"', f"Bearer token={TOKEN}", "Bearer \xff\xfe", f"Bearer {TOKEN}\xff",
    f"Bearer\t{TOKEN}", f", Bearer {TOKEN}", "Bearer None", "Basic bGV0OmlnbiBtZQ==", "Basic !", "Digest username=a",
    "Bearer " + "x" * 100_000,
]  # fmt: skip


def client_with(tmp_path: Path, cleaner: Cleaner, **settings: Any) -> FlaskClient:
    """Return a client that bears nothing."""
    return create_app(Settings(store=tmp_path, **settings), cleaner).test_client()


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_what_changes_state_needs_the_token(tmp_path: Path, cleaner: Cleaner, method: str, path: str) -> None:
    """All else is 401, with the scheme, before anything of the request is looked at; nothing comes into the store."""
    client = client_with(tmp_path, cleaner, token=TOKEN)
    for wrong in WRONG:
        answer = client.open(path, method=method, headers={} if wrong is None else {"Authorization": wrong})
        assert answer.status_code == 401, wrong
        assert answer.content_type == "application/problem+json"
        assert answer.headers["WWW-Authenticate"].lower().startswith("bearer")
        assert TOKEN not in answer.text
    assert list(tmp_path.iterdir()) == []
    assert client.open(path, method=method, headers=BEARER).status_code not in (401, 403)


@pytest.mark.parametrize(("method", "path"), GUARDED)
@pytest.mark.parametrize("header", [BEARER, {}, {"Authorization": "Bearer "}, {"Authorization": "Bearer None"}])
def test_without_a_token_or_a_store_nothing_changes(
    tmp_path: Path, cleaner: Cleaner, method: str, path: str, header: dict[str, str]
) -> None:
    """403 for everyone, that says which variables are missing."""
    for client in (
        client_with(tmp_path, cleaner),
        create_app(Settings(token=TOKEN), cleaner).test_client(),
        create_app(
            Settings.from_environment({"WINNOW_STORE": str(tmp_path), "WINNOW_TOKEN": ""}), cleaner
        ).test_client(),
    ):
        answer = client.open(path, method=method, headers=header)
        assert answer.status_code == 403
        assert "WINNOW_TOKEN or WINNOW_STORE" in answer.get_json()["detail"]
        assert str(tmp_path) not in answer.text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("method", "path"), OPEN)
@pytest.mark.parametrize("header", [None, "Bearer other", "Basic !", "\xff"])
def test_what_changes_nothing_needs_none(
    tmp_path: Path, cleaner: Cleaner, method: str, path: str, header: str | None
) -> None:
    """And does not mind a wrong one."""
    client = client_with(tmp_path, cleaner, token=TOKEN)
    answer = client.open(path, method=method, headers={} if header is None else {"Authorization": header})
    assert answer.status_code in (200, 404, 415)


def test_every_route_is_in_one_of_the_lists(client: FlaskClient) -> None:
    """Those that change state are guarded; a new route is in the tests above."""
    routes = {
        (method, rule.rule)
        for rule in client.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    adapter = client.application.url_map.bind("localhost")
    told = [(method, adapter.match(path, method, return_rule=True)[0].rule) for method, path in GUARDED + OPEN]
    assert routes == set(told)
    assert len(told) == len(routes)


@pytest.mark.parametrize(
    "token",
    [b"a", b"a=b", b"YWJj==", b"a b", b"a,b", b'a"b', "Zürich-٣".encode(), "😀".encode(), b"\xff\xfe", b"x" * 4000],
    ids=repr,
)
def test_any_token_works(tmp_path: Path, cleaner: Cleaner, token: bytes) -> None:
    """As the bytes that the environment has, letters beyond ASCII among them; the scheme in any case."""
    value = token.decode("utf-8", "surrogateescape")
    settings = Settings.from_environment({"WINNOW_STORE": str(tmp_path), "WINNOW_TOKEN": value})
    client = create_app(settings, cleaner).test_client()
    for scheme in ("Bearer", "bearer", "BEARER", "Bearer "):
        sent = f"{scheme} {token.decode('latin-1')}"  # as WSGI has the bytes of a header
        answer = client.delete("/v1/seeds/rain-1", environ_overrides={"HTTP_AUTHORIZATION": sent})
        assert answer.status_code == 404
    sent = f"Bearer {token.decode('latin-1')}x"
    assert client.delete("/v1/seeds/rain-1", environ_overrides={"HTTP_AUTHORIZATION": sent}).status_code == 401


@pytest.mark.parametrize("given", ["x", TOKEN, f"{TOKEN[:-1]}x", "\xff"])
def test_the_comparison_takes_the_same_time(
    tmp_path: Path, cleaner: Cleaner, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """It is the one that the standard library has for secrets, of the whole of both."""
    compared = []
    compare = hmac.compare_digest

    def noted(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", noted)
    client_with(tmp_path, cleaner, token=TOKEN).delete("/v1/seeds/a", headers={"Authorization": f"Bearer {given}"})
    assert compared == [(given.encode("latin-1"), TOKEN.encode())]
