"""An evaluation as one page to look at: HTML that loads nothing and runs nothing, its pictures drawn as SVG.

What is measured is `classifier/evaluation.py`; how it looks is `classifier/templates/`; here numbers become coordinates
and words. The same evaluation gives the same page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from classifier.evaluation import HEADLINES, CalibrationBin, Evaluation
from classifier.labels import LABELS
from classifier.pages import count, figure, fill, percent, sentence, write_page


def write_report(evaluation: Evaluation, subject: str, directory: Path) -> Path:
    """Write the page of an evaluation into `directory`, replacing an older one in one step, and return its path.

    `subject` says in a few words what was measured on what. Raises OutputError when the page cannot be written.
    """
    return write_page(render(evaluation, subject), directory)


def render(evaluation: Evaluation, subject: str) -> str:
    """Return the page of an evaluation."""
    figures = evaluation.figures
    return fill(
        "report.html",
        title="Winnow evaluation",
        subject=subject,
        headlines=[(name, figure(getattr(figures, field)), meaning) for field, name, meaning in HEADLINES],
        figures=figures,
        labels=LABELS,
        languages=sorted(evaluation.by_language.items(), key=lambda item: (-item[1].articles, item[0])),
        characters=_heat_map("characters", figures.character_confusion),
        paragraphs=_heat_map("paragraphs", figures.paragraph_confusion),
        diagram=_reliability(figures.calibration),
        worst=evaluation.worst,
    )


@dataclass(frozen=True)
class _Cell:
    """One cell of a heat map: its corner, its count, and the share of its row (None in an empty row)."""

    x: int
    y: int
    gold: str
    given: str
    count: int
    share: float | None

    @property
    def heat(self) -> str:
        """How dark the cell is, as a class: what is written on it must stand out."""
        share = self.share or 0.0
        return "strong" if share > 0.7 else "half" if share > 0.5 else "faint"


@dataclass(frozen=True)
class _HeatMap:
    """A confusion matrix as a picture: a row for each gold label, a column for each label given."""

    unit: str
    width: int
    height: int
    cell_width: int
    cell_height: int
    columns: tuple[tuple[int, str], ...]  # middle of the column, and its label
    rows: tuple[tuple[int, str], ...]  # middle of the row, and its label
    sums: Mapping[str, int]  # by gold label
    cells: tuple[_Cell, ...]
    description: str


def _heat_map(unit: str, confusion: Mapping[str, Mapping[str, int]]) -> _HeatMap:
    left, top, width, height = 116, 52, 88, 60
    sums = {gold: sum(row.values()) for gold, row in confusion.items()}
    cells = tuple(
        _Cell(left + column * width, top + row * height, gold, given, count, count / sums[gold] if sums[gold] else None)
        for row, (gold, counts) in enumerate(confusion.items())
        for column, (given, count) in enumerate(counts.items())
    )
    told = [
        f"of {gold} ({count(sums[gold])}) "
        + ", ".join(f"{percent(cell.share)} are given {cell.given}" for cell in cells if cell.gold == gold)
        for gold in confusion
        if sums[gold]
    ]
    return _HeatMap(
        unit=unit,
        width=left + len(confusion) * width + 2,
        height=top + len(confusion) * height + 2,
        cell_width=width,
        cell_height=height,
        columns=tuple((left + column * width + width // 2, label) for column, label in enumerate(confusion)),
        rows=tuple((top + row * height + height // 2, label) for row, label in enumerate(confusion)),
        sums=sums,
        cells=cells,
        description=sentence(told),
    )


@dataclass(frozen=True)
class _Bar:
    """One bin of the reliability diagram as coordinates: `right` is the top of its accuracy, `sure` of its mean
    confidence, `share` of its paragraphs in the strip below; None where it is empty.
    """

    bin: CalibrationBin
    x: float
    right: float | None
    sure: float | None
    share: float


@dataclass(frozen=True)
class _Diagram:
    """A reliability diagram as a picture: accuracy over confidence, and below it how many paragraphs there are."""

    width: int
    height: int
    left: int
    top: int
    bottom: int
    right: int
    bar_width: float
    strip_bottom: int
    horizontal: tuple[tuple[float, str], ...]  # y of a grid line, and its number
    vertical: tuple[tuple[float, str], ...]  # x of a tick, and its number
    bars: tuple[_Bar, ...]
    description: str


def _reliability(bins: Sequence[CalibrationBin]) -> _Diagram:
    left, top, side, strip = 58, 14, 300, 60
    across = 480
    bottom, right = top + side, left + across
    strip_bottom = bottom + 52 + strip
    most = max((one.paragraphs for one in bins), default=0)

    def height(share: float | None) -> float | None:
        return None if share is None else round(bottom - share * side, 1)

    told = [
        f"at confidence {one.lower:.1f}–{one.upper:.1f} ({count(one.paragraphs)}) {percent(one.accuracy)} are right"
        for one in bins
        if one.paragraphs
    ]
    return _Diagram(
        width=right + 14,
        height=strip_bottom + 46,
        left=left,
        top=top,
        bottom=bottom,
        right=right,
        bar_width=across / len(bins),
        strip_bottom=strip_bottom,
        horizontal=tuple((bottom - side * tenth / 10, f"{tenth / 10:.1f}") for tenth in range(0, 11, 2)),
        vertical=tuple((left + across * tenth / 10, f"{tenth / 10:.1f}") for tenth in range(0, 11, 2)),
        bars=tuple(
            _Bar(
                one,
                round(left + one.lower * across, 1),
                height(one.accuracy),
                height(one.confidence),
                round(strip * one.paragraphs / most, 1) if most else 0.0,
            )
            for one in bins
        ),
        description=sentence(told),
    )
