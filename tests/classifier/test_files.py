"""Files that are there whole or not at all."""

import os
from pathlib import Path
from typing import Any

import pytest

from classifier.files import write_whole


@pytest.mark.parametrize("name", ["a.txt", "new/folders/a.txt"])
def test_a_file_is_written_for_all_to_read(tmp_path: Path, name: str) -> None:
    """Its folders are made, an old file is replaced, and nothing else is left there."""
    for content in (b"old", b"new \xff\x00"):
        write_whole(tmp_path / name, content)
        assert (tmp_path / name).read_bytes() == content
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o644
    assert list((tmp_path / name).parent.iterdir()) == [tmp_path / name]


@pytest.mark.parametrize("step", ["replace", "chmod"])
@pytest.mark.parametrize("error", [OSError(28, "No space left"), KeyboardInterrupt()], ids=["full", "stopped"])
def test_a_write_that_fails_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    """The old file stays as it was, and no part of the new one is left beside it."""
    target = tmp_path / "a.txt"
    target.write_text("old", "utf-8")

    def fail(*given: Any) -> None:
        raise error

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(type(error)):
        write_whole(target, b"new")
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_text("utf-8") == "old"
