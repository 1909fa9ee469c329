"""The command `winnow`.

Everything heavy is imported inside the command that needs it: `winnow --help` must answer at once.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from classifier.errors import OutputError, SeedError, WinnowError
from classifier.labels import LABELS, Label

if TYPE_CHECKING:
    from classifier.batch.run import Progress
    from classifier.comparison import Comparison
    from classifier.evaluation import Evaluation
    from classifier.labels import LabelledArticle
    from classifier.model import Model
    from classifier.registry import ModelStore
    from classifier.store import ModelCard

FOLDER = click.Path(path_type=Path, file_okay=False)
MODEL = click.option(
    "--model", type=FOLDER, envvar="WINNOW_MODEL", help="Folder of the model; by default the one that ships."
)
STORE = click.option(
    "--store", type=FOLDER, envvar="WINNOW_STORE", help="Folder of a model store, whose model in use is taken."
)
KEEP = click.option(
    "--keep",
    type=click.Choice([label.value for label in LABELS]),
    multiple=True,
    default=[Label.CORE.value],
    show_default=True,
    help="Label to keep; may be given more than once.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="winnow-news")
def main() -> None:
    """Clean scraped news text: keep the story, drop posts, site furniture and other stories."""


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Show what went wrong as one sentence and end with status 1, or 2 when the output must go elsewhere."""
    try:
        yield
    except WinnowError as error:
        click.echo(f"winnow: {error}", err=True)
        sys.exit(2 if isinstance(error, OutputError) else 1)


def _typed(option: str) -> bool:
    """Whether an option was given on the command line, not by the environment."""
    return click.get_current_context().get_parameter_source(option) is ParameterSource.COMMANDLINE


def _chosen(model: Path | None, store: Path | None) -> Path | None:
    """Return the folder of the model to use: `--model`, else the store's one in use, else None for the one that ships.

    What is typed goes before what the environment says. Raises ModelError when the store has none that is usable.
    """
    if store is None or (model is not None and (_typed("model") or not _typed("store"))):
        return model
    from classifier.registry import ModelStore

    versions = ModelStore(store)
    return versions.path(versions.current())


def _write(text: str) -> None:
    try:
        sys.stdout.buffer.write(text.encode("utf-8", "surrogatepass"))
    except BrokenPipeError:
        raise  # nobody reads on: click ends quietly
    except OSError as error:
        raise click.ClickException(f"standard output cannot be written: {error.strerror}") from error


def _fail(name: str, reason: str) -> None:
    click.echo(f"winnow: {name}: {reason}", err=True)


@main.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, allow_dash=True), metavar="[FILE]...")
@click.option("--json", "as_json", is_flag=True, help="Write the whole result, one JSON object a line for each file.")
@click.option(
    "--jsonl", "rows", is_flag=True, help='Read JSON Lines, rows {"id", "text", …}; write a row for each, in order.'
)
@KEEP
@MODEL
@STORE
def clean(
    files: tuple[Path, ...],
    as_json: bool,
    rows: bool,
    keep: tuple[str, ...],
    model: Path | None,
    store: Path | None,
) -> None:
    """Clean raw article text and write what is left.

    Reads the files, or standard input when there is none. Exits with 1 when an input could not be cleaned.
    """
    if as_json and rows:
        raise click.UsageError("--json and --jsonl exclude each other; --jsonl already writes rows")
    from classifier.cleaning import Cleaner

    with _plain_errors():
        cleaner = Cleaner.load(_chosen(model, store))
        kept = frozenset(Label(label) for label in keep)
        failed = [_clean_one(cleaner, path, as_json, rows, kept) for path in files or (Path("-"),)]
        sys.exit(1 if any(failed) else 0)


def _clean_one(cleaner: Any, path: Path, as_json: bool, rows: bool, keep: frozenset[Label]) -> bool:
    """Clean one file or standard input; return whether something in it failed."""
    from classifier.records import BadRow, answer, clean_rows, decode, dump

    name = "standard input" if str(path) == "-" else str(path)
    failed = False
    try:
        with click.open_file(str(path), "rb") as file:
            if rows:
                for row in clean_rows(cleaner, file, keep):
                    if isinstance(row, BadRow):
                        failed = True
                        _fail(f"{name}:{row.line}", row.reason)
                    else:
                        _write(f"{row}\n")
                return failed
            text, encoding = decode(file.read())
    except BrokenPipeError:
        raise
    except OSError as error:
        _fail(name, f"cannot be read: {error.strerror}")
        return True
    except WinnowError as error:
        _fail(name, str(error))
        return True
    article = cleaner.clean(text, keep)
    if as_json:
        _write(dump({"file": name, "encoding": encoding, **answer(article)}) + "\n")
    elif article.text:
        _write(f"{article.text}\n")
    return failed


@main.command()
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
@click.option("--jobs", type=int, default=-1, show_default=True, help="Processes; -1 is one for each core.")
@click.option(
    "--cluster",
    metavar="URL",
    help="Dask scheduler, tcp://HOST:PORT, whose workers do the work; all must see SRC, DST.",
)
@click.option("--field", default="text", show_default=True, help="Field or column that holds the text of a row.")
@click.option(
    "--to", type=click.Choice(["jsonl", "text", "parquet"]), help="Format of the output; by default that of the input."
)
@click.option(
    "--spans", is_flag=True, help="Leave rows as they are and add what is left and the paragraphs with their labels."
)
@click.option(
    "--max-bytes", type=click.IntRange(1), default=2_000_000, show_default=True, help="Size of the largest text."
)
@click.option("--retry-failed", is_flag=True, help="Try again what failed before.")
@click.option("--restart", is_flag=True, help="Forget what is finished and clean all of it anew.")
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Also make a page to look at, DIR/index.html: figures, pictures of them, and the articles that lost most.",
)
@KEEP
@MODEL
@STORE
def batch(
    source: str,
    target: str,
    jobs: int,
    cluster: str | None,
    field: str,
    to: str | None,
    spans: bool,
    max_bytes: int,
    retry_failed: bool,
    restart: bool,
    report: Path | None,
    keep: tuple[str, ...],
    model: Path | None,
    store: Path | None,
) -> None:
    """Clean a folder tree of .txt, .jsonl (.gz, .zst), .parquet and .warc.wet.gz files into another one.

    Either may be a URL that fsspec opens. What was stopped goes on where it stopped when the same command is given
    again. What cannot be cleaned is named in DST/failures.jsonl and does not stop the rest; then the exit status is 1.
    Figures stand in DST/report.json.
    """
    if jobs == 0:
        raise click.UsageError("--jobs 0 would do nothing; give a number of processes, or -1 for one on each core")
    if cluster and _typed("jobs"):
        raise click.UsageError("--jobs is about this machine and --cluster about others; give one of them")
    from tqdm import tqdm

    from classifier.batch.run import Settings, clean_folder
    from classifier.batch.units import FAILURES
    from classifier.pages import check_folder

    with _plain_errors():
        if report:
            check_folder(report)  # before the hours that cleaning may take
        settings = Settings(frozenset(Label(label) for label in keep), field, to, spans, max_bytes)
        used = _chosen(model, store)
        with tqdm(unit="B", unit_scale=True, disable=None, file=sys.stderr) as bar:

            def advance(progress: "Progress") -> None:
                bar.total = progress.size
                bar.set_postfix(articles=progress.articles, failed=progress.failures, refresh=False)
                bar.update(progress.done - bar.n)

            result = clean_folder(
                source,
                target,
                settings,
                model=used,
                jobs=jobs,
                cluster=cluster,
                retry_failed=retry_failed,
                restart=restart,
                told=advance,
            )
        failures = result.summary.failures
        click.echo(
            f"{result.summary.articles} articles of {result.files} files cleaned into {target}; {failures} failures"
            + (f", named in {target.rstrip('/')}/{FAILURES}" if failures else ""),
            err=True,
        )
        click.echo(result.to_text(), err=True)
        if report:
            from classifier.batch.page import write_batch_report

            click.echo(f"report written to {write_batch_report(result, source, used, report)}", err=True)
        sys.exit(1 if failures else 0)


@main.command()
@click.option("--seeds", type=FOLDER, help="Train on these labelled articles instead of the shipped ones.")
@click.option(
    "--add",
    "added",
    type=FOLDER,
    multiple=True,
    help="Also train on these; may be given more than once. They count as much as ADD-WEIGHT copies.",
)
@click.option(
    "--add-weight",
    type=click.IntRange(1, 50),
    default=4,
    show_default=True,
    help="How many times an added article counts.",
)
@click.option(
    "--output",
    type=FOLDER,
    help="Folder for the new model, replaced when it is there; by default winnow-model, when there is no store.",
)
@click.option(
    "--store",
    type=FOLDER,
    envvar="WINNOW_STORE",
    help="Folder of the model store that gets the new model, and uses it when it is no worse than the one in use.",
)
@click.option("--no-use", is_flag=True, help="Leave the store's model in use, whatever the new one is like.")
def train(
    seeds: Path | None,
    added: tuple[Path, ...],
    add_weight: int,
    output: Path | None,
    store: Path | None,
    no_use: bool,
) -> None:
    """Train a model on labelled articles, save it, and compare it with the one in use.

    It goes into a folder, to be used with --model or by setting WINNOW_MODEL, or into a model store, to be used with
    --store or by setting WINNOW_STORE.
    """
    if output and store:
        if _typed("store"):
            raise click.UsageError("--output and --store are both places for the new model; give one of them")
        store = None
    if no_use and not store:
        raise click.UsageError("--no-use is about a model store; name it with --store")
    from classifier.registry import ModelStore
    from classifier.store import save_model

    with _plain_errors():
        if store:
            versions = ModelStore(store)
            with versions.training_lock():
                model, card, articles = _train(seeds, added, add_weight)
                card = versions.add(model, card)
                click.echo(f"{card.identifier} added to {store}: {_summary(card.figures)}")
                comparison = _compare(card, articles, versions)
                if comparison and comparison.no_worse and not no_use:
                    versions.use(card.identifier)
                    click.echo(f"{card.identifier} is now in use")
                else:
                    stays = comparison.old if comparison else "what was in use"
                    click.echo(f"{stays} stays in use; 'winnow models use {card.identifier}' takes the new model")
        else:
            target = output or Path("winnow-model")
            model, card, articles = _train(seeds, added, add_weight)
            card = save_model(model, card, target)
            click.echo(f"{card.identifier} saved in {target}: {_summary(card.figures)}")
            _compare(card, articles)


def _train(
    seeds: Path | None, added: tuple[Path, ...], add_weight: int
) -> tuple["Model", "ModelCard", list["LabelledArticle"]]:
    """Return a new model, its card, and the articles it was made from."""
    from classifier.resources import default_seeds
    from classifier.seeds import read_seeds_with
    from classifier.training import train as train_model

    articles = read_seeds_with(seeds or default_seeds(), added, add_weight)
    model, card = train_model(articles, report=lambda message: click.echo(message, err=True))
    return model, card, articles


def _compare(
    card: "ModelCard", articles: list["LabelledArticle"], versions: "ModelStore | None" = None
) -> "Comparison | None":
    """Say how a new model compares with the one in use; None when that one cannot be used."""
    from classifier.comparison import compare_cards
    from classifier.errors import ModelError
    from classifier.resources import default_model
    from classifier.store import load_card, load_model

    try:
        folder = versions.path(versions.current()) if versions else default_model()
        comparison = compare_cards(card, load_card(folder), load_model(folder), articles)
    except ModelError as error:
        click.echo(f"winnow: the new model is not compared with the one in use: {error}", err=True)
        return None
    click.echo(f"beside {comparison.old}, {'in use' if versions else 'which ships'}, {comparison.reason}")
    return comparison


def _summary(figures: dict[str, Any]) -> str:
    names = {"core_recall": "core recall", "residue_removed": "residue removed", "macro_f1": "paragraph macro-F1"}
    found = [f"{words} {figures[name]:.3f}" for name, words in names.items() if name in figures]
    return "on seeds held out, " + ", ".join(found)


@main.group()
def models() -> None:
    """Look after the versions of a model store."""


@models.command("list")
@STORE
def list_models(store: Path | None) -> None:
    """List all versions, oldest first, with a star before the one in use.

    Without a store, that is the model that ships.
    """
    from classifier.registry import ModelStore
    from classifier.resources import default_model
    from classifier.store import load_card

    with _plain_errors():
        cards = ModelStore(store).cards() if store else [load_card(default_model())]
        try:
            current, problem = ModelStore(store).current() if store else cards[0].identifier, None
        except WinnowError as error:  # which is told below the list to choose from
            current, problem = "", error
        for card in cards:
            star = "*" if card.identifier == current else " "
            seeds = card.seeds.get("articles", 0)
            click.echo(f"{star} {card.identifier}  {card.created}  {seeds} seeds; {_summary(card.figures)}")
        if problem:
            raise problem


@models.command("use")
@click.argument("identifier", metavar="ID")
@click.option("--store", type=FOLDER, envvar="WINNOW_STORE", required=True, help="Folder of the model store.")
def use_model(identifier: str, store: Path) -> None:
    """Take a version into use, once it has passed its self-test."""
    from classifier.registry import ModelStore

    with _plain_errors():
        ModelStore(store).use(identifier)
        click.echo(f"{identifier} is now in use")


@models.command("show")
@click.argument("identifier", metavar="ID")
@STORE
def show_model(identifier: str, store: Path | None) -> None:
    """Write what a version says of itself, as JSON.

    Without a store, there is only the model that ships.
    """
    import json
    from dataclasses import asdict

    from classifier.errors import ModelError
    from classifier.registry import ModelStore
    from classifier.resources import default_model
    from classifier.store import load_card

    with _plain_errors():
        card = load_card(ModelStore(store).path(identifier) if store else default_model())
        if card.identifier != identifier:
            raise ModelError(f"{identifier!r:.40} is not the model that ships; name its store with --store")
        shown = {name: value for name, value in asdict(card).items() if name not in ("held_out", "self_test")}
        _write(json.dumps(shown, ensure_ascii=False, indent=1) + "\n")


@main.command()
@click.option(
    "--gold",
    type=click.Path(path_type=Path, dir_okay=False),
    help='Labelled articles as JSON Lines: {"id", "text", "paragraphs": [[start, end, label]]}.',
)
@click.option("--seeds", type=FOLDER, help="Seeds to cross-validate on; by default the shipped ones.")
@click.option(
    "--folds",
    type=click.IntRange(2, 20),
    default=3,
    show_default=True,
    help="Parts for cross-validation: each is labelled by a model trained on the others.",
)
@click.option(
    "--whole-languages", is_flag=True, help="Deal whole languages to the folds: how good on languages without a seed?"
)
@click.option("--json", "as_json", is_flag=True, help="Write all figures as one JSON object.")
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Also make a page to look at, DIR/index.html: figures, pictures of them, and the worst articles.",
)
@MODEL
@STORE
def evaluate(
    gold: Path | None,
    seeds: Path | None,
    folds: int,
    whole_languages: bool,
    as_json: bool,
    report: Path | None,
    model: Path | None,
    store: Path | None,
) -> None:
    """Measure a model on labelled articles, or training itself on seeds by grouped folds."""
    if gold and seeds:
        raise click.UsageError("--gold measures a model and --seeds training; give one of them")
    if gold and whole_languages:
        raise click.UsageError("--whole-languages is about training; leave it out with --gold")
    from classifier.cleaning import Cleaner
    from classifier.evaluation import cross_validate, read_gold
    from classifier.evaluation import evaluate as measure
    from classifier.pages import check_folder
    from classifier.records import dump
    from classifier.report import write_report
    from classifier.resources import default_seeds
    from classifier.seeds import read_seeds

    with _plain_errors():
        if report:
            check_folder(report)  # before the minutes that measuring may take
        if gold:
            cleaner = Cleaner.load(_chosen(model, store))
            result = measure(cleaner, read_gold(gold))
            subject = f"Model {cleaner.model.identifier} on the articles of {gold.name}"
        else:
            folder = seeds or default_seeds()
            result = cross_validate(
                read_seeds(folder),
                folds,
                report=lambda message: click.echo(message, err=True),
                whole_languages=whole_languages,
            )
            dealt = "folds of whole languages" if whole_languages else "folds"
            subject = f"Training, by cross-validation in {folds} {dealt} on the seeds in {folder.resolve().name}"
        _write((dump(result.to_json()) if as_json else _table(result)) + "\n")
        if report:
            click.echo(f"report written to {write_report(result, subject, report)}", err=True)


def _table(result: "Evaluation") -> str:
    from classifier.evaluation import HEADLINES

    figures = result.figures

    def number(value: float | None) -> str:
        return "    –" if value is None else f"{value:.3f}"

    lines = [f"{'articles':28s}{figures.articles}"]
    lines += [f"{name:28s}{number(getattr(figures, field))}   {meaning}" for field, name, meaning in HEADLINES]
    lines += [
        "",
        "label          characters: precision  recall     F1    paragraphs: precision  recall     F1",
    ]
    for label in LABELS:
        character, paragraph = figures.characters[label], figures.paragraphs[label]
        cells = [number(value) for one in (character, paragraph) for value in (one.precision, one.recall, one.f1)]
        lines.append(
            f"{label:24s}{cells[0]:>12s}{cells[1]:>8s}{cells[2]:>7s}{cells[3]:>24s}{cells[4]:>8s}{cells[5]:>7s}"
        )
    lines += ["", "language  articles  core recall  residue removed  macro-F1 by character  by paragraph"]
    for language, one in result.by_language.items():
        lines.append(
            f"{language or '?':10s}{one.articles:8d}{number(one.core_recall):>13s}"
            f"{number(one.residue_removed):>17s}{number(one.character_macro_f1):>23s}"
            f"{number(one.paragraph_macro_f1):>14s}"
        )
    lines += ["", "most wrong characters"]
    lines += [f"{article.wrong:8d}  {article.identifier}" for article in result.worst]
    return "\n".join(lines)


@main.group()
def seeds() -> None:
    """Look after labelled articles."""


@seeds.command()
@click.argument("directory", required=False, type=FOLDER, metavar="[DIR]")
def check(directory: Path | None) -> None:
    """Check labelled articles: format, labels, duplicates. Without DIR, the shipped ones."""
    from classifier.resources import default_seeds
    from classifier.seeds import read_seeds

    folder = directory or default_seeds()
    try:
        articles = read_seeds(folder)
    except SeedError as error:
        problems = str(error).split("\n")
        click.echo(str(error), err=True)
        click.echo(f"winnow: {len(problems)} problems in {folder}; mend them before training", err=True)
        sys.exit(1)
    click.echo(f"{len(articles)} seeds in {len({article.language for article in articles})} languages are sound")


class _Serve(click.Command):
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the environment variables that set the service up."""
        from service.settings import describe_settings

        with formatter.section("Environment"):
            formatter.write_dl(describe_settings())


@main.command(cls=_Serve)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    envvar="WINNOW_HOST",
    show_envvar=True,
    help="Address to listen on.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    envvar="WINNOW_PORT",
    show_envvar=True,
    help="Port to listen on.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    envvar="WINNOW_WORKERS",
    show_envvar=True,
    help="Processes; by default one for each core, as far as memory goes.",
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    default=16,
    show_default=True,
    envvar="WINNOW_THREADS",
    show_envvar=True,
    help="Requests that a process takes at the same time; what they bring is cleaned together.",
)
@MODEL
@STORE
def serve(host: str, port: int, workers: int | None, threads: int, model: Path | None, store: Path | None) -> None:
    """Run the HTTP service."""
    import os
    import shutil
    import tempfile
    from dataclasses import replace

    # Both are read when the libraries are first imported: metrics of all workers are added up by way of a folder, and
    # a worker's arrays need no threads of their own.
    folder, owner = None, os.getpid()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with _plain_errors():
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            try:
                folder = os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="winnow-metrics-")
            except OSError as error:
                reason = error.strerror or error
                raise OutputError(
                    f"no temporary folder can be made ({reason}); set TMPDIR to one to write in"
                ) from error
        try:
            from service.server import default_workers
            from service.server import serve as run
            from service.settings import Settings

            if model is not None and _typed("store") and not _typed("model"):
                model = None  # the store that was typed goes before the model of the environment
            settings = replace(Settings.from_environment(), model=model, store=store)
            run(host, port, workers or default_workers(), threads, settings)
        finally:
            if folder is not None and os.getpid() == owner:  # a worker that ends comes by here, too
                del os.environ["PROMETHEUS_MULTIPROC_DIR"]
                shutil.rmtree(folder, ignore_errors=True)
