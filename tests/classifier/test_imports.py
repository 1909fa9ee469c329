"""Imports go one way, and each library and the environment have their one place."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import classifier

ROOT = Path(__file__).parents[2]
CLASSIFIER = sorted(
    ".".join(path.relative_to(ROOT / "classifier").with_suffix("").parts)
    for path in (ROOT / "classifier").rglob("*.py")
    if path.stem != "__init__"
)
SERVICE = sorted(path.stem for path in (ROOT / "service").glob("*.py") if path.stem != "__init__")
EVERY = [*(f"classifier.{name}" for name in CLASSIFIER), *(f"service.{name}" for name in SERVICE)]


@cache
def tree_of(module: str) -> ast.Module:
    """Return the syntax tree of a module's source."""
    return ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text("utf-8"))


def names_imported(node: ast.AST) -> Iterator[str]:
    """Yield the modules that an import statement names."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        assert node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports(module: str) -> set[str]:
    """Return everything a module imports, wherever in it."""
    return {name for node in ast.walk(tree_of(module)) for name in names_imported(node)}


@cache
def own_imports(module: str) -> set[str]:
    """Return the modules of the library that a module imports."""
    return {name for name in CLASSIFIER for found in imports(module) if f"{found}.".startswith(f"classifier.{name}.")}


def runs_on_import(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes below one that run when the module is imported: not those inside functions or for checkers."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        yield child
        yield from runs_on_import(child)


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("labels", {"errors"}),
        ("errors", {"labels"}),
        ("characters", set()),
        ("glue", {"characters"}),
        ("files", set()),
        ("resources", set()),
        ("segments", set()),
        ("estimators", {"characters", "paragraphs", "ngrams"}),
        ("paragraphs", {"labels", "errors", "characters", "glue"}),
        ("seeds", {"labels", "errors", "characters", "paragraphs", "shingles"}),
        ("shingles", {"ngrams"}),
        ("ngrams", {"characters", "paragraphs"}),
        ("likeness", {"characters", "paragraphs", "ngrams", "segments"}),
        ("phrases", {"characters", "errors", "paragraphs", "ngrams", "resources"}),
        ("features", {"characters", "glue", "paragraphs", "ngrams", "segments", "labels", "likeness", "phrases"}),
        ("recombination", {"labels"}),
        ("registry", {"errors", "files", "model", "resources", "store"}),
        ("batch.places", {"errors"}),
        ("batch.summary", {"labels"}),
        ("batch.chunks", {"labels", "records"}),
        ("batch.jsonlines", {"batch.chunks", "labels", "records"}),
        ("batch.parquet", {"batch.chunks", "errors", "labels", "records"}),
        ("batch.wet", {"batch.chunks", "errors", "labels", "records"}),
        (
            "batch.formats",
            {"batch.chunks", "errors", "batch.jsonlines", "labels", "batch.parquet", "batch.places", "batch.wet"},
        ),
        ("batch.units", {"batch.chunks", "errors", "batch.formats", "batch.places", "batch.summary"}),
        ("batch.journal", {"errors", "files", "batch.places", "batch.summary"}),
        ("batch.cluster", {"errors"}),
        ("comparison", {"alignment", "errors", "labels", "model", "paragraphs", "store", "training"}),
    ],
)
def test_the_lower_modules_know_only_what_is_below_them(module: str, allowed: set[str]) -> None:
    """Nouns and errors stand alone, splitting needs only characters, features only splitting."""
    assert own_imports(f"classifier.{module}") <= allowed


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("paragraphs", "features"),
        ("features", "model"),
        ("model", "store"),
        ("store", "training"),
        ("seeds", "training"),
        ("training", "evaluation"),
        ("model", "cleaning"),
        ("store", "cleaning"),
        ("cleaning", "records"),
        ("records", "batch.chunks"),
        ("batch.chunks", "batch.formats"),
        ("batch.places", "batch.formats"),
        ("batch.formats", "batch.units"),
        ("batch.units", "batch.worker"),
        ("cleaning", "batch.worker"),
        ("batch.worker", "batch.run"),
        ("batch.journal", "batch.run"),
        ("batch.cluster", "batch.run"),
        ("batch.summary", "batch.run"),
        ("batch.run", "batch.page"),
        ("pages", "batch.page"),
        ("batch.page", "cli"),
        ("cleaning", "batch.run"),
        ("batch.run", "cli"),
        ("evaluation", "report"),
        ("files", "pages"),
        ("pages", "report"),
        ("report", "cli"),
        ("store", "registry"),
        ("files", "registry"),
        ("registry", "cli"),
        ("training", "comparison"),
        ("comparison", "cli"),
    ],
)
def test_imports_go_one_way(lower: str, higher: str) -> None:
    """A module is not reached from those it builds on, however many stand between."""
    reached: set[str] = set()
    waiting = [lower]
    while waiting:
        for name in own_imports(f"classifier.{waiting.pop()}") - reached:
            reached.add(name)
            waiting.append(name)
    assert higher not in reached
    assert lower not in reached, "it imports itself by way of others"


@pytest.mark.parametrize("module", CLASSIFIER)
def test_the_library_knows_nothing_of_the_service(module: str) -> None:
    """No Flask and no service, but for the command that runs it, inside its function; click in that module alone."""
    found = imports(f"classifier.{module}")
    roots = {name.split(".")[0] for name in found}
    at_import = {
        name.split(".")[0] for node in runs_on_import(tree_of(f"classifier.{module}")) for name in names_imported(node)
    }
    assert not roots & {"flask", "werkzeug", "gunicorn", "pydantic", "spectree", "prometheus_client"}
    assert "service" not in (at_import if module == "cli" else roots)
    assert "click" not in roots or module == "cli"


@pytest.mark.parametrize(
    ("library", "modules"),
    [
        ("pydantic", {"service.schema", "service.seeds"}),
        ("pydantic_core", {"service.schema"}),
        ("spectree", {"service.docs"}),
        ("prometheus_client", {"service.metrics"}),
        ("gunicorn", {"service.server", "service.worker"}),
        ("hmac", {"service.auth"}),
        ("subprocess", {"service.training"}),
    ],
)
def test_a_library_of_the_service_has_its_place(library: str, modules: set[str]) -> None:
    """So that another one could take it, and what it does is read in one place."""
    assert {module for module in EVERY if library in {name.split(".")[0] for name in imports(module)}} == modules


def test_a_training_s_process_begins_without_the_service() -> None:
    """It says at once that another one is under way: neither Flask nor scikit-learn is imported for that."""
    code = (
        "import sys, service.retrain\n"
        "assert not {'flask', 'pydantic', 'spectree', 'prometheus_client', 'gunicorn', 'sklearn'} & set(sys.modules)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("module", EVERY)
def test_only_the_pages_have_templates(module: str) -> None:
    """And it imports their engine when a page is made, not before."""
    roots = {name.split(".")[0] for name in imports(module)}
    at_import = {name.split(".")[0] for node in runs_on_import(tree_of(module)) for name in names_imported(node)}
    assert not roots & {"jinja2", "markupsafe"} or module == "classifier.pages"
    assert not at_import & {"jinja2", "markupsafe"}


@pytest.mark.parametrize("module", EVERY)
def test_extras_are_imported_when_they_are_needed(module: str) -> None:
    """Whoever has not installed one can import everything."""
    at_import = {name.split(".")[0] for node in runs_on_import(tree_of(module)) for name in names_imported(node)}
    assert not at_import & {"dask", "distributed", "fastwarc", "fsspec", "pyarrow"}


@pytest.mark.parametrize("module", EVERY)
def test_only_the_settings_read_the_environment(module: str) -> None:
    """And the command line, where an option names its variable."""
    attributes = {ast.unparse(node) for node in ast.walk(tree_of(module)) if isinstance(node, ast.Attribute)}
    touched = (attributes | imports(module)) & {"os.environ", "os.getenv", "os.putenv"}
    assert not touched or module in ("classifier.cli", "service.settings")


@pytest.mark.parametrize("module", EVERY)
def test_nothing_is_unpickled(module: str) -> None:
    """No module loads a pickle, by whichever name; numpy is told so each time it loads."""
    calls = [node for node in ast.walk(tree_of(module)) if isinstance(node, ast.Call)]
    for call in calls:
        if ast.unparse(call.func) in ("np.load", "numpy.load"):
            assert "allow_pickle=False" in ast.unparse(call)
    assert not imports(module) & {"pickle", "dill", "cloudpickle", "shelve", "marshal", "joblib.load"}
    assert not any(ast.unparse(call.func) in ("joblib.load", "pickle.load", "pickle.loads") for call in calls)


@pytest.mark.parametrize("module", CLASSIFIER)
def test_every_module_says_what_it_is_for(module: str) -> None:
    """Its first line is one of purpose."""
    purpose = ast.get_docstring(tree_of(f"classifier.{module}"))
    assert purpose
    assert purpose.split("\n")[0].strip()


@pytest.mark.parametrize("name", classifier.__all__)
def test_every_name_of_the_library_is_there(name: str) -> None:
    """What the package offers is the very thing its home module defines."""
    value = getattr(classifier, name)
    (home,) = (module for module, names in classifier._HOMES.items() if name in names)
    assert value is getattr(importlib.import_module(f"classifier.{home}"), name)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    """As with any module."""
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = classifier.nothing


def test_the_package_is_imported_at_once() -> None:
    """Its name alone brings nothing heavy with it; using a name does."""
    code = (
        "import sys, classifier\n"
        "assert 'numpy' not in sys.modules and 'sklearn' not in sys.modules\n"
        "classifier.LABELS, classifier.read_seeds, classifier.WinnowError\n"
        "assert 'numpy' not in sys.modules and 'sklearn' not in sys.modules\n"
        "classifier.Cleaner\n"
        "assert 'numpy' in sys.modules and 'sklearn' not in sys.modules\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr


def test_cleaning_imports_only_what_it_needs() -> None:
    """Neither what trains nor what makes reports, which are there for other work."""
    code = (
        "import sys\n"
        "from classifier import Cleaner\n"
        "assert Cleaner.load().clean('The council voted on Tuesday.').paragraphs\n"
        "assert not {'jinja2', 'markupsafe', 'sklearn', 'flask'} & set(sys.modules)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
