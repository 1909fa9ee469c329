"""Where shipped data is found."""

from pathlib import Path

import pytest

from classifier import resources


def test_a_checkout_holds_model_and_seeds() -> None:
    """In a checkout they stand beside the package."""
    assert (resources.default_model() / "card.json").is_file()
    assert any(resources.default_seeds().rglob("*.tsv"))


def test_an_installed_package_holds_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data inside the package wins over what stands beside it."""
    package = tmp_path / "classifier"
    for folder in (package / "_shipped" / "seeds", package / "_shipped" / "data" / "model", tmp_path / "seeds"):
        folder.mkdir(parents=True)
    monkeypatch.setattr(resources, "_PACKAGE", package)
    assert resources.default_seeds() == package / "_shipped" / "seeds"
    assert resources.default_model() == package / "_shipped" / "data" / "model"
