"""An evaluation as one page to look at: HTML that loads nothing and runs nothing, its pictures drawn as SVG.

What is measured is `classifier/evaluation.py`; how it looks is `classifier/templates/`; here numbers become coordinates
and words. The same evaluation gives the same page.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from classifier.errors import OutputError
from classifier.evaluation import HEADLINES, CalibrationBin, Evaluation
from classifier.files import write_whole
from classifier.labels import LABELS

PAGE = "index.html"
"""Name of the page in the folder of the report."""

_TEMPLATES = Path(__file__).parent / "templates"
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
# What may not stand in an HTML file: controls, half surrogate pairs, code points that are no characters.
_UNFIT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
    + "]"
)


def check_folder(directory: Path) -> None:
    """Raise OutputError when it is plain that no page can be written into `directory`, which need not be there yet."""
    try:
        nearest = next(path for path in (directory, *directory.absolute().parents) if path.exists())
        if not nearest.is_dir():
            raise OutputError(f"{nearest} is a file; name a folder for the report")
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise OutputError(f"{nearest} may not be written to; name another folder for the report")
    except OSError as error:
        raise _cannot_be_written(directory, error) from error


def write_report(evaluation: Evaluation, subject: str, directory: Path) -> Path:
    """Write the page of an evaluation into `directory`, replacing an older one in one step, and return its path.

    `subject` says in a few words what was measured on what. Raises OutputError when the page cannot be written.
    """
    page = directory / PAGE
    content = render(evaluation, subject).encode("utf-8")
    try:
        write_whole(page, content)
    except OSError as error:
        raise _cannot_be_written(page, error) from error
    return page


def _cannot_be_written(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path} cannot be written ({error.strerror or error}); name another folder for the report")


def render(evaluation: Evaluation, subject: str) -> str:
    """Return the page of an evaluation; every character of it can be encoded in UTF-8 and stand in HTML."""
    # Imported here, for who evaluates without a report needs no templates.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(figure=_figure, percent=_percent, count=_count, language_tag=_language_tag)
    figures = evaluation.figures
    page = environment.get_template("report.html").render(
        subject=subject,
        figures=figures,
        headlines=[(name, getattr(figures, field), meaning) for field, name, meaning in HEADLINES],
        labels=LABELS,
        languages=sorted(evaluation.by_language.items(), key=lambda item: (-item[1].articles, item[0])),
        characters=_heat_map("characters", figures.character_confusion),
        paragraphs=_heat_map("paragraphs", figures.paragraph_confusion),
        diagram=_reliability(figures.calibration),
        worst=evaluation.worst,
    )
    return _UNFIT.sub(_visible, page)


def _visible(match: re.Match[str]) -> str:
    """A control character of ASCII becomes the picture of it, all else the sign for what cannot be shown."""
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _count(number: int) -> str:
    return f"{number:,}"


def _language_tag(language: str) -> str:
    """The language as an HTML `lang` may have it; empty when it is not known or is no tag."""
    return language if _LANGUAGE_TAG.fullmatch(language) else ""


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
        f"of {gold} ({_count(sums[gold])}) "
        + ", ".join(f"{_percent(cell.share)} are given {cell.given}" for cell in cells if cell.gold == gold)
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
        description=_sentence(told),
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
        f"at confidence {one.lower:.1f}–{one.upper:.1f} ({_count(one.paragraphs)}) {_percent(one.accuracy)} are right"
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
        description=_sentence(told),
    )


def _sentence(parts: Sequence[str]) -> str:
    text = "; ".join(parts) or "there is nothing to show"
    return f"{text[0].upper()}{text[1:]}."
