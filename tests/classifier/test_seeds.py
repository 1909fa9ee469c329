"""Seeds: the format, its checker, and what the shipped ones must hold."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.errors import SeedError
from classifier.labels import LABELS, Label, LabelledArticle
from classifier.resources import default_seeds
from classifier.seeds import check_seeds, format_seed, parse_seed, read_seeds

CORE, SOCIAL, BOILERPLATE, PROMO = LABELS
STORY = (
    "The council voted 14 to 9 on Tuesday for new bus lanes on the ring road, and work starts in June. "
    "Drivers will have to take the long way round the harbour for about nine months, the transport office said."
)
OTHER = (
    "Flour prices climbed for a third week as the mills along the river waited for barges that low water held back. "
    "Bakers in the old town now sell smaller loaves, and some of them have begun to bake with barley."
)


def write(folder: Path, name: str, content: str | bytes) -> Path:
    """Write a seed and return its path."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("content", "text", "rows"),
    [
        ("core\tOne.\n", "One.", [("One.", CORE)]),
        ("core\tOne.", "One.", [("One.", CORE)]),
        ("core\tOne.\npromo\tTwo\n", "One.\nTwo", [("One.", CORE), ("Two", PROMO)]),
        ("core\tOne.\nsocial+\tTwo\n", "One.Two", [("One.", CORE), ("Two", SOCIAL)]),
        ("core\tOne.\nsocial+\t Two\n", "One. Two", [("One.", CORE), ("Two", SOCIAL)]),
        ("core\tOne. \nsocial+\tTwo\n", "One. Two", [("One.", CORE), ("Two", SOCIAL)]),
        ("# source: news site\n# note: a\ncore\tOne.\n", "One.", [("One.", CORE)]),
        ("core\tOne.\n\n \nboilerplate\tTwo\n", "One.\nTwo", [("One.", CORE), ("Two", BOILERPLATE)]),
        ("\ufeffcore\tOne.\n", "One.", [("One.", CORE)]),
        ("\ufeff# note: a\ncore\tOne.\n", "One.", [("One.", CORE)]),
        ("# note: a\r\ncore\tOne.\r\npromo\tTwo\r\n", "One.\nTwo", [("One.", CORE), ("Two", PROMO)]),
        ("core\t# One\n", "# One", [("# One", CORE)]),
        ("core\t\u202bقال الوزير.\u202c\n", "\u202bقال الوزير.\u202c", [("\u202bقال الوزير.\u202c", CORE)]),
        ("social\t😀 @a\n", "😀 @a", [("😀 @a", SOCIAL)]),
    ],
)
def test_a_good_file_is_an_article(content: str, text: str, rows: list[tuple[str, Label]]) -> None:
    """Rows joined are the raw text; glue, notes, blank rows, a byte order mark and CRLF are no part of it."""
    article = parse_seed(content, Path("seeds/en/one.tsv"), "en")
    assert article.text == text
    assert [(article.text[start:end], label) for start, end, label in article.spans] == rows
    assert (article.identifier, article.language, article.origin) == ("one", "en", "seeds/en/one.tsv")


@pytest.mark.parametrize(("content", "group"), [("core\tOne.\n", "one"), ("# group: outlet\ncore\tOne.\n", "outlet")])
def test_an_article_is_its_own_group_unless_told(content: str, group: str) -> None:
    """Articles of one outlet can be kept on one side of a fold."""
    assert parse_seed(content, Path("one.tsv")).group == group


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        ("core One.\n", [(1, "no tab")]),
        ("news\tOne.\n", [(1, "unknown label 'news'")]),
        ("Core\tOne.\n", [(1, "unknown label 'Core'")]),
        ("core++\tOne.\n", [(1, "unknown label 'core++'")]),
        ("\tOne.\n", [(1, "unknown label ''")]),
        ("core\t\n", [(1, "no text behind the label")]),
        ("core\tOne.\ncore\t \u3000\n", [(2, "no text behind the label")]),
        ("core\tOne.\tTwo.\n", [(1, "a tab or line break inside")]),
        ("core\tOne.\u2028Two.\n", [(1, "a tab or line break inside")]),
        ("core\tOne.\x85Two.\n", [(1, "a tab or line break inside")]),
        ("core\tOne.\rTwo.\n", [(2, "no tab")]),
        ("core+\tOne.\n", [(1, "the first row cannot be glued")]),
        ("# note: a\n\ncore+\tOne.\n", [(3, "the first row cannot be glued")]),
        ("core\tOne.\n# note: late\n", [(2, "no tab")]),
        ("", [(1, "no rows")]),
        ("\n \n", [(1, "no rows")]),
        ("# note: a\n", [(1, "no rows")]),
        ("news\tOne.\ncore\tTwo.\ncore Three.\n", [(1, "unknown label"), (3, "no tab")]),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, content: str, problems: list[tuple[int, str]]) -> None:
    """Everything wrong with a file is told at once, each with file, line and what to do."""
    path = write(tmp_path, "en/one.tsv", content)
    found = check_seeds(tmp_path)
    assert len(found) == len(problems)
    for message, (line, reason) in zip(found, problems, strict=True):
        assert message.startswith(f"{path}:{line}: {reason}")
    with pytest.raises(SeedError) as caught:
        read_seeds(tmp_path)
    assert str(caught.value) == "\n".join(found)


def joined(rows: list[tuple[str, str, Label]], group: str = "") -> LabelledArticle:
    """Return the article of rows (white space in front, text, label)."""
    text, spans = "", []
    for white, words, label in rows:
        spans.append((len(text + white), len(text + white + words), label))
        text += white + words
    return LabelledArticle("one", text, tuple(spans), "en", group)


WHITE = st.text(st.sampled_from(" \t\n\r\x0b\x1c\x1f\x85\xa0\u2028\u3000"), max_size=3)
LINE = st.text(min_size=1).filter(lambda text: len(text.strip().splitlines()) == 1)


@given(rows=st.lists(st.tuples(WHITE, LINE, st.sampled_from(LABELS)), min_size=1), group=LINE.map(str.strip))
def test_an_article_is_read_back_as_it_was_written(rows: list[tuple[str, str, Label]], group: str) -> None:
    """The same paragraphs but for tabs, the same labels and group, and glued are those between which no line ends."""
    article = joined(rows, group)
    back = parse_seed(format_seed(article, "a test"), Path("one.tsv"), "en")
    assert [(back.text[start:end], label) for start, end, label in back.spans] == [
        (words.replace("\t", " ").strip(), label) for _, words, label in rows
    ]
    assert back.group == group
    glued = [
        len(f"{article.text[start:end]}.".splitlines()) == 1
        for (_, start, _), (end, _, _) in zip(article.spans, article.spans[1:], strict=False)
    ]
    assert glued == [
        "\n" not in back.text[start:end] for (_, start, _), (end, _, _) in zip(back.spans, back.spans[1:], strict=False)
    ]
    assert format_seed(back, "a test") == format_seed(article, "a test")


@pytest.mark.parametrize(
    ("words", "group", "message"),
    [
        ("One.\nTwo.", "", "paragraph 1 holds a line break"),
        ("One.\u2028Two.", "", "paragraph 1 holds a line break"),
        (" \t", "", "paragraph 1 holds a line break, or nothing"),
        ("\ud800", "", "paragraph 1 holds half a surrogate pair"),
        ("One.", "a\ncore\tTwo.", "is no line"),
        ("One.", "a\r", "is no line"),
        ("One.", " a", "is no line"),
    ],
)
def test_what_a_row_cannot_hold_is_told(words: str, group: str, message: str) -> None:
    """Instead of written as something else."""
    with pytest.raises(SeedError, match=message):
        format_seed(joined([("", "First", CORE), ("\n", words, PROMO)], group), "a test")


@pytest.mark.parametrize("content", [b"core\t\xff\xfe\n", "core\tقال".encode("cp1256"), "core\tOne.".encode("utf-16")])
def test_a_file_that_is_not_utf8_is_named(tmp_path: Path, content: bytes) -> None:
    """It is not guessed at: the file is named, and the others are read all the same."""
    bad = write(tmp_path, "en/bad.tsv", content)
    write(tmp_path, "en/good.tsv", "core\tOne.\n")
    (message,) = check_seeds(tmp_path)
    assert message.startswith(f"{bad}:0: not UTF-8")


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A link to nothing is a problem of its own, not the end."""
    write(tmp_path, "en/good.tsv", "core\tOne.\n")
    (tmp_path / "en" / "gone.tsv").symlink_to(tmp_path / "nowhere")
    (message,) = check_seeds(tmp_path)
    assert message.startswith(f"{tmp_path / 'en' / 'gone.tsv'}:0: cannot be read")


@pytest.mark.parametrize("present", [True, False], ids=["empty", "missing"])
def test_a_folder_without_seeds_is_a_problem(tmp_path: Path, *, present: bool) -> None:
    """An empty folder, and one that is not there, are told of instead of trained on."""
    folder = tmp_path if present else tmp_path / "none"
    (message,) = check_seeds(folder)
    assert message.startswith(f"{folder}:0: no seed found")
    with pytest.raises(SeedError, match="no seed found"):
        read_seeds(folder)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (f"core\t{STORY}\n", f"core\t{STORY}\n", "the same text as"),
        (f"core\t{STORY}\n", f"promo\t{STORY}\n", "the same text as"),
        (f"core\t{STORY}\n", f"core\t{STORY.replace(' ', '  ')}\n", "the same text as"),
        (f"core\t{STORY}\n", f"core\t{STORY}\npromo\tMore of it\n", "shares"),
        (f"core\t{STORY}\n", f"core\t{OTHER}\npromo\t{STORY}\n", "shares 100%"),
        (f"core\t{STORY}\n", f"core\t{STORY.replace('Tuesday', 'Friday')}\n", "shares"),
    ],
)
def test_duplicates_are_named(tmp_path: Path, first: str, second: str, message: str) -> None:
    """Two seeds with the same or nearly the same text are a problem of the second, which names the first."""
    one, two = write(tmp_path, "en/a.tsv", first), write(tmp_path, "en/b.tsv", second)
    (problem,) = check_seeds(tmp_path)
    assert problem.startswith(f"{two}:1: {message}")
    assert str(one) in problem


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (f"core\t{STORY}\n", f"core\t{OTHER}\n"),
        (f"core\t{STORY}\npromo\tRead also:\n", f"core\t{OTHER}\npromo\tRead also:\n"),
        (f"core\t{STORY}\n", f"core\t{OTHER}\ncore\t{STORY[:60]}\n"),
    ],
)
def test_a_few_common_words_are_no_duplicate(tmp_path: Path, first: str, second: str) -> None:
    """Stock wording and a short quotation may be shared."""
    write(tmp_path, "en/a.tsv", first)
    write(tmp_path, "de/b.tsv", second)
    assert check_seeds(tmp_path) == []


def test_seeds_are_read_in_the_order_of_their_paths(tmp_path: Path) -> None:
    """Folder by folder, the language being the folder's name; other files are passed over."""
    write(tmp_path, "en/b.tsv", f"core\t{STORY}\n")
    write(tmp_path, "ar/z.tsv", "core\tقال الوزير.\n")
    write(tmp_path, "en/a.tsv", f"core\t{OTHER}\n")
    write(tmp_path, "README.md", "# guide\n")
    articles = read_seeds(tmp_path)
    assert [(article.language, article.identifier) for article in articles] == [("ar", "z"), ("en", "a"), ("en", "b")]


def test_the_shipped_seeds_are_sound() -> None:
    """No row of what ships is wrong, and no two seeds are nearly the same."""
    assert check_seeds(default_seeds()) == []


def test_the_shipped_seeds_are_lossless(shipped_seeds: list[LabelledArticle]) -> None:
    """Spans are in order, apart and trimmed, and hold every character that is not white space."""
    for article in shipped_seeds:
        outside, before = "", 0
        for start, end, _ in article.spans:
            assert before <= start < end <= len(article.text), article.origin
            assert article.text[start:end] == article.text[start:end].strip(), article.origin
            outside += article.text[before:start]
            before = end
        assert not (outside + article.text[before:]).strip(), article.origin


def appended_story(article: LabelledArticle) -> bool:
    """Tell whether another story hangs at the end: three rows of promo in a run, 500 characters, behind the core."""
    labels = [label for _, _, label in article.spans]
    last_core = max((place for place, label in enumerate(labels) if label is CORE), default=len(labels))
    rows = length = 0
    for start, end, label in article.spans[last_core + 1 :]:
        rows, length = (rows + 1, length + end - start) if label is PROMO else (0, 0)
        if rows >= 3 and length >= 500:
            return True
    return False


def glued_post(article: LabelledArticle) -> bool:
    """Tell whether a post shares its line with the story."""
    return any(
        {left, right} == {CORE, SOCIAL} and "\n" not in article.text[end:start]
        for (_, end, left), (start, _, right) in zip(article.spans, article.spans[1:], strict=False)
    )


def test_the_shipped_seeds_hold_what_the_model_must_learn(shipped_seeds: list[LabelledArticle]) -> None:
    """There are enough of them, in enough languages, with every label and the two hard cases."""
    languages = Counter(article.language for article in shipped_seeds)
    labels = Counter(label for article in shipped_seeds for _, _, label in article.spans)
    assert len(shipped_seeds) >= 500
    assert len(languages) >= 12
    assert languages["ar"] >= 30
    assert set(labels) == set(LABELS)
    assert sum(appended_story(article) for article in shipped_seeds) >= 15
    assert sum(glued_post(article) for article in shipped_seeds) >= 15
