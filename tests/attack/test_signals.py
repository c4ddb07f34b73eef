"""A signal at any moment: no traceback, no command that runs anyway, no broken state left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.permission import allow_found
from tests.unit.cli.stub_aws import Agent, Dsops, StubAws

RUNNER = """
import os, signal, sys
from dsops.__main__ import main
number, point, counts = int(sys.argv[1]), int(sys.argv[2]), [0]
special, execve, pid = [], os.execve, os.getpid()
del sys.argv[1:3]

def on_event(frame, event, argument):
    if os.getpid() == pid and event in ("call", "c_call"):
        counts[0] += 1
        # Callbacks can't pass an exception on: importlib's of weak references, and __del__.
        if event == "call" and frame.f_code.co_name in ("cb", "__del__"):
            special.append(counts[0])
        if counts[0] == point:
            sys.setprofile(None)
            os.write(2, b"!")
            signal.raise_signal(number)

def tell(*arguments):
    if os.getpid() != pid:
        execve(*arguments)  # an agent that is started
    sys.setprofile(None)
    os.write(2, f"{counts[0]} {' '.join(map(str, special))}".encode())
    os._exit(0)

if not point:
    os.execve = tell
    import atexit
    atexit.register(tell)

def begin():
    sys.setprofile(on_event)
    return main()

sys.exit(begin())
"""
"""A program that raises a signal at the nth call (of Python or C functions) from the first line of main().

With n = 0 it prints the number of calls until the command replaces the process, and which of them are callbacks.
"""

FIRST = 4
"""Calls after main(): getsignal() and signal(). Before them Ctrl-C is handled by Python itself."""
POINTS = 9
"""The number of points per command, spread evenly; some points in callbacks are added."""


def run_at(dsops: Dsops, number: int, point: int, words: Sequence[str]) -> tuple[int, str] | None:
    """Run with the signal at this point; returns exit code and stderr, None if the run ended before the point."""
    allow_found(dsops.folder, dsops.environ)
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, str(number), str(point), *words],
        cwd=dsops.folder,
        timeout=60,
        check=False,
        env={**dsops.environ, "PYTHONHASHSEED": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    result_text = done.stderr.decode()
    if not point:
        return done.returncode, result_text
    reached, result_text = "!" in result_text, result_text.replace("!", "", 1)
    return (
        (done.returncode, result_text if number != signal.SIGINT or is_a_trace(result_text) else "")
        if reached
        else None
    )


def is_a_trace(told: str) -> bool:
    """Whether the output looks like a bug: a traceback."""
    traces = ("Traceback", "KeyboardInterrupt", "Exception ignored", "internal error in dsops")
    return any(trace in told for trace in traces)


def interrupted(dsops: Dsops, words: Sequence[str], before: Callable[[], object] = lambda: None) -> list[object]:
    """Run with Ctrl-C at many points, each after `before`; returns wrong outcomes. Fails if no point was reached."""
    where = points(dsops, words)
    found, wrong = 0, list[object]()
    for point in where:
        before()
        ended = run_at(dsops, signal.SIGINT, point, words)
        found += ended is not None
        if ended not in {None, (130, ""), (-signal.SIGINT, "")}:
            wrong.append((point, ended))
    assert found > len(where) // 2
    return wrong


def points(dsops: Dsops, words: Sequence[str]) -> list[int]:
    """Points at which to interrupt: the first call, a late one, callbacks, and others in between."""
    ended = run_at(dsops, signal.SIGINT, 0, words)
    assert ended is not None
    code, told = ended
    assert code == 0, told
    count, *callbacks = map(int, told.split())
    last = count * 19 // 20  # no two runs make exactly the same number of calls
    spread = [FIRST + (last - FIRST) * step // (POINTS - 1) for step in range(POINTS)]
    return sorted({*spread, *callbacks[:: max(1, len(callbacks) // 3)]})


@pytest.fixture
def aws() -> Iterator[StubAws]:
    """A stub of STS and Secrets Manager."""
    with StubAws() as server:
        yield server


COLD = ("exec", "--no-agent", "--env", "production", "--", "touch", "ran")
WARM = ("exec", "--env", "production", "--", "touch", "ran")
PLAIN = ("plan", "--env", "plain", "--json")


@pytest.mark.parametrize("words", [COLD, PLAIN], ids=["exec", "plan"])
def test_ctrl_c_ends_a_cold_run(tmp_path: Path, aws: StubAws, words: tuple[str, ...]) -> None:
    """Ctrl-C at any point of a run without an agent ends it with code 130 or SIGINT; the command never runs."""
    assert interrupted(Dsops(tmp_path, aws), words) == []
    assert not (tmp_path / "ran").exists()


def test_ctrl_c_ends_a_warm_run(tmp_path: Path, aws: StubAws) -> None:
    """If Ctrl-C ends a run while the agent starts or works, the agent serves the next run."""
    with Agent(tmp_path, aws) as dsops:
        for before in (lambda: dsops.run("agent", "stop"), lambda: None):
            assert interrupted(dsops, WARM, before) == []
            (tmp_path / "ran").unlink(missing_ok=True)  # a run that ended before its point has left this file
            assert dsops.run(*WARM).returncode == 0
            assert (tmp_path / "ran").exists()


def test_ctrl_c_reaches_the_command_of_a_watched_run(tmp_path: Path, aws: StubAws) -> None:
    """Under --timeout, Ctrl-C ends dsops before the command has started, and ends the command afterwards."""
    dsops, plain = Dsops(tmp_path, aws), ("exec", "--no-agent", "--env", "plain")
    for point in points(dsops, (*plain, "--", "true")):
        ended = run_at(dsops, signal.SIGINT, point, (*plain, "--timeout", "50", "--", "sleep", "40"))
        assert (point, ended) in {(point, (130, "")), (point, (-signal.SIGINT, ""))}


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGPIPE"])
def test_other_signals_end_a_run_quietly(tmp_path: Path, aws: StubAws, name: str) -> None:
    """SIGTERM and SIGHUP end a run by the signal itself; SIGPIPE is ignored until the command takes over."""
    dsops, number = Dsops(tmp_path, aws), getattr(signal, name)
    code = 0 if number == signal.SIGPIPE else -number
    for point in points(dsops, COLD)[::3]:
        assert (point, run_at(dsops, number, point, COLD)) in {(point, (code, "")), (point, None)}


def test_a_reader_that_has_gone_is_no_bug(tmp_path: Path) -> None:
    """A closed stdout pipe (`dsops ... | true`) gives the broken pipe's exit code and no output on stderr."""
    dsops = Dsops(tmp_path)
    for words in (["plan", "--env", "plain"], ["--help"], ["schema"], ["get", "PLAIN", "--env", "plain"]):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            dsops.command(*words),
            cwd=dsops.folder,
            env=dsops.environ,
            stdout=writer,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
        os.close(writer)
        assert (words, done.stderr) == (words, b"")


def test_an_ignored_ctrl_c_stays_ignored(tmp_path: Path) -> None:
    """If SIGINT is ignored, as in a shell's background job, it stays ignored in dsops and in the command."""
    dsops = Dsops(tmp_path)
    words = dsops.command("exec", "--env", "plain", "--", "sh", "-c", 'kill -INT "$$"; echo goes on')
    shell = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *words]
    done = subprocess.run(shell, cwd=dsops.folder, env=dsops.environ, capture_output=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == (b"goes on\n", 0)
