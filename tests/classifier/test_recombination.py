"""Recombined pages: made of nothing but the parts they were given."""

import re
from collections import Counter

import pytest

from classifier.labels import LABELS, Label, LabelledArticle
from classifier.recombination import recombine


def article(name: str, *rows: tuple[Label, str], language: str = "en") -> LabelledArticle:
    """Return a labelled article with a row a line."""
    text, spans = "", []
    for label, row in rows:
        text += "\n" if text else ""
        spans.append((len(text), len(text) + len(row), label))
        text += row
    return LabelledArticle(name, text, tuple(spans), language, f"group {name}", f"{name}.tsv")


def parts(page: LabelledArticle) -> list[str]:
    """Return the labelled pieces of an article."""
    return [page.text[start:end] for start, end, _ in page.spans]


@pytest.fixture(scope="module")
def pages(few_seeds: list[LabelledArticle]) -> list[LabelledArticle]:
    """Five pages of each of a few seeds."""
    return recombine(few_seeds, 5, random_state=1)


def test_the_same_random_state_gives_the_same_pages(
    few_seeds: list[LabelledArticle], pages: list[LabelledArticle]
) -> None:
    """Pages depend on the articles and the random state alone."""
    assert recombine(few_seeds, 5, random_state=1) == pages
    assert recombine(few_seeds, 5, random_state=2) != pages


def test_a_page_belongs_to_the_article_whose_story_it_tells(
    few_seeds: list[LabelledArticle], pages: list[LabelledArticle]
) -> None:
    """As many pages as asked for carry each article's identifier, language and group, in order."""
    assert [(page.identifier, page.language, page.group) for page in pages] == [
        (seed.identifier, seed.language, seed.group) for seed in few_seeds for _ in range(5)
    ]


def test_spans_hold_every_character_that_is_not_white(pages: list[LabelledArticle]) -> None:
    """Spans of a page are in order and apart, and what stands between them is white space."""
    for page in pages:
        ends = [0, *(end for _, end, _ in page.spans)]
        starts = [*(start for start, _, _ in page.spans), len(page.text)]
        assert all(end <= start for end, start in zip(ends, starts, strict=True))
        assert not "".join(page.text[end:start] for end, start in zip(ends, starts, strict=True)).strip()
        assert all(part and part == part.strip() for part in parts(page))


def worded(part: str) -> str:
    """Return a piece with every word of four letters and more taken out, for those may be another word of the story."""
    return re.sub(r"[^\W\d_]{4,}", "·", part)


def test_labels_follow_from_those_of_the_seeds(few_seeds: list[LabelledArticle], pages: list[LabelledArticle]) -> None:
    """A piece has a label it has in a seed, or is promo where story or furniture came along with another story."""
    written = {(worded(seed.text[start:end]), label) for seed in few_seeds for start, end, label in seed.spans}
    own = {seed.identifier: Counter(map(worded, parts(seed))) for seed in few_seeds}
    for page in pages:
        for start, end, label in page.spans:
            part = worded(page.text[start:end])
            assert label in LABELS
            if (part, label) not in written:
                assert label is Label.PROMO
                assert {(part, Label.CORE), (part, Label.BOILERPLATE)} & written
            if label is Label.CORE:
                assert part in own[page.identifier]


def test_pages_hold_nothing_that_was_not_given(few_seeds: list[LabelledArticle]) -> None:
    """Every piece of a page, and every word of it, stands in one of the articles it was made from, so that nothing
    leaks between folds.
    """
    for given in (few_seeds[::2], few_seeds[1::2], few_seeds[:1]):
        known = {worded(part) for seed in given for part in parts(seed)}
        words = {word for seed in given for word in re.findall(r"[^\W\d_]+", "\n".join(parts(seed)))}
        pages = recombine(given, 5, random_state=0)
        assert {worded(part) for page in pages for part in parts(page)} <= known
        assert {word for page in pages for word in re.findall(r"[^\W\d_]+", "\n".join(parts(page)))} <= words


def test_a_story_comes_back_to_its_words() -> None:
    """Its rare words are met again more often than they were written; furniture stays as it was to the letter."""
    story = [(Label.CORE, " ".join(f"{letter}{other}{letter}word" for other in "abcdefgh")) for letter in "ijklmnopqr"]
    written = article("a", *story, (Label.BOILERPLATE, "Copyright notice printed under everything"))
    pages = recombine([written], 20, random_state=0)

    def distinct(page: LabelledArticle) -> float:
        words = [
            word for start, end, label in page.spans if label is Label.CORE for word in page.text[start:end].split()
        ]
        return len(set(words)) / len(words)

    assert distinct(written) == 1
    assert sum(distinct(page) < 0.95 for page in pages) > len(pages) / 2
    furniture = {page.text[start:end] for page in pages for start, end, label in page.spans if label != Label.CORE}
    assert furniture <= {"Copyright notice printed under everything"}


def test_pages_differ_from_what_was_written(few_seeds: list[LabelledArticle], pages: list[LabelledArticle]) -> None:
    """Most pages vary, some with another story appended, some with glued lines."""
    written = {seed.identifier: seed for seed in few_seeds}
    promo = Counter(
        sum(label is Label.PROMO for _, _, label in page.spans)
        > sum(label is Label.PROMO for _, _, label in written[page.identifier].spans) + 2
        for page in pages
    )
    assert sum(page.text != written[page.identifier].text for page in pages) > len(pages) / 2
    assert promo[True] > len(pages) / 10
    assert any(len(page.text.split("\n")) < len(page.spans) / 2 for page in pages)


@pytest.mark.parametrize(
    "given",
    [
        [],
        [article("a", (Label.CORE, "One."))],
        [article("a", (Label.PROMO, "One."), (Label.BOILERPLATE, "Two"))],
        [article("a", (Label.SOCIAL, "One."))],
        [article("a", (Label.CORE, "One.")), article("b", (Label.CORE, "Two."), language="ar")],
        [article("a", *((Label.CORE, f"{number}.") for number in range(9))), article("b", (Label.SOCIAL, "Two."))],
    ],
    ids=["none", "one row", "no core", "post", "two languages", "one with a post"],
)
def test_few_and_poor_articles_are_no_error(given: list[LabelledArticle]) -> None:
    """Articles that offer no parts give pages all the same, none of them empty."""
    pages = recombine(given, 40, random_state=0)
    assert len(pages) == 40 * len(given)
    assert all(page.spans for page in pages)


def test_no_copies_are_no_pages(few_seeds: list[LabelledArticle]) -> None:
    """Training may ask for none."""
    assert recombine(few_seeds, 0, random_state=0) == []
