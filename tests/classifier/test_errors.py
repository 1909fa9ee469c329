"""Errors raised on purpose."""

import pytest

from classifier import errors


@pytest.mark.parametrize("name", ["SeedError", "ModelError", "StoreBusyError", "InputError", "OutputError"])
def test_one_base_catches_all(name: str) -> None:
    """A caller that catches WinnowError sees every error raised on purpose, and its sentence."""
    error = getattr(errors, name)("say what to do")
    assert isinstance(error, errors.WinnowError)
    assert str(error) == "say what to do"
