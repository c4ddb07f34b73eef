"""dsops as a background job of a script or under `nohup`: ignored signals stay ignored, and everything still ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.children import Child
from tests.unit.cli.stub_aws import Dsops, StubAws

IGNORING = ("sh", "-c", "trap '' INT HUP QUIT; exec \"$@\"", "sh")
"""Starts a command as `nohup sh -c 'command &'` does."""
SECONDS = 100
SERVED = ("exec", "--credentials", "target", "--serve")
WAYS = {
    "plain": ("exec", "--env", "plain"),
    "timeout": ("exec", "--env", "plain", "--timeout", "60"),
    "mask": ("exec", "--env", "plain", "--mask"),
    "serve": SERVED,
    "sandbox": ("sandbox", "run"),
}


@pytest.fixture
def aws() -> Iterator[StubAws]:
    """Stubs of STS and Secrets Manager."""
    with StubAws() as server:
        yield server


@pytest.fixture
def dsops(tmp_path: Path, aws: StubAws) -> Dsops:
    """The program, which uses the stub as its AWS."""
    return Dsops(tmp_path, aws)


def started(dsops: Dsops, *words: str) -> subprocess.Popen[str]:
    """The program, started with ignored signals."""
    return Child(
        [*IGNORING, *dsops.command(*words)],
        cwd=dsops.folder,
        env=dsops.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("way", WAYS)
def test_ignored_signals_stay_ignored(dsops: Dsops, way: str) -> None:
    """If SIGINT, SIGHUP and SIGQUIT are ignored at the start, they end neither dsops nor the command."""
    script = "kill -INT $$; kill -HUP $$; kill -QUIT $$; echo ready; read line; echo $line"
    with started(dsops, *WAYS[way], "--", "sh", "-c", script) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            process.send_signal(number)
        output, errors = process.communicate("still here\n", timeout=SECONDS)

    assert (process.returncode, output) == (0, "still here\n"), errors


@pytest.mark.parametrize("way", ["mask", "serve", "sandbox"])
def test_sigterm_ends_what_ignores_the_others(dsops: Dsops, way: str) -> None:
    """SIGTERM ends the command, even if other signals are ignored, and ends `--mask`, `--serve` and `sandbox run`."""
    with started(dsops, *WAYS[way], "--", "sh", "-c", "echo ready; exec sleep 60") as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SECONDS)

    assert process.returncode == 128 + signal.SIGTERM


def test_the_time_limit_ends_the_command(dsops: Dsops) -> None:
    """`--timeout` ends a command that ignores SIGINT, with exit code 124."""
    began = time.monotonic()
    words = ("exec", "--env", "plain", "--timeout", "0.5", "--", "sleep", "60")
    with started(dsops, *words) as process:
        _, errors = process.communicate(timeout=SECONDS)

    assert process.returncode == 124
    assert "ran longer than 0.5 s" in errors
    assert time.monotonic() - began < SECONDS


def test_a_sandbox_in_the_background_ends_by_sigterm(dsops: Dsops) -> None:
    """`sandbox serve &` in a script (where SIGINT is ignored) continues after SIGINT and ends at SIGTERM."""
    with started(dsops, "sandbox", "serve", "--port", "0") as process:
        assert process.stdout
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SECONDS)

    assert process.returncode == 0


def test_signals_that_are_not_ignored_reach_the_command(dsops: Dsops) -> None:
    """The command of `--serve` ignores SIGINT only if dsops was started with SIGINT ignored."""
    script = "import signal, sys; print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
    words = dsops.command(*SERVED, "--", sys.executable, "-c", script)
    printed = [
        subprocess.run(
            [*prefix, *words], cwd=dsops.folder, env=dsops.environ, capture_output=True, check=True, timeout=SECONDS
        ).stdout
        for prefix in ((), IGNORING)
    ]

    assert printed == [b"False\n", b"True\n"]
