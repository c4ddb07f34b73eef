"""A text that is changed line by line: keys renamed, values replaced, entries commented out; everything else stays."""

from __future__ import annotations

import re
from collections.abc import Callable

from dsops.migrate.braces import lines_between_braces

_FLOW_VALUE = r"""(?:"[^"\\]*"|'[^']*'|\{[^{}"'#]*\}|\[[^\[\]"'#]*\]|[^\s,{}\[\]"'#&*][^,{}\[\]"'#]*)"""
"""A value between braces that is sure to end where it seems to."""
_NO_CONTENT = re.compile(r"[ \t]*(?:#.*)?\r?$")


class Lines:
    """Lines from 1 on. Edits add and remove none, so that a line's number is the same before and after."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._inside = lines_between_braces(text)

    @property
    def text(self) -> str:
        """All lines, with the ends that they had."""
        return "\n".join(self._lines)

    def text_with(self, line: str, number: int) -> str:
        """All lines, and one more before that one, with an end like its."""
        end = "\r" if self._lines[number - 1].endswith("\r") else ""
        return "\n".join([*self._lines[: number - 1], f"{line}{end}", *self._lines[number - 1 :]])

    def begins(self, number: int, key: str) -> bool:
        """Whether that line begins with that key, in its first column."""
        return re.match(rf"([\"']?){re.escape(key)}\1\s*:", self._lines[number - 1]) is not None

    def rename(self, number: int, old: str, new: str) -> bool:
        """Gives a key of that line another name; False where it doesn't stand there exactly once."""
        return self._replace(number, rf"{_before(old)}(?=\s*:(?:\s|$))", lambda match: f"{match[1]}{new}{match[1]}")

    def set_value(self, number: int, key: str, old: str, new: str) -> bool:
        """Gives a plain or quoted value another text; False where it doesn't stand there exactly once."""
        pattern = rf"{_before(key)}(\s*:\s*)([\"']?){re.escape(old)}\3(?=\s*(?:[,}}#]|\r?$))"
        return self._replace(number, pattern, lambda match: f"{match[1]}{key}{match[1]}{match[2]}{new}")

    def comment_out(self, number: int, key: str) -> str:
        """Makes a comment of the entry that begins in that line, with all that belongs to it; says what was done.

        In a flow mapping (`{a: 1, b: 2}`) a plain entry is taken out. "" where it can't be told from the rest.
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
            # A list may stand as far left as the key that it belongs to.
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
        found = list(re.finditer(pattern, code))
        if len(found) != 1:
            return False
        match = found[0]
        self._lines[number - 1] = f"{line[: match.start()]}{new(match)}{line[match.end() :]}"
        return True


def _before(key: str) -> str:
    """A key where one can begin; its quote, if any, is the first group."""
    return rf"(?<![^\s{{,])([\"']?){re.escape(key)}\1"


def _without_comment(line: str) -> str:
    """The line up to a comment: `#` after a blank, outside of quotes."""
    quote = ""
    for at, character in enumerate(line):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'" and (at == 0 or line[at - 1] in " \t{[,:"):
            quote = character
        elif character == "#" and (at == 0 or line[at - 1] in " \t"):
            return line[:at]
    return line
