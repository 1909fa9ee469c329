"""Settings from the environment, and what the factory does with them."""

from pathlib import Path

import pytest

from classifier.cleaning import Cleaner
from classifier.errors import ModelError, WinnowError
from service import create_app
from service.settings import Settings, SettingsError, describe_settings


@pytest.mark.parametrize(
    ("environ", "settings"),
    [
        ({}, Settings(model=None, max_body_bytes=2_000_000)),
        ({"WINNOW_MODEL": "", "WINNOW_MAX_BODY_BYTES": ""}, Settings()),
        ({"WINNOW_MODEL": "models/a"}, Settings(model=Path("models/a"))),
        ({"WINNOW_MAX_BODY_BYTES": "1"}, Settings(max_body_bytes=1)),
        (
            {"WINNOW_STORE": "s", "WINNOW_TOKEN": "t", "WINNOW_QUEUE": "3"},
            Settings(store=Path("s"), token="t", queue=3),
        ),
        (
            {"WINNOW_MODEL": "b", "WINNOW_MAX_BODY_BYTES": " 5000000 ", "WINNOW_OTHER": "x"},
            Settings(Path("b"), max_body_bytes=5_000_000),
        ),
    ],
)
def test_the_environment_sets(environ: dict[str, str], settings: Settings) -> None:
    """Each variable sets its field, and one that is not set or empty leaves the default."""
    assert Settings.from_environment(environ) == settings


@pytest.mark.parametrize("value", ["0", "-1", "2MB", "1.5", "1e6", "nan", "9" * 5000])
def test_a_limit_that_is_none_is_refused(value: str) -> None:
    """A limit that is not a whole number above 0 is refused in a sentence with the variable, the value and the way
    out.
    """
    with pytest.raises(
        SettingsError, match=r"^WINNOW_MAX_BODY_BYTES is '.*; set it to a whole number above 0"
    ) as caught:
        Settings.from_environment({"WINNOW_MAX_BODY_BYTES": value})
    assert isinstance(caught.value, WinnowError)
    assert isinstance(caught.value, ValueError)
    assert len(str(caught.value)) < 200


def test_every_variable_is_described_and_the_token_is_never_shown() -> None:
    """The list for users names each variable with what it means; a token is in no printed settings."""
    described = dict(describe_settings())
    assert described.keys() >= {"WINNOW_MODEL", "WINNOW_STORE", "WINNOW_TOKEN", "WINNOW_QUEUE"}
    assert all(described.values())
    assert "2,000,000" in described["WINNOW_MAX_BODY_BYTES"]
    assert "hush" not in repr(Settings(token="hush"))


def test_the_factory_reads_the_environment_of_the_process(monkeypatch: pytest.MonkeyPatch, cleaner: Cleaner) -> None:
    """An app made without settings takes them from the process."""
    monkeypatch.setenv("WINNOW_MAX_BODY_BYTES", "10")
    response = create_app(cleaner=cleaner).test_client().post("/v1/clean", data="x" * 11, content_type="text/plain")
    assert response.status_code == 413


def test_a_model_that_is_not_there_fails_at_the_start(tmp_path: Path) -> None:
    """An app with an unusable model is not made."""
    with pytest.raises(ModelError, match="there is no model"):
        create_app(Settings(model=tmp_path))
