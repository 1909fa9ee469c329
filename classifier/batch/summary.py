"""What became of the articles of a batch, in figures that can be added up: by label, language, folder and reason."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from classifier.labels import LABELS, CleanedArticle

SHARES = 12
"""Bins of the share of an article's characters that was removed: nothing, ten of a tenth each, everything."""

_MOST_LOST = 10
_MILLION = 1_000_000


class Failure(NamedTuple):
    """An input, or a row of one (`line` is 0 for the whole file or when it has no number), not cleaned, and why."""

    path: str
    line: int
    reason: str


class Lost(NamedTuple):
    """How much of an article was removed: millionths of its characters, characters; and where it stands."""

    share: int
    characters: int
    path: str
    place: int


@dataclass(slots=True)
class Part:
    """Articles of one language or folder, and their characters by label, in the order of `LABELS`."""

    articles: int = 0
    characters: list[int] = field(default_factory=lambda: [0] * len(LABELS))


@dataclass(slots=True)
class Summary:
    """Figures of articles; characters are those of paragraphs, without the white space between.

    `blank` articles had no paragraph to begin with; `emptied` ones had, and nothing was kept. All is whole numbers, so
    that sums do not depend on their order.
    """

    articles: int = 0
    blank: int = 0
    emptied: int = 0
    characters: list[int] = field(default_factory=lambda: [0] * len(LABELS))
    paragraphs: list[int] = field(default_factory=lambda: [0] * len(LABELS))
    shares: list[int] = field(default_factory=lambda: [0] * SHARES)
    by_language: dict[str, Part] = field(default_factory=dict)
    by_folder: dict[str, Part] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    lost_most: list[Lost] = field(default_factory=list)

    @property
    def failures(self) -> int:
        """How many inputs and rows were not cleaned."""
        return self.reasons.total()

    @property
    def ranked_reasons(self) -> list[tuple[str, int]]:
        """Why inputs and rows were not cleaned, and how many each: the most frequent first."""
        return sorted(self.reasons.items(), key=lambda one: (-one[1], one[0]))

    def add(self, path: str, place: int, language: str, article: CleanedArticle, keep: Collection[str]) -> None:
        """Count an article of a file; `language` is empty when it is not told."""
        characters = [0] * len(LABELS)
        for paragraph in article.paragraphs:
            number = _NUMBER[paragraph.label]
            characters[number] += paragraph.end - paragraph.start
            self.paragraphs[number] += 1
        self.articles += 1
        _add_to(self.characters, characters)
        folder = path.split("/", 1)[0] if "/" in path else ""
        for parts, name in ((self.by_folder, folder), (self.by_language, language)):
            if parts is self.by_folder or name:
                part = parts.setdefault(name, Part())
                part.articles += 1
                _add_to(part.characters, characters)
        whole = sum(characters)
        if not whole:
            self.blank += 1
            return
        removed = whole - kept_of(characters, keep)
        self.emptied += removed == whole
        self.shares[_bin(removed, whole)] += 1
        if removed:
            self.lost_most.append(Lost(removed * _MILLION // whole, removed, path, place))
            if len(self.lost_most) >= 20 * _MOST_LOST:
                self._shorten()

    def fail(self, failures: Iterable[Failure]) -> None:
        """Count failures by reason, without what it says of the single case in brackets."""
        self.reasons.update(failure.reason.split(" (", 1)[0] for failure in failures)

    def merge(self, other: "Summary") -> None:
        """Add the figures of others."""
        self.articles += other.articles
        self.blank += other.blank
        self.emptied += other.emptied
        for mine, more in (
            (self.characters, other.characters),
            (self.paragraphs, other.paragraphs),
            (self.shares, other.shares),
        ):
            _add_to(mine, more)
        for parts, others in ((self.by_language, other.by_language), (self.by_folder, other.by_folder)):
            for name, part in others.items():
                mine_part = parts.setdefault(name, Part())
                mine_part.articles += part.articles
                _add_to(mine_part.characters, part.characters)
        self.reasons.update(other.reasons)
        self.lost_most += other.lost_most
        self._shorten()

    def _shorten(self) -> None:
        self.lost_most = sorted(self.lost_most, key=lambda one: (-one.share, -one.characters, one.path, one.place))
        del self.lost_most[_MOST_LOST:]

    def to_row(self) -> dict[str, Any]:
        """Return the figures as plain values, from which `from_row` makes them again."""
        self._shorten()
        return {
            **{name: getattr(self, name) for name in ("articles", "blank", "emptied", *_LISTS)},
            **{
                name: {key: [part.articles, *part.characters] for key, part in sorted(getattr(self, name).items())}
                for name in ("by_language", "by_folder")
            },
            "reasons": dict(sorted(self.reasons.items())),
            "lost_most": [list(one) for one in self.lost_most],
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Return the figures that `to_row` told."""
        made = cls(**{name: row[name] for name in ("articles", "blank", "emptied", *_LISTS)})
        for name in ("by_language", "by_folder"):
            setattr(made, name, {key: Part(values[0], values[1:]) for key, values in row[name].items()})
        made.reasons = Counter(row["reasons"])
        made.lost_most = [Lost(*one) for one in row["lost_most"]]
        return made

    def to_json(self, keep: Collection[str]) -> dict[str, Any]:
        """Return the figures by their full names, for `report.json`."""
        self._shorten()
        return {
            "articles": self.articles,
            "without_text": self.blank,
            "nothing_kept": self.emptied,
            "characters": _told(self.characters, keep),
            "paragraphs": dict(zip(LABELS, self.paragraphs, strict=True)),
            "failures": {"total": self.failures, "by_reason": dict(self.ranked_reasons)},
            "articles_by_share_removed": dict(zip(share_names(), self.shares, strict=True)),
            "by_language": _told_parts(self.by_language, keep),
            "by_folder": _told_parts(self.by_folder, keep),
            "lost_most": [
                {
                    "path": one.path,
                    "place": one.place,
                    "removed": one.characters,
                    "share": round(one.share / _MILLION, 4),
                }
                for one in self.lost_most
            ],
        }

    def to_text(self, keep: Collection[str], seconds: float, articles: int, characters: int) -> str:
        """Return the figures as lines to read; the last three are of the present run alone."""
        whole = sum(self.characters)
        kept = kept_of(self.characters, keep)
        lines = [
            f"articles     {self.articles:15,d}"
            + (f"   of {self.emptied:,} nothing was kept" if self.emptied else "")
            + (f"   {self.blank:,} had no text" if self.blank else ""),
            f"characters   {whole:15,d}",
            f"kept         {kept:15,d}  {_percent(kept, whole)}",
        ]
        for label, count in zip(LABELS, self.characters, strict=True):
            if label not in keep:
                lines.append(f"removed      {count:15,d}  {_percent(count, whole)}  {label}")
        lines.append(f"failures     {self.failures:15,d}")
        lines += [f"             {count:15,d}  {reason}" for reason, count in self.ranked_reasons[:12]]
        if articles:
            pace = max(seconds, 1e-9)
            lines.append(
                f"rate         {articles / pace:15,.0f}  articles and {characters / pace:,.0f} characters a second, "
                f"for {seconds:,.1f} s"
            )
        return "\n".join(lines)


_LISTS = ("characters", "paragraphs", "shares")
_NUMBER = {label: number for number, label in enumerate(LABELS)}


def share_names() -> list[str]:
    """Return the names of the bins of `Summary.shares`."""
    return ["nothing", *(f"{tenth * 10}–{tenth * 10 + 10} %" for tenth in range(SHARES - 2)), "all"]


def kept_of(characters: Collection[int], keep: Collection[str]) -> int:
    """Return how many of the characters, by label, are kept."""
    return sum(count for label, count in zip(LABELS, characters, strict=True) if label in keep)


def _bin(removed: int, whole: int) -> int:
    if removed in (0, whole):
        return 0 if removed == 0 else SHARES - 1
    return 1 + min((SHARES - 2) * removed // whole, SHARES - 3)


def _add_to(sums: list[int], more: Collection[int]) -> None:
    for place, number in enumerate(more):
        sums[place] += number


def _told(characters: list[int], keep: Collection[str]) -> dict[str, Any]:
    removed = {label: count for label, count in zip(LABELS, characters, strict=True) if label not in keep}
    return {"read": sum(characters), "kept": kept_of(characters, keep), "removed": removed}


def _told_parts(parts: Mapping[str, Part], keep: Collection[str]) -> dict[str, Any]:
    return {
        name or ".": {"articles": part.articles, "characters": _told(part.characters, keep)}
        for name, part in sorted(parts.items())
    }


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:5.1f} %" if whole else "    – %"
