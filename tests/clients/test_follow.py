"""`dsops sandbox events --follow` while other processes make calls."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from dsops.testing import LocalAws
from tests.children import Child

BIN = Path(sys.executable).parent


def test_follow_prints_calls_as_they_are_made(sandbox: LocalAws) -> None:
    """`events --follow` prints past events, then each new event exactly once, until Ctrl-C."""
    admin = sandbox.user()
    assert admin.arn
    command = [str(BIN / "dsops"), "sandbox", "events", "--follow", "--json", "--last", "5"]

    with Child(command, env=sandbox.environment(), stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        events = [json.loads(following.stdout.readline())]
        for _ in range(2):
            assert admin.arn
            events.append(json.loads(following.stdout.readline()))
        following.send_signal(signal.SIGINT)
        rest = following.stdout.read()

    assert rest == ""
    assert following.returncode == 130
    assert events == sandbox.events()
