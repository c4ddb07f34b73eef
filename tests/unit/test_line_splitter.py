"""The lines of a command's output, from pieces of any size."""

from __future__ import annotations

from typing import ClassVar, Self, SupportsIndex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsops.process.many import LineSplitter


class Counted(bytes):
    """Bytes that count how many of them are searched or joined by an addition."""

    touched: ClassVar[int] = 0

    def split(self, sep: bytes | None = None, maxsplit: SupportsIndex = -1) -> list[bytes]:  # type: ignore[override]
        """Split, and count."""
        Counted.touched += len(self)
        return bytes(self).split(sep, maxsplit)

    def __radd__(self, before: bytes) -> Self:
        """Join, and count."""
        Counted.touched += len(before) + len(self)
        return type(self)(bytes(before) + bytes(self))


def test_a_line_in_many_pieces_is_searched_once() -> None:
    """For a line that arrives in many pieces, the work grows linearly with the number of bytes."""
    Counted.touched = 0
    splitter = LineSplitter()
    pieces = [Counted(b"x" * 100) for _ in range(2000)]

    lines = [line for piece in pieces for line in splitter.feed(piece)]

    assert lines == []
    assert splitter.feed(b"\n") == [b"x" * 200_000 + b"\n"]
    assert Counted.touched <= 2 * 200_000


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_line_without_end_is_passed_on_in_parts(size: int) -> None:
    """A line without an end is passed on in parts, and no byte is lost.

    The splitter keeps at most the longest line and one piece in memory.
    """
    splitter = LineSplitter(longest=100)
    passed = b""
    for number in range(1, 500):
        passed += b"".join(splitter.feed(b"y" * size))
        assert number * size - len(passed) < 100
    assert passed + b"".join(splitter.end()) == b"y" * size * 499
    assert splitter.end() == []


@given(st.lists(st.binary(max_size=20).map(lambda data: data.replace(b"a", b"\n"))))
def test_every_byte_is_in_one_line(pieces: list[bytes]) -> None:
    """In whatever pieces the output arrives, the splitter returns the lines of the whole output."""
    splitter = LineSplitter()
    lines = [line for piece in pieces for line in splitter.feed(piece)] + splitter.end()
    whole = b"".join(pieces).split(b"\n")
    assert lines == [line + b"\n" for line in whole[:-1]] + [whole[-1]] * bool(whole[-1])
