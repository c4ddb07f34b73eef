"""Find the lines of a YAML file that begin inside braces. An entry inside braces can end before its line does."""

from __future__ import annotations

import re

_BLOCK_TEXT = re.compile(r"(?:^|[\s:-])[|>][-+0-9]*\s*(?:#.*)?$")
_OPENING, _CLOSING = "{[", "}]"


def lines_between_braces(text: str) -> frozenset[int]:
    """Return the numbers of lines that begin inside a flow collection (`{...}`, `[...]`) or a quoted string.

    Lines are numbered from 1.
    """
    scanner = _Scanner()
    numbers = []
    for number, line in enumerate(text.split("\n"), 1):
        if scanner.begin_line(line.removesuffix("\r")):
            numbers.append(number)
    return frozenset(numbers)


class _Scanner:
    """Scans the text line by line and tracks open braces and quotes."""

    def __init__(self) -> None:
        self._depth = 0
        self._quote = ""
        self._block_indent: int | None = None
        """The indentation of the line that began a block scalar (`|`, `>`); None outside a block scalar."""

    def begin_line(self, line: str) -> bool:
        """Scan a line; return whether a brace or quote was open at its beginning."""
        is_inside = bool(self._depth or self._quote)
        indent = len(line) - len(line.lstrip(" "))
        if self._block_indent is not None and (not line.strip() or indent > self._block_indent):
            return False
        self._block_indent = None
        self._read(line)
        if not self._depth and not self._quote and _BLOCK_TEXT.search(line):
            self._block_indent = indent
        return is_inside

    def _read(self, line: str) -> None:
        before = " "
        at = 0
        while at < len(line):
            character = line[at]
            if self._quote:
                if character == "\\" and self._quote == '"':
                    at += 1
                elif character == self._quote:
                    self._quote = ""
                    before = character
            elif character == "#" and (at == 0 or line[at - 1] in " \t"):
                return
            else:
                self._take(character, is_start=self._is_start(line, at, before))
                before = before if character in " \t" else character
            at += 1

    def _is_start(self, line: str, at: int, before: str) -> bool:
        """Whether a key or value can begin at that position. Elsewhere, quotes and braces have no meaning."""
        if self._depth:
            return before in " {[,:"
        is_apart = at == 0 or line[at - 1] in " \t"
        # In YAML, a value may have a tag or an anchor before it.
        word = line[:at].rsplit(maxsplit=1)[-1:]
        return is_apart and (before in " :-?" or bool(word and word[0][0] in "!&"))

    def _take(self, character: str, *, is_start: bool) -> None:
        if character in _OPENING and (is_start or self._depth):
            self._depth += 1
        elif character in _CLOSING and self._depth:
            self._depth -= 1
        elif character in "\"'" and is_start:
            self._quote = character
