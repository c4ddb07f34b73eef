"""A trail writer killed at any system call leaves a valid trail, and earlier losses are still reported."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from dsops.audit.lost_lines import Author, count_lost
from dsops.audit.reading import find_trail
from dsops.audit.settings import TrailLimits
from dsops.audit.trail import append
from dsops.audit.verify import verify
from tests.children import wait_for
from tests.groups import nightly_rest

NOW = 1_795_000_000
CALLS = (
    "open",
    "read",
    "pread",
    "write",
    "pwrite",
    "ftruncate",
    "rename",
    "unlink",
    "close",
    "stat",
    "fstat",
    "listdir",
)
MOST_CALLS = 100
ROOM = TrailLimits(max_bytes=1 << 20)
FULL = TrailLimits(max_bytes=450)
"""A limit that five lines exceed, so the next lines start a new file."""


def mark(name: str, facts: Mapping[str, object]) -> bytes:
    """The JSON body of a line about the trail."""
    return json.dumps({"eventName": name, "additionalEventData": facts}).encode()


def write(path: Path, limits: TrailLimits, *names: str) -> None:
    """Append lines."""
    append(str(path), [json.dumps({"eventName": name}).encode() for name in names], mark, NOW, limits)


def killed_at(step: int, path: Path, limits: TrailLimits, *, is_half_way: bool) -> bool:
    """Append two lines in a process that is killed at this system call; returns whether it was killed."""
    child = os.fork()
    if child:
        return wait_for(child) < 0
    steps = 0

    def watched(name: str) -> Any:
        call = getattr(os, name)

        def stand_in(*arguments: Any, **named: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == step:
                if name == "write" and is_half_way:
                    call(arguments[0], arguments[1][: len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **named)

        return stand_in

    try:
        for name in CALLS:
            setattr(os, name, watched(name))
        write(path, limits, "X", "Y")
    finally:
        os._exit(0)


@pytest.mark.parametrize(
    "case",
    nightly_rest(
        3,
        product([0, 3], [ROOM, FULL], [False, True]),
        lambda case: f"{case[0]} lost, {'same' if case[1] is ROOM else 'new'} file, in a write: {case[2]}",
    ),
)
def test_a_writer_that_is_killed_leaves_a_whole_trail(tmp_path: Path, case: tuple[int, TrailLimits, bool]) -> None:
    """A killed writer leaves a continuous chain and a marked torn line, and earlier losses are still reported."""
    lines, limits, is_half_way = case
    for step in range(1, MOST_CALLS):
        path = tmp_path / str(step) / "audit.jsonl"
        for name in "ABCDE":
            write(path, ROOM, name)
        if lines:
            assert count_lost(str(path), Author(7, "get"), lines, "held", NOW)
        was_killed = killed_at(step, path, limits, is_half_way=is_half_way)
        write(path, ROOM, "Z")
        findings = [finding.message for finding in verify(find_trail(str(path))).findings if not finding.is_harmless]
        # The loss is reported twice if the process was killed after it wrote the line and before it reset the count.
        result_text = [finding for finding in findings if finding.startswith("3 lines were lost before this line")]
        assert (findings, bool(result_text)) == (result_text, bool(lines)), step
        if not was_killed:
            assert step > 10
            return
    raise AssertionError(f"more than {MOST_CALLS} calls")
