"""Verifies a trail: finds lines that were removed, changed or moved, as far as hashes can show it.

A user who may write the files can rewrite all of them: only a hash that was noted elsewhere reveals that.
"""

from __future__ import annotations

from collections.abc import Iterable

from dsops.audit.chain import START, Link, hash_of, link_of, record_in
from dsops.audit.lost_lines import LOST, LostLines, loss_of
from dsops.audit.reading import Line, Trail, lines_of
from dsops.audit.trail import DAMAGED, PRUNED, TORN
from dsops.startup import NamedTuple


class TrailDefect(NamedTuple):
    """A difference between the trail's files and the lines that dsops wrote."""

    file: str
    line: int
    """The number of the line in its file; 0 if the defect concerns the whole file."""
    message: str
    is_harmless: bool = False
    """Whether an interrupted run explains the defect and no line is missing."""


class Verification(NamedTuple):
    """The result of verifying an audit trail."""

    lines: int
    """The number of lines in the chain."""
    first: int
    last: int
    hash: str
    """The hash of the last line, which the user may note elsewhere."""
    findings: tuple[TrailDefect, ...]


_KINDS = {
    "cut": "lines before this one had been cut off when it was written",
    "missing": "the file before this line was gone when it was written",
    "headless": "the trail's head was gone when this line was written",
    "foreign": "the text before this line was not written by dsops",
}


def verify(trail: Trail, *, noted: str = "") -> Verification:
    """Verify the whole trail and its head. `noted` is a hash that was noted elsewhere, "" for none."""
    check = _Check()
    check.go_through(trail.files)
    check.compare_begin()
    check.compare_head(trail)
    check.add_lost(trail)
    return check.verdict(noted)


def verify_files(files: Iterable[str], *, noted: str = "") -> Verification:
    """Verify some files of a trail, in the order passed, without the files before and after them."""
    check = _Check()
    check.go_through(files)
    return check.verdict(noted)


def _lost_text(loss: LostLines | None, where: str) -> str:
    """Return a loss as text: `3 lines were lost before this line, at ..., by exec (process 17: 3): disk full`."""
    if loss is None or not loss.lines:
        return f"lines were lost {where}, and it is not known how many"
    count = "1 line was" if loss.lines == 1 else f"{loss.lines} lines were"
    when = f"at {loss.first}" if loss.first == loss.last else f"from {loss.first} to {loss.last}"
    shares = [f"{share.command or 'dsops'} (process {share.pid}: {share.lines})" for share in loss.processes]
    more = loss.lines - sum(share.lines for share in loss.processes)
    shares += [f"other processes ({more})"] if more > 0 else []
    return f"{count} lost {where}, {when}, by {', '.join(shares)}: {loss.why}"


class _Check:
    def __init__(self) -> None:
        self._findings: list[TrailDefect] = []
        self._place: Link | None = None
        """The chain position of the last line that belongs to the chain."""
        self._hash = START
        self._hashes: set[str] = set()
        self._count = self._first = self._first_line = self._pruned = 0
        self._first_file = ""
        self._strange: list[Line] = []
        """Lines without a place in the chain, found after the last line that belongs to the chain."""
        self._last: Line | None = None

    def go_through(self, files: Iterable[str]) -> None:
        """Check every line of these files."""
        for file in files:
            for line in lines_of(file):
                self._last = line
                record = record_in(line.data)
                place = link_of(record)
                if place is None or not line.is_whole:
                    self._strange.append(line)
                else:
                    self._take(line, place, record or {})
        for strange in self._strange:
            if strange is self._last and not strange.is_whole:
                self._find(strange, "the last line ends in the middle: a run was interrupted", is_harmless=True)
            else:
                self._find(strange, "this is not a line of an audit trail")

    def _take(self, line: Line, place: Link, record: dict[str, object]) -> None:
        facts = record.get("additionalEventData")
        event_facts = facts if isinstance(facts, dict) else {}
        name, kind = record.get("eventName"), str(event_facts.get("kind"))
        for strange in self._strange:
            # A TrailDamaged line has the hash of the incomplete line before it, and explains only that line.
            is_torn = name == DAMAGED and kind == TORN and event_facts.get("sha256") == hash_of(strange.data)
            text = "a run was interrupted in this line, and the next one marked it"
            self._find(strange, text if is_torn else "this is not a line of an audit trail", is_harmless=is_torn)
        self._strange = []
        if name == DAMAGED and kind != TORN:
            self._find(line, _KINDS.get(kind, f"damage of the kind `{kind}` was recorded here"))
        if name == LOST:
            self._find(line, _lost_text(loss_of(event_facts), "before this line"))
        if name == PRUNED and isinstance(event_facts.get("last"), int):
            self._pruned = max(self._pruned, int(event_facts["last"]))
        self._compare(line, place)
        self._place, self._hash = place, hash_of(line.data)
        self._hashes.add(self._hash)
        self._count += 1

    def _compare(self, line: Line, place: Link) -> None:
        """Check that this line continues the chain after the previous line."""
        if self._place is None:
            self._first, self._first_file, self._first_line = place.number, line.file, line.line
            if place.number == 1 and place.previous != START:
                self._find(line, "line 1 has the hash of a line before it: it was changed, or lines were removed")
            return
        expected = self._place.number + 1
        if place.number > expected:
            missing = f"{expected} to {place.number - 1}" if place.number - 1 > expected else str(expected)
            self._find(line, f"number {place.number} stands here: {missing} is missing before it")
        elif place.number < expected:
            self._find(line, f"number {place.number} stands here after {expected - 1}: lines were moved or repeated")
        elif place.previous != self._hash:
            self._find(line, f"number {expected - 1}, before this one, is not the line that was written there")

    def compare_begin(self) -> None:
        """If lines are missing at the trail's start, check that a line of the trail reports their removal."""
        if self._first > 1 and self._pruned < self._first - 1:
            self._findings.append(
                TrailDefect(
                    self._first_file,
                    self._first_line,
                    f"the trail begins with number {self._first}, and no line says that those before it were removed",
                )
            )

    def compare_head(self, trail: Trail) -> None:
        """Check that the last line has the number and the hash that the head file records."""
        number = self._place.number if self._place is not None else 0
        file = trail.files[-1] if trail.files else ""
        if trail.head is None:
            if trail.has_begun:
                self._findings.append(
                    TrailDefect(file, 0, "the trail's head is gone, or can't be read: is its end cut?")
                )
            return
        if trail.head.number > number:
            missing = f"{number + 1} to {trail.head.number}"
            self._findings.append(TrailDefect(file, 0, f"the end is cut: {missing} is missing"))
        elif trail.head.number == number and trail.head.hash != self._hash:
            self._findings.append(
                TrailDefect(file, 0, f"number {number}, the last one, is not the line that was written")
            )
        elif trail.head.number < number:
            text = f"a run was interrupted before its lines were entered in the head, which names {trail.head.number}"
            self._findings.append(TrailDefect(file, 0, text, is_harmless=True))

    def add_lost(self, trail: Trail) -> None:
        """Report lines that were lost after the last line of the trail."""
        file = trail.files[-1] if trail.files else ""
        if trail.why_unknown:
            text = f"lines may have been lost after the last one: their number is unknown ({trail.why_unknown})"
            self._findings.append(TrailDefect(file, 0, text))
        if trail.lost is not None:
            self._findings.append(TrailDefect(file, 0, _lost_text(trail.lost, "after the last line")))

    def verdict(self, noted: str) -> Verification:
        """Return the result of the verification; a noted hash that no line has is a defect."""
        if noted and noted not in self._hashes:
            self._findings.append(
                TrailDefect("", 0, f"no line has the hash {noted}: the trail is not the one that it was noted from")
            )
        last = self._place.number if self._place is not None else 0
        return Verification(self._count, self._first, last, self._hash, tuple(self._findings))

    def _find(self, line: Line, message: str, *, is_harmless: bool = False) -> None:
        self._findings.append(TrailDefect(line.file, line.line, message, is_harmless))
