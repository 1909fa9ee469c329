"""What the service can be told, and the environment variables that tell it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from service.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one service.

    `model` is the folder of the model, None for the one that ships. `max_body_bytes` is the largest request body that
    is read.
    """

    model: Path | None = None
    max_body_bytes: int = 2_000_000

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Return the settings that `WINNOW_MODEL` and `WINNOW_MAX_BODY_BYTES` give, by default those of this process.

        A variable that is not set, or empty, leaves the default. Raises SettingsError when a value cannot be used.
        """
        given = os.environ if environ is None else environ
        default = cls()
        model = given.get("WINNOW_MODEL")
        return cls(
            model=Path(model) if model else default.model,
            max_body_bytes=_positive(given, "WINNOW_MAX_BODY_BYTES", default.max_body_bytes),
        )


def _positive(environ: Mapping[str, str], name: str, default: int) -> int:
    value = environ.get(name)
    if not value:
        return default
    try:
        number = int(value)
    except ValueError:
        number = 0
    if number < 1:
        raise SettingsError(f"{name} is {value!r:.40}; set it to a whole number above 0, or leave it out for {default}")
    return number
