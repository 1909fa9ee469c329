"""Where the data that ships with Winnow is: inside the installed package, or at the top of a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def _shipped(name: str) -> Path:
    installed = _PACKAGE / "_shipped" / name
    return installed if installed.exists() else _PACKAGE.parent / name


def default_model() -> Path:
    """Return the folder of the model that ships."""
    return _shipped("data") / "model"


def default_seeds() -> Path:
    """Return the folder of the seeds that ship."""
    return _shipped("seeds")


def default_phrases() -> Path:
    """Return the folder of the phrase lists that ship."""
    return _shipped("data") / "phrases"
