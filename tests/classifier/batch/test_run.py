"""A folder of articles: the same tree out, whole files, failures that stop nothing, and runs that go on."""

import gzip
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from joblib.externals.loky.process_executor import BrokenProcessPool

from classifier.batch import chunks, jsonlines, run, units
from classifier.batch.run import BatchResult, Progress, Settings
from classifier.batch.units import FAILURES, REPORT
from classifier.cleaning import Cleaner
from classifier.errors import InputError, ModelError, OutputError, StoreBusyError, WinnowError
from classifier.labels import LABELS
from classifier.model import Model
from classifier.store import ModelCard, save_model

TEXT = (
    "Council approves bus lanes\n"
    "The city council voted 14 to 9 on Tuesday for new bus lanes on the ring road.\n"
    "All rights reserved.\n"
)
EVERYTHING = Settings(frozenset(LABELS))
SAMPLES = sorted((Path(__file__).parents[3] / "data" / "samples").glob("*.txt"))

CleanFolder = Callable[..., BatchResult]


@pytest.fixture
def clean(quick_folder: Path) -> CleanFolder:
    """The function that cleans a folder with the quick model, in this process unless told otherwise."""

    def with_quick_model(
        source: Path | str, target: Path | str, settings: Settings = EVERYTHING, **options: Any
    ) -> BatchResult:
        return run.clean_folder(source, target, settings, **{"model": quick_folder, "jobs": 1, **options})

    return with_quick_model


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
    """Return every file below a folder but what a run keeps for itself and its figures."""
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    return {name for name in names if not name.startswith(".winnow/") and name != REPORT}


def contents(folder: Path) -> dict[str, bytes]:
    """Return what every file holds that `tree` names."""
    return {name: (folder / name).read_bytes() for name in tree(folder)}


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def test_the_tree_comes_out_as_it_went_in(
    source: Path, tmp_path: Path, clean: CleanFolder, quick_cleaner: Cleaner
) -> None:
    """Every article file has its place, cleaned as one by one; other files are passed over, no list of failures."""
    result = clean(source, tmp_path / "out")
    names = {"a.txt", "ar/b.txt", "ar/cp1256.txt", "deep/er/c.jsonl", "empty.txt", "white.txt", "empty.jsonl"}
    assert tree(tmp_path / "out") == names
    assert (tmp_path / "out" / "a.txt").read_text("utf-8") == TEXT
    assert (tmp_path / "out" / "empty.txt").read_bytes() == b""
    assert (tmp_path / "out" / "ar" / "cp1256.txt").read_bytes() == (source / "ar" / "b.txt").read_bytes()
    rows = rows_of(tmp_path / "out" / "deep" / "er" / "c.jsonl")
    kept = quick_cleaner.clean(TEXT, frozenset(LABELS))
    assert rows == [{"id": number, "text": kept.text, "model": kept.model} for number in range(3)]
    assert (result.files, result.summary.articles, result.summary.failures) == (7, 8, 0)
    assert result.summary.blank == 2


def test_all_cores_give_what_one_gives(source: Path, tmp_path: Path, clean: CleanFolder) -> None:
    """Processes change nothing but the time it takes."""
    one = clean(source, tmp_path / "one")
    two = clean(source, tmp_path / "two", jobs=2)
    assert one.summary.to_row() == two.summary.to_row()
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_progress_is_told(source: Path, tmp_path: Path, clean: CleanFolder) -> None:
    """In bytes of the input, up to all of them; what was done before does not count."""
    told: list[Progress] = []
    clean(source, tmp_path / "out", told=told.append)
    size = sum((source / name).stat().st_size for name in tree(tmp_path / "out"))
    assert told[-1] == Progress(size, size, 8, 0)
    assert [one.done for one in told] == sorted(one.done for one in told)
    new = write(source / "deep/er/new.jsonl", (source / "deep/er/c.jsonl").read_bytes())
    clean(source, tmp_path / "out", told=told.append)
    assert told[-1] == Progress(new.stat().st_size, new.stat().st_size, 11, 0)


def test_what_cannot_be_cleaned_is_named_and_stops_nothing(source: Path, tmp_path: Path, clean: CleanFolder) -> None:
    """Bad files and rows stand in failures.jsonl with path, line and reason; all others are cleaned."""
    write(source / "binary.txt", bytes(range(256)))
    write(source / "rows.jsonl", b'{"text": "A"}\n{\n\n{"text": 5}\n[]\n{"text": "B"}\n')
    write(source / "torn.jsonl.gz", gzip.compress(b'{"text": "A"}\n' * 9)[:-9])
    (source / "folder.txt").mkdir()
    (source / "gone.txt").symlink_to(source / "nowhere.txt")
    (source / "into.txt").symlink_to(source / "deep")
    os.mkfifo(source / "pipe.txt")
    result = clean(source, tmp_path / "out")
    rows = rows_of(tmp_path / "out" / FAILURES)
    assert [(row["path"], row["line"]) for row in rows] == [
        ("binary.txt", 0),
        ("gone.txt", 0),
        ("into.txt", 0),
        ("pipe.txt", 0),
        ("rows.jsonl", 2),
        ("rows.jsonl", 4),
        ("rows.jsonl", 5),
        ("torn.jsonl.gz", 10),
    ]
    assert all(row["reason"] for row in rows)
    assert result.summary.failures == len(rows)
    assert [row["text"] for row in rows_of(tmp_path / "out" / "rows.jsonl")] == ["A", "B"]
    assert gzip.decompress((tmp_path / "out" / "torn.jsonl.gz").read_bytes()).count(b"\n") == 9
    assert (tmp_path / "out" / "a.txt").read_text("utf-8") == TEXT
    assert not {"binary.txt", "gone.txt", "into.txt", "pipe.txt"} & tree(tmp_path / "out")


def test_a_list_of_failures_that_are_mended_goes(source: Path, tmp_path: Path, clean: CleanFolder) -> None:
    """It is there only when there are any."""
    bad = write(source / "binary.txt", bytes(range(256)))
    clean(source, tmp_path / "out")
    assert (tmp_path / "out" / FAILURES).exists()
    write(bad, TEXT)
    clean(source, tmp_path / "out")
    assert not (tmp_path / "out" / FAILURES).exists()


@pytest.mark.parametrize("name", [FAILURES, f"{FAILURES}.gz"])
def test_an_input_of_that_name_is_not_lost(source: Path, tmp_path: Path, clean: CleanFolder, name: str) -> None:
    """A file called failures.jsonl is named as one that cannot be cleaned; of another format it is like any other."""
    row = json.dumps({"id": "mine", "text": TEXT}).encode() + b"\n"
    write(source / name, gzip.compress(row) if name.endswith("gz") else row)
    clean(source, tmp_path / "out")
    if name == FAILURES:
        (failure,) = rows_of(tmp_path / "out" / FAILURES)
        assert "rename the file" in failure["reason"]
    else:
        assert json.loads(gzip.decompress((tmp_path / "out" / name).read_bytes()))["id"] == "mine"


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
    source: Path, tmp_path: Path, clean: CleanFolder, target: str, message: str
) -> None:
    """Before anything is written; links do not hide it."""
    (tmp_path / "link").symlink_to(source)
    write(tmp_path / "file", "not a folder")
    before = set(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=message):
        clean(source, tmp_path / target)
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "message"),
    [("none", "is no folder"), ("a.txt", "is no folder"), ("bare", r"there is no \.txt, .* file in")],
)
def test_a_source_without_articles_is_refused(
    source: Path, tmp_path: Path, clean: CleanFolder, name: str, message: str
) -> None:
    """A folder that is missing, is a file, or holds nothing to clean."""
    (source / "bare").mkdir()
    with pytest.raises(InputError, match=message):
        clean(source / name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_links_out_of_the_source_are_refused(source: Path, tmp_path: Path, clean: CleanFolder) -> None:
    """What lies elsewhere is not read, file or folder; a link to a file within the source is."""
    write(tmp_path / "secret" / "a.txt", "Not for this run.")
    (source / "out.txt").symlink_to(tmp_path / "secret" / "a.txt")
    (source / "secret").symlink_to(tmp_path / "secret")
    (source / "within.txt").symlink_to(source / "a.txt")
    (source / "again").symlink_to(source / "ar")
    clean(source, tmp_path / "out")
    failures = rows_of(tmp_path / "out" / FAILURES)
    assert [failure["path"] for failure in failures] == ["out.txt", "secret/"]
    assert all("leads out of the source folder" in failure["reason"] for failure in failures)
    assert (tmp_path / "out" / "within.txt").read_text("utf-8") == TEXT
    assert not any(name.startswith(("out", "secret", "again")) for name in tree(tmp_path / "out"))


def test_a_model_that_cannot_be_used_fails_once_and_at_once(source: Path, tmp_path: Path, clean: CleanFolder) -> None:
    """Before the first file, and nothing is written."""
    with pytest.raises(ModelError, match="winnow train"):
        clean(source, tmp_path / "out", model=tmp_path / "no model")
    assert not (tmp_path / "out").exists()


def test_another_model_is_noticed(
    source: Path, tmp_path: Path, quick: tuple[Model, ModelCard], quick_folder: Path, clean: CleanFolder
) -> None:
    """Outputs of two models are not mixed: the second is refused, or all is done anew, with the model of now."""
    folder = Path(shutil.copytree(quick_folder, tmp_path / "model"))
    rows = tmp_path / "out" / "deep" / "er" / "c.jsonl"
    for name in ("first", "second"):
        card = ModelCard(**{**_fields(quick[1]), "identifier": name})
        save_model(replace(quick[0], identifier=name), card, folder)
        if name == "second":
            with pytest.raises(InputError, match=r"model was 'first' and is 'second'.*--restart"):
                clean(source, tmp_path / "out", model=folder)
            assert rows_of(rows)[0]["model"] == "first"
        clean(source, tmp_path / "out", model=folder, restart=name == "second")
        assert rows_of(rows)[0]["model"] == name


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(), "keep was"),
        (replace(EVERYTHING, to="jsonl"), "to was None and is 'jsonl'"),
        (replace(EVERYTHING, text_field="body"), "field was 'text' and is 'body'"),
        (replace(EVERYTHING, most_bytes=5), "max_bytes was"),
    ],
)
def test_another_way_of_cleaning_is_noticed(
    source: Path, tmp_path: Path, clean: CleanFolder, settings: Settings, message: str
) -> None:
    """Of whatever kind it is."""
    clean(source, tmp_path / "out")
    with pytest.raises(InputError, match=message):
        clean(source, tmp_path / "out", settings)


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
        os.fsdecode(b"\xff\xfe.txt"),
    ],
    ids=[
        "space",
        "Arabic",
        "250 bytes of Chinese",
        "250 bytes of Latin",
        "255 bytes",
        "hidden",
        "line break",
        "no UTF-8",
    ],
)
def test_any_file_name_the_system_bears_will_do(tmp_path: Path, clean: CleanFolder, name: str) -> None:
    """However long, and in whichever script, or in none."""
    write(tmp_path / "in" / name, TEXT)
    result = clean(tmp_path / "in", tmp_path / "out")
    assert result.summary.failures == 0
    assert (tmp_path / "out" / name).read_text("utf-8") == TEXT
    assert clean(tmp_path / "in", tmp_path / "out").articles == 0


def test_outputs_can_be_read_by_others(source: Path, tmp_path: Path, clean: CleanFolder) -> None:
    """Not by their owner alone."""
    clean(source, tmp_path / "out")
    for name in ("a.txt", "empty.jsonl", REPORT):
        assert (tmp_path / "out" / name).stat().st_mode & 0o777 == 0o644


def test_lone_surrogates_are_written(tmp_path: Path, clean: CleanFolder) -> None:
    """A row may hold half a surrogate pair, in its text and in what is carried through."""
    write(tmp_path / "in" / "a.jsonl", b'{"id": "\\ud83d", "text": "The council \\ud83d voted."}\n')
    clean(tmp_path / "in", tmp_path / "out")
    (row,) = rows_of(tmp_path / "out" / "a.jsonl")
    assert (row["id"], row["text"]) == ("\ud83d", "The council \ud83d voted.")


@pytest.mark.parametrize("jobs", [1, 2])
def test_files_cleaned_together_come_out_as_alone(
    tmp_path: Path, quick_cleaner: Cleaner, clean: CleanFolder, jobs: int
) -> None:
    """A file's output is what `Cleaner.clean` gives for it, however many stand beside it, and a bad one is named."""
    source = tmp_path / "in"
    source.mkdir()
    for number in range(40):
        shutil.copy(SAMPLES[number % len(SAMPLES)], source / f"{number}.txt")
    (source / "gone.txt").symlink_to(source / "nowhere.txt")
    result = clean(source, tmp_path / "out", Settings(), jobs=jobs)
    assert dict(result.summary.reasons) == {"No such file or directory": 1}
    for number in range(40):
        text = quick_cleaner.clean((source / f"{number}.txt").read_text("utf-8")).text
        assert (tmp_path / "out" / f"{number}.txt").read_text("utf-8") == f"{text}\n"


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut files of more than some thousand bytes into slices."""
    for module in (chunks, jsonlines, units):
        for name, value in (("SLICE_BYTES", 5_000), ("_SAMPLE_BYTES", 2_000), ("_FOLDER_BYTES", 1_000)):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)
    monkeypatch.setattr("classifier.batch.formats.SLICE_BYTES", 5_000)


def many_rows(path: Path, count: int) -> list[dict[str, Any]]:
    """Write and return rows, every seventh of which has no text."""
    rows = [
        {"id": number, "n": 5} if number % 7 == 6 else {"id": number, "text": f"{number} voted.\n{TEXT}"}
        for number in range(count)
    ]
    content = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    write(path, gzip.compress(content) if path.suffix == ".gz" else content)
    return rows


@pytest.mark.usefixtures("small_slices")
@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_file_in_slices_comes_out_in_order(tmp_path: Path, clean: CleanFolder, name: str, jobs: int) -> None:
    """All rows in their order, failures with the right lines, nothing left of the parts."""
    rows = many_rows(tmp_path / "in" / name, 200)
    clean(tmp_path / "in", tmp_path / "out", jobs=jobs)
    content = (tmp_path / "out" / name).read_bytes()
    found = [json.loads(line) for line in (gzip.decompress(content) if name.endswith("gz") else content).splitlines()]
    assert [row["id"] for row in found] == [row["id"] for row in rows if "text" in row]
    assert [row["line"] for row in rows_of(tmp_path / "out" / FAILURES)] == list(range(7, 201, 7))
    assert sorted(os.listdir(tmp_path / "out" / ".winnow")) == ["journal.jsonl", "lock"]
    units_done = [row for row in rows_of(tmp_path / "out" / ".winnow" / "journal.jsonl") if "unit" in row]
    assert len(units_done) > 2


@pytest.mark.usefixtures("small_slices")
@pytest.mark.parametrize("stop_after", range(1, 6))
def test_a_stopped_run_goes_on_where_it_stopped(
    source: Path, tmp_path: Path, clean: CleanFolder, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    """No finished unit is done again, and the end is as if it had not been stopped."""
    many_rows(source / "many.jsonl", 60)
    whole = clean(source, tmp_path / "whole")
    done: list[Any] = []
    numbered = run._numbered

    def count(unit: Any, work: Any) -> Any:
        if len(done) == stop_after:
            done.append(None)
            raise KeyboardInterrupt
        outcome = numbered(unit, work)
        done.append((unit.target, unit.part))
        return outcome

    monkeypatch.setattr(run, "_numbered", count)
    with pytest.raises(KeyboardInterrupt):
        clean(source, tmp_path / "out")
    result = clean(source, tmp_path / "out")
    done.remove(None)
    assert len(done) == len(set(done))
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert result.summary.to_row() == whole.summary.to_row()
    assert 0 < result.articles < whole.articles


def test_a_finished_run_does_nothing_again(source: Path, tmp_path: Path, clean: CleanFolder) -> None:
    """And tells the same figures."""
    first = clean(source, tmp_path / "out")
    before = {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in tree(tmp_path / "out")}
    again = clean(source, tmp_path / "out")
    assert again.articles == 0
    assert again.summary.to_row() == first.summary.to_row()
    assert {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in before} == before


@pytest.mark.parametrize(
    ("change", "articles"),
    [
        (lambda source, out: write(source / "a.txt", f"New.\n{TEXT}"), 1),
        (lambda source, out: write(source / "deep/er/c.jsonl", '{"text": "New."}\n'), 1),
        (lambda source, out: write(source / "ar" / "new.txt", TEXT), 5),
        (lambda source, out: (out / "deep/er/c.jsonl").unlink(), 3),
        (lambda source, out: (out / "white.txt").unlink(), 4),
        (lambda source, out: write(out / "a.txt", ""), 1),
        (lambda source, out: (source / "empty.jsonl").unlink(), 5),
    ],
    ids=["text", "rows", "new text", "rows lost", "empty text lost", "text torn", "gone"],
)
def test_what_has_changed_is_cleaned_again(
    source: Path, tmp_path: Path, clean: CleanFolder, change: Callable[[Path, Path], object], articles: int
) -> None:
    """An input that is new or another, an output that is not as it was left, with the texts of its unit; no others."""
    clean(source, tmp_path / "out")
    change(source, tmp_path / "out")
    result = clean(source, tmp_path / "out")
    assert result.articles == articles
    fresh = clean(source, tmp_path / "fresh")
    assert {name: contents(tmp_path / "out")[name] for name in tree(tmp_path / "fresh")} == contents(tmp_path / "fresh")
    assert result.summary.to_row() == fresh.summary.to_row()


def test_failures_are_tried_again_on_request(source: Path, tmp_path: Path, clean: CleanFolder) -> None:
    """Without the request a failed unit counts as finished; with it what had no failure is still not done again."""
    write(source / "big" / "a.jsonl", '{"text": "A"}\n{\n')
    (tmp_path / "out" / "ar" / "b.txt").mkdir(parents=True)
    first = clean(source, tmp_path / "out")
    assert [(row["path"], row["line"]) for row in rows_of(tmp_path / "out" / FAILURES)] == [
        ("ar/b.txt", 0),
        ("big/a.jsonl", 2),
    ]
    (tmp_path / "out" / "ar" / "b.txt").rmdir()
    assert clean(source, tmp_path / "out").articles == 0
    again = clean(source, tmp_path / "out", retry_failed=True)
    assert 0 < again.articles < first.articles
    assert [row["path"] for row in rows_of(tmp_path / "out" / FAILURES)] == ["big/a.jsonl"]
    assert "ar/b.txt" in tree(tmp_path / "out")


def test_what_a_kill_left_is_not_seen(source: Path, tmp_path: Path, clean: CleanFolder) -> None:
    """A row of the journal cut off, files in the making, parts of nothing: passed over, and gone at the end."""
    clean(source, tmp_path / "whole")
    clean(source, tmp_path / "out")
    own = tmp_path / "out" / ".winnow"
    journal = (own / "journal.jsonl").read_bytes()
    (own / "journal.jsonl").write_bytes(journal[:-20])
    write(own / "new-abc" / "tmp123", "torn")
    write(own / "parts" / "abc-00000", "torn")
    assert clean(source, tmp_path / "out").articles > 0
    assert clean(source, tmp_path / "out").articles == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert sorted(os.listdir(own)) == ["journal.jsonl", "lock"]


def test_a_second_run_at_the_same_time_is_refused(
    source: Path, tmp_path: Path, clean: CleanFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the first one is under way, and not after."""
    refused = []

    def try_too(progress: Progress) -> None:
        with pytest.raises(StoreBusyError, match="another run is under way"):
            clean(source, tmp_path / "out")
        refused.append(True)

    clean(source, tmp_path / "out", told=try_too)
    assert refused
    clean(source, tmp_path / "out")


def test_a_full_disk_stops_the_run_and_costs_nothing(
    source: Path, tmp_path: Path, clean: CleanFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says what to do, nothing is torn, and with room the run goes on."""
    clean(source, tmp_path / "whole")
    right, writes = os.replace, iter(range(100))

    def fill(*given: Any) -> None:
        if next(writes) >= 4:
            raise OSError(28, "No space left on device")
        right(*given)

    monkeypatch.setattr(os, "replace", fill)
    with pytest.raises(OutputError, match=r"No space left.*make room and give the same command again"):
        clean(source, tmp_path / "out")
    monkeypatch.undo()
    there = contents(tmp_path / "out")
    assert 0 < len(there) < len(contents(tmp_path / "whole"))
    assert there.items() <= contents(tmp_path / "whole").items()
    clean(source, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_an_output_that_cannot_be_made_is_a_named_failure(source: Path, tmp_path: Path, clean: CleanFolder) -> None:
    """A folder stands where the file should; the others are cleaned."""
    (tmp_path / "out" / "a.txt").mkdir(parents=True)
    write(tmp_path / "out" / "deep", "a file")
    clean(source, tmp_path / "out")
    assert [row["path"] for row in rows_of(tmp_path / "out" / FAILURES)] == ["a.txt", "deep/er/c.jsonl"]
    assert "ar/b.txt" in tree(tmp_path / "out")


def test_a_target_that_cannot_be_made_is_one_sentence(source: Path, tmp_path: Path, clean: CleanFolder) -> None:
    """Here a file is in the way of its folder."""
    write(tmp_path / "file", "in the way")
    with pytest.raises(OutputError, match="cannot be used"):
        clean(source, tmp_path / "file" / "out")


def test_an_error_nobody_thought_of_is_a_named_failure(
    source: Path, tmp_path: Path, clean: CleanFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stops the unit it befell, not the rest, and asks to be reported."""
    right = Cleaner.clean_many

    def fail(self: Cleaner, texts: list[str], *given: Any) -> Any:
        if any("المدارس" in text for text in texts):
            raise ZeroDivisionError("by nothing")
        return right(self, texts, *given)

    monkeypatch.setattr(Cleaner, "clean_many", fail)
    clean(source, tmp_path / "out")
    failures = rows_of(tmp_path / "out" / FAILURES)
    assert {"ar/b.txt", "ar/cp1256.txt"} <= {row["path"] for row in failures}
    assert "ZeroDivisionError: by nothing" in failures[0]["reason"]
    assert "deep/er/c.jsonl" in tree(tmp_path / "out")


def test_processes_that_die_are_replaced(
    source: Path, tmp_path: Path, clean: CleanFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run goes on with new ones, and gives up only when they die again and again with nothing done."""
    clean(source, tmp_path / "whole")
    right = run._Run._outcomes
    deaths: list[bool] = []

    def die(self: Any, jobs: int) -> Any:
        for number, outcome in enumerate(right(self, jobs)):
            if len(deaths) < limit and number:
                deaths.append(True)
                raise BrokenProcessPool("killed")
            yield outcome
        if len(deaths) < limit:
            deaths.append(True)
            raise BrokenProcessPool("killed")

    monkeypatch.setattr(run._Run, "_outcomes", die)
    limit = 2
    clean(source, tmp_path / "out")
    assert len(deaths) == 2
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    limit = 100
    with pytest.raises(WinnowError, match="fewer --jobs"):
        clean(source, tmp_path / "out")


@pytest.mark.parametrize("name", ["cleaned", "model", "id", "other"])
def test_the_text_may_not_stand_where_winnow_writes(
    source: Path, tmp_path: Path, clean: CleanFolder, name: str
) -> None:
    """A field that has another meaning is refused at once."""
    with pytest.raises(InputError, match="another meaning"):
        clean(source, tmp_path / "out", Settings(text_field=name))


def test_too_large_texts_are_named(source: Path, tmp_path: Path, clean: CleanFolder) -> None:
    """In bytes of UTF-8, files and rows; the message says what to do."""
    write(source / "large.txt", "é" * 300)
    write(source / "large.jsonl", json.dumps({"text": "é" * 300}) + "\n" + json.dumps({"text": "Small."}) + "\n")
    clean(source, tmp_path / "out", replace(EVERYTHING, most_bytes=599))
    failures = rows_of(tmp_path / "out" / FAILURES)
    assert [(row["path"], row["line"]) for row in failures] == [("large.jsonl", 1), ("large.txt", 0)]
    assert all("--max-bytes" in row["reason"] for row in failures)
    assert [row["text"] for row in rows_of(tmp_path / "out" / "large.jsonl")] == ["Small."]
    assert clean(source, tmp_path / "more", replace(EVERYTHING, most_bytes=600)).summary.failures == 0


def test_figures_are_reported(source: Path, tmp_path: Path, clean: CleanFolder) -> None:
    """`report.json` has the sums over all runs; what depends on the machine stands apart."""
    clean(source, tmp_path / "out")
    report = json.loads((tmp_path / "out" / REPORT).read_text("utf-8"))
    assert (report["articles"], report["files"], report["failures"]) == (8, 7, {"total": 0, "by_reason": {}})
    assert report["characters"]["read"] == report["characters"]["kept"] > 0
    assert report["by_folder"]["ar"]["articles"] == 2
    assert report["run"]["articles"] == 8
    clean(source, tmp_path / "out")
    again = json.loads((tmp_path / "out" / REPORT).read_text("utf-8"))
    assert again.pop("run")["articles"] == 0
    assert again == {name: value for name, value in report.items() if name != "run"}


@pytest.mark.usefixtures("small_slices")
def test_texts_become_rows_of_one_file_a_folder(source: Path, tmp_path: Path, clean: CleanFolder) -> None:
    """In the order of their names, each with its own name and encoding."""
    for number in range(30):
        write(source / "ar" / f"more-{number:02d}.txt", TEXT)
    clean(source, tmp_path / "out", replace(EVERYTHING, to="jsonl"))
    assert tree(tmp_path / "out") == {"texts.jsonl", "ar/texts.jsonl", "deep/er/c.jsonl", "empty.jsonl"}
    rows = rows_of(tmp_path / "out" / "ar" / "texts.jsonl")
    more = [f"ar/more-{number:02d}.txt" for number in range(30)]
    assert [row["id"] for row in rows] == ["ar/b.txt", "ar/cp1256.txt", *more]
    assert [row["encoding"] for row in rows[:2]] == ["utf-8", "cp1256"]
    assert rows[5]["text"] == TEXT.rstrip()
    assert clean(source, tmp_path / "out", replace(EVERYTHING, to="jsonl")).articles == 0
    (source / "ar" / "more-07.txt").unlink()
    clean(source, tmp_path / "out", replace(EVERYTHING, to="jsonl"))
    assert len(rows_of(tmp_path / "out" / "ar" / "texts.jsonl")) == 31


@pytest.mark.usefixtures("small_slices")
@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_rows_become_texts_named_after_their_lines(tmp_path: Path, clean: CleanFolder, name: str) -> None:
    """In a folder of the file's name."""
    rows = many_rows(tmp_path / "in" / name, 100)
    settings = replace(EVERYTHING, to="text")
    clean(tmp_path / "in", tmp_path / "out", settings)
    expected = {f"{name}/{row['id'] + 1:08d}.txt" for row in rows if "text" in row}
    assert tree(tmp_path / "out") - {FAILURES} == expected
    assert (tmp_path / "out" / name / "00000011.txt").read_text("utf-8") == f"10 voted.\n{TEXT}"
    assert clean(tmp_path / "in", tmp_path / "out", settings).articles == 0


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
def test_spans_need_rows(tmp_path: Path, clean: CleanFolder, name: str) -> None:
    """Texts have no place for them, which is told before anything is done."""
    write(tmp_path / "in" / name, '{"text": "A"}')
    settings = Settings(spans=True, to="text" if name == "a.jsonl" else None)
    with pytest.raises(InputError, match="--to jsonl"):
        clean(tmp_path / "in", tmp_path / "out", settings)
    assert not (tmp_path / "out").exists()


def test_spans_leave_the_record_as_it_was(tmp_path: Path, clean: CleanFolder, quick_cleaner: Cleaner) -> None:
    """Its raw text too, into which they point; what is left stands beside it."""
    row = {"id": 1, "body": TEXT, "tags": ["a"]}
    write(tmp_path / "in" / "a.jsonl", json.dumps(row))
    clean(tmp_path / "in", tmp_path / "out", Settings(spans=True, text_field="body"))
    (found,) = rows_of(tmp_path / "out" / "a.jsonl")
    article = quick_cleaner.clean(TEXT)
    assert {name: found[name] for name in row} == row
    assert (found["cleaned"], found["model"]) == (article.text, article.model)
    assert [(one["start"], one["end"], one["label"]) for one in found["paragraphs"]] == [
        (one.start, one.end, one.label) for one in article.paragraphs
    ]


def test_a_place_behind_a_url_does_as_a_folder_does(source: Path, tmp_path: Path, clean: CleanFolder) -> None:
    """Through fsspec, with more than one process, to and fro, and going on."""
    pytest.importorskip("fsspec")
    clean(source, tmp_path / "here")
    for number, (one, other) in enumerate(
        [(f"local://{source}", str(tmp_path / "b")), (str(source), f"local://{tmp_path}/c")]
    ):
        result = clean(one, other, jobs=2)
        assert result.summary.articles == 8
        assert clean(one, other).articles == 0
        assert contents(tmp_path / "bc"[number]) == contents(tmp_path / "here")


def test_a_url_does_not_hide_that_folders_lie_within_each_other(source: Path, clean: CleanFolder) -> None:
    """Of the same machine."""
    pytest.importorskip("fsspec")
    with pytest.raises(InputError, match="lie within each other"):
        clean(source, f"local://{source}/out")


def test_a_plan_that_fails_ends_the_run(
    source: Path, tmp_path: Path, clean: CleanFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a sentence, with one process as with more, and does not leave it waiting."""
    right = units.plan

    def fail(*given: Any) -> Any:
        yield next(iter(right(*given)))
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(run, "plan", fail)
    for jobs in (1, 2):
        with pytest.raises(OutputError, match="Input/output error"):
            clean(source, tmp_path / "out", jobs=jobs)


def test_an_input_that_is_broken_now_is_not_tried_each_time(source: Path, tmp_path: Path, clean: CleanFolder) -> None:
    """Though an output of what it was is still there."""
    rows = write(source / "a.jsonl.gz", gzip.compress(b'{"text": "A"}'))
    clean(source, tmp_path / "out")
    rows.unlink()
    rows.symlink_to(source / "a.jsonl.gz.none")
    write(source / "a.parquet", b"PAR1")
    assert clean(source, tmp_path / "out").summary.failures == 2
    again = clean(source, tmp_path / "out")
    assert (again.summary.failures, again.articles) == (2, 0)


def test_a_url_in_memory_will_do(source: Path, tmp_path: Path, clean: CleanFolder) -> None:
    """A place that is no file system at all."""
    memory = pytest.importorskip("fsspec").filesystem("memory")
    memory.put(str(source), "/batch/in", recursive=True)
    clean("memory://batch/in", "memory://batch/out")
    clean(source, tmp_path / "here")
    there = {name.removeprefix("/batch/out/"): memory.cat(name) for name in memory.find("/batch/out")}
    assert {name: there[name] for name in tree(tmp_path / "here")} == contents(tmp_path / "here")
    assert clean("memory://batch/in", "memory://batch/out").articles == 0
    with pytest.raises(InputError, match="lie within each other"):
        clean("memory://batch/in", "memory://batch/in/out")
    memory.rm("/batch", recursive=True)


@pytest.mark.parametrize(
    ("address", "message"), [("nothing://here", "cannot be opened"), ("memory://not/there", "is no folder")]
)
def test_a_url_that_cannot_be_opened_is_one_sentence(
    tmp_path: Path, clean: CleanFolder, address: str, message: str
) -> None:
    """Whatever is wrong with it."""
    pytest.importorskip("fsspec")
    with pytest.raises(InputError, match=message):
        clean(address, tmp_path / "out")
