"""The page of a batch: its figures, pictures, and the articles that lost most, read again."""

import gzip
import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from classifier.batch.page import ShownArticle, ShownParagraph, render_batch, write_batch_report
from classifier.batch.run import BatchResult, Settings, clean_folder
from classifier.batch.summary import Failure, Summary
from classifier.errors import OutputError
from classifier.labels import LABELS, CleanedArticle, Label, Paragraph

KEEP = frozenset({Label.CORE})
VOID = {"meta", "rect", "line"}


class Balance(HTMLParser):
    """Checks that each element is closed by its own end tag, and gathers tags and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parse(page: str) -> Balance:
    """Return what stands in a page; fails when it is not well formed."""
    parser = Balance()
    parser.feed(page)
    parser.close()
    assert not parser.open
    return parser


def result_of(summary: Summary) -> BatchResult:
    return BatchResult(summary, Settings(), "winnow-1", 3)


def article(*lengths: int) -> CleanedArticle:
    paragraphs = tuple(
        Paragraph(0, length, label, 0.5, (0.25,) * 4) for label, length in zip(LABELS, lengths, strict=True)
    )
    return CleanedArticle("", paragraphs, "m")


@pytest.fixture
def summary() -> Summary:
    """Figures in three languages and many folders."""
    made = Summary()
    for number in range(120):
        path = f"<b>{number % 40}/{number}.txt"
        made.add(path, 0, ("ar", "en", "")[number % 3], article(50, number, 10, 1), KEEP)
    made.fail([Failure("a", 1, "it is <i>no</i> JSON (x)")] * 3)
    return made


def test_the_page_tells_the_figures(summary: Summary) -> None:
    """Well formed, with all figures and a picture in words for each, and nothing of the input as markup."""
    shown = [ShownArticle("a<script>.txt", 7, 0.5, 99, (ShownParagraph(Label.PROMO, 0.9, "Buy <b>\x00now", False),))]
    page = render_batch(result_of(summary), "s3://bucket/<in>", shown)
    parsed = parse(page)
    assert not {"script", "b", "i", "link", "img"} & {tag for tag, _ in parsed.tags} - {"i"}
    assert "it is <i>no</i> JSON" in parsed.text
    assert "Buy <b>␀now" in parsed.text
    assert "s3://bucket/<in>" in parsed.text
    assert "80 of 120 articles tell their language" in parsed.text
    assert "15 others" in parsed.text
    assert f"{sum(summary.characters):,}" in parsed.text
    assert sum(tag == "svg" for tag, _ in parsed.tags) == 4
    assert sum(tag == "desc" for tag, _ in parsed.tags) == 4
    assert "url(" not in page
    assert re.search(r"default-src 'none'", page)


def test_bars_end_where_the_next_begins(summary: Summary) -> None:
    """The pieces of a bar stand beside each other, within the picture."""
    pieces = [
        attributes
        for tag, attributes in parse(render_batch(result_of(summary), "in", [])).tags
        if tag == "rect" and "piece" in str(attributes["class"])
    ]
    assert len(pieces) == 3 * (1 + 2 + 26)
    for start in range(0, len(pieces), 3):
        bar = [(float(str(one["x"])), float(str(one["width"]))) for one in pieces[start : start + 3]]
        assert bar[0][0] == 150
        for (x, width), (following, _) in pairwise(bar):
            assert abs(x + width - following) <= 0.11
        assert sum(bar[-1]) <= 150 + 520 + 0.2


def test_an_empty_batch_has_a_page() -> None:
    """With nothing in it to divide by."""
    assert "There is no article that lost anything" in parse(render_batch(result_of(Summary()), "in", [])).text


def test_the_articles_that_lost_most_are_shown_whole(tmp_path: Path, quick_folder: Path) -> None:
    """Read again from whatever file they were in; one that is gone is left out."""
    text = "Council approves bus lanes\nThe council voted 14 to 9 on Tuesday for new lanes.\nAll rights reserved.\n"
    source = tmp_path / "in"
    source.mkdir()
    for name in ("a.txt", "gone.txt"):
        (source / name).write_text(f"{name} first.\n{text}", "utf-8")
    rows = "".join(json.dumps({"body": f"row {number}.\n{text}"}) + "\n" for number in range(3))
    (source / "b.jsonl.gz").write_bytes(gzip.compress(rows.encode()))
    settings = Settings(frozenset(), "body")
    result = clean_folder(source, tmp_path / "out", settings, model=quick_folder, jobs=1)
    (source / "gone.txt").unlink()
    page = write_batch_report(result, str(source), quick_folder, tmp_path / "report")
    assert page == tmp_path / "report" / "index.html"
    found = parse(page.read_text("utf-8")).text
    for words in ("a.txt first.", "row 0.", "row 1.", "row 2.", "All rights reserved."):
        assert words in found
    assert "gone.txt first." not in found
    assert found.count("The council voted") == 4


def test_a_page_that_cannot_be_written_is_one_sentence(tmp_path: Path, quick_folder: Path) -> None:
    """Here a file stands where the folder should."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="name another folder for the report"):
        write_batch_report(result_of(Summary()), str(tmp_path), quick_folder, tmp_path / "file" / "report")
