"""Pages as files: what stands in the way is told beforehand and when writing, in a sentence."""

import os
import re
from pathlib import Path

import pytest

from classifier import pages
from classifier.errors import OutputError
from classifier.pages import check_folder, write_page


@pytest.mark.parametrize("place", ["file", "file/below", "file/far/below"])
def test_a_file_is_no_folder_for_the_report(tmp_path: Path, place: str) -> None:
    """That is told beforehand, and when writing."""
    (tmp_path / "file").write_text("kept", "utf-8")
    with pytest.raises(OutputError, match=r"file is a file; name a folder for the report$"):
        check_folder(tmp_path / place)
    with pytest.raises(OutputError, match=r" cannot be written \(.+\); name another folder for the report$"):
        write_page("<p>page", tmp_path / place)
    assert (tmp_path / "file").read_text("utf-8") == "kept"


def test_a_folder_that_may_not_be_written_to_is_named_beforehand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is there already or would have to be made."""
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    for folder in (tmp_path, tmp_path / "new"):
        with pytest.raises(OutputError, match=rf"^{re.escape(str(tmp_path))} may not be written to; name another"):
            check_folder(folder)


def test_a_folder_whose_name_cannot_be_is_named(tmp_path: Path) -> None:
    """The system's reason is told."""
    folder = tmp_path / ("x" * 5000)
    with pytest.raises(OutputError, match=r"cannot be written \(File name too long\); name another folder"):
        write_page("<p>page", folder)


def test_a_page_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is told of in a sentence."""
    (tmp_path / "index.html").write_text("old", "utf-8")

    def full(target: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pages, "write_whole", full)
    with pytest.raises(OutputError, match=r"index.html cannot be written \(No space left on device\); name another"):
        write_page("<p>page", tmp_path)
    assert (tmp_path / "index.html").read_text("utf-8") == "old"


def test_a_page_whose_name_a_folder_has_cannot_be_written(tmp_path: Path) -> None:
    """The folder stays."""
    (tmp_path / "index.html").mkdir()
    with pytest.raises(OutputError, match=r"index.html cannot be written"):
        write_page("<p>page", tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / "index.html"]
