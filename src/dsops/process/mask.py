"""Replace every secret in a stream by `***`, with bounded memory, even if a secret is split between two reads."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from dsops.process.secret_spellings import SHORTEST

MASK = b"***"


_LONGEST_KEY = 64
_MOST_CODES, _CODES_A_BYTE = 4096, 8
"""The maximum number of terminal codes that are held back: 4096, plus 8 for each held-back byte.

Above this limit, the held-back bytes and codes are released.
"""


class _Bucket:
    """All patterns with the same first SHORTEST bytes, indexed by a longer prefix that all of them have."""

    __slots__ = ("by_key", "length", "patterns")

    def __init__(self, patterns: list[bytes]) -> None:
        self.patterns = patterns
        self.length = min(_LONGEST_KEY, *map(len, patterns))
        self.by_key: dict[bytes, list[bytes]] = {}
        for pattern in patterns:
            self.by_key.setdefault(pattern[: self.length], []).append(pattern)

    def candidates(self, buffer: bytes, start: int) -> Iterable[bytes]:
        """Return the patterns that may match at `start`.

        There are few of them, except near the end of the buffer, where too few bytes are left to exclude the others.
        """
        if start + self.length > len(buffer):
            return self.patterns
        return self.by_key.get(buffer[start : start + self.length], ())


class ControlCode(NamedTuple):
    """A terminal code in the input. The code is passed on and not searched."""

    position: int
    """The number of searched bytes that precede the code."""
    code: bytes


class _Open(NamedTuple):
    """A possible match that is not complete yet.

    The buffer's bytes from `start` to its end are the beginning of the pattern.
    """

    start: int
    pattern: bytes


class Masker:
    """Masks every byte that is part of a match of a pattern; overlapping matches get one mask.

    The output does not depend on how the input is split into pieces, unless `release` is called. Bytes that may begin
    a match are held back, but never more bytes than the longest pattern has.
    """

    def __init__(self, patterns: Iterable[bytes]) -> None:
        """Raises ValueError for a pattern shorter than SHORTEST.

        The calling code must report that such a value is not masked.
        """
        self._patterns: set[bytes] = set()
        self._by_start: dict[bytes, _Bucket] = {}
        self._shorter_starts: set[bytes] = set()
        """The first one, two and three bytes of all patterns. They can be an unfinished match at the buffer's end."""
        self._find: Callable[[bytes, int], re.Match[bytes] | None] | None = None
        self._buffer = b""
        self._scanned = 0
        """The position up to which the buffer has been searched.

        Undecided matches before this position are in `_open`.
        """
        self._open: list[_Open] = []
        self._covers: list[tuple[int, int]] = []
        self._codes: deque[ControlCode] = deque()
        self._done = 0
        """The position up to which the buffer is output, unchanged or replaced by a mask."""
        self._ends_masked = False
        """Whether the last output was a mask that ends at `_done`."""
        self._released = -1
        """The position up to which `release` has output undecided bytes; -1 if it has not.

        All terminal codes before this position have been output, too.
        """
        self.learn(patterns)

    def learn(self, patterns: Iterable[bytes]) -> None:
        """Add patterns to mask in later input."""
        self._patterns.update(patterns)
        starts: dict[bytes, list[bytes]] = {}
        for pattern in sorted(self._patterns):
            if len(pattern) < SHORTEST:
                raise ValueError("a pattern is too short")
            starts.setdefault(pattern[:SHORTEST], []).append(pattern)
        self._by_start = {start: _Bucket(bucket_patterns) for start, bucket_patterns in starts.items()}
        self._shorter_starts = {start[:length] for start in starts for length in range(1, SHORTEST)}
        if starts:
            self._find = re.compile(_alternatives(starts), re.DOTALL).search

    @property
    def held(self) -> int:
        """The number of bytes that are held back."""
        return len(self._buffer) - self._done

    @property
    def is_pending(self) -> bool:
        """Whether bytes are in the buffer, because they may be the beginning of a match."""
        return bool(self._buffer)

    def feed(self, data: bytes, codes: Iterable[ControlCode] = ()) -> bytes:
        """Add input; return the part of the output that later input can't change.

        The terminal codes in `codes` keep their positions. A code whose position is inside a match is put after the
        mask.
        """
        length_before = len(self._buffer)
        self._codes.extend(ControlCode(length_before + control.position, control.code) for control in codes)
        self._buffer += data
        self._extend_candidates(length_before)
        self._scan()
        out = self._output(self._safe_length())
        are_too_many = len(self._codes) > _MOST_CODES + _CODES_A_BYTE * len(self._buffer)
        return out + self.release() if are_too_many else out

    def release(self) -> bytes:
        """Return the bytes that are held back, because no input has arrived for a while.

        If the bytes turn out to be the beginning of a match, the rest of that match is masked.
        """
        out = self._output(self._safe_length(), len(self._buffer))
        self._released = len(self._buffer) or -1
        return out

    def finish(self) -> bytes:
        """Return the bytes that are held back, because the input has ended."""
        rest = self._output(len(self._buffer))
        self._open.clear()
        return rest

    def _extend_candidates(self, length_before: int) -> None:
        """Compare the open matches with the new input. Each of them becomes a match, stays open, or fails."""
        still_open = []
        for candidate in self._open:
            new = self._buffer[length_before : candidate.start + len(candidate.pattern)]
            if not candidate.pattern.startswith(new, length_before - candidate.start):
                continue
            if candidate.start + len(candidate.pattern) <= len(self._buffer):
                self._cover(candidate.start, candidate.start + len(candidate.pattern))
            else:
                still_open.append(candidate)
        self._open = still_open

    def _scan(self) -> None:
        """Find matches: a regular expression finds the first four bytes of a pattern, then the rest is compared."""
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

    def _safe_length(self) -> int:
        """Return the position before which no undecided match can begin."""
        length = len(self._buffer)
        starts = [occurrence.start for occurrence in self._open]
        for start in range(max(0, length - SHORTEST + 1), length):
            if self._buffer[start:] in self._shorter_starts:
                starts.append(start)
                break
        return min(starts, default=length)

    def _output(self, safe: int, until: int = 0) -> bytes:
        """Return the output up to position `safe`, before which all secrets have been found.

        If `until` is later than `safe`, the output continues up to `until`. These bytes may be the beginning of a
        secret.
        """
        until = max(safe, until)
        pieces: list[bytes] = []
        self._covers.sort()
        left = []
        for start, end in self._covers:
            if start >= until:
                left.append((start, end))
                continue
            if start >= self._done:
                pieces += [*self._with_codes(self._done, start), MASK]
            elif end > self._done and not self._ends_masked:
                pieces.append(MASK)
            if self._codes:
                pieces += self._codes_before(end)
            if end > self._done or start >= self._done:
                self._done, self._ends_masked = max(self._done, end), True
        if until > self._done:
            pieces += self._with_codes(self._done, until)
            self._done, self._ends_masked = until, False
        if self._codes:
            pieces += self._codes_before(max(until + (until == len(self._buffer)), self._released + 1))
            if safe:
                self._codes = deque(code._replace(position=code.position - safe) for code in self._codes)
        self._covers = [(start - safe, end - safe) for start, end in left]
        self._buffer = self._buffer[safe:]
        self._done -= safe
        self._scanned = max(0, self._scanned - safe)
        self._released = max(-1, self._released - safe)
        self._open = [_Open(occurrence.start - safe, occurrence.pattern) for occurrence in self._open]
        return b"".join(pieces)

    def _with_codes(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from `start` to `end`, with the terminal codes at their positions."""
        while self._codes and self._codes[0].position < end:
            position, code = self._codes.popleft()
            yield self._buffer[start : max(start, position)]
            yield code
            start = max(start, position)
        yield self._buffer[start:end]

    def _codes_before(self, end: int) -> Iterator[bytes]:
        while self._codes and self._codes[0].position < end:
            yield self._codes.popleft().code


def _alternatives(starts: Iterable[bytes]) -> bytes:
    """Return a regular expression that matches any of these byte strings. All of them have the same length.

    The expression is a tree, so each byte is checked once. With 2,000 byte strings, a plain list of alternatives
    searched 0.4 MB/s, and the tree searches 7 MB/s (docs/decisions/0020-masking.md).
    """
    tree: dict[int, list[bytes]] = {}
    for start in starts:
        tree.setdefault(start[0], []).append(start[1:])
    # First bytes with the same continuations become one character class: `[ab]cd`, not `(?:acd|bcd)`.
    firsts: dict[bytes, list[int]] = {}
    for first, rests in tree.items():
        firsts.setdefault(_alternatives(rests) if rests[0] else b"", []).append(first)
    ways = [b"[%s]%s" % (b"".join(b"\\x%02x" % byte for byte in sorted(group)), rest) for rest, group in firsts.items()]
    return ways[0] if len(ways) == 1 else b"(?:%s)" % b"|".join(ways)
