"""Places: a folder and what fsspec opens behave alike."""

import os
import sys
from pathlib import Path

import pytest

from classifier.batch.places import OWN, Found, Place, new_file, place
from classifier.errors import InputError


@pytest.fixture(params=["path", "local", "memory"])
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A place: a folder, a folder behind a URL, and no folder at all."""
    if request.param != "path":
        pytest.importorskip("fsspec")
    (tmp_path / "place").mkdir()
    root = tmp_path / "place"
    made = place({"path": str(root), "local": f"local://{root}", "memory": f"memory:/{root}"}[request.param])
    made.begin("run")
    return made


def put(there: Place, **files: bytes) -> None:
    """Write files, `__` standing for a slash."""
    for name, content in files.items():
        there.write(f"{name.replace('__', '/')}.txt", content, "run")


def test_what_is_put_is_there(there: Place) -> None:
    """Whole, in the place of what was there, in folders that are made."""
    put(there, a=b"old", b__c__d=b"new \xff")
    put(there, a=b"changed")
    assert (there.size("a.txt"), there.size("b/c/d.txt"), there.size("c.txt")) == (7, 5, -1)
    with there.open("b/c/d.txt") as file:
        file.seek(2)
        assert file.read() == b"w \xff"
    assert there.exists()


def test_files_are_found_in_order(there: Place) -> None:
    """Those of a folder before those of its folders; not what a run keeps for itself."""
    put(there, z=b"1", a=b"22", b__y=b"", b__a__q=b"4", **{"a-": b"5", f"b__{OWN}__x": b"6", f"{OWN}__x": b"7"})
    found = list(there.walk())
    assert [(one.name, one.size) for one in found] == [
        ("a-.txt", 1),
        ("a.txt", 2),
        ("z.txt", 1),
        ("b/y.txt", 0),
        ("b/a/q.txt", 1),
    ]
    assert all(one.stamp and not one.problem for one in found)


def test_what_is_removed_is_gone(there: Place) -> None:
    """A file, a folder with all in it, and what was not there."""
    put(there, a=b"1", b__c=b"2", b__d=b"3")
    for name in ("a.txt", "b", "none", "none/at/all"):
        there.remove(name)
    assert list(there.walk()) == []
    assert there.names("b") == []


def test_what_is_appended_is_read_back_in_order(there: Place) -> None:
    """From one file, or from several that stand for it."""
    pieces = [there.append(f"{OWN}/log", f"{number}\n".encode()) for number in range(12)]
    found = there.pieces(f"{OWN}/log")
    assert set(pieces) == set(found)
    content = b""
    for piece in found:
        with there.open(piece) as file:
            content += file.read()
    assert content == b"".join(f"{number}\n".encode() for number in range(12))
    assert there.pieces(f"{OWN}/other") == []


def test_an_orphan_cannot_put_what_it_made(tmp_path: Path) -> None:
    """Once the next run has begun, nothing of the one before comes into place."""
    there = place(str(tmp_path))
    there.begin("one")
    with there.scratch("one") as folder:
        made = new_file(folder, b"of one")
        there.begin("two")
        with pytest.raises(FileNotFoundError):
            there.put(made, "a.txt")
        with pytest.raises(FileNotFoundError):
            new_file(folder)
    assert there.size("a.txt") == -1


def test_a_place_that_is_renamed_into_shows_nothing_torn(tmp_path: Path) -> None:
    """Where an object does not appear whole, it is put beside its place first."""
    pytest.importorskip("fsspec")
    there = place(f"local://{tmp_path}")
    seen = []
    right = there._system.mv  # type: ignore[attr-defined]

    def move(one: str, other: str) -> None:
        seen.append((Path(one).read_bytes(), Path(other).exists()))
        right(one, other)

    there._system.mv = move  # type: ignore[attr-defined]
    try:
        there.write("a.txt", b"content", "run")
    finally:
        there._system.mv = right  # type: ignore[attr-defined]
    assert seen == [(b"content", False)]
    assert os.listdir(tmp_path) == ["a.txt"]


def test_links_and_what_is_no_file_are_told(tmp_path: Path) -> None:
    """Each with what is wrong with it; a link within the place is a file like others."""
    root = tmp_path / "place"
    (root / "b").mkdir(parents=True)
    (root / "a").write_text("A")
    (root / "in").symlink_to(root / "a")
    (root / "loop").symlink_to(root)
    (root / "b" / "to-b").symlink_to(root / "b")
    (root / "out").symlink_to(tmp_path)
    (root / "out-file").symlink_to(__file__)
    (root / "round").symlink_to(root / "round")
    os.mkfifo(root / "pipe")
    problems = {one.name: one.problem for one in place(str(root)).walk()}
    assert {name for name, problem in problems.items() if not problem} == {"a", "in"}
    assert "leads out" in problems["out/"]
    assert "leads out" in problems["out-file"]
    assert "no regular file" in problems["pipe"]
    assert "cleaned where they are" in problems["loop"]
    assert set(problems) == {"a", "in", "loop", "b/to-b", "out/", "out-file", "round", "pipe"}


def test_a_url_needs_fsspec(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And says what to install; a plain path does not need it."""
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(InputError, match=r"pip install 'winnow-news\[remote\]'"):
        place("memory://not-asked-before")
    assert list(place(str(tmp_path / "none")).walk()) == [
        Found("./", problem="the folder cannot be read: No such file or directory")
    ]
