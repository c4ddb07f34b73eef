"""The cache of parsed files is bounded in entries and bytes, and forgets the least recently used files."""

from __future__ import annotations

from dsops.agent.parsed_files import ParsedFiles


def test_the_least_recently_used_is_forgotten() -> None:
    """Above the limit of entries, the entry that was not used for longest is dropped."""
    kept = ParsedFiles(most_entries=2)
    kept.keep(("a",), 1, 0)
    kept.keep(("b",), 2, 0)
    assert kept.get(("a",)) == 1
    kept.keep(("c",), 3, 0)

    assert [kept.get((name,)) for name in "abc"] == [1, None, 3]


def test_bytes_are_bounded() -> None:
    """The kept files have at most the limit of bytes; a replaced entry counts once; a larger file is not kept."""
    kept = ParsedFiles(most_bytes=100)
    for _ in range(3):
        kept.keep(("a",), 1, 60)
    assert kept.get(("a",)) == 1
    kept.keep(("b",), 2, 40)
    assert (kept.get(("a",)), kept.get(("b",))) == (1, 2)
    kept.keep(("c",), 3, 101)
    assert (kept.get(("a",)), kept.get(("b",)), kept.get(("c",))) == (1, 2, None)
    kept.keep(("c",), 3, 90)

    assert [kept.get((name,)) for name in "abc"] == [None, None, 3]
