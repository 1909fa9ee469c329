"""The command `winnow`: what it reads, writes and says, and with which exit status."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from classifier import evaluation
from classifier.cleaning import Cleaner
from classifier.cli import main
from classifier.labels import LABELS, LabelledArticle
from classifier.model import Model
from classifier.registry import ModelStore
from classifier.resources import default_model
from classifier.store import ModelCard, load_card

ROOT = Path(__file__).parents[2]
TEXT = (
    "Council approves bus lanes\n"
    "The city council voted 14 to 9 on Tuesday for new bus lanes on the ring road.\n"
    "All rights reserved.\n"
)
ONE, TWO, NEW = "winnow-000000000001", "winnow-000000000002", "winnow-000000000003"
KEEP_ALL = [word for label in LABELS for word in ("--keep", label.value)]


def commands(group: click.Group = main, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command and group."""
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def winnow(*words: str | Path, given: str | bytes | None = None) -> Result:
    """Run a command and return what came of it."""
    result = CliRunner().invoke(main, [str(word) for word in words], input=given)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def model(quick_folder: Path) -> list[str]:
    """The option that names the quick model."""
    return ["--model", str(quick_folder)]


@pytest.fixture
def article(tmp_path: Path) -> Path:
    """A raw article as a file."""
    path = tmp_path / "article.txt"
    path.write_text(TEXT, "utf-8")
    return path


@pytest.mark.parametrize("words", [(), *commands()], ids=" ".join)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_explains_itself(words: tuple[str, ...], option: str) -> None:
    """Help is there for each, and says more than how to call it."""
    result = winnow(*words, option)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: main {' '.join(words)}".rstrip())
    assert re.search(r"\n\n  [A-Z](?s:.*?)\.\n", result.stdout)


@pytest.mark.parametrize("words", [*commands()], ids=" ".join)
def test_every_command_is_in_the_readme(words: tuple[str, ...]) -> None:
    """Who reads the README knows of it."""
    readme = (ROOT / "README.md").read_text("utf-8")
    if not re.search(r"^#+ .*command", readme, re.MULTILINE | re.IGNORECASE):
        pytest.skip("README.md has no section on commands yet")
    assert f"winnow {' '.join(words)}" in readme


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        *([name, "--help"] for name in ("clean", "batch", "train", "evaluate", "serve", "models")),
    ],
)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    """The command line answers at once: what a command needs is imported when it runs."""
    code = (
        "import sys\nfrom classifier.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as exit:\n    assert not exit.code\n"
        "print('\\n' + ' '.join(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    imported = set(run.stdout.split("\n")[-2].split())
    assert "click" in imported
    heavy = {"numpy", "scipy", "sklearn", "joblib", "sentencex", "charset_normalizer", "flask", "jinja2", "pydantic"}
    assert not heavy & imported


def test_a_file_is_cleaned_to_standard_output(article: Path, model: list[str], quick_cleaner: Cleaner) -> None:
    """What is left and a line break; nothing on standard error."""
    result = winnow("clean", article, *model)
    assert (result.exit_code, result.stdout, result.stderr) == (0, quick_cleaner.clean(TEXT).text + "\n", "")


@pytest.mark.parametrize("words", [[], ["-"]], ids=["no file", "dash"])
def test_standard_input_is_cleaned_when_there_is_no_file(
    model: list[str], quick_cleaner: Cleaner, words: list[str]
) -> None:
    """The same as from a file."""
    result = winnow("clean", *words, *model, given=TEXT)
    assert (result.exit_code, result.stdout) == (0, quick_cleaner.clean(TEXT).text + "\n")


def test_several_files_are_cleaned_in_order(article: Path, tmp_path: Path, model: list[str]) -> None:
    """One after another, standard input among them where a dash stands."""
    other = tmp_path / "other.txt"
    other.write_text("قال الوزير إن المدارس ستفتح أبوابها.\n", "utf-8")
    result = winnow("clean", article, "-", other, *KEEP_ALL, *model, given="From standard input.")
    assert result.exit_code == 0
    assert result.stdout == TEXT + "From standard input.\n" + "قال الوزير إن المدارس ستفتح أبوابها.\n"


@pytest.mark.parametrize("text", ["", " \n\n"])
def test_no_ink_is_no_output(model: list[str], text: str) -> None:
    """An empty text leaves nothing, not a blank line."""
    result = winnow("clean", *model, given=text)
    assert (result.exit_code, result.stdout) == (0, "")


@pytest.mark.parametrize("keep", [["core"], ["social", "promo"], [label.value for label in LABELS]], ids=" ".join)
def test_keep_says_which_labels_stay(model: list[str], quick_cleaner: Cleaner, keep: list[str]) -> None:
    """It may be given more than once."""
    result = winnow("clean", *(word for label in keep for word in ("--keep", label)), *model, given=TEXT)
    labels = [label for label in LABELS if label.value in keep]
    assert result.stdout.rstrip("\n") == quick_cleaner.clean(TEXT, labels).text


def test_json_tells_the_whole_result(article: Path, tmp_path: Path, model: list[str], quick_cleaner: Cleaner) -> None:
    """One object a line for each file, with its name and encoding."""
    arabic = tmp_path / "cp1256.txt"
    arabic.write_bytes(("قال الوزير إن المدارس ستفتح أبوابها يوم الأحد في جميع المحافظات.\n" * 3).encode("cp1256"))
    result = winnow("clean", "--json", article, arabic, *model)
    first, second = [json.loads(line) for line in result.stdout.splitlines()]
    expected = quick_cleaner.clean(TEXT)
    assert (first["file"], first["encoding"]) == (str(article), "utf-8")
    assert (first["text"], first["model"]) == (expected.text, expected.model)
    assert [(one["start"], one["end"], one["label"], one["confidence"]) for one in first["paragraphs"]] == [
        (one.start, one.end, one.label, one.confidence) for one in expected.paragraphs
    ]
    assert second["encoding"] == "cp1256"


def test_jsonl_answers_row_by_row(model: list[str], quick_cleaner: Cleaner) -> None:
    """Rows come back in order with their other fields; a bad one is named by line, and the status is 1."""
    rows = [json.dumps({"id": 1, "text": TEXT, "site": "قسم"}, ensure_ascii=False), "", "{", json.dumps({"text": "B"})]
    result = winnow("clean", "--jsonl", *model, given="\n".join(rows))
    first, second = [json.loads(line) for line in result.stdout.splitlines()]
    assert (first["id"], first["site"], first["text"]) == (1, "قسم", quick_cleaner.clean(TEXT).text)
    assert "id" not in second
    assert result.exit_code == 1
    assert result.stderr.startswith("winnow: standard input:3: it is not JSON")


def test_odd_characters_are_written_as_they_stood(model: list[str]) -> None:
    """Bytes go out as they came in, line breaks and NUL among them."""
    text = "The council\x00 \u202bvoted\u202c\r\non Tuesday 😀."
    result = winnow("clean", *KEEP_ALL, *model, given=text.encode())
    assert result.stdout_bytes == text.encode() + b"\n"


def test_half_a_surrogate_pair_is_escaped(model: list[str]) -> None:
    """JSON can hold what UTF-8 cannot."""
    result = winnow("clean", "--jsonl", *KEEP_ALL, *model, given=b'{"text": "The council \\ud83d voted."}')
    assert result.exit_code == 0
    assert json.loads(result.stdout)["text"] == "The council \ud83d voted."


@pytest.mark.parametrize(("name", "content"), [("none.txt", None), ("folder", None), ("binary.txt", bytes(range(256)))])
@pytest.mark.parametrize("options", [[], ["--json"], ["--jsonl"]], ids=["text", "json", "jsonl"])
def test_what_cannot_be_read_is_named_and_the_others_are_done(
    tmp_path: Path, model: list[str], name: str, content: bytes | None, options: list[str]
) -> None:
    """The status is 1, and standard error names the file in a sentence of Winnow's own."""
    good = tmp_path / "good.txt"
    good.write_text(json.dumps({"text": "The council voted."}) + "\n", "utf-8")
    (tmp_path / "folder").mkdir()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    result = winnow("clean", *options, *KEEP_ALL, tmp_path / name, good, *model)
    assert result.exit_code == 1
    assert "The council voted." in result.stdout
    assert result.stderr.startswith(f"winnow: {tmp_path / name}:")


@pytest.mark.parametrize(
    "words",
    [
        ["unknown"],
        ["clean", "--unknown"],
        ["clean", "--keep", "news"],
        ["clean", "--json", "--jsonl"],
        ["clean", "--model", __file__],
        ["batch", "only-one"],
        ["batch", "a", "b", "--jobs", "0"],
        ["batch", "a", "b", "--jobs", "many"],
        ["batch", "a", "b", "--jobs", "2", "--cluster", "tcp://a:1"],
        ["batch", "a", "b", "--to", "csv"],
        ["batch", "a", "b", "--max-bytes", "0"],
        ["train", "--add-weight", "0"],
        ["train", "--store", "a", "--output", "b"],
        ["train", "--no-use"],
        ["train", "--no-use", "--output", "a"],
        ["models", "use"],
        ["models", "use", "winnow-000000000001"],
        ["models", "use", "--store", "a"],
        ["models", "show", "--store", "a"],
        ["models", "list", "--store", __file__],
        ["evaluate", "--gold", "a.jsonl", "--seeds", "b"],
        ["evaluate", "--folds", "1"],
        ["seeds", "check", "a", "b"],
        ["seeds", "unknown"],
        ["serve", "--port", "70000"],
        ["serve", "--workers", "0"],
    ],
    ids=" ".join,
)
def test_wrong_use_is_told_before_anything_is_done(words: list[str]) -> None:
    """Exit status 2, usage on standard error, nothing on standard output."""
    result = winnow(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: " in result.stderr


@pytest.mark.parametrize(
    "words", [["clean"], ["batch", "{tmp}", "{tmp}-out"], ["evaluate", "--gold", "{tmp}/gold.jsonl"]]
)
def test_a_model_that_cannot_be_used_is_one_sentence(tmp_path: Path, words: list[str]) -> None:
    """Exit status 1 and no traceback."""
    (tmp_path / "a.txt").write_text(TEXT, "utf-8")
    (tmp_path / "gold.jsonl").write_text('{"id": "a", "text": "A", "paragraphs": [[0, 1, "core"]]}', "utf-8")
    result = winnow(*(word.format(tmp=tmp_path) for word in words), "--model", tmp_path / "none")
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.fullmatch(r"(?s).*winnow: there is no model in .*winnow train.*\n", result.stderr)


@pytest.mark.parametrize(
    ("environment", "message"),
    [({"WINNOW_QUEUE": "many"}, "WINNOW_QUEUE is 'many'"), ({"WINNOW_MODEL": "{tmp}"}, "there is no model in")],
    ids=["a setting", "a model"],
)
def test_a_service_that_cannot_start_leaves_nothing_behind(
    tmp_path: Path, environment: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence, and no folder among the temporary ones, where a supervisor would add another with each attempt."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(tmp=tmp_path))
    result = winnow("serve")
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_service_without_a_temporary_folder_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence, exit status 2."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    monkeypatch.setattr("service.server.serve", lambda *given: None)
    result = winnow("serve")
    assert (result.exit_code, result.stdout) == (2, "")
    assert re.fullmatch(r"winnow: no temporary folder can be made \(.*\); set TMPDIR to .*\n", result.stderr)


def test_the_environment_names_the_model(
    article: Path, quick_folder: Path, quick_cleaner: Cleaner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WINNOW_MODEL is the same as --model, which wins."""
    monkeypatch.setenv("WINNOW_MODEL", str(quick_folder))
    assert json.loads(winnow("clean", "--json", article).stdout)["model"] == quick_cleaner.model.identifier
    assert winnow("clean", article, "--model", quick_folder / "none").exit_code == 1


@pytest.fixture
def store(two_versions: Path, tmp_path: Path) -> ModelStore:
    """A model store with two versions, the first in use."""
    return ModelStore(Path(shutil.copytree(two_versions, tmp_path / "store")))


def model_used(*words: str | Path) -> str:
    """Return the identifier of the model with which `clean` answers."""
    return str(json.loads(winnow("clean", "--json", *words, given=TEXT).stdout)["model"])


def test_the_model_is_the_one_named_or_else_the_stores_or_else_the_shipped(
    store: ModelStore, tmp_path: Path, model: list[str], quick_cleaner: Cleaner
) -> None:
    """The store's is the one in use at the time."""
    shipped = load_card(default_model()).identifier
    assert model_used() == model_used("--store", tmp_path / "new") == shipped
    assert model_used("--store", store.directory) == ONE
    store.use(TWO)
    assert model_used("--store", store.directory) == TWO
    assert model_used("--store", store.directory, *model) == quick_cleaner.model.identifier


@pytest.mark.parametrize(
    ("environment", "typed", "used"),
    [
        (["STORE"], [], "store"),
        (["MODEL", "STORE"], [], "model"),
        (["MODEL"], ["store"], "store"),
        (["STORE"], ["model"], "model"),
        (["MODEL", "STORE"], ["store"], "store"),
        (["MODEL", "STORE"], ["model"], "model"),
        (["MODEL", "STORE"], ["model", "store"], "model"),
    ],
)
def test_what_is_typed_goes_before_the_environment(
    store: ModelStore,
    quick_folder: Path,
    quick_cleaner: Cleaner,
    monkeypatch: pytest.MonkeyPatch,
    environment: list[str],
    typed: list[str],
    used: str,
) -> None:
    """And of two that are equally near the model goes before the store."""
    places = {"model": quick_folder, "store": store.directory}
    for name in environment:
        monkeypatch.setenv(f"WINNOW_{name}", str(places[name.lower()]))
    words = [word for name in typed for word in (f"--{name}", places[name])]
    assert model_used(*words) == {"model": quick_cleaner.model.identifier, "store": ONE}[used]


def test_a_store_serves_every_command_that_takes_a_model(
    store: ModelStore, tmp_path: Path, gold: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batch, evaluate and the service use its current model."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text(json.dumps({"text": TEXT}), "utf-8")
    result = winnow("batch", tmp_path / "in", tmp_path / "out", "--jobs", "1", "--store", store.directory)
    assert result.exit_code == 0, result.stderr
    assert json.loads((tmp_path / "out" / "a.jsonl").read_text("utf-8"))["model"] == ONE
    result = winnow("evaluate", "--gold", gold, "--report", tmp_path / "report", "--store", store.directory)
    assert result.exit_code == 0, result.stderr
    assert f"Model {ONE} on" in (tmp_path / "report" / "index.html").read_text("utf-8")
    served = []
    monkeypatch.setattr("service.server.serve", lambda *given: served.append((given[-1].model, given[-1].store)))
    assert winnow("serve", "--store", store.directory).exit_code == 0
    assert served == [(None, store.directory)]


@pytest.mark.parametrize(
    "words", [["clean"], ["batch", "{tmp}", "{tmp}-out"], ["evaluate", "--gold", "{tmp}/gold.jsonl"], ["serve"]]
)
def test_a_store_that_cannot_be_used_is_one_sentence(
    store: ModelStore, tmp_path: Path, gold: Path, words: list[str]
) -> None:
    """It names the command that mends it; exit status 1."""
    (store.directory / "current").write_text("nonsense", "utf-8")
    result = winnow(*(word.format(tmp=tmp_path) for word in words), "--store", store.directory)
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.fullmatch(r"(?s).*winnow: .*current names no model.*winnow models use ID.*\n", result.stderr)


def test_models_are_listed(store: ModelStore) -> None:
    """A line each, oldest first: name, date, seeds and figures, with a star before the one in use."""
    shipped = load_card(default_model())
    result = winnow("models", "list", "--store", store.directory)
    assert (result.exit_code, result.stderr) == (0, "")
    first, second, third = result.stdout.splitlines()
    assert re.fullmatch(rf"\* {ONE}  2001-01-01T00:00:00Z  60 seeds; .*core recall [01]\.\d{{3}}, .*", first)
    assert second.startswith(f"  {TWO}  2002-01-01T00:00:00Z  60 seeds; ")
    assert third.startswith(f"  {shipped.identifier}  {shipped.created}  {shipped.seeds['articles']} seeds; ")


def test_models_are_listed_when_none_is_in_use(store: ModelStore) -> None:
    """So that one can be chosen; what is wrong follows, with status 1."""
    (store.directory / "current").write_text("nonsense", "utf-8")
    result = winnow("models", "list", "--store", store.directory)
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 3
    assert "*" not in result.stdout
    assert "winnow models use ID" in result.stderr


def test_a_model_is_taken_into_use_by_its_name(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment can name the store; another name is told with status 1, and changes nothing."""
    monkeypatch.setenv("WINNOW_STORE", str(store.directory))
    result = winnow("models", "use", TWO)
    assert (result.exit_code, result.stdout) == (0, f"{TWO} is now in use\n")
    assert store.current() == TWO
    result = winnow("models", "use", "../store")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("winnow: there is no model '../store' in the store; ")
    assert store.current() == TWO


def test_a_model_is_shown_as_json(store: ModelStore) -> None:
    """What its card says, without what is for machines; also the one that ships, with a store or without."""
    card = load_card(store.path(TWO))
    result = winnow("models", "show", TWO, "--store", store.directory)
    assert result.exit_code == 0
    shown = json.loads(result.stdout)
    assert (shown["identifier"], shown["figures"], shown["languages"]) == (TWO, card.figures, card.languages)
    assert not {"held_out", "self_test"} & set(shown)
    shipped = load_card(default_model()).identifier
    assert winnow("models", "show", shipped).stdout == winnow("models", "show", shipped, "--store", "new").stdout
    result = winnow("models", "show", TWO)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "name its store with --store" in result.stderr


def test_without_a_store_the_shipped_model_is_listed() -> None:
    """It is in use."""
    result = winnow("models", "list")
    assert result.stdout.startswith(f"* {load_card(default_model()).identifier}  ")
    assert len(result.stdout.splitlines()) == 1


Training = Callable[[Mapping[str, str]], list[LabelledArticle]]


@pytest.fixture
def training(version: Callable[..., tuple[Model, ModelCard]], monkeypatch: pytest.MonkeyPatch) -> Training:
    """Lets training give a third model at once, with a card that holds out what is given; the articles it was given
    come back in a list.
    """

    def give(held_out: Mapping[str, str]) -> list[LabelledArticle]:
        given: list[LabelledArticle] = []

        def train(articles: list[LabelledArticle], report: object) -> tuple[Model, ModelCard]:
            given.extend(articles)
            return version(NEW, held_out=held_out)

        monkeypatch.setattr("classifier.training.train", train)
        return given

    return give


@pytest.fixture
def as_before(quick: tuple[Model, ModelCard]) -> dict[str, str]:
    """What was held out of the model in use, counted as it was."""
    return dict(quick[1].held_out)


@pytest.fixture
def all_lost(as_before: dict[str, str]) -> dict[str, str]:
    """The same articles, with all that is core taken for promo."""
    return {key: " ".join(["0", "0", "0", "9", *row.split()[4:]]) for key, row in as_before.items()}


def test_a_trained_model_no_worse_goes_into_use(
    store: ModelStore, seed_folder: Path, training: Training, as_before: dict[str, str]
) -> None:
    """After it was added and compared with the one in use."""
    training(as_before)
    result = winnow("train", "--seeds", seed_folder, "--store", store.directory)
    assert (result.exit_code, result.stderr) == (0, "")
    added, compared, used = result.stdout.splitlines()
    assert added.startswith(f"{NEW} added to {store.directory}: on seeds held out, core recall ")
    assert compared.startswith(f"beside {ONE}, in use, it is no worse: on {len(as_before)} articles held out of both, ")
    assert used == f"{NEW} is now in use"
    assert store.load().identifier == NEW


@pytest.mark.parametrize("case", ["worse", "not compared", "no counts", "not to be used"])
def test_the_model_in_use_stays_unless_the_new_one_is_no_worse(
    store: ModelStore,
    seed_folder: Path,
    training: Training,
    as_before: dict[str, str],
    all_lost: dict[str, str],
    case: str,
) -> None:
    """The new one is in the store all the same, and the command that takes it is named."""
    training({"worse": all_lost, "not compared": {}, "no counts": as_before, "not to be used": as_before}[case])
    if case == "no counts":
        card = json.loads((store.path(ONE) / "card.json").read_text("utf-8"))
        (store.path(ONE) / "card.json").write_text(json.dumps({**card, "held_out": {}}), "utf-8")
    option = ["--no-use"] if case == "not to be used" else []
    result = winnow("train", "--seeds", seed_folder, "--store", store.directory, *option)
    assert (result.exit_code, result.stderr) == (0, "")
    told = {
        "worse": "it is worse, by more than",
        "not compared": "it cannot be compared: no article",
        "no counts": f"it cannot be compared: the card of {ONE}",
        "not to be used": "it is no worse",
    }
    assert f"beside {ONE}, in use, {told[case]}" in result.stdout
    assert result.stdout.endswith(f"\n{ONE} stays in use; 'winnow models use {NEW}' takes the new model\n")
    assert store.current() == ONE
    assert winnow("models", "use", NEW, "--store", store.directory).exit_code == 0
    assert store.load().identifier == NEW


def test_a_new_model_is_kept_when_the_one_in_use_is_damaged(
    store: ModelStore, seed_folder: Path, training: Training, as_before: dict[str, str]
) -> None:
    """Standard error says why they were not compared; nothing is taken into use unasked."""
    training(as_before)
    (store.directory / "current").write_text("nonsense", "utf-8")
    result = winnow("train", "--seeds", seed_folder, "--store", store.directory)
    assert result.exit_code == 0
    assert "is not compared with the one in use: " in result.stderr
    assert f"'winnow models use {NEW}' takes the new model" in result.stdout
    assert (store.directory / "current").read_text("utf-8") == "nonsense"
    assert NEW in [card.identifier for card in store.cards()]


def test_one_training_at_a_time(store: ModelStore, seed_folder: Path, training: Training) -> None:
    """A second one in the same store is told at once, with status 1, and does nothing."""
    given = training({})
    with store.training_lock():
        result = winnow("train", "--seeds", seed_folder, "--store", store.directory)
    assert (result.exit_code, result.stdout, given) == (1, "", [])
    assert result.stderr.startswith("winnow: another training is under way in ")


def test_an_output_that_is_typed_goes_before_a_store_of_the_environment(
    store: ModelStore, tmp_path: Path, seed_folder: Path, training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is left alone, and the comparison is with the model that ships."""
    training({})
    monkeypatch.setenv("WINNOW_STORE", str(store.directory))
    result = winnow("train", "--seeds", seed_folder, "--output", tmp_path / "model")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(f"{NEW} saved in {tmp_path / 'model'}: ")
    assert f"\nbeside {load_card(default_model()).identifier}, which ships, it " in result.stdout
    assert load_card(tmp_path / "model").identifier == NEW
    assert NEW not in [card.identifier for card in store.cards()]


def test_an_added_article_is_in_the_same_fold_wherever_it_lies(
    tmp_path: Path, seed_folder: Path, few_seeds: list[LabelledArticle], training: Training
) -> None:
    """Its group does not name the folder, so that a model can be compared with one trained before a move."""
    given = training({})
    groups = []
    for folder in ("mine", "moved/mine"):
        own = tmp_path / folder / "en"
        own.mkdir(parents=True)
        shutil.copy(few_seeds[30].origin, own)
        given.clear()
        result = winnow("train", "--seeds", seed_folder, "--add", own.parent, "--output", tmp_path / "model")
        assert result.exit_code == 0, result.stderr
        groups.append([article.group for article in given[24:]])
    assert groups[0] == groups[1] == [groups[0][0]] * 4
    assert groups[0][0] not in {article.group for article in given[:24]}


def test_batch_cleans_a_folder(tmp_path: Path, article: Path, model: list[str], quick_cleaner: Cleaner) -> None:
    """What became of it stands on standard error; standard output stays empty."""
    source = tmp_path / "in"
    source.mkdir()
    shutil.copy(article, source)
    result = winnow("batch", source, tmp_path / "out", "--jobs", "1", *model)
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"1 articles of 1 files cleaned into {tmp_path / 'out'}; 0 failures" in result.stderr
    assert (tmp_path / "out" / "article.txt").read_text("utf-8") == quick_cleaner.clean(TEXT).text + "\n"


def test_batch_names_failures(tmp_path: Path, article: Path, model: list[str]) -> None:
    """Exit status 1, their number and where they are listed."""
    source = tmp_path / "in"
    source.mkdir()
    shutil.copy(article, source)
    (source / "bad.jsonl").write_text('{"text": 5}\n{\n{"text": "A"}\n', "utf-8")
    result = winnow("batch", source, tmp_path / "out", "--jobs", "1", "--keep", "social", *model)
    assert result.exit_code == 1
    assert f"2 articles of 2 files cleaned into {tmp_path / 'out'}; 2 failures" in result.stderr
    assert str(tmp_path / "out" / "failures.jsonl") in result.stderr


def test_batch_tells_figures_and_makes_a_page(tmp_path: Path, article: Path, model: list[str]) -> None:
    """In words on standard error, as report.json, and as a page with the articles that lost most."""
    (tmp_path / "in").mkdir()
    shutil.copy(article, tmp_path / "in")
    words: list[str | Path] = ["--jobs", "1", "--keep", "social", "--report", tmp_path / "report"]
    result = winnow("batch", tmp_path / "in", tmp_path / "out", *words, *model)
    assert result.exit_code == 0, result.stderr
    assert re.search(r"\nremoved +\d+ +[\d.]+ %  core\n", result.stderr)
    assert re.search(r"\nrate +[\d,]+  articles and ", result.stderr)
    assert json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))["keep"] == ["social"]
    assert "The city council voted" in (tmp_path / "report" / "index.html").read_text("utf-8")


def test_batch_goes_on_and_begins_anew(tmp_path: Path, article: Path, model: list[str]) -> None:
    """What is finished is not done again but on request; what is done in another way needs one."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text(json.dumps({"body": TEXT}) + "\n{\n", "utf-8")
    words: list[str | Path] = ["batch", tmp_path / "in", tmp_path / "out", "--jobs", "1", "--field", "body", *model]
    assert "\nrate" in winnow(*words).stderr
    assert "\nrate" not in winnow(*words).stderr
    assert "\nrate" in winnow(*words, "--retry-failed").stderr
    refused = winnow(*words, "--spans")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "--restart" in refused.stderr
    assert winnow(*words, "--spans", "--restart").exit_code == 1
    assert json.loads((tmp_path / "out" / "a.jsonl").read_text("utf-8"))["body"] == TEXT


def test_batch_shows_progress_in_a_terminal_only(tmp_path: Path, article: Path, quick_folder: Path) -> None:
    """A bar with rate, time left and failures; nothing of it in a log."""
    (tmp_path / "in").mkdir()
    shutil.copy(article, tmp_path / "in")
    words = [sys.executable, "-c", "from classifier.cli import main; main()", "batch", "in", "out", "--jobs", "1"]
    wide = ["sh", "-c", 'stty rows 40 cols 120; exec "$@"', "sh"]
    terminal = [sys.executable, "-c", "import pty, sys; pty.spawn(sys.argv[1:])", *wide]
    shown, log = (
        subprocess.run(
            [*start, *words, "--restart", "--model", str(quick_folder)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        for start in (terminal, [])
    )
    assert re.search(r"100%.*\|.*B/s.*articles=1, failed=0", shown.stdout)
    assert "%|" not in log.stderr
    assert "articles=" not in log.stderr


@pytest.mark.parametrize("target", ["in/out", "in", "."])
def test_batch_refuses_folders_within_each_other(tmp_path: Path, article: Path, model: list[str], target: str) -> None:
    """In one sentence, with status 1."""
    (tmp_path / "in").mkdir()
    shutil.copy(article, tmp_path / "in")
    result = winnow("batch", tmp_path / "in", tmp_path / target, *model)
    assert result.exit_code == 1
    assert "lie within each other" in result.stderr


@pytest.fixture
def gold(tmp_path: Path, few_seeds: list[LabelledArticle]) -> Path:
    """Six labelled articles as JSON Lines; the identifier of the first holds half a surrogate pair."""
    path = tmp_path / "gold.jsonl"
    rows = [
        {
            "id": one.identifier if number else f"{one.identifier}\ud83d",
            "text": one.text,
            "paragraphs": one.spans,
            "lang": one.language,
        }
        for number, one in enumerate(few_seeds[:6])
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def test_evaluate_measures_a_model_on_gold(gold: Path, model: list[str], few_seeds: list[LabelledArticle]) -> None:
    """Core recall comes first; the other figures follow, those by label and language, and the worst articles."""
    table = winnow("evaluate", "--gold", gold, *model)
    assert table.exit_code == 0
    lines = table.stdout.split("\n")
    assert re.fullmatch(r"articles +6", lines[0])
    assert re.match(r"core recall +[01]\.\d{3} ", lines[1])
    for word in (*LABELS, *(one.language for one in few_seeds[:6])):
        assert re.search(rf"^{word} ", table.stdout, re.MULTILINE)
    figures = json.loads(winnow("evaluate", "--json", "--gold", gold, *model).stdout)
    assert figures["figures"]["articles"] == 6
    assert f"{figures['figures']['core_recall']:.3f}" in lines[1]
    error = figures["figures"]["expected_calibration_error"]
    assert re.search(rf"^expected calibration error +{error:.3f} ", table.stdout, re.MULTILINE)


@pytest.mark.parametrize("option", [(), ("--json",)], ids=["text", "json"])
def test_evaluate_makes_a_report_of_a_model(
    gold: Path, tmp_path: Path, model: list[str], quick_cleaner: Cleaner, option: tuple[str, ...]
) -> None:
    """A page beside the figures, which stay as they are; standard error says where it is."""
    words: list[str | Path] = ["evaluate", "--gold", gold, *option, *model]
    result = winnow(*words, "--report", tmp_path / "new" / "report")
    page = tmp_path / "new" / "report" / "index.html"
    assert (result.exit_code, result.stderr) == (0, f"report written to {page}\n")
    assert result.stdout_bytes == winnow(*words).stdout_bytes
    title = f"Winnow evaluation: Model {quick_cleaner.model.identifier} on the articles of gold.jsonl"
    assert f"<title>{title}</title>" in page.read_text("utf-8")


@pytest.mark.parametrize("named", [True, False], ids=["own seeds", "shipped seeds"])
def test_evaluate_makes_a_report_of_training(
    tmp_path: Path,
    quick_cleaner: Cleaner,
    seed_folder: Path,
    shipped_seeds: list[LabelledArticle],
    monkeypatch: pytest.MonkeyPatch,
    named: bool,
) -> None:
    """As of a model; the seeds and the folds stand in its title."""

    def measure(
        articles: list[LabelledArticle], folds: int, report: object, *, whole_languages: bool
    ) -> evaluation.Evaluation:
        assert not whole_languages
        assert (len(articles), folds) == (24 if named else len(shipped_seeds), 4)
        return evaluation.evaluate(quick_cleaner, articles[:24])

    monkeypatch.setattr(evaluation, "cross_validate", measure)
    seeds: list[str | Path] = ["--seeds", seed_folder] if named else []
    result = winnow("evaluate", *seeds, "--folds", "4", "--report", tmp_path / "report")
    assert result.exit_code == 0, result.stderr
    page = (tmp_path / "report" / "index.html").read_text("utf-8")
    assert "<title>Winnow evaluation: Training, by cross-validation in 4 folds on the seeds in seeds</title>" in page


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_report_that_cannot_be_is_told_before_anything_is_measured(
    gold: Path, tmp_path: Path, model: list[str], place: str
) -> None:
    """In one sentence that says what to do, with status 2."""
    (tmp_path / "file").write_text("kept", "utf-8")
    result = winnow("evaluate", "--gold", gold, "--report", tmp_path / place, *model)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"winnow: {tmp_path / 'file'} is a file; name a folder for the report\n"


def test_figures_are_not_lost_when_the_report_cannot_be_written(gold: Path, tmp_path: Path, model: list[str]) -> None:
    """They are written first; then comes the sentence, and status 2."""
    (tmp_path / "report" / "index.html").mkdir(parents=True)
    result = winnow("evaluate", "--gold", gold, "--report", tmp_path / "report", *model)
    assert result.exit_code == 2
    assert result.stdout.startswith("articles ")
    assert re.fullmatch(r"winnow: .*index\.html cannot be written \(.+\); name another folder.*\n", result.stderr)


@pytest.mark.parametrize("content", [None, "", "{\n"], ids=["missing", "empty", "bad row"])
def test_evaluate_names_gold_that_cannot_be_used(tmp_path: Path, model: list[str], content: str | None) -> None:
    """In one sentence, with status 1."""
    gold = tmp_path / "gold.jsonl"
    if content is not None:
        gold.write_text(content, "utf-8")
    result = winnow("evaluate", "--gold", gold, *model)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"winnow: {gold}")


def test_sound_seeds_are_counted(tmp_path: Path) -> None:
    """How many, in how many languages."""
    for name, text in (("en/a", "The council voted."), ("ar/b", "قال الوزير."), ("ar/c", "أعلنت الوزارة.")):
        path = tmp_path / f"{name}.tsv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"core\t{text}\n", "utf-8")
    result = winnow("seeds", "check", tmp_path)
    assert (result.exit_code, result.stdout) == (0, "3 seeds in 2 languages are sound\n")


def test_bad_seeds_are_named(tmp_path: Path) -> None:
    """Each problem with file and line on standard error, then their number; status 1."""
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "a.tsv").write_text("core\tA\nnews\tB\ncore C\n", "utf-8")
    (tmp_path / "en" / "b.tsv").write_text("core\n", "utf-8")
    result = winnow("seeds", "check", tmp_path)
    assert (result.exit_code, result.stdout) == (1, "")
    *problems, last = result.stderr.splitlines()
    places = [re.match(r".*/(\w+\.tsv:\d+): \w", problem) for problem in problems]
    assert [place and place[1] for place in places] == ["a.tsv:2", "a.tsv:3", "b.tsv:1"]
    assert last == f"winnow: 3 problems in {tmp_path}; mend them before training"


def test_the_shipped_seeds_are_checked_when_none_are_named() -> None:
    """They are sound."""
    result = winnow("seeds", "check")
    assert result.exit_code == 0
    assert re.fullmatch(r"\d+ seeds in \d+ languages are sound\n", result.stdout)


@pytest.fixture
def seed_folder(tmp_path: Path, few_seeds: list[LabelledArticle]) -> Path:
    """A small folder of seeds."""
    folder = tmp_path / "seeds"
    for seed in few_seeds[:24]:
        (folder / seed.language).mkdir(parents=True, exist_ok=True)
        shutil.copy(seed.origin, folder / seed.language)
    return folder


@pytest.mark.slow
def test_train_makes_a_model_that_cleans(tmp_path: Path, seed_folder: Path, few_seeds: list[LabelledArticle]) -> None:
    """From one's own seeds and added ones that count double; steps go to standard error, the outcome to standard
    output.
    """
    own = tmp_path / "own" / "en"
    own.mkdir(parents=True)
    shutil.copy(few_seeds[30].origin, own)
    output = tmp_path / "model"
    result = winnow("train", "--seeds", seed_folder, "--add", tmp_path / "own", "--add-weight", "2", "--output", output)
    assert result.exit_code == 0, result.stderr
    card = load_card(output)
    assert card.seeds["articles"] == 26
    assert result.stdout.startswith(f"{card.identifier} saved in {output}: on seeds held out, core recall ")
    assert f"done: {card.identifier}" in result.stderr
    cleaned = winnow("clean", "--model", output, "--json", *KEEP_ALL, given=TEXT)
    assert json.loads(cleaned.stdout)["model"] == card.identifier
    assert json.loads(cleaned.stdout)["text"] == TEXT.rstrip("\n")


@pytest.mark.slow
def test_evaluate_measures_training_on_seeds(seed_folder: Path) -> None:
    """By folds: each article is labelled by a model that has not seen it."""
    result = winnow("evaluate", "--seeds", seed_folder, "--folds", "2")
    assert result.exit_code == 0, result.stderr
    assert re.match(r"articles +24\ncore recall +[01]\.\d{3} ", result.stdout)
    assert "fold 2 of 2" in result.stderr


@pytest.mark.parametrize("words", [["train"], ["evaluate"]], ids=" ".join)
@pytest.mark.parametrize("content", [None, "news\tA\n", "core\tA\n"], ids=["no seeds", "a bad seed", "too few"])
def test_seeds_that_cannot_be_used_end_training_at_once(tmp_path: Path, words: list[str], content: str | None) -> None:
    """Status 1, a sentence, and no model."""
    folder = tmp_path / "en"
    folder.mkdir()
    if content:
        (folder / "a.tsv").write_text(content, "utf-8")
    output = ["--output", str(tmp_path / "model")] if words == ["train"] else []
    result = winnow(*words, "--seeds", tmp_path, *output)
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.search(r"^winnow: ", result.stderr, re.MULTILINE)
    assert not (tmp_path / "model").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
@pytest.mark.parametrize("option", [(), ("--json",), ("--jsonl",)], ids=["text", "json", "jsonl"])
def test_output_that_cannot_be_written_is_not_blamed_on_the_input(option: tuple[str, ...]) -> None:
    """A full disk is told as such, and the command fails."""
    command = [sys.executable, "-c", "from classifier.cli import main; main()", "clean", *option]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command,
            input=b'{"text": "The council met on Tuesday."}\n',
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 1
    assert b"standard output cannot be written" in done.stderr
    assert b"cannot be read" not in done.stderr
