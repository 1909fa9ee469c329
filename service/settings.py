"""What the service can be told, and the environment variables that tell it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from classifier.errors import WinnowError

_MEANINGS = {
    "model": "folder of the model; goes before the store",
    "store": "folder of models, corrected articles and trainings; without it nothing can be changed",
    "token": "secret that requests which change state must bear; they are off while there is none",
    "max_body_bytes": "largest body of one article, and largest row of a stream",
    "max_batch_bytes": "largest body of a JSON array of articles",
    "max_articles": "most articles in one call",
    "max_paragraphs": "most paragraphs in one article",
    "request_seconds": "longest time of a request; of a stream, between two rows",
    "queue": "most requests that wait for their turn in one worker; more are told to come back",
}


class SettingsError(WinnowError, ValueError):
    """A setting cannot be used; the message names the variable and says what to set it to."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one service; the environment variable of each is its name in capitals behind `WINNOW_`."""

    model: Path | None = None
    store: Path | None = None
    token: str | None = field(default=None, repr=False)
    max_body_bytes: int = 2_000_000
    max_batch_bytes: int = 50_000_000
    max_articles: int = 100_000
    max_paragraphs: int = 200_000
    request_seconds: int = 60
    queue: int = 64

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Return the settings that environment variables give, by default those of this process.

        A variable that is not set, or empty, leaves the default. Raises SettingsError when a value cannot be used.
        """
        given = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        for one in fields(cls):
            value = given.get(variable(one.name))
            if value:
                values[one.name] = _read(variable(one.name), value, one.type, one.default)
        return cls(**values)


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return f"WINNOW_{name.upper()}"


def describe_settings() -> list[tuple[str, str]]:
    """Return each environment variable with what it means and its default."""
    return [
        (variable(one.name), _MEANINGS[one.name] + (f" (default {one.default:,})" if one.default else ""))
        for one in fields(Settings)
    ]


def _read(name: str, value: str, kind: Any, default: Any) -> Any:
    if kind is not int:
        return value if name == variable("token") else Path(value)
    try:
        number = int(value)
    except ValueError:
        number = 0
    if number < 1:
        raise SettingsError(f"{name} is {value!r:.40}; set it to a whole number above 0, or leave it out for {default}")
    return number
