"""New training pages out of the written ones: what a scraper and a careless site could have made of the same parts.

A recombined page keeps a written seed's story and changes what hangs around it: another seed's story appended (with a
marker or bare), posts moved in, furniture thinned, swapped or put in front, lines glued, a headline or an end lost.
Every word of it stands in a written seed; labels follow from the rules of the labelling guide.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from random import Random

from classifier.labels import Label, LabelledArticle


@dataclass(frozen=True, slots=True)
class _Row:
    label: Label
    text: str
    joiner: str = "\n"  # what stands before it


_Rows = list[_Row]


@dataclass(frozen=True)
class _Stock:
    """The parts that the seeds of one language (or of all) offer."""

    stories: list[_Rows]
    posts: list[_Rows]
    markers: list[_Row]
    heads: list[_Rows]
    tails: list[_Rows]


def recombine(articles: Sequence[LabelledArticle], copies: int, random_state: int) -> list[LabelledArticle]:
    """Return `copies` recombined pages for each article, drawing parts from these articles alone.

    The same articles and `random_state` give the same pages. A page carries the identifier, language and group of the
    article whose story it tells.
    """
    random = Random(random_state)
    pages = [_rows(article) for article in articles]
    by_language: dict[str, list[_Rows]] = defaultdict(list)
    for article, rows in zip(articles, pages, strict=True):
        by_language[article.language].append(rows)
    stocks = {language: _stock(members) for language, members in by_language.items()}
    everywhere = _stock(pages)
    recombined = []
    for article, rows in zip(articles, pages, strict=True):
        for _ in range(copies):
            page = _vary(rows, stocks[article.language], everywhere, random)
            recombined.append(_article(page, article))
    return recombined


def _rows(article: LabelledArticle) -> _Rows:
    ends = [0, *(end for _, end, _ in article.spans)]
    return [
        _Row(label, article.text[start:end], article.text[before:start])
        for (start, end, label), before in zip(article.spans, ends, strict=False)
    ]


def _article(rows: _Rows, origin: LabelledArticle) -> LabelledArticle:
    text, spans = "", []
    for row in rows:
        text += row.joiner if text else ""
        spans.append((len(text), len(text) + len(row.text), row.label))
        text += row.text
    return replace(origin, text=text, spans=tuple(spans))


def _story(rows: _Rows) -> tuple[int, int]:
    """First and one past the last core row."""
    core = [place for place, row in enumerate(rows) if row.label is Label.CORE]
    return (core[0], core[-1] + 1) if core else (0, len(rows))


def _stock(pages: Sequence[_Rows]) -> _Stock:
    stock = _Stock([], [], [], [], [])
    for rows in pages:
        first, last = _story(rows)
        stock.stories.append(rows[first:last])
        if first >= 2:
            stock.heads.append(rows[:first])
        tail = rows[last:]
        if tail and sum(len(row.text) for row in tail if row.label is Label.PROMO) < 600:
            stock.tails.append(tail)
        for label, run in groupby(rows, key=lambda row: row.label):
            if label is Label.SOCIAL:
                stock.posts.append(list(run))
        stock.markers.extend(
            row
            for row, behind in zip(rows[first:], rows[first + 1 :], strict=False)
            if row.label is Label.BOILERPLATE and behind.label is Label.PROMO and len(row.text) < 40
        )
    return stock


def _vary(rows: _Rows, same: _Stock, everywhere: _Stock, random: Random) -> _Rows:
    page = list(rows)
    if random.random() < 0.5:
        page = _thin(page, random)
    if random.random() < 0.15:
        page = _swap_ends(page, same, random)
    if random.random() < 0.12:
        page = _shorten(page, random)
    if random.random() < 0.25:
        page = _insert_post(page, same if random.random() < 0.6 else everywhere, random)
    if random.random() < 0.36:
        page = _append_story(page, same if random.random() < 0.85 else everywhere, rows, random)
    if random.random() < 0.06:
        separator = random.choice((" ", "  ", " "))
        page = [replace(row, joiner=separator) for row in page]
    elif random.random() < 0.08:
        page = [replace(row, joiner=" ") if row.joiner == "\n" and random.random() < 0.15 else row for row in page]
    return page or list(rows)


def _thin(page: _Rows, random: Random) -> _Rows:
    """Drop runs of residue: real pages have less of it than written ones."""
    share = random.random()
    thinned: _Rows = []
    for core, run in groupby(page, key=lambda row: row.label is Label.CORE):
        if core or random.random() < share:
            thinned.extend(run)
        elif random.random() < 0.3:
            thinned.extend(row for row in run if random.random() < 0.5)
    return thinned


def _swap_ends(page: _Rows, stock: _Stock, random: Random) -> _Rows:
    first, last = _story(page)
    head = random.choice(stock.heads) if stock.heads and random.random() < 0.6 else page[:first]
    tail = random.choice(stock.tails) if stock.tails and random.random() < 0.6 else page[last:]
    return [*head, *page[first:last], *tail]


def _shorten(page: _Rows, random: Random) -> _Rows:
    """Lose the headline, the beginning or the end of the story."""
    first, last = _story(page)
    story = page[first:last]
    kind = random.random()
    if kind < 0.5 and len(story) > 3:
        story = story[1:]
    elif kind < 0.8 and len(story) > 5:
        story = story[: random.randint(2, len(story) - 1)]
    elif len(story) > 6:
        story = story[random.randint(1, 3) :]
    return [*page[:first], *story, *page[last:]]


def _insert_post(page: _Rows, stock: _Stock, random: Random) -> _Rows:
    first, last = _story(page)
    if not stock.posts or last - first < 4:
        return page
    post = list(random.choice(stock.posts))
    post[0] = replace(post[0], joiner="\n")
    if len(post) > 1 and random.random() < 0.25:
        post = post[:-1]
    place = random.randint(first + 1, last - 1)
    behind = page[place:]
    if behind and random.random() < 0.4:
        behind = [replace(behind[0], joiner=random.choice(("", "", " ", "    "))), *behind[1:]]
    return [*page[:place], *post, *behind]


def _append_story(page: _Rows, stock: _Stock, own: _Rows, random: Random) -> _Rows:
    _, last = _story(page)
    own_texts = {row.text for row in own}
    donors = [story for story in stock.stories if story[0].text not in own_texts]
    if not donors:
        return page
    donor = random.choice(donors)
    kept = [row for row in donor if row.label in (Label.CORE, Label.BOILERPLATE)]
    if random.random() < 0.5:
        kept = kept[1:]  # many a page shows the other story without its headline
    kept = [row for row in kept[: random.randint(3, 14)] if row.label is Label.CORE or random.random() < 0.5]
    foreign = [
        replace(row, label=Label.PROMO, joiner=row.joiner if row.joiner.strip(" ") == "\n" else "\n") for row in kept
    ]
    between = [row for row in page[last:] if row.label is Label.BOILERPLATE][: random.choice((0, 0, 1, 2, 4))]
    if stock.markers and random.random() < 0.6:
        between.append(replace(random.choice(stock.markers), joiner="\n"))
    closing = page[last:] if random.random() < 0.15 else []
    return [*page[:last], *between, *foreign, *closing]
