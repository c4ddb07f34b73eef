"""Replaces every secret in a stream by `***`, with bounded memory, wherever the stream is cut into pieces."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from dsops.process.secret_spellings import SHORTEST

MASK = b"***"


_LONGEST_KEY = 64
_MOST_CODES, _CODES_A_BYTE = 4096, 8
"""How many terminal codes may wait with the bytes that are held back, at least and per byte; more release them."""


class _Bucket:
    """The patterns that share their first SHORTEST bytes, indexed by as many bytes as all of them have."""

    __slots__ = ("by_key", "length", "patterns")

    def __init__(self, patterns: list[bytes]) -> None:
        self.patterns = patterns
        self.length = min(_LONGEST_KEY, *map(len, patterns))
        self.by_key: dict[bytes, list[bytes]] = {}
        for pattern in patterns:
            self.by_key.setdefault(pattern[: self.length], []).append(pattern)

    def candidates(self, buffer: bytes, start: int) -> Iterable[bytes]:
        """The patterns that may stand there: few of them, unless the buffer ends too soon to tell."""
        if start + self.length > len(buffer):
            return self.patterns
        return self.by_key.get(buffer[start : start + self.length], ())


class ControlCode(NamedTuple):
    """A terminal code, which is passed on without being searched."""

    position: int
    """The number of searched bytes before it."""
    code: bytes


class _Open(NamedTuple):
    """A pattern whose beginning matches up to the end of the buffer."""

    start: int
    pattern: bytes


class Masker:
    """Masks every byte that is part of an occurrence of a pattern; overlapping occurrences get one mask.

    The output does not depend on how the input is cut into pieces, except through `release`. Bytes are held back
    while they may be the beginning of an occurrence, so never more than the longest pattern.
    """

    def __init__(self, patterns: Iterable[bytes]) -> None:
        """Raises ValueError for patterns shorter than SHORTEST: the caller has to say that those are not masked."""
        self._patterns: set[bytes] = set()
        self._by_start: dict[bytes, _Bucket] = {}
        self._shorter_starts: set[bytes] = set()
        """The one to three bytes that an occurrence may begin with at the end of the buffer."""
        self._find: Callable[[bytes, int], re.Match[bytes] | None] | None = None
        self._buffer = b""
        self._scanned = 0
        """Occurrences that begin before this position are known, except for open ones."""
        self._open: list[_Open] = []
        self._covers: list[tuple[int, int]] = []
        self._codes: deque[ControlCode] = deque()
        self._done = 0
        """Bytes before this position are output, or covered by a mask that is."""
        self._ends_masked = False
        """Whether the last output was a mask that ends at `_done`."""
        self._released = -1
        """The position up to which `release` output undecided bytes; -1 for none. No code waits before it."""
        self.learn(patterns)

    def learn(self, patterns: Iterable[bytes]) -> None:
        """Mask these patterns, too, in later input."""
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
        """Whether the input so far may end with the beginning of an occurrence."""
        return bool(self._buffer)

    def feed(self, data: bytes, codes: Iterable[ControlCode] = ()) -> bytes:
        """Add input and return the output that is decided. `codes` keep their places, or follow a mask."""
        length_before = len(self._buffer)
        self._codes.extend(ControlCode(length_before + control.position, control.code) for control in codes)
        self._buffer += data
        self._extend_candidates(length_before)
        self._scan()
        out = self._output(self._safe_length())
        are_too_many = len(self._codes) > _MOST_CODES + _CODES_A_BYTE * len(self._buffer)
        return out + self.release() if are_too_many else out

    def release(self) -> bytes:
        """Return the bytes that were held back, because no input came for a while.

        If they turn out to be the beginning of an occurrence, the rest of it is masked.
        """
        out = self._output(self._safe_length(), len(self._buffer))
        self._released = len(self._buffer) or -1
        return out

    def finish(self) -> bytes:
        """Return the bytes that were held back, because the input has ended."""
        rest = self._output(len(self._buffer))
        self._open.clear()
        return rest

    def _extend_candidates(self, length_before: int) -> None:
        """Check the open patterns against the new input: they match, stay open, or fail."""
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
        """Find where occurrences begin: an expression finds their first four bytes, then the rest is compared."""
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
        """The position before which no occurrence can begin any more."""
        length = len(self._buffer)
        starts = [occurrence.start for occurrence in self._open]
        for start in range(max(0, length - SHORTEST + 1), length):
            if self._buffer[start:] in self._shorter_starts:
                starts.append(start)
                break
        return min(starts, default=length)

    def _output(self, safe: int, until: int = 0) -> bytes:
        """Output what is decided before `safe`; up to `until`, if that is later, output undecided bytes, too."""
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
        """The bytes of that range, with their codes in place."""
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
    """A regular expression for any of these byte strings of one length: a tree, so that each byte is checked once.

    2,000 strings as a list were searched at 0.4 MB/s, as a tree at 7 (docs/decisions/0020-masking.md).
    """
    tree: dict[int, list[bytes]] = {}
    for start in starts:
        tree.setdefault(start[0], []).append(start[1:])
    # First bytes with the same continuation are one class: `[ab]cd`, not `(?:acd|bcd)`.
    firsts: dict[bytes, list[int]] = {}
    for first, rests in tree.items():
        firsts.setdefault(_alternatives(rests) if rests[0] else b"", []).append(first)
    ways = [b"[%s]%s" % (b"".join(b"\\x%02x" % byte for byte in sorted(group)), rest) for rest, group in firsts.items()]
    return ways[0] if len(ways) == 1 else b"(?:%s)" % b"|".join(ways)
