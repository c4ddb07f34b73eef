"""Edit a text line by line: rename keys, replace values, comment out entries. The rest stays unchanged."""

from __future__ import annotations

import re
from collections.abc import Callable

from dsops.migrate.braces import lines_between_braces

_FLOW_VALUE = r"""(?:"[^"\\]*"|'[^']*'|\{[^{}"'#]*\}|\[[^\[\]"'#]*\]|[^\s,{}\[\]"'#&*][^,{}\[\]"'#]*)"""
"""The pattern of a value between braces whose end is unambiguous."""
_NO_CONTENT = re.compile(r"[ \t]*(?:#.*)?\r?$")


class Lines:
    """The lines of a text, numbered from 1. Edits add and remove no lines, so line numbers stay valid."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._inside = lines_between_braces(text)

    @property
    def text(self) -> str:
        """All lines, with their original line ends."""
        return "\n".join(self._lines)

    def text_with(self, line: str, number: int) -> str:
        """Return all lines with `line` inserted before line `number`, with the same line end."""
        end = "\r" if self._lines[number - 1].endswith("\r") else ""
        return "\n".join([*self._lines[: number - 1], f"{line}{end}", *self._lines[number - 1 :]])

    def begins(self, number: int, key: str) -> bool:
        """Whether the line begins with the key in its first column."""
        return re.match(rf"([\"']?){re.escape(key)}\1\s*:", self._lines[number - 1]) is not None

    def rename(self, number: int, old: str, new: str) -> bool:
        """Rename a key in a line. Returns False, and does nothing, unless the key occurs exactly once."""
        return self._replace(number, rf"{_before(old)}(?=\s*:(?:\s|$))", lambda match: f"{match[1]}{new}{match[1]}")

    def set_value(self, number: int, key: str, old: str, new: str) -> bool:
        """Replace a plain or quoted value in a line. Returns False, and does nothing, unless it occurs exactly once."""
        pattern = rf"{_before(key)}(\s*:\s*)([\"']?){re.escape(old)}\3(?=\s*(?:[,}}#]|\r?$))"
        return self._replace(number, pattern, lambda match: f"{match[1]}{key}{match[1]}{match[2]}{new}")

    def comment_out(self, number: int, key: str) -> str:
        """Comment out the entry that begins in a line, with its nested lines; return a description of the change.

        In a flow mapping (`{a: 1, b: 2}`) a plain entry is removed instead. Returns "" if it is unclear where the
        entry ends.
        """
        line = self._lines[number - 1]
        own = re.match(rf"([ \t]*)([\"']?){re.escape(key)}\2[ \t]*:(?:\s|$)", line)
        if own is None or number in self._inside:
            name = rf"(?<![^\s{{,])(?:{re.escape(key)}|\"{re.escape(key)}\"|'{re.escape(key)}')"
            entry = rf"{name}\s*:\s*{_FLOW_VALUE}"
            pattern = rf"{entry}\s*,\s*|,\s*{entry}(?=\s*\}})|{entry}(?=\s*\}})"
            return "it is taken out" if self._replace(number, pattern, lambda _: "") else ""
        indent = len(own[1])
        last = number
        for at in range(number, len(self._lines)):
            following = self._lines[at]
            if _NO_CONTENT.match(following):
                continue
            own_indent = len(following) - len(following.lstrip(" \t"))
            # The items of a list may have the same indentation as its key.
            is_item = own_indent == indent and re.match(r"-(?:\s|$)", following[own_indent:]) is not None
            if own_indent <= indent and not is_item:
                break
            last = at + 1
        for at in range(number - 1, last):
            if self._lines[at].strip():
                self._lines[at] = f"{self._lines[at][:indent]}# {self._lines[at][indent:]}"
        return "it is commented out"

    def _replace(self, number: int, pattern: str, new: Callable[[re.Match[str]], str]) -> bool:
        line = self._lines[number - 1]
        code = _without_comment(line)
        matches = list(re.finditer(pattern, code))
        if len(matches) != 1:
            return False
        match = matches[0]
        self._lines[number - 1] = f"{line[: match.start()]}{new(match)}{line[match.end() :]}"
        return True


def _before(key: str) -> str:
    """Return a pattern for a key at a position where a key can begin. Group 1 is its quotation mark, if any."""
    return rf"(?<![^\s{{,])([\"']?){re.escape(key)}\1"


def _without_comment(line: str) -> str:
    """Return the line without its comment: `#` after a blank, outside quotes."""
    quote = ""
    for at, character in enumerate(line):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'" and (at == 0 or line[at - 1] in " \t{[,:"):
            quote = character
        elif character == "#" and (at == 0 or line[at - 1] in " \t"):
            return line[:at]
    return line
