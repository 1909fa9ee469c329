"""Figures of a batch: sums that do not depend on who added them, and what they say."""

import json
import random
from itertools import pairwise

import pytest

from classifier.batch.summary import SHARES, Failure, Lost, Summary, share_names
from classifier.labels import LABELS, CleanedArticle, Label, Paragraph

CORE = frozenset({Label.CORE})
SURE = (1.0, 0.0, 0.0, 0.0)


def article(*lengths: int) -> CleanedArticle:
    """Return an article with a paragraph of so many characters of each label, none where it is zero."""
    paragraphs = tuple(
        Paragraph(0, length, label, 1.0, SURE) for label, length in zip(LABELS, lengths, strict=True) if length
    )
    return CleanedArticle("", paragraphs, "m")


def filled(numbers: range) -> Summary:
    """Return figures of articles that are made from numbers."""
    summary = Summary()
    for number in numbers:
        lengths = random.Random(number).choices((0, 1, 7, 40), k=4)
        path = f"{'ab'[number % 2]}/{number}.txt" if number % 3 else f"{number}.txt"
        summary.add(path, number, ("", "ar", "en")[number % 3], article(*lengths), CORE)
        if number % 5 == 0:
            reason = ("it is no JSON object", "it is not JSON", "it is not UTF-8")[number % 3]
            summary.fail([Failure(path, number, f"{reason} (at {number})")])
    return summary


@pytest.mark.parametrize("parts", [1, 2, 7, 300])
def test_sums_do_not_depend_on_the_parts(parts: int) -> None:
    """Nor on their order, nor on being written and read back."""
    whole = filled(range(300))
    merged = Summary()
    borders = [300 * part // parts for part in range(parts + 1)]
    ranges = [range(start, end) for start, end in pairwise(borders)]
    for numbers in random.Random(0).sample(ranges, parts):
        merged.merge(Summary.from_row(json.loads(json.dumps(filled(numbers).to_row()))))
    assert merged.to_row() == whole.to_row()
    assert json.dumps(merged.to_json(CORE)) == json.dumps(whole.to_json(CORE))
    assert merged.to_text(CORE, 1, 1, 1) == whole.to_text(CORE, 1, 1, 1)


@pytest.mark.parametrize(
    ("lengths", "bin_", "counted"),
    [
        ((10, 0, 0, 0), 0, (0, 0)),
        ((0, 0, 10, 0), SHARES - 1, (0, 1)),
        ((0, 0, 0, 0), None, (1, 0)),
        ((99, 0, 1, 0), 1, (0, 0)),
        ((91, 9, 0, 0), 1, (0, 0)),
        ((9, 0, 0, 1), 2, (0, 0)),
        ((5, 0, 5, 0), 6, (0, 0)),
        ((1, 0, 99, 900), SHARES - 2, (0, 0)),
    ],
)
def test_an_article_is_counted_by_what_it_lost(
    lengths: tuple[int, ...], bin_: int | None, counted: tuple[int, int]
) -> None:
    """Nothing and all of it stand apart; an article without text loses nothing."""
    summary = Summary()
    summary.add("a.txt", 0, "", article(*lengths), CORE)
    assert [number for number, count in enumerate(summary.shares) if count] == ([] if bin_ is None else [bin_])
    assert (summary.blank, summary.emptied) == counted
    assert len(share_names()) == SHARES


def test_those_that_lost_most_are_the_first() -> None:
    """By share, then by characters, then by name; ten of them however many there are."""
    summary = Summary()
    for number in range(1_000):
        summary.add(f"{number:04d}.txt", number, "", article(number, 0, 500, 0), CORE)
    for name in ("b", "a"):
        summary.add(f"{name}.txt", 0, "", article(0, 0, 900, 0), CORE)
    summary.merge(Summary())
    assert [one.path for one in summary.lost_most[:4]] == ["a.txt", "b.txt", "0000.txt", "0001.txt"]
    assert summary.lost_most[2] == Lost(1_000_000, 500, "0000.txt", 0)
    assert len(summary.lost_most) == 10


def test_figures_are_told_by_name() -> None:
    """For programs, by label, language, folder and reason."""
    summary = Summary()
    summary.add("x/a.txt", 0, "ar", article(60, 10, 20, 10), CORE)
    summary.add("b.txt", 0, "", article(100, 0, 0, 0), CORE)
    summary.fail([Failure("c", 1, "it is not JSON (a)"), Failure("c", 2, "it is not JSON (b)"), Failure("d", 0, "No")])
    told = json.loads(json.dumps(summary.to_json(CORE)))
    assert told["characters"] == {"read": 200, "kept": 160, "removed": {"social": 10, "boilerplate": 20, "promo": 10}}
    assert told["failures"] == {"total": 3, "by_reason": {"it is not JSON": 2, "No": 1}}
    assert list(told["by_language"]) == ["ar"]
    assert {name: part["articles"] for name, part in told["by_folder"].items()} == {".": 1, "x": 1}
    assert told["lost_most"] == [{"path": "x/a.txt", "place": 0, "removed": 40, "share": 0.4}]


def test_figures_are_told_in_words() -> None:
    """For people: what was kept and removed, why not, and how fast."""
    summary = filled(range(50))
    text = summary.to_text(CORE, 2.0, 50, 10_000)
    assert "articles                  50" in text
    assert "promo" in text
    assert "core" not in text
    assert text.index("4  it is no JSON object") < text.index("3  it is not JSON") < text.index("3  it is not UTF-8")
    assert "25  articles and 5,000 characters a second, for 2.0 s" in text
    assert "rate" not in summary.to_text(CORE, 2.0, 0, 0)
    assert "–" in Summary().to_text(CORE, 0.0, 0, 0)
