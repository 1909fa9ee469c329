"""Files that are there whole or not at all."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from classifier.files import locked, write_whole


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("name", ["a.txt", "new/folders/a.txt"])
def test_a_file_is_written_for_all_to_read(tmp_path: Path, name: str, *, durable: bool) -> None:
    """Its folders are made, an old file is replaced, and nothing else is left there."""
    for content in (b"old", b"new \xff\x00"):
        write_whole(tmp_path / name, content, durable=durable)
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


def test_a_durable_file_is_on_the_disk_before_its_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content first, then the name, then the folder: a power cut between any two leaves the old file or the new."""
    steps: list[str] = []

    def spy(step: str) -> Callable[..., None]:
        right = getattr(os, step)

        def note(*given: Any) -> None:
            steps.append(step)
            right(*given)

        return note

    for step in ("fsync", "replace"):
        monkeypatch.setattr(os, step, spy(step))
    write_whole(tmp_path / "a.txt", b"new", durable=True)
    assert steps == ["fsync", "replace", "fsync"]
    write_whole(tmp_path / "a.txt", b"new")
    assert steps[3:] == ["replace"]


def test_a_file_is_held_by_one(tmp_path: Path) -> None:
    """A second one is refused at once, and not when the first has let go; what stands in it stays."""
    path = tmp_path / "lock"
    path.write_text("kept", "utf-8")
    for _ in range(2):
        with locked(path), pytest.raises(BlockingIOError), locked(path):
            pass
    assert path.read_text("utf-8") == "kept"
    with pytest.raises(FileNotFoundError), locked(tmp_path / "none" / "lock"):
        pass
