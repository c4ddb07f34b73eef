"""A stream of bytes -> the same stream with `***` in the place of every secret; bounded memory, however it is cut."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from dsops.process.forms import SHORTEST

MASK = b"***"


_LONGEST_KEY = 64
_MOST_CODES, _CODES_A_BYTE = 4096, 8
"""Codes that wait with what is held back, besides so many for each of its bytes: more of them let it go."""


class _Bucket:
    """The patterns that begin with the same SHORTEST bytes, by as many bytes as all of them have."""

    __slots__ = ("by_key", "length", "patterns")

    def __init__(self, patterns: list[bytes]) -> None:
        self.patterns = patterns
        self.length = min(_LONGEST_KEY, *map(len, patterns))
        self.by_key: dict[bytes, list[bytes]] = {}
        for pattern in patterns:
            self.by_key.setdefault(pattern[: self.length], []).append(pattern)

    def candidates(self, buffer: bytes, start: int) -> Iterable[bytes]:
        """Those that may stand there: a few, however many begin alike, but for the end of what has come."""
        if start + self.length > len(buffer):
            return self.patterns
        return self.by_key.get(buffer[start : start + self.length], ())


class ControlCode(NamedTuple):
    """Bytes that are passed on, though they are no part of what is searched."""

    position: int
    """How many bytes of what is searched come before it."""
    code: bytes


class _Open(NamedTuple):
    """A pattern that has been right so far, to the end of what has come."""

    start: int
    pattern: bytes


class Masker:
    """Covers everything that is part of an occurrence of a pattern; occurrences that overlap get one mask.

    What is output is the same for every way of cutting the input into pieces, but for `release`. Held back is what
    may turn out to be the beginning of an occurrence, so never more than the longest pattern.
    """

    def __init__(self, patterns: Iterable[bytes]) -> None:
        """Patterns shorter than SHORTEST are a ValueError: who calls has to say that they are not masked."""
        self._patterns: set[bytes] = set()
        self._by_start: dict[bytes, _Bucket] = {}
        self._shorter_starts: set[bytes] = set()
        """With which the last one to three bytes could begin one."""
        self._find: Callable[[bytes, int], re.Match[bytes] | None] | None = None
        self._buffer = b""
        self._scanned = 0
        """No occurrence that begins before is still unknown, but for the open ones."""
        self._open: list[_Open] = []
        self._covers: list[tuple[int, int]] = []
        self._codes: deque[ControlCode] = deque()
        self._done = 0
        """Everything before is output, or lies under a mask that is."""
        self._ends_masked = False
        """Whether the last thing that was output is a mask that reaches up to `_done`."""
        self._released = -1
        """Up to where `release` has output what was held back, -1 where that is decided: no code waits before."""
        self.learn(patterns)

    def learn(self, patterns: Iterable[bytes]) -> None:
        """Masks these too, in what comes from now on."""
        self._patterns.update(patterns)
        starts: dict[bytes, list[bytes]] = {}
        for pattern in sorted(self._patterns):
            if len(pattern) < SHORTEST:
                raise ValueError("a pattern is too short")
            starts.setdefault(pattern[:SHORTEST], []).append(pattern)
        self._by_start = {start: _Bucket(found) for start, found in starts.items()}
        self._shorter_starts = {start[:length] for start in starts for length in range(1, SHORTEST)}
        if starts:
            self._find = re.compile(_any_of(starts), re.DOTALL).search

    @property
    def held(self) -> int:
        """How many bytes are held back."""
        return len(self._buffer) - self._done

    @property
    def is_pending(self) -> bool:
        """Whether what has come, output or not, may be the beginning of an occurrence."""
        return bool(self._buffer)

    def feed(self, data: bytes, codes: Iterable[ControlCode] = ()) -> bytes:
        """What can be output now that this has come; `codes` are passed on where they stood, behind a mask's stars."""
        known = len(self._buffer)
        self._codes.extend(ControlCode(known + each.position, each.code) for each in codes)
        self._buffer += data
        self._go_on(known)
        self._scan()
        out = self._output(self._safe())
        are_too_many = len(self._codes) > _MOST_CODES + _CODES_A_BYTE * len(self._buffer)
        return out + self.release() if are_too_many else out

    def release(self) -> bytes:
        """What was held back, since nothing has come for a while.

        Should it become an occurrence after all, the rest of that is masked.
        """
        out = self._output(self._safe(), len(self._buffer))
        self._released = len(self._buffer) or -1
        return out

    def finish(self) -> bytes:
        """What was held back, since nothing comes any more."""
        rest = self._output(len(self._buffer))
        self._open.clear()
        return rest

    def _go_on(self, known: int) -> None:
        """The open ones: closed, still open, or no occurrences."""
        still_open = []
        for each in self._open:
            new = self._buffer[known : each.start + len(each.pattern)]
            if not each.pattern.startswith(new, known - each.start):
                continue
            if each.start + len(each.pattern) <= len(self._buffer):
                self._cover(each.start, each.start + len(each.pattern))
            else:
                still_open.append(each)
        self._open = still_open

    def _scan(self) -> None:
        """Finds every place where one begins: C code looks for its first four bytes, then all are compared."""
        buffer, position = self._buffer, self._scanned
        while self._find is not None and (match := self._find(buffer, position)):
            start = match.start()
            for pattern in self._by_start[match[0]].candidates(buffer, start):
                if start + len(pattern) <= len(buffer):
                    if buffer.startswith(pattern, start):
                        self._cover(start, start + len(pattern))
                elif pattern.startswith(buffer[start:]):
                    self._open.append(_Open(start, pattern))
            position = start + 1
        self._scanned = max(position, len(buffer) - SHORTEST + 1)

    def _cover(self, start: int, end: int) -> None:
        if self._covers:
            last_start, last_end = self._covers[-1]
            if last_start <= start < last_end:
                self._covers[-1] = (last_start, max(last_end, end))
                return
        self._covers.append((start, end))

    def _safe(self) -> int:
        """Nothing that begins before can become an occurrence any more."""
        length = len(self._buffer)
        starts = [each.start for each in self._open]
        for start in range(max(0, length - SHORTEST + 1), length):
            if self._buffer[start:] in self._shorter_starts:
                starts.append(start)
                break
        return min(starts, default=length)

    def _output(self, safe: int, until: int = 0) -> bytes:
        """What begins before `safe` is decided; `until`, where that is later, is output all the same."""
        until = max(safe, until)
        pieces: list[bytes] = []
        self._covers.sort()
        left = []
        for start, end in self._covers:
            if start >= until:
                left.append((start, end))
                continue
            if start >= self._done:
                pieces += [*self._shown(self._done, start), MASK]
            elif end > self._done and not self._ends_masked:
                pieces.append(MASK)
            if self._codes:
                pieces += self._codes_before(end)
            if end > self._done or start >= self._done:
                self._done, self._ends_masked = max(self._done, end), True
        if until > self._done:
            pieces += self._shown(self._done, until)
            self._done, self._ends_masked = until, False
        if self._codes:
            pieces += self._codes_before(max(until + (until == len(self._buffer)), self._released + 1))
            if safe:
                self._codes = deque(each._replace(position=each.position - safe) for each in self._codes)
        self._covers = [(start - safe, end - safe) for start, end in left]
        self._buffer = self._buffer[safe:]
        self._done -= safe
        self._scanned = max(0, self._scanned - safe)
        self._released = max(-1, self._released - safe)
        self._open = [_Open(each.start - safe, each.pattern) for each in self._open]
        return b"".join(pieces)

    def _shown(self, start: int, end: int) -> Iterator[bytes]:
        """These bytes, with the codes that stand before and between them."""
        while self._codes and self._codes[0].position < end:
            position, code = self._codes.popleft()
            yield self._buffer[start : max(start, position)]
            yield code
            start = max(start, position)
        yield self._buffer[start:end]

    def _codes_before(self, end: int) -> Iterator[bytes]:
        while self._codes and self._codes[0].position < end:
            yield self._codes.popleft().code


def _any_of(starts: Iterable[bytes]) -> bytes:
    """An expression for any of these, all of one length, in which each byte is looked at once: a tree, no list.

    2,000 of them as a list were searched at 0.4 MB/s, as a tree at 7 (docs/decisions/0020-masking.md).
    """
    tree: dict[int, list[bytes]] = {}
    for start in starts:
        tree.setdefault(start[0], []).append(start[1:])
    # What is followed by the same is one class: `[ab]cd`, not `(?:acd|bcd)`.
    firsts: dict[bytes, list[int]] = {}
    for first, rests in tree.items():
        firsts.setdefault(_any_of(rests) if rests[0] else b"", []).append(first)
    ways = [b"[%s]%s" % (b"".join(b"\\x%02x" % byte for byte in sorted(each)), rest) for rest, each in firsts.items()]
    return ways[0] if len(ways) == 1 else b"(?:%s)" % b"|".join(ways)
