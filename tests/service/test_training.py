"""/v1/train: one at a time in a process of its own, told of at every moment; what is worse does not come into use."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from classifier import training
from classifier.labels import LABELS, LabelledArticle
from classifier.model import Model
from classifier.registry import ModelStore
from classifier.resources import default_seeds
from classifier.seeds import ADDED_WEIGHT, parse_seed
from classifier.store import ModelCard, load_card, load_model
from service import create_app, retrain
from service.schema import TrainingOut
from service.settings import Settings
from tests.service.conftest import ONE, TOKEN, TWO, bearing

ROOT = Path(__file__).parents[2]
FEW = 24
TINY = replace(training.QUICK, copies=1, wording_iterations=5, hidden_units=4, epochs=1, trees=5)
NEW = "winnow-00000000000a"
DEAD = "20240503T081500Z-0123abcd"
RUNNING = {
    "id": DEAD, "state": "running", "started": "2024-05-03T08:15:00Z", "ended": None, "progress": ["reading"],
    "model": None, "promoted": None, "comparison": None, "error": None,
}  # fmt: skip
START_SECONDS = 60
TRAINING_SECONDS = 1800

Train = Callable[..., tuple[Model, ModelCard]]


@pytest.fixture(scope="module")
def few_seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of some of the seeds that ship, which hold every label."""
    folder = tmp_path_factory.mktemp("seeds")
    for path in sorted(default_seeds().glob("[ae][nrs]/*.tsv")):
        article = parse_seed(path.read_text("utf-8"), path)
        if {label for _, _, label in article.spans} == set(LABELS):
            (folder / path.parent.name).mkdir(exist_ok=True)
            shutil.copy(path, folder / path.parent.name)
            if len(list(folder.rglob("*.tsv"))) == FEW:
                break
    return folder


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch, few_seeds: Path) -> Iterator[list[int]]:
    """Trainings in this process that do little work, on few seeds; yields what was added to its niceness."""
    nice: list[int] = []
    monkeypatch.setattr(training, "train", partial(training.train, settings=TINY))
    monkeypatch.setattr("classifier.resources.default_seeds", lambda: few_seeds)
    monkeypatch.setattr(os, "nice", nice.append)
    with import_module("threadpoolctl").threadpool_limits(1):  # which has no types
        yield nice


@pytest.fixture
def served(store: ModelStore) -> FlaskClient:
    """A client that bears the token of a service on the store."""
    return bearing(create_app(Settings(store=store.directory, token=TOKEN)))


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen[str]]]:
    """The processes that are started meanwhile; they are killed in the end, with those that they started."""
    started: list[subprocess.Popen[str]] = []

    class Noted(subprocess.Popen[str]):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    yield started
    for process in started:
        kill(process)


def kill(process: subprocess.Popen[str]) -> None:
    """End a training and the processes that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def train(store: ModelStore, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    """Train in this process; return the exit status, and the record of the id that was said."""
    capsys.readouterr()
    status = retrain.main(store.directory)
    identifier = capsys.readouterr().out.strip()
    return status, record(store, identifier)


def record(store: ModelStore, identifier: str) -> dict[str, Any]:
    """Return what is written of a training."""
    content: dict[str, Any] = json.loads((store.directory / "trainings" / f"{identifier}.json").read_text("utf-8"))
    return content


def write_record(store: ModelStore, content: dict[str, Any]) -> None:
    """Leave a record as a process that was killed would."""
    folder = store.directory / "trainings"
    folder.mkdir(exist_ok=True)
    (folder / f"{content['id']}.json").write_text(json.dumps(content), "utf-8")


def given(model: Model, card: ModelCard) -> Train:
    """Return a training that has this model for its result."""
    return lambda articles, report: (model, card)


def result(store: ModelStore, mistakes: int) -> Train:
    """Return a training that makes the model in use under a new name, with so many core paragraphs lost in each
    article that was held out.
    """
    model, card = load_model(store.path(ONE)), load_card(store.path(ONE))
    held_out = {}
    for key, row in card.held_out.items():
        counts = [int(number) for number in row.split()]
        lost = min(mistakes, counts[0])
        held_out[key] = " ".join(map(str, [counts[0] - lost, counts[1], counts[2], counts[3] + lost, *counts[4:]]))
    return given(replace(model, identifier=NEW), replace(card, identifier=NEW, held_out=held_out))


@pytest.mark.usefixtures("quickly")
def test_a_training_trains_compares_and_promotes(
    store: ModelStore, served: FlaskClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """The new model is a version with its card; next to one that is as good it comes into use, and the record says
    every step and both figures.
    """
    status, first = train(store, capsys)
    assert (status, first["state"], first["error"]) == (0, "done", None)
    assert first["progress"][-1] == "comparing with the model in use"
    assert len(first["progress"]) > 3
    assert {first["model"], ONE, TWO} <= {card.identifier for card in store.cards()}
    store.use(first["model"])
    status, second = train(store, capsys)
    assert (status, second["promoted"], second["comparison"]["worse"]) == (0, True, False)
    assert store.current() == store.load().identifier == second["model"]
    answer = served.get(f"/v1/train/{second['id']}")
    assert (answer.status_code, answer.get_json()) == (200, second)


@pytest.mark.parametrize(
    ("mistakes", "promoted", "reason"), [(0, True, "it is no worse"), (2, False, "it is worse, by more than")]
)
def test_a_worse_model_is_kept_and_not_promoted(
    store: ModelStore,
    served: FlaskClient,
    quickly: list[int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    mistakes: int,
    promoted: bool,
    reason: str,
) -> None:
    """The answer says by how much it is worse; the one in use stays, and the other can be taken into use by hand."""
    monkeypatch.setattr(training, "train", result(store, mistakes))
    _, told = train(store, capsys)
    answer = served.get(f"/v1/train/{told['id']}").get_json()
    assert (answer["state"], answer["model"], answer["promoted"]) == ("done", NEW, promoted)
    assert store.current() == (NEW if promoted else ONE)
    comparison = answer["comparison"]
    assert comparison["reason"].startswith(reason)
    assert (comparison["new"], comparison["old"], comparison["worse"]) == (NEW, ONE, not promoted)
    gain = comparison["common"]["gain"]["core_recall"]
    assert (gain < -0.005) == (not promoted)
    assert f"({gain:+.4f})" in comparison["reason"]
    assert NEW in {model["id"] for model in served.get("/v1/models").get_json()["models"]}
    assert served.post(f"/v1/models/{NEW}/use").status_code == 200
    assert quickly == [19], "a training gives way to all other work"


@pytest.mark.usefixtures("quickly")
def test_corrected_articles_are_trained_on(
    store: ModelStore, served: FlaskClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was sent counts several times, beside all that ships."""
    body: dict[str, Any] = {"text": "Rain\nMore", "language": "en", "group": "bay news"}
    body |= {"paragraphs": [{"start": 0, "end": 4, "label": "core"}, {"start": 5, "end": 9, "label": "promo"}]}
    assert served.put("/v1/seeds/rain-1", json=body).status_code == 200
    met: list[LabelledArticle] = []
    make = result(store, 0)

    def noted(articles: Sequence[LabelledArticle], report: Callable[[str], None]) -> tuple[Model, ModelCard]:
        met.extend(articles)
        return make(articles, report)

    monkeypatch.setattr(training, "train", noted)
    assert train(store, capsys)[1]["state"] == "done"
    own = [article for article in met if article.identifier == "rain-1"]
    assert [(article.text, article.group) for article in own] == [("Rain\nMore", "added/bay news")] * ADDED_WEIGHT
    assert len(met) == FEW + ADDED_WEIGHT


def bad_seed(store: ModelStore) -> None:
    """Leave a seed that is none."""
    path = store.directory / "seeds" / "en" / "rain-1.tsv"
    path.parent.mkdir(parents=True)
    path.write_text("news\tOne.", "utf-8")


def same_seed_twice(store: ModelStore) -> None:
    """Leave an article under two names."""
    for name in ("rain-1", "rain-2"):
        path = store.directory / "seeds" / "en" / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("core\tOne.", "utf-8")


def nothing_in_use(store: ModelStore) -> None:
    """Let the store name a model that is not there."""
    (store.directory / "current").write_text("winnow-00000000000f\n", "utf-8")


def damaged_in_use(store: ModelStore) -> None:
    """Tear the arrays of the model in use."""
    (store.path(ONE) / "arrays.npz").write_bytes(b"torn")


def no_room(store: ModelStore) -> None:
    """Let a file stand where the models should be."""
    shutil.rmtree(store.directory / "models")
    (store.directory / "models").write_text("", "utf-8")


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize(
    ("harm", "error"),
    [
        (bad_seed, "seeds/en/rain-1.tsv:1: unknown label 'news'; use one of"),
        (same_seed_twice, "seeds/en/rain-2.tsv:1: the same text as seeds/en/rain-1.tsv; remove one of them"),
        (nothing_in_use, "the model in use, winnow-00000000000f, is gone or damaged; choose one"),
        (damaged_in_use, "the model in models/winnow-000000000001 is damaged"),
        (no_room, "the store cannot be written"),
    ],
)
def test_a_training_that_fails_says_why(
    store: ModelStore,
    served: FlaskClient,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    harm: Callable[[ModelStore], None],
    error: str,
) -> None:
    """In a sentence that says what to do and does not tell where the store is; what is in use stays so."""
    monkeypatch.setattr(training, "train", result(store, 0))
    in_use = store.current()
    harm(store)
    status, told = train(store, capsys)
    answer = served.get(f"/v1/train/{told['id']}")
    assert (status, answer.get_json()["state"]) == (1, "failed")
    assert answer.get_json()["error"].startswith(error)
    assert answer.get_json()["ended"]
    assert str(store.directory) not in answer.text
    assert harm is nothing_in_use or (store.directory / "current").read_text("utf-8").strip() == in_use


@pytest.mark.usefixtures("quickly")
def test_what_nobody_expected_is_told_without_its_words(
    store: ModelStore, served: FlaskClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They may hold an article's text, or a path."""

    def fail(articles: object, report: object) -> None:
        raise MemoryError(f"the inner secret {store.directory}")

    monkeypatch.setattr(training, "train", fail)
    with pytest.raises(MemoryError):
        retrain.main(store.directory)
    answer = served.get(f"/v1/train/{capsys.readouterr().out.strip()}").get_json()
    assert answer["state"] == "failed"
    assert answer["error"] == "The training broke off with an unexpected MemoryError; start it again."
    with store.training_lock():
        pass


@pytest.mark.usefixtures("quickly")
def test_a_record_can_be_read_at_every_moment(
    store: ModelStore, served: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a training writes it as fast as it can, whoever asks gets all of it, with as many steps as before or more,
    and never that it was interrupted.
    """
    make = result(store, 0)

    def busily(articles: object, report: Callable[[str], None]) -> tuple[Model, ModelCard]:
        for number in range(300):
            report(f"step {number}")
        return make(articles, report)

    monkeypatch.setattr(training, "train", busily)
    thread = threading.Thread(target=retrain.main, args=(store.directory,), daemon=True)
    thread.start()
    deadline = time.monotonic() + START_SECONDS
    while not (begun := list((store.directory / "trainings").glob("*.json"))):
        assert time.monotonic() < deadline
    (said,) = (path.stem for path in begun)
    steps, answers = 0, 0
    while thread.is_alive() or not answers:
        assert time.monotonic() < deadline
        answer = served.get(f"/v1/train/{said}")
        assert answer.status_code == 200
        told = TrainingOut.model_validate(answer.get_json())
        assert told.state in ("running", "done")
        assert len(told.progress) >= steps
        steps, answers = len(told.progress), answers + 1
    thread.join()
    assert answers > 20
    assert served.get(f"/v1/train/{said}").get_json()["state"] == "done"


def test_one_at_a_time_and_killed(
    store: ModelStore, served: FlaskClient, processes: list[subprocess.Popen[str]]
) -> None:
    """A training runs in a process of its own; another one is 409 meanwhile, for every service on the store. Killed, it
    is told as interrupted, what is in use stays, and the next one may begin.
    """
    answer = served.post("/v1/train")
    assert answer.status_code == 202
    assert answer.location == f"/v1/train/{answer.get_json()['id']}"
    assert served.get(answer.location).get_json()["state"] == "running"
    (process,) = processes
    assert os.getpgid(process.pid) == process.pid != os.getpgid(0), "a signal to the service's group must not end it"
    assert os.getpriority(os.PRIO_PROCESS, process.pid) == 19

    other = bearing(create_app(Settings(store=store.directory, token=TOKEN)))
    for client in (served, other):
        refused = client.post("/v1/train")
        assert refused.status_code == 409
        assert "Another training is under way" in refused.get_json()["detail"]

    kill(process)
    told = other.get(answer.location).get_json()
    assert (told["state"], told["promoted"]) == ("interrupted", None)
    assert "start it again" in told["error"]
    assert served.get(answer.location).get_json() == told
    assert store.current() == store.load().identifier == ONE
    again = other.post("/v1/train")
    assert again.status_code == 202
    kill(processes[-1])


def test_a_training_starts_in_any_folder(
    served: FlaskClient,
    processes: list[subprocess.Popen[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where the service was started beside somebody's own package of the name `service`."""
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "__init__.py").write_text("raise SystemExit(3)", "utf-8")
    monkeypatch.chdir(tmp_path)
    assert served.post("/v1/train").status_code == 202
    kill(processes[-1])


def test_a_killed_training_is_told_while_nobody_asks(
    store: ModelStore, served: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not as running because another one runs: whoever begins says so of those before."""
    write_record(store, RUNNING)
    write_record(store, {**RUNNING, "id": "20240503T081500Z-00000000", "state": "done"})
    asked = []

    def ask(articles: object, report: object) -> tuple[Model, ModelCard]:
        asked.append(served.get(f"/v1/train/{DEAD}").get_json()["state"])
        raise KeyError

    monkeypatch.setattr(training, "train", ask)
    monkeypatch.setattr("classifier.seeds.read_seeds", lambda directory: [])
    monkeypatch.setattr(os, "nice", lambda increment: increment)
    with pytest.raises(KeyError):
        retrain.main(store.directory)
    assert asked == ["interrupted"]
    assert served.get("/v1/train/20240503T081500Z-00000000").get_json()["state"] == "done"


def test_the_store_s_lock_is_what_counts(store: ModelStore, served: FlaskClient) -> None:
    """While another host, or the command line, trains in the store, none begins here, and what runs is not told as
    interrupted.
    """
    write_record(store, RUNNING)
    with store.training_lock():
        assert served.post("/v1/train").status_code == 409
        assert served.get(f"/v1/train/{DEAD}").get_json() == RUNNING
    assert served.get(f"/v1/train/{DEAD}").get_json()["state"] == "interrupted"
    assert record(store, DEAD)["state"] == "interrupted"


def test_a_store_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """503, without a path."""
    (tmp_path / "store").write_text("a file", "utf-8")
    answer = bearing(create_app(Settings(store=tmp_path / "store", token=TOKEN))).post("/v1/train")
    assert answer.status_code == 503
    assert "cannot be written" in answer.get_json()["detail"]
    assert str(tmp_path) not in answer.text


@pytest.mark.parametrize(
    "identifier",
    [
        "..", "%2e%2e", "..%2fsecret", "..%2f..%2fsecret", "secret", "20240503T081500Z", "20240503T081500Z-0123ABCD",
        f"..%2f{DEAD}", f"{DEAD}.json", f"{DEAD}%00", f"{DEAD}%0A", f"%20{DEAD}", "٢٠٢٤٠٥٠٣T081500Z-0123abcd",
        "20240503T081500Z-0123abc", "20240503T081500Z-00000000", "x" * 10_000, "*", "%ED%A0%80",
    ],
    ids=lambda name: name[:30],
)  # fmt: skip
def test_an_id_that_names_no_training(keeper: FlaskClient, tmp_path: Path, identifier: str) -> None:
    """It is 404, short and without a path, whatever it tries to reach."""
    store = ModelStore(tmp_path / "store")
    store.directory.mkdir()
    write_record(store, {**RUNNING, "state": "done"})
    for place in ("secret.json", f"{DEAD}.json", "store/secret.json", "store/trainings/secret.json"):
        (tmp_path / place).write_text(json.dumps({**RUNNING, "state": "done", "error": "secret"}), "utf-8")
    answer = keeper.get(f"/v1/train/{identifier}")
    assert answer.status_code == 404
    assert len(answer.data) < 600
    assert str(tmp_path) not in answer.text
    assert keeper.get(f"/v1/train/{DEAD}").status_code == 200


def test_only_the_bearer_trains(store: ModelStore, processes: list[subprocess.Popen[str]]) -> None:
    """401 without the token, 403 where there is none; no process begins."""
    for token, status in ((TOKEN, 401), (None, 403)):
        client = create_app(Settings(store=store.directory, token=token)).test_client()
        assert client.post("/v1/train").status_code == status
    assert processes == []


def test_a_second_process_says_that_it_is_busy(store: ModelStore) -> None:
    """As whoever starts it by hand sees."""
    with store.training_lock():
        done = subprocess.run(
            [sys.executable, "-m", "service.retrain", store.directory],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
    assert (done.returncode, done.stdout) == (1, "busy\n")
    assert not (store.directory / "trainings").exists()


@pytest.mark.slow
def test_a_whole_training_through_the_service(
    store: ModelStore, served: FlaskClient, processes: list[subprocess.Popen[str]]
) -> None:
    """With a corrected article: it runs to its end, says what came of it, and the service serves what it should."""
    text = "Ferry back in service\nThe island ferry carried passengers again on Friday.\nShare this page"
    paragraphs = [
        {"start": text.index(line), "end": text.index(line) + len(line), "label": label}
        for line, label in zip(text.split("\n"), ("core", "core", "boilerplate"), strict=True)
    ]
    body = {"text": text, "paragraphs": paragraphs, "language": "en"}
    assert served.put("/v1/seeds/ferry-1", json=body).status_code == 200
    place = served.post("/v1/train").location
    assert place
    deadline = time.monotonic() + TRAINING_SECONDS
    while (told := served.get(place).get_json())["state"] == "running":
        assert time.monotonic() < deadline, told
        time.sleep(1)
    assert (told["state"], told["error"]) == ("done", None), told
    comparison = told["comparison"]
    assert comparison["comparable"]
    assert told["promoted"] == (not comparison["worse"])
    assert store.current() == store.load().identifier == (told["model"] if told["promoted"] else ONE)
    time.sleep(2)
    assert served.get("/readyz").get_json()["model"] == store.current()
    assert load_card(store.path(told["model"])).seeds["articles"] == load_card(store.path(ONE)).seeds["articles"] + 4
    (process,) = processes
    assert process.wait(timeout=START_SECONDS) == 0
