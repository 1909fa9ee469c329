"""New training pages out of the written ones: what a scraper and a careless site could have made of the same parts.

A recombined page keeps a written seed's story and changes what hangs around it: another seed's story appended (with a
marker or bare), posts moved in, furniture thinned, swapped or put in front, lines glued or printed twice, a headline
or an end lost. Rare words of the story come back in it more often than they were written, for real news repeat
themselves more than written ones. Every word stands in a written seed; labels follow from the rules of the labelling
guide.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from random import Random

from classifier.labels import Label, LabelledArticle


@dataclass(frozen=True, slots=True)
class _Row:
    label: Label
    text: str
    joiner: str = "\n"  # what stands before it


_Rows = list[_Row]


# Scripts without spaces between words are left as they are: what the pattern would find there is no word.
_WORD = re.compile(r"[^\W\d_\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]{4,}")
_RECURRING = (0.05, 0.35)
"""Share of a story's rare words that are replaced by others of the story, drawn page by page from this range. Of a
long real core paragraph's words (weighted by rarity) .26 stand in the story before, of a written one's .15, and with
this .21."""
_PARTS = {Label.CORE: 1.0, Label.SOCIAL: 2.0, Label.PROMO: 0.5, Label.BOILERPLATE: 0.0}
_SHARED = 0.15  # of the words put into an appended story, the share that the story before it has, too
_OPENING = 2  # core rows that set a story's words
_FRAMES = (0, 1, 2, 4, 8, 12)  # pages whose menus, or endings, make those of a whole page
_NEAR = 4  # core rows whose words are likely to come next


@dataclass(frozen=True)
class _Stock:
    """The parts that the seeds of one language (or of all) offer; `common` are the words that any story holds."""

    common: frozenset[str]
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
            stock = stocks[article.language]
            page = _vary(_recur(rows, stock.common, random), stock, everywhere, random)
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


def _holds_story(rows: _Rows) -> bool:
    """Tell whether another story, not only its headline or a teaser, is among the rows."""
    long = [len(row.text) for row in rows if row.label is Label.PROMO and len(row.text) > 100]
    return len(long) >= 3 and sum(long) > 600


def _stock(pages: Sequence[_Rows]) -> _Stock:
    stock = _Stock(_common_words(pages), [], [], [], [], [])
    for rows in pages:
        first, last = _story(rows)
        stock.stories.append(rows[first:last])
        if first >= 2:
            stock.heads.append(rows[:first])
        tail = rows[last:]
        if tail and not _holds_story(tail):
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


def _common_words(pages: Sequence[_Rows]) -> frozenset[str]:
    counts: Counter[str] = Counter()
    rows = [row for page in pages for row in page if len(row.text) > 60]
    for row in rows:
        counts.update({word.lower() for word in _WORD.findall(row.text)})
    return frozenset(word for word, count in counts.items() if count > max(3, len(rows) / 150))


def _rare_words(text: str, common: frozenset[str]) -> list[str]:
    return [word for word in _WORD.findall(text) if word.lower() not in common]


def _recur(page: _Rows, common: frozenset[str], random: Random, shared: Sequence[str] = ()) -> _Rows:
    """Replace some of a story's rare words by rare words of its opening, or of its last rows, or `shared` ones.

    A run of promo with three long rows and more is a story of its own.
    """
    share = random.uniform(*_RECURRING)
    opening: list[str] = []
    recent: list[list[str]] = []
    recurred: _Rows = []

    def put(part: float, match: re.Match[str]) -> str:
        word = match.group()
        if word.lower() in common or random.random() >= part * share:
            return word
        if shared and random.random() < _SHARED:
            return random.choice(shared)
        near = [other for words in recent[-_NEAR:] for other in words]
        return random.choice(near if near and random.random() < 0.5 else opening)

    for label, run in groupby(page, key=lambda row: row.label):
        rows = list(run)
        if label is Label.PROMO and sum(len(row.text) > 70 for row in rows) >= 3:
            story = _recur([replace(row, label=Label.CORE) for row in rows], common, random)
            recurred.extend(replace(row, label=Label.PROMO) for row in story)
            continue
        for row in rows:
            part = _PARTS[label]
            text = _WORD.sub(partial(put, part), row.text) if opening and part else row.text
            if label is Label.CORE:
                recent.append(_rare_words(text, common))
                if len(recent) <= _OPENING:
                    opening.extend(recent[-1][:12])
            recurred.append(replace(row, text=text))
    return recurred


def _vary(rows: _Rows, same: _Stock, everywhere: _Stock, random: Random) -> _Rows:
    page = list(rows)
    if random.random() < 0.5:
        page = _thin(page, random)
    if random.random() < 0.15:
        page = _swap_ends(page, same, random)
    elif random.random() < 0.15:
        page = _frame(page, same, random)
    if random.random() < 0.12:
        page = _shorten(page, random)
    if random.random() < 0.25:
        page = _insert_post(page, same if random.random() < 0.6 else everywhere, random)
    if random.random() < 0.36:
        page = _append_story(page, same if random.random() < 0.85 else everywhere, rows, random)
    if random.random() < 0.05:
        page = _double(page, random)
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


def _frame(page: _Rows, stock: _Stock, random: Random) -> _Rows:
    """Put the menus and the endings of several other pages around the story, as a page copied whole has them."""
    first, last = _story(page)
    heads = [random.choice(stock.heads) for _ in range(random.choice(_FRAMES))] if stock.heads else []
    tails = [random.choice(stock.tails) for _ in range(random.choice(_FRAMES))] if stock.tails else []
    before = [row for head in heads for row in head]
    behind = [row for tail in tails for row in tail]
    return [*before, *page[first // 2 : last], *page[last : last + random.randint(0, 5)], *behind]


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


def _double(page: _Rows, random: Random) -> _Rows:
    """Print parts of the story twice, as a scrape of nested elements does."""
    first, last = _story(page)
    share = random.choice((0.3, 0.7, 1.0))
    doubled = page[:first]
    place = first
    while place < last:
        rows = page[place : min(place + random.choice((1, 1, 1, 2, 3)), last)]
        doubled.extend(rows)
        if all(row.label is Label.CORE for row in rows) and random.random() < share:
            doubled.extend([replace(rows[0], joiner=random.choice(("\n", "\n", "  "))), *rows[1:]])
        place += len(rows)
    return [*doubled, *page[last:]]


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
    own_words = [word for row in page[:last] if row.label is Label.CORE for word in _rare_words(row.text, stock.common)]
    kept = _recur(kept, stock.common, random, shared=own_words)
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
