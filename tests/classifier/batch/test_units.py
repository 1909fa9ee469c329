"""The plan of a batch: the same units each time, all inputs in them, little moved by what is added."""

import os
from pathlib import Path

import pytest

from classifier.batch import units
from classifier.batch.places import place
from classifier.batch.summary import Failure
from classifier.batch.units import Job, Unit, plan


def planned(folder: Path, to: str | None = None) -> list[Unit | Failure]:
    """Return the units of all jobs, and the failures, in order."""
    found: list[Unit | Failure] = []
    for one in plan(place(str(folder)), to):
        found += one.units if isinstance(one, Job) else [one]
    return found


def fill(folder: Path, sizes: dict[str, int]) -> Path:
    """Write files of given sizes."""
    for name, size in sizes.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
    return folder


@pytest.mark.parametrize(
    ("sizes", "groups"),
    [
        ({}, []),
        ({"a.txt": 40, "b.txt": 40, "c.txt": 40}, [["a.txt", "b.txt"], ["c.txt"]]),
        ({"a.txt": 99, "b.txt": 1, "c.txt": 1}, [["a.txt"], ["b.txt", "c.txt"]]),
        ({"a.txt": 1, "b.jsonl": 1, "c.txt": 1}, [["a.txt"], ["b.jsonl"], ["c.txt"]]),
        ({"a.txt": 0, "z.txt": 0, "b/a.txt": 0, "b/c/a.txt": 0}, [["a.txt", "z.txt", "b/a.txt", "b/c/a.txt"]]),
        ({"b/a.txt": 0, "a.md": 1, "A.TXT": 0, ".winnow/a.txt": 0}, [["A.TXT", "b/a.txt"]]),
        (
            {"a.jsonl.gz": 1, "a.jsonl": 1, "a.gz": 1, "x.warc.wet.gz": 1},
            [["a.jsonl"], ["a.jsonl.gz"], ["x.warc.wet.gz"]],
        ),
    ],
)
def test_small_text_files_are_cleaned_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: dict[str, int], groups: list[list[str]]
) -> None:
    """Up to a size, in their order; other files stand alone, what is no article nowhere."""
    monkeypatch.setattr(units, "_GROUP_BYTES", 70)
    monkeypatch.setattr(units, "_GROUP_END", 10**9)
    assert [list(unit.inputs) for unit in planned(fill(tmp_path, sizes)) if isinstance(unit, Unit)] == groups


def test_a_new_file_moves_few_groups(tmp_path: Path) -> None:
    """Those after it keep their borders, and their keys."""
    fill(tmp_path, {f"{number:05d}.txt": 3 for number in range(5_000)})
    before = {unit.key for unit in planned(tmp_path) if isinstance(unit, Unit)}
    assert len(before) > 20
    fill(tmp_path, {"01000x.txt": 3})
    after = {unit.key for unit in planned(tmp_path) if isinstance(unit, Unit)}
    assert len(after - before) <= 2


@pytest.mark.parametrize("change", ["content", "time", "name", "nothing"])
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
def test_a_key_changes_with_the_input(tmp_path: Path, name: str, change: str) -> None:
    """With its size, its time and its name, and with nothing else."""
    path = fill(tmp_path, {name: 5}) / name
    seen = path.stat()
    (before,) = planned(tmp_path)
    if change == "content":
        path.write_bytes(b"x" * 6)
        os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    elif change == "time":
        os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns + 1))
    elif change == "name":
        path.rename(tmp_path / f"b{name}")
    else:
        os.utime(path, ns=(0, seen.st_mtime_ns))
    (after,) = planned(tmp_path)
    assert isinstance(before, Unit)
    assert isinstance(after, Unit)
    assert (before.key == after.key) == (change == "nothing")


@pytest.mark.parametrize(
    ("name", "to", "target"),
    [
        ("b/a.txt", None, "b/a.txt"),
        ("b/a.txt", "text", "b/a.txt"),
        ("b/a.txt", "jsonl", "b/texts.jsonl"),
        ("b/a.txt", "parquet", "b/texts.parquet"),
        ("a.txt", "jsonl", "texts.jsonl"),
        ("a.jsonl.zst", None, "a.jsonl.zst"),
        ("a.jsonl.zst", "jsonl", "a.jsonl.zst"),
        ("a.jsonl.zst", "parquet", "a.parquet"),
        ("a.jsonl.zst", "text", "a.jsonl.zst"),
        ("a.parquet", "jsonl", "a.jsonl"),
        ("a.warc.wet.gz", None, "a.warc.wet.gz"),
        ("a.warc.wet.gz", "parquet", "a.parquet"),
    ],
)
def test_outputs_are_named_after_inputs(tmp_path: Path, name: str, to: str | None, target: str) -> None:
    """With the end that says what they are; a file that becomes texts is a folder."""
    (job,) = plan(place(str(fill(tmp_path, {name: 3}))), to)
    assert isinstance(job, Job)
    assert job.target == target


def test_two_files_may_not_become_one(tmp_path: Path) -> None:
    """The second is named, with what to do."""
    found = planned(fill(tmp_path, {"a.jsonl": 1, "a.parquet": 1, "failures.warc.wet.gz": 1}), "jsonl")
    assert [(one.path, "rename the file" in one.reason) for one in found if isinstance(one, Failure)] == [
        ("a.parquet", True),
        ("failures.warc.wet.gz", True),
    ]


def test_a_folder_that_is_gone_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As is one that may not be read; the others are walked."""
    fill(tmp_path, {"a/a.txt": 1, "b/a.txt": 1, "c/a.txt": 1})
    right = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("b/"):
            raise PermissionError(13, "Permission denied")
        return right(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = planned(tmp_path)
    assert [one.path for one in found if isinstance(one, Failure)] == ["b/"]
    assert [name for unit in found if isinstance(unit, Unit) for name in unit.inputs] == ["a/a.txt", "c/a.txt"]


def test_folders_may_be_nested_deeper_than_calls(tmp_path: Path) -> None:
    """A thousand of them and more."""
    depth = 1_200
    here = Path.cwd()
    try:
        os.chdir(tmp_path)
        for _ in range(depth):
            os.mkdir("d")
            os.chdir("d")
        Path("a.txt").write_text("A")
        (unit,) = planned(tmp_path)
        Path("a.txt").unlink()
        for _ in range(depth):  # the usual ways to remove a tree are made of calls
            os.chdir("..")
            os.rmdir("d")
    finally:
        os.chdir(here)
    assert isinstance(unit, Unit)
    assert unit.inputs == ("d/" * depth + "a.txt",)
