"""Mask secrets that have terminal codes (colours, cursor moves, links) between their characters.

Output is searched with its codes first, because a code may contain a secret. If it has codes, it is searched again
without them. Two searches hold bytes back no longer than one search does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from dsops.process.mask import ControlCode, Masker
from dsops.process.secret_spellings import SHORTEST

_ESCAPE = b"\x1b"
_LONGEST = 1024
"""The maximum length of a terminal code in bytes. A link is long, because it contains its address."""

# ECMA-48: control sequences, strings (for the operating system, a device, a program), and short escapes.
_CODE = re.compile(
    rb"\x1b(?:\[[0-?]{0,%d}[ -/]{0,9}[@-~]|[\]PX^_][^\x07\x1b\r\n]{0,%d}(?:\x07|\x1b\\)"
    rb"|[ -/]{1,9}[0-~]|[0-OQ-WYZ\\`-~])" % (_LONGEST, _LONGEST)
)
_UNFINISHED = re.compile(
    rb"\x1b(?:\[[0-?]{0,%d}[ -/]{0,9}|[\]PX^_][^\x07\x1b\r\n]{0,%d}\x1b?|[ -/]{0,9})\Z" % (_LONGEST, _LONGEST)
)


class TerminalMasker:
    """A `Masker` for output that may contain terminal codes."""

    def __init__(self, patterns: Iterable[bytes]) -> None:
        """`patterns` are the patterns of a Masker."""
        self._plain = Masker(())
        self._visible = Masker(())
        self._unfinished = b""
        """The beginning of a terminal code whose end has not arrived yet."""
        self.learn(patterns)

    def learn(self, patterns: Iterable[bytes]) -> None:
        """Add patterns to mask in later input."""
        all_patterns = list(patterns)
        without = [_CODE.sub(b"", pattern) for pattern in all_patterns]
        all_patterns += [pattern for pattern in without if len(pattern) >= SHORTEST]
        self._plain.learn(all_patterns)
        self._visible.learn(all_patterns)

    @property
    def held(self) -> int:
        """The number of bytes that are held back."""
        return self._plain.held + self._visible.held + len(self._unfinished)

    def feed(self, data: bytes) -> bytes:
        """Add input; return the part of the output that is decided."""
        return self._search_again(self._plain.feed(data))

    def release(self) -> bytes:
        """Return the bytes that are held back, because no input has arrived for a while."""
        out = self._search_again(self._plain.release(), is_held=True)
        unfinished, self._unfinished = self._unfinished, b""
        return out + self._visible.release() + unfinished

    def finish(self) -> bytes:
        """Return the bytes that are held back, because the input has ended."""
        out = self._search_again(self._plain.finish())
        unfinished, self._unfinished = self._unfinished, b""
        return out + self._visible.finish() + unfinished

    def _search_again(self, data: bytes, *, is_held: bool = False) -> bytes:
        """Search the output of the first search again, without its terminal codes.

        Output that contains no code is returned unchanged if the first search has decided it and no earlier bytes are
        held back. No secret can begin in it.
        """
        if not is_held and _ESCAPE not in data and not self._unfinished and not self._visible.is_pending:
            return data
        data = self._unfinished + data
        end = _UNFINISHED.search(data, max(0, len(data) - 2 * _LONGEST))
        self._unfinished = data[end.start() :] if end else b""
        data = data[: len(data) - len(self._unfinished)]
        visible: list[bytes] = []
        codes: list[ControlCode] = []
        position = length = 0
        for match in _CODE.finditer(data):
            visible.append(data[position : match.start()])
            length += len(visible[-1])
            codes.append(ControlCode(length, match[0]))
            position = match.end()
        return self._visible.feed(b"".join([*visible, data[position:]]), codes)
