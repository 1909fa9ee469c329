"""Labelled articles on disk: the tab-separated seed format, its reader and its checker.

`<language>/<name>.tsv`, UTF-8: rows `# key: value` on top, then one paragraph a row, `label<TAB>text`; `label+` joins
the row to the one before without a line break. The raw article is what the rows make when joined.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from classifier.errors import SeedError
from classifier.labels import LABELS, Label, LabelledArticle

NEAR_DUPLICATE = 0.4
"""Share of the shorter article's shingles that two seeds may at most have in common."""

ADDED_WEIGHT = 4
"""How many times an article counts that was added to the seeds: a handful of a site's must tell among many."""


def read_seeds(directory: Path) -> list[LabelledArticle]:
    """Read every seed below a directory, ordered by path.

    Raises SeedError, naming file and line of everything that is wrong, when any seed cannot be used or two are
    (nearly) the same.
    """
    articles, problems = _read(directory)
    if problems:
        raise SeedError("\n".join(problems))
    return articles


def read_seeds_with(directory: Path, added: Sequence[Path], weight: int = ADDED_WEIGHT) -> list[LabelledArticle]:
    """Read every seed below a directory, and `weight` copies of every one below the added ones.

    The copies of an article share its group, so that they are never on both sides of a fold; and the group tells
    nothing of the folder, so that the article is in the same fold wherever it lies. Raises SeedError.
    """
    return read_seeds(directory) + [
        replace(article, group=f"added/{article.group}")
        for folder in added
        for article in read_seeds(folder)
        for _ in range(weight)
    ]


def check_seeds(directory: Path) -> list[str]:
    """Return what is wrong with the seeds below a directory, a `file:line: message` each; empty when all are sound."""
    return _read(directory)[1]


def _read(directory: Path) -> tuple[list[LabelledArticle], list[str]]:
    paths = sorted(directory.rglob("*.tsv"))
    if not paths:
        return [], [f"{directory}:0: no seed found; put files like seeds/en/name.tsv there"]
    articles: list[LabelledArticle] = []
    problems: list[str] = []
    for path in paths:
        try:
            articles.append(parse_seed(path.read_text("utf-8"), path, language=path.parent.name))
        except UnicodeDecodeError as error:
            problems.append(f"{path}:0: not UTF-8 (byte {error.start}); save the file as UTF-8")
        except OSError as error:
            problems.append(f"{path}:0: cannot be read: {error.strerror}")
        except SeedError as error:
            problems.extend(str(error).split("\n"))
    problems.extend(_duplicates(articles))
    return articles, problems


def parse_seed(content: str, path: Path, language: str = "") -> LabelledArticle:
    """Return the article of one seed file's content.

    Raises SeedError with `path:line: message` lines, one for each bad row.
    """
    problems: list[str] = []
    notes: dict[str, str] = {}
    text = ""
    spans: list[tuple[int, int, Label]] = []
    for number, row in enumerate(content.removeprefix("\ufeff").split("\n"), 1):
        row = row.removesuffix("\r")
        if not row.strip():
            continue
        if row.startswith("# ") and not spans:
            key, _, value = row[2:].partition(":")
            notes[key.strip()] = value.strip()
            continue
        name, tab, piece = row.partition("\t")
        problem = _row_problem(name, tab, piece, first=not spans)
        if problem:
            problems.append(f"{path}:{number}: {problem}")
            continue
        if spans and not name.endswith("+"):
            text += "\n"
        start = len(text) + len(piece) - len(piece.lstrip())
        text += piece
        spans.append((start, start + len(piece.strip()), Label(name.removesuffix("+"))))
    if not problems and not spans:
        problems.append(f"{path}:1: no rows; write one paragraph a row as label<TAB>text")
    if problems:
        raise SeedError("\n".join(problems))
    return LabelledArticle(path.stem, text, tuple(spans), language, notes.get("group", path.stem), str(path))


def format_seed(article: LabelledArticle, source: str) -> str:
    """Return the seed file's content for an article; of the white space between paragraphs only line breaks, or their
    lack, are kept, and a tab becomes a space.

    Raises SeedError when a paragraph holds what a row cannot, or the group is no line.
    """
    rows = [f"# source: {source}"]
    if article.group and article.group != article.identifier:
        if article.group != article.group.strip() or len(article.group.splitlines()) != 1:
            raise SeedError(f"the group {article.group!r:.40} is no line without white space around it; give another")
        rows.append(f"# group: {article.group}")
    last = 0
    for number, (start, end, label) in enumerate(article.spans):
        gap, text = article.text[last:start], article.text[start:end].replace("\t", " ").strip()
        if len(text.splitlines()) != 1:
            raise SeedError(f"paragraph {number} holds a line break, or nothing; label each line for itself")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise SeedError(f"paragraph {number} holds half a surrogate pair; remove it") from error
        glued = number > 0 and len(f"{gap}.".splitlines()) == 1
        rows.append(f"{label}+\t{' ' * len(gap)}{text}" if glued else f"{label}\t{text}")
        last = end
    return "\n".join(rows) + "\n"


def _row_problem(name: str, tab: str, piece: str, *, first: bool) -> str:
    if not tab:
        return "no tab; write label<TAB>text"
    if name.removesuffix("+") not in LABELS:
        return f"unknown label {name!r}; use one of {', '.join(LABELS)}, with + to glue the row to the one before"
    if not piece.strip():
        return "no text behind the label; remove the row"
    if "\t" in piece or len(piece.splitlines()) > 1:
        return "a tab or line break inside the text; make it a space or a row of its own"
    if first and name.endswith("+"):
        return "the first row cannot be glued to a row before it; remove the +"
    return ""


def _duplicates(articles: Iterable[LabelledArticle]) -> Iterator[str]:
    """Tell of articles that share too much of their text with another one."""
    from classifier.shingles import shared  # imported here, for who only reads the format needs no numpy

    origins: dict[str, str] = {}
    for article in articles:
        bare = "".join(article.text.split())
        if bare in origins:
            yield f"{article.origin}:1: the same text as {origins[bare]}; remove one of them"
        else:
            origins[bare] = article.origin
    names = list(origins.values())
    for first, second, share in shared(list(origins)):
        if share > NEAR_DUPLICATE:
            yield f"{names[second]}:1: shares {share:.0%} of its text with {names[first]}; write one of them anew"
