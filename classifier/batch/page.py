"""A batch as one page to look at: how much was removed, of what and where, and the articles that lost most.

How it looks is `classifier/templates/`; here numbers become coordinates and words.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from classifier.batch.chunks import Slice, articles_of
from classifier.batch.formats import FORMATS, format_of, read_chunks
from classifier.batch.places import Place, place
from classifier.batch.run import BatchResult
from classifier.batch.summary import Lost, Part, Summary, kept_of, share_names
from classifier.cleaning import Cleaner
from classifier.errors import InputError
from classifier.labels import LABELS, Label
from classifier.pages import count, fill, percent, sentence, write_page
from classifier.records import decode

_MOST_ROWS = 25


@dataclass(frozen=True, slots=True)
class ShownParagraph:
    """A paragraph of an article to look at."""

    label: Label
    confidence: float
    text: str
    kept: bool


@dataclass(frozen=True, slots=True)
class ShownArticle:
    """An article to look at, whole: where it stands, what it lost, and its paragraphs."""

    path: str
    place: int
    share: float
    removed: int
    paragraphs: tuple[ShownParagraph, ...]


def write_batch_report(result: BatchResult, source: str, model: Path | None, directory: Path) -> Path:
    """Write the page of a batch into `directory` and return its path; the articles shown are read and cleaned again.

    Raises OutputError when the page cannot be written.
    """
    return write_page(render_batch(result, source, _shown(result, source, model)), directory)


def render_batch(result: BatchResult, source: str, shown: Sequence[ShownArticle]) -> str:
    """Return the page of a batch."""
    summary, keep = result.summary, result.settings.keep
    whole = sum(summary.characters)
    kept = kept_of(summary.characters, keep)
    pictures = [_bars("all", "All articles", {"all": Part(summary.articles, summary.characters)}, keep)]
    if summary.by_language:
        told = sum(part.articles for part in summary.by_language.values())
        note = "" if told == summary.articles else f"{told:,} of {summary.articles:,} articles tell their language"
        pictures.append(_bars("languages", "By language", summary.by_language, keep, note))
    if len(summary.by_folder) > 1:
        folders = {f"{name}/" if name else "./": part for name, part in summary.by_folder.items()}
        pictures.append(_bars("folders", "By folder", folders, keep))
    return fill(
        "batch.html",
        title="Winnow batch",
        subject=source,
        headlines=[
            (
                "articles",
                count(summary.articles),
                f"{count(summary.emptied)} of which nothing was kept, {count(summary.blank)} without text",
            ),
            ("characters", count(whole), "of all paragraphs"),
            ("kept", percent(kept / whole if whole else None), f"{count(kept)} characters"),
            ("failures", count(summary.failures), "files and rows that were not cleaned"),
        ],
        result=result,
        keep=[label for label in LABELS if label in keep],
        removed=[label for label in LABELS if label not in keep],
        characters=dict(zip(LABELS, summary.characters, strict=True)),
        paragraphs=dict(zip(LABELS, summary.paragraphs, strict=True)),
        whole=whole,
        pictures=pictures,
        histogram=_histogram(summary),
        reasons=summary.ranked_reasons,
        shown=shown,
        labels=LABELS,
    )


def _shown(result: BatchResult, source: str, model: Path | None) -> list[ShownArticle]:
    by_path: dict[str, list[Lost]] = defaultdict(list)
    for lost in result.summary.lost_most:
        by_path[lost.path].append(lost)
    here = place(source)
    texts: dict[tuple[str, int], str] = {}
    for path, losses in by_path.items():
        wanted = {lost.place for lost in losses}
        try:
            texts |= {(path, number): text for number, text in _texts(here, path, wanted, result)}
        except (OSError, InputError):
            continue  # it was there when it was cleaned, and is no more
    cleaner = Cleaner.load(model)
    shown = []
    for lost in result.summary.lost_most:
        text = texts.get((lost.path, lost.place))
        if text is None:
            continue
        paragraphs = tuple(
            ShownParagraph(one.label, one.confidence, text[one.start : one.end], one.label in result.settings.keep)
            for one in cleaner.clean(text).paragraphs
        )
        shown.append(ShownArticle(lost.path, lost.place, lost.share / 1e6, lost.characters, paragraphs))
    return shown


def _texts(here: Place, path: str, wanted: Collection[int], result: BatchResult) -> Iterable[tuple[int, str]]:
    """Yield the texts that stand at some places of a file."""
    form = format_of(path)
    with here.open(path) as file:
        if form is None or form == FORMATS[0]:
            yield 0, decode(file.read())[0]
            return
        left = set(wanted)
        for chunk in read_chunks(file, form, Slice(), result.settings.text_field, result.settings.most_bytes):
            for record in articles_of(chunk):
                if record.place in left:
                    left.remove(record.place)
                    yield record.place, record.text
            if not left:
                return


@dataclass(frozen=True)
class _Bar:
    """One bar: its name, its articles, and for each label removed the corner, the width and the share."""

    name: str
    articles: int
    y: int
    removed: float
    pieces: tuple[tuple[str, float, float, float], ...]


@dataclass(frozen=True)
class _Bars:
    """Shares removed, label by label, as bars beside each other."""

    name: str
    title: str
    note: str
    width: int
    height: int
    left: int
    bottom: int
    bar_height: int
    ticks: tuple[tuple[float, str], ...]
    bars: tuple[_Bar, ...]
    description: str


def _bars(name: str, title: str, parts: Mapping[str, Part], keep: Collection[Label], note: str = "") -> _Bars:
    left, across, step, bar_height = 150, 520, 30, 20
    largest = sorted(parts.items(), key=lambda item: (-sum(item[1].characters), item[0]))
    rest = largest[_MOST_ROWS:]
    rows = largest[:_MOST_ROWS]
    if rest:
        columns = zip(*(part.characters for _, part in rest), strict=True)
        rows.append((f"{len(rest):,} others", Part(sum(part.articles for _, part in rest), [*map(sum, columns)])))
    shares = [
        {
            label: count / max(sum(part.characters), 1)
            for label, count in zip(LABELS, part.characters, strict=True)
            if label not in keep
        }
        for _, part in rows
    ]
    most = max((sum(one.values()) for one in shares), default=0.0)
    limit = next(one for one in (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0) if most <= one + 1e-9)
    bars = []
    for row, ((row_name, part), one) in enumerate(zip(rows, shares, strict=True)):
        x = float(left)
        pieces = []
        for label, share in one.items():
            width = across * share / limit
            pieces.append((str(label), round(x, 1), round(width, 1), share))
            x += width
        bars.append(_Bar(row_name, part.articles, 10 + row * step, sum(one.values()), tuple(pieces)))
    bottom = 10 + len(rows) * step
    told = [
        f"of {bar.name} {percent(bar.removed)} is removed ("
        + ", ".join(f"{label} {percent(share)}" for label, _, _, share in bar.pieces)
        + ")"
        for bar in bars
    ]
    return _Bars(
        name=name,
        title=title,
        note=note,
        width=left + across + 70,
        height=bottom + 30,
        left=left,
        bottom=bottom,
        bar_height=bar_height,
        ticks=tuple((left + across * tick / 4, f"{100 * limit * tick / 4:g} %") for tick in range(5)),
        bars=tuple(bars),
        description=sentence(told),
    )


@dataclass(frozen=True)
class _Column:
    """One bin of the histogram."""

    name: str
    articles: int
    x: float
    y: float
    height: float


@dataclass(frozen=True)
class _Histogram:
    """How many articles lost how much, as a picture."""

    width: int
    height: int
    left: int
    bottom: int
    right: int
    column_width: float
    columns: tuple[_Column, ...]
    description: str


def _histogram(summary: Summary) -> _Histogram:
    left, top, tall, across = 14, 26, 220, 720
    step = across / len(summary.shares)
    most = max(summary.shares)
    columns = []
    for number, (name, articles) in enumerate(zip(share_names(), summary.shares, strict=True)):
        height = round(tall * articles / most, 1) if most else 0.0
        columns.append(_Column(name, articles, round(left + number * step, 1), round(top + tall - height, 1), height))
    told = [f"{one.articles:,} articles lost {one.name}" for one in columns if one.articles]
    return _Histogram(
        width=left + across + 14,
        height=top + tall + 34,
        left=left,
        bottom=top + tall,
        right=left + across,
        column_width=round(step, 1),
        columns=tuple(columns),
        description=sentence(told),
    )
