"""What the tests of the library share: strategies for raw texts, shipped seeds, a quick model, a store of it and a
stub model."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from itertools import zip_longest
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from numpy.typing import NDArray

from classifier.cleaning import Cleaner
from classifier.labels import LABELS, Label, LabelledArticle
from classifier.model import Model
from classifier.paragraphs import TextBatch
from classifier.registry import ModelStore
from classifier.resources import default_seeds
from classifier.seeds import read_seeds
from classifier.store import ModelCard, save_model
from classifier.training import QUICK, train

FEW = 60

Version = Callable[..., tuple[Model, ModelCard]]

# Every run checks the same examples, so that a change is to blame for what breaks; `--hypothesis-profile=explore`
# looks for new ones.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile(
    "explore",
    deadline=None,
    max_examples=2000,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

_ATTRIBUTIONS = (
    "— City Hall (@cityhall) September 19, 2023",
    "— بلدية المدينة (@baladiya) ١٩ سبتمبر ٢٠٢٣",
    "— Mairie (@mairie) 19 septembre 2023",
    "— Ayuntamiento (@ayto)\u200e 19 de septiembre de 2023",
    "— 市政府 (@shizheng) 2023年9月19日",
    "- Мэрия (@meria) 19 сентября 2023 г.",
    "— (@) 2023",
    "— Nobody (@nobody)",
)
_STUBS = (
    "pic.twitter.com/AbCdEfGh12",
    "https://t.co/AbCdEfGh12",
    "t.co/AbCdEfGh12",
    "pic.x.com/0123456789",
    "t.co/short",
)
_PROSE = (
    "The council voted 14 to 9 on Tuesday for new bus lanes on the ring road.",
    "وقال الوزير إن المكتبة ستفتح أبوابها طوال أيام الأسبوع، من الثامنة حتى العاشرة.",
    "市议会周二批准了环路上的新公交专用道，工程将于六月开始。",
    "สภาเมืองอนุมัติช่องทางเดินรถใหม่",
    "Read also:",
    "اقرأ أيضا:",
    "Word",
    ": odd",
    "@council thanks all #buses",
    "😀",
    "\ud83d",
    "\x00",
    "\u202bword\u202c",
    "2023",
    "Sentence one. Sentence two! Sentence three? " * 30,
    "x" * 1100,
)
_WHITE = (
    " ", "", "\n", "\n\n", "\r\n", "\r", "   ", "    ", "\xa0\xa0\xa0", "\t", "\u2028", "\x85", "\u3000", "\x1c",
    "\x1f",
)  # fmt: skip


class StubModel:
    """Labels by what is written: `PROMO` is promo, `FOOT` boilerplate, `@` in front social, all else core.

    The values are exact in binary, so that tests can name them.
    """

    identifier = "stub"

    def predict_proba(self, batch: TextBatch) -> NDArray[np.float32]:
        """Return .75 for the label and .25 for the next one."""
        rows = np.zeros((len(batch.starts), len(LABELS)), np.float32)
        for row, start, end in zip(rows, batch.starts.tolist(), batch.ends.tolist(), strict=True):
            place = LABELS.index(_label(batch.joined[start:end]))
            row[place], row[(place + 1) % len(LABELS)] = 0.75, 0.25
        return rows


def _label(paragraph: str) -> Label:
    if "PROMO" in paragraph:
        return Label.PROMO
    if "FOOT" in paragraph:
        return Label.BOILERPLATE
    return Label.SOCIAL if paragraph.startswith("@") else Label.CORE


_ANY = st.text(alphabet=st.one_of(st.characters(), st.characters(categories=["Cs"])))
_PART = st.one_of(*(st.sampled_from(parts) for parts in (_ATTRIBUTIONS, _STUBS, _PROSE, _WHITE)), _ANY)


@st.composite
def any_texts(draw: st.DrawFn) -> str:
    """Any string at all: every character, lone surrogates among them."""
    return draw(_ANY)


@st.composite
def raw_texts(draw: st.DrawFn) -> str:
    """Strings like raw articles: posts, attributions, stubs, long lines and odd white space; and any other string."""
    return draw(_ANY) if draw(st.booleans()) else "".join(draw(st.lists(_PART, max_size=12)))


@pytest.fixture(scope="session")
def any_text() -> SearchStrategy[str]:
    """The strategy `any_texts`, for tests that draw from it."""
    return any_texts()


@pytest.fixture(scope="session")
def raw_text() -> SearchStrategy[str]:
    """The strategy `raw_texts`, for tests that draw from it."""
    return raw_texts()


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Train on one thread: on so little data threads that wait for each other cost ten times what they save."""
    with import_module("threadpoolctl").threadpool_limits(1):  # which has no types
        yield


@pytest.fixture
def stub_cleaner() -> Cleaner:
    """A cleaner with the stub model, so that every label is known in advance."""
    return Cleaner(cast(Model, StubModel()))


@pytest.fixture(scope="session")
def shipped_seeds() -> list[LabelledArticle]:
    """All seeds that ship."""
    return read_seeds(default_seeds())


@pytest.fixture(scope="session")
def few_seeds(shipped_seeds: list[LabelledArticle]) -> list[LabelledArticle]:
    """Seeds that hold every label, dealt from all languages in turn."""
    by_language: dict[str, list[LabelledArticle]] = defaultdict(list)
    for article in shipped_seeds:
        if {label for _, _, label in article.spans} == set(LABELS):
            by_language[article.language].append(article)
    turns = zip_longest(*(by_language[language] for language in sorted(by_language)))
    return [article for turn in turns for article in turn if article is not None][:FEW]


@pytest.fixture(scope="session")
def quick(few_seeds: list[LabelledArticle]) -> tuple[Model, ModelCard]:
    """A model trained quickly on a few seeds, and its card."""
    return train(few_seeds, QUICK)


@pytest.fixture(scope="session")
def quick_cleaner(quick: tuple[Model, ModelCard]) -> Cleaner:
    """A cleaner with the quick model."""
    return Cleaner(quick[0])


@pytest.fixture(scope="session")
def quick_folder(quick: tuple[Model, ModelCard], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quick model as a folder; not to be changed."""
    folder = tmp_path_factory.mktemp("models") / "quick"
    save_model(*quick, folder)
    return folder


@pytest.fixture(scope="session")
def version(quick: tuple[Model, ModelCard]) -> Version:
    """Makes versions of the quick model that differ in name, and in what else of the card is given."""

    def make(identifier: str, **changes: Any) -> tuple[Model, ModelCard]:
        model, card = quick
        return replace(model, identifier=identifier), replace(card, identifier=identifier, **changes)

    return make


@pytest.fixture(scope="session")
def two_versions(version: Version, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the versions winnow-000000000001, which is in use, and winnow-000000000002; not to be changed."""
    store = ModelStore(tmp_path_factory.mktemp("stores") / "two")
    for number in (1, 2):
        store.add(*version(f"winnow-{number:012x}", created=f"200{number}-01-01T00:00:00Z"))
    store.use(f"winnow-{1:012x}")
    return store.directory


def pytest_configure(config: pytest.Config) -> None:
    """Use the steady profile unless the command line names another."""
    if not config.getoption("--hypothesis-profile", default=None):
        settings.load_profile("steady")
