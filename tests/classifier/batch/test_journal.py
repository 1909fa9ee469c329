"""The journal of a batch: what was written is read back, whatever a kill left of it."""

from pathlib import Path
from typing import Any

import pytest

from classifier.batch.journal import Journal
from classifier.batch.places import place
from classifier.batch.summary import Failure
from classifier.errors import InputError

MADE: dict[str, Any] = {"winnow": "1", "keep": ["core"], "to": None}
FAILURES = [Failure("a.jsonl", 3, "it is not JSON"), Failure("\ud83d.txt", 0, "قال")]


def opened(address: str, made: dict[str, Any] | None = None, *, restart: bool = False) -> Journal:
    """Return a journal that was just read."""
    journal = Journal(place(address))
    journal.open(made or MADE, restart=restart)
    return journal


@pytest.fixture(params=["path", "local", "memory"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An output place: a folder, a folder behind a URL, and no folder at all."""
    (tmp_path / ".winnow").mkdir()
    if request.param != "path":
        pytest.importorskip("fsspec")
    return {"path": str(tmp_path), "local": f"local://{tmp_path}", "memory": f"memory:/{tmp_path}"}[request.param]


def test_what_is_finished_is_read_back(address: str) -> None:
    """Units with figures and failures, and whole files; the last word on a unit counts."""
    journal = opened(address)
    journal.add_unit("a.jsonl", 0, "k0", 5, {"articles": 1}, [])
    journal.add_unit("a.jsonl", 1, "old", 5, {"articles": 9}, [])
    journal.add_unit("a.jsonl", 1, "k1", -1, {"articles": 0}, FAILURES)
    journal.add_whole("a.jsonl", "k", 10, 2)
    journal.add_unit("b.jsonl", 0, "kb", 7, {"articles": 2}, [], whole="kb-whole")
    for one in (journal, opened(address)):
        first, second = one.entry("a.jsonl", 0), one.entry("a.jsonl", 1)
        assert first is not None
        assert second is not None
        assert (first.key, first.size, one.row(first)["summary"], one.failures(first)) == ("k0", 5, {"articles": 1}, [])
        assert (second.key, second.size, one.failures(second)) == ("k1", -1, FAILURES)
        whole = one.whole("a.jsonl")
        assert whole is not None
        assert (whole.key, whole.size, whole.parts) == ("k", 10, 2)
        other = one.whole("b.jsonl")
        assert other is not None
        assert (other.key, other.size, other.parts) == ("kb-whole", 7, 1)
        assert one.entry("a.jsonl", 2) is None


@pytest.mark.parametrize("cut", [1, 2, 30, 60])
@pytest.mark.parametrize("noise", [b"", b"\0\0\0\0", b"[1]\n", b"\xff\xfe\n"])
def test_a_row_cut_off_is_passed_over(tmp_path: Path, cut: int, noise: bytes) -> None:
    """But for its line break, without which it is whole; and what is written after it is read."""
    (tmp_path / ".winnow").mkdir()
    journal = opened(str(tmp_path))
    for number in range(3):
        journal.add_unit("a.jsonl", number, f"k{number}", 5, {}, [])
    path = tmp_path / ".winnow" / "journal.jsonl"
    path.write_bytes(path.read_bytes()[:-cut] + noise)
    again = opened(str(tmp_path))
    again.add_unit("b.jsonl", 0, "kb", 5, {"articles": 3}, [])
    for one in (again, opened(str(tmp_path))):
        assert [one.entry("a.jsonl", number) is not None for number in range(3)] == [True, True, cut == 1 and not noise]
        entry = one.entry("b.jsonl", 0)
        assert entry is not None
        assert one.row(entry)["summary"] == {"articles": 3}


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({**MADE, "winnow": "2"}, "winnow was '1' and is '2'"),
        ({**MADE, "new": True}, "new was None and is True"),
        ({"winnow": "1"}, "keep was"),
    ],
)
def test_another_way_is_refused_until_begun_anew(address: str, made: dict[str, Any], message: str) -> None:
    """The message names what is another and what can be done."""
    opened(address).add_unit("a.jsonl", 0, "k", 5, {}, [])
    with pytest.raises(InputError, match=f"{message}.*--restart"):
        opened(address, made)
    assert opened(address).entry("a.jsonl", 0) is not None
    assert opened(address, made, restart=True).entry("a.jsonl", 0) is None
    assert opened(address, made).entry("a.jsonl", 0) is None


def test_a_journal_whose_head_was_cut_off_begins_anew(tmp_path: Path) -> None:
    """There is nothing in it yet."""
    (tmp_path / ".winnow").mkdir()
    (tmp_path / ".winnow" / "journal.jsonl").write_bytes(b'{"winnow": "1", "ke')
    journal = opened(str(tmp_path))
    journal.add_unit("a.jsonl", 0, "k", 5, {}, [])
    assert opened(str(tmp_path)).entry("a.jsonl", 0) is not None
