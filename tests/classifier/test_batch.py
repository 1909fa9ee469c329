"""A folder of articles: the same tree out, whole files, and failures that stop nothing."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from classifier import batch
from classifier.batch import FAILURES, FileResult, clean_folder
from classifier.cleaning import Cleaner
from classifier.errors import InputError, ModelError
from classifier.files import write_whole
from classifier.labels import LABELS
from classifier.model import Model
from classifier.store import ModelCard, save_model

TEXT = (
    "Council approves bus lanes\n"
    "The city council voted 14 to 9 on Tuesday for new bus lanes on the ring road.\n"
    "All rights reserved.\n"
)
EVERYTHING = frozenset(LABELS)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder tree of articles."""
    files: dict[str, str | bytes] = {
        "a.txt": TEXT,
        "ar/b.txt": "قال الوزير إن المدارس ستفتح أبوابها يوم الأحد في جميع المحافظات.\n" * 3,
        "ar/cp1256.txt": ("قال الوزير إن المدارس ستفتح أبوابها يوم الأحد في جميع المحافظات.\n" * 3).encode("cp1256"),
        "deep/er/c.jsonl": "".join(json.dumps({"id": number, "text": TEXT}) + "\n" for number in range(3)),
        "empty.txt": "",
        "white.txt": " \n ",
        "empty.jsonl": "",
        "notes.md": "# none of these",
        "page.html": "<p>",
    }
    for name, content in files.items():
        write(tmp_path / "in" / name, content)
    return tmp_path / "in"


def write(path: Path, content: str | bytes) -> Path:
    """Write a file and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def tree(folder: Path) -> set[str]:
    """Return every file below a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def test_the_tree_comes_out_as_it_went_in(
    source: Path, tmp_path: Path, quick_folder: Path, quick_cleaner: Cleaner
) -> None:
    """Every article file has its place, cleaned as one by one; other files are passed over, no list of failures."""
    results = clean_folder(source, tmp_path / "out", quick_folder, EVERYTHING, jobs=1)
    names = {"a.txt", "ar/b.txt", "ar/cp1256.txt", "deep/er/c.jsonl", "empty.txt", "white.txt", "empty.jsonl"}
    assert tree(tmp_path / "out") == names
    assert [result.path for result in results] == sorted(names)
    assert (tmp_path / "out" / "a.txt").read_text("utf-8") == TEXT
    assert (tmp_path / "out" / "empty.txt").read_bytes() == b""
    assert (tmp_path / "out" / "ar" / "cp1256.txt").read_bytes() == (source / "ar" / "b.txt").read_bytes()
    rows = rows_of(tmp_path / "out" / "deep" / "er" / "c.jsonl")
    assert [row["id"] for row in rows] == [0, 1, 2]
    assert rows[0]["text"] == quick_cleaner.clean(TEXT, EVERYTHING).text
    by_path = {result.path: result for result in results}
    assert by_path["a.txt"] == FileResult("a.txt", 1, len(TEXT), len(TEXT) - 1, ())
    assert (by_path["deep/er/c.jsonl"].articles, by_path["empty.jsonl"].articles) == (3, 0)


def test_all_cores_give_what_one_gives(source: Path, tmp_path: Path, quick_folder: Path) -> None:
    """Processes change nothing but the time it takes."""
    one = clean_folder(source, tmp_path / "one", quick_folder, jobs=1)
    all_cores = clean_folder(source, tmp_path / "all", quick_folder, jobs=2)
    assert one == all_cores
    assert tree(tmp_path / "one") == tree(tmp_path / "all")
    for name in tree(tmp_path / "one"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "all" / name).read_bytes()


def test_each_finished_file_is_told_of(source: Path, tmp_path: Path, quick_folder: Path) -> None:
    """With the number of files, so that progress can be shown."""
    told: list[tuple[str, int]] = []

    def done(result: FileResult, files: int) -> None:
        told.append((result.path, files))

    clean_folder(source, tmp_path / "out", quick_folder, jobs=1, done=done)
    assert {files for _, files in told} == {7}
    assert len({path for path, _ in told}) == 7


def test_what_cannot_be_cleaned_is_named_and_stops_nothing(source: Path, tmp_path: Path, quick_folder: Path) -> None:
    """Bad files and rows stand in failures.jsonl with path, line and reason; all others are cleaned."""
    write(source / "binary.txt", bytes(range(256)))
    write(source / "rows.jsonl", b'{"text": "A"}\n{\n\n{"text": 5}\n{"text": "B"}\n')
    (source / "folder.txt").mkdir()
    (source / "gone.txt").symlink_to(source / "nowhere.txt")
    (source / "into.txt").symlink_to(source / "deep")
    results = clean_folder(source, tmp_path / "out", quick_folder, EVERYTHING, jobs=1)
    failures = [(row["path"], row["line"]) for row in rows_of(tmp_path / "out" / FAILURES)]
    assert failures == [("binary.txt", 0), ("gone.txt", 0), ("into.txt", 0), ("rows.jsonl", 2), ("rows.jsonl", 4)]
    assert all(row["reason"] for row in rows_of(tmp_path / "out" / FAILURES))
    assert [(failure.path, failure.line) for result in results for failure in result.failures] == failures
    assert [row["text"] for row in rows_of(tmp_path / "out" / "rows.jsonl")] == ["A", "B"]
    assert (tmp_path / "out" / "a.txt").read_text("utf-8") == TEXT
    assert not {"binary.txt", "gone.txt", "into.txt"} & tree(tmp_path / "out")


def test_a_list_of_failures_that_are_mended_goes(source: Path, tmp_path: Path, quick_folder: Path) -> None:
    """It is there only when there are any."""
    bad = write(source / "binary.txt", bytes(range(256)))
    clean_folder(source, tmp_path / "out", quick_folder, jobs=1)
    assert (tmp_path / "out" / FAILURES).exists()
    bad.unlink()
    clean_folder(source, tmp_path / "out", quick_folder, jobs=1)
    assert not (tmp_path / "out" / FAILURES).exists()


@pytest.mark.parametrize("bad", [True, False], ids=["with failures", "without failures"])
def test_an_input_of_that_name_is_not_lost(source: Path, tmp_path: Path, quick_folder: Path, *, bad: bool) -> None:
    """A file called failures.jsonl is cleaned, or named as one that cannot be, like any other."""
    write(source / FAILURES, json.dumps({"id": "mine", "text": TEXT}) + "\n")
    if bad:
        write(source / "binary.txt", bytes(range(256)))
    results = clean_folder(source, tmp_path / "out", quick_folder, jobs=1)
    (own,) = (result for result in results if result.path == FAILURES)
    written = rows_of(tmp_path / "out" / FAILURES) if (tmp_path / "out" / FAILURES).exists() else []
    assert own.failures or any(row.get("id") == "mine" for row in written)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("in", "lie within each other"),
        ("in/out", "lie within each other"),
        ("in/../in/out", "lie within each other"),
        (".", "lie within each other"),
        ("link/out", "lie within each other"),
        ("file", "is a file"),
    ],
)
def test_folders_that_lie_within_each_other_are_refused(
    source: Path, tmp_path: Path, quick_folder: Path, target: str, message: str
) -> None:
    """Before anything is written; links do not hide it."""
    (tmp_path / "link").symlink_to(source)
    write(tmp_path / "file", "not a folder")
    before = tree(tmp_path)
    with pytest.raises(InputError, match=message):
        clean_folder(source, tmp_path / target, quick_folder, jobs=1)
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("name", "message"),
    [("none", "is no folder"), ("a.txt", "is no folder"), ("bare", "there is no .txt or .jsonl file")],
)
def test_a_source_without_articles_is_refused(
    source: Path, tmp_path: Path, quick_folder: Path, name: str, message: str
) -> None:
    """A folder that is missing, is a file, or holds nothing to clean."""
    (source / "bare").mkdir()
    with pytest.raises(InputError, match=message):
        clean_folder(source / name, tmp_path / "out", quick_folder, jobs=1)
    assert not (tmp_path / "out").exists()


def test_a_link_out_of_the_source_is_refused(source: Path, tmp_path: Path, quick_folder: Path) -> None:
    """What lies elsewhere is not read; a link within the source is."""
    write(tmp_path / "secret.txt", "Not for this run.")
    (source / "out.txt").symlink_to(tmp_path / "secret.txt")
    (source / "within.txt").symlink_to(source / "a.txt")
    clean_folder(source, tmp_path / "out", quick_folder, EVERYTHING, jobs=1)
    (failure,) = rows_of(tmp_path / "out" / FAILURES)
    assert (failure["path"], failure["line"]) == ("out.txt", 0)
    assert "leads out of the source folder" in failure["reason"]
    assert not (tmp_path / "out" / "out.txt").exists()
    assert (tmp_path / "out" / "within.txt").read_text("utf-8") == TEXT


def test_a_model_that_cannot_be_used_fails_once_and_at_once(source: Path, tmp_path: Path) -> None:
    """Before the first file, and nothing is written."""
    with pytest.raises(ModelError, match="winnow train"):
        clean_folder(source, tmp_path / "out", tmp_path / "no model", jobs=1)
    assert not (tmp_path / "out").exists()


def test_a_model_replaced_between_runs_is_the_one_used(
    source: Path, tmp_path: Path, quick: tuple[Model, ModelCard], quick_folder: Path
) -> None:
    """A folder that holds another model now is not remembered as what it was."""
    folder = Path(shutil.copytree(quick_folder, tmp_path / "model"))
    used = []
    for name in ("first", "second"):
        card = ModelCard(**{**_fields(quick[1]), "identifier": name})
        save_model(replace(quick[0], identifier=name), card, folder)
        clean_folder(source, tmp_path / "out", folder, jobs=1)
        used += [row["model"] for row in rows_of(tmp_path / "out" / "deep" / "er" / "c.jsonl")[:1]]
    assert used == ["first", "second"]


def _fields(card: ModelCard) -> dict[str, Any]:
    return {name: getattr(card, name) for name in ModelCard.__dataclass_fields__}


@pytest.mark.parametrize(
    "name",
    [
        "with space.txt",
        "وزارة التعليم.txt",
        "新" * 83 + ".txt",
        "é" * 125 + ".txt",
        "x" * 251 + ".txt",
        ".hidden.txt",
        "a\nb.txt",
    ],
    ids=["space", "Arabic", "250 bytes of Chinese", "250 bytes of Latin", "255 bytes", "hidden", "line break"],
)
def test_any_file_name_the_system_bears_will_do(tmp_path: Path, quick_folder: Path, name: str) -> None:
    """However long, and in whichever script."""
    write(tmp_path / "in" / name, TEXT)
    (result,) = clean_folder(tmp_path / "in", tmp_path / "out", quick_folder, EVERYTHING, jobs=1)
    assert result.failures == ()
    assert (tmp_path / "out" / name).read_text("utf-8") == TEXT


def test_outputs_can_be_read_by_others(source: Path, tmp_path: Path, quick_folder: Path) -> None:
    """Not by their owner alone."""
    clean_folder(source, tmp_path / "out", quick_folder, jobs=1)
    assert (tmp_path / "out" / "a.txt").stat().st_mode & 0o777 == 0o644


def test_a_full_disk_is_a_named_failure(
    source: Path, tmp_path: Path, quick_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that cannot be written is told of, and the others are cleaned."""

    def fail_once(target: Path, content: bytes) -> None:
        if target.name == "a.txt":
            raise OSError(28, "No space left on device")
        write_whole(target, content)

    monkeypatch.setattr(batch, "write_whole", fail_once)
    clean_folder(source, tmp_path / "out", quick_folder, jobs=1)
    assert rows_of(tmp_path / "out" / FAILURES) == [{"path": "a.txt", "line": 0, "reason": "No space left on device"}]
    assert "ar/b.txt" in tree(tmp_path / "out")


def test_lone_surrogates_are_written(tmp_path: Path, quick_folder: Path) -> None:
    """A row may hold half a surrogate pair, in its text and in what is carried through."""
    write(tmp_path / "in" / "a.jsonl", b'{"id": "\\ud83d", "text": "The council \\ud83d voted."}\n')
    clean_folder(tmp_path / "in", tmp_path / "out", quick_folder, EVERYTHING, jobs=1)
    (row,) = rows_of(tmp_path / "out" / "a.jsonl")
    assert (row["id"], row["text"]) == ("\ud83d", "The council \ud83d voted.")


@pytest.mark.parametrize(
    ("sizes", "most", "groups"),
    [
        ({}, 10, []),
        ({"a.txt": 4, "b.txt": 4, "c.txt": 4}, 8, [["a.txt", "b.txt"], ["c.txt"]]),
        ({"a.txt": 4, "b.txt": 4}, 0, [["a.txt"], ["b.txt"]]),
        ({"a.txt": 99, "b.txt": 1, "c.txt": 1}, 8, [["a.txt"], ["b.txt", "c.txt"]]),
        ({"a.txt": 1, "b.jsonl": 1, "c.txt": 1}, 8, [["b.jsonl"], ["a.txt", "c.txt"]]),
        ({"a.txt": 0, "b.txt": 0}, 8, [["a.txt", "b.txt"]]),
    ],
)
def test_small_text_files_are_cleaned_together(
    tmp_path: Path, sizes: dict[str, int], most: int, groups: list[list[str]]
) -> None:
    """Up to a size, in their order; JSON Lines files stand alone."""
    for name, size in sizes.items():
        (tmp_path / name).write_text("x" * size)
    found = list(batch._groups([tmp_path / name for name in sizes], most))
    assert [[path.name for path in group] for group in found] == groups


@pytest.mark.parametrize("jobs", [1, 2])
def test_files_cleaned_together_come_out_as_alone(tmp_path: Path, quick_folder: Path, jobs: int) -> None:
    """A file's output is what `Cleaner.clean` gives for it, however many stand beside it, and a bad one is named."""
    source = tmp_path / "in"
    source.mkdir()
    samples = sorted((Path(__file__).parents[2] / "data" / "samples").glob("*.txt"))
    for number in range(40):
        (source / f"{number}.txt").write_bytes(samples[number % len(samples)].read_bytes())
    (source / "gone.txt").symlink_to(source / "nowhere.txt")
    results = clean_folder(source, tmp_path / "out", quick_folder, jobs=jobs)
    assert [failure.path for result in results for failure in result.failures] == ["gone.txt"]
    cleaner = Cleaner.load(quick_folder)
    for number in range(40):
        text = cleaner.clean((source / f"{number}.txt").read_text("utf-8")).text
        assert (tmp_path / "out" / f"{number}.txt").read_text("utf-8") == f"{text}\n"
