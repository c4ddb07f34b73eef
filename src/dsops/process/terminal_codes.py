"""Secrets with terminal codes (colours, cursor moves, links) between their letters are masked, too.

What a command writes is searched twice: as it is, since a code may hold a secret, and without its codes, which most
output does not have. Between the two nothing is held back for longer than by one of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from dsops.process.forms import SHORTEST
from dsops.process.mask import ControlCode, Masker

_ESCAPE = b"\x1b"
_LONGEST = 1024
"""Bytes of one code; a link has its address in it."""

# ECMA-48: control sequences, strings (for the operating system, a device, a program), and short escapes.
_CODE = re.compile(
    rb"\x1b(?:\[[0-?]{0,%d}[ -/]{0,9}[@-~]|[\]PX^_][^\x07\x1b\r\n]{0,%d}(?:\x07|\x1b\\)"
    rb"|[ -/]{1,9}[0-~]|[0-OQ-WYZ\\`-~])" % (_LONGEST, _LONGEST)
)
_UNFINISHED = re.compile(
    rb"\x1b(?:\[[0-?]{0,%d}[ -/]{0,9}|[\]PX^_][^\x07\x1b\r\n]{0,%d}\x1b?|[ -/]{0,9})\Z" % (_LONGEST, _LONGEST)
)


class TerminalMasker:
    """A `Masker` for output that may have terminal codes in it."""

    def __init__(self, patterns: Iterable[bytes]) -> None:
        """The patterns are those of a Masker."""
        self._plain = Masker(())
        self._visible = Masker(())
        self._unfinished = b""
        """The beginning of a code."""
        self.learn(patterns)

    def learn(self, patterns: Iterable[bytes]) -> None:
        """Masks these too, in what comes from now on."""
        found = list(patterns)
        without = [_CODE.sub(b"", each) for each in found]
        found += [each for each in without if len(each) >= SHORTEST]
        self._plain.learn(found)
        self._visible.learn(found)

    @property
    def held(self) -> int:
        """How many bytes are held back."""
        return self._plain.held + self._visible.held + len(self._unfinished)

    def feed(self, data: bytes) -> bytes:
        """What can be output now that this has come."""
        return self._go_on(self._plain.feed(data))

    def release(self) -> bytes:
        """What was held back, since nothing has come for a while."""
        out = self._go_on(self._plain.release(), is_held=True)
        unfinished, self._unfinished = self._unfinished, b""
        return out + self._visible.release() + unfinished

    def finish(self) -> bytes:
        """What was held back, since nothing comes any more."""
        out = self._go_on(self._plain.finish())
        unfinished, self._unfinished = self._unfinished, b""
        return out + self._visible.finish() + unfinished

    def _go_on(self, data: bytes, *, is_held: bool = False) -> bytes:
        """The second search. What the first one let go without a code in it is no beginning of a secret."""
        if not is_held and _ESCAPE not in data and not self._unfinished and not self._visible.is_pending:
            return data
        data = self._unfinished + data
        end = _UNFINISHED.search(data, max(0, len(data) - 2 * _LONGEST))
        self._unfinished = data[end.start() :] if end else b""
        data = data[: len(data) - len(self._unfinished)]
        shown: list[bytes] = []
        codes: list[ControlCode] = []
        position = length = 0
        for match in _CODE.finditer(data):
            shown.append(data[position : match.start()])
            length += len(shown[-1])
            codes.append(ControlCode(length, match[0]))
            position = match.end()
        return self._visible.feed(b"".join([*shown, data[position:]]), codes)
