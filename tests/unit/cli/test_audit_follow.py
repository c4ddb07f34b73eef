"""`dsops audit --follow` as a real process: it prints events as they are recorded, until a signal ends it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.children import SECONDS, Child
from tests.terminal import PATIENCE_SECONDS
from tests.unit.cli.stub_aws import Dsops


@pytest.fixture
def dsops(tmp_path: Path) -> Dsops:
    """The program with its own home."""
    program = Dsops(tmp_path)
    program.environ["HOME"] = str(tmp_path)
    return program


class Follower:
    """A running `dsops audit --follow`."""

    def __init__(self, dsops: Dsops, *words: str) -> None:
        self.process = Child(
            dsops.command("audit", "--follow", *words),
            cwd=dsops.folder,
            env=dsops.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )
        self._rest = b""

    def line(self) -> str:
        """The next line of output."""
        assert self.process.stdout is not None
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE_SECONDS)
            assert ready, f"waited in vain behind {self._rest!r}"
            part = os.read(self.process.stdout.fileno(), 65536)
            assert part, "it has ended"
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    def end(self, signal_number: int) -> tuple[int, bytes]:
        """Send the signal to the follower; return its exit code and stderr."""
        self.process.send_signal(signal_number)
        return self.ended()

    def ended(self) -> tuple[int, bytes]:
        """Wait until the follower ends; return its exit code and stderr."""
        _, errors = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, errors


@contextmanager
def follower(dsops: Dsops, *words: str) -> Iterator[Follower]:
    """A follower that is ended after the block."""
    program = Follower(dsops, *words)
    try:
        yield program
    finally:
        program.process.kill()
        program.process.communicate(timeout=SECONDS)


def get(dsops: Dsops, *words: str) -> None:
    """Run `dsops get`, which adds an event to the trail."""
    assert dsops.run("get", "--env", "plain", "PLAIN", *words).returncode == 0


def test_follow_may_start_before_the_trail_exists(dsops: Dsops) -> None:
    """`--follow` can start before the trail exists, and Ctrl-C ends it with exit code 130 and no message."""
    with follower(dsops) as program:
        get(dsops)
        assert program.line().endswith("Get  plain  get  ok")
        get(dsops, "--reason", "INC-1")
        assert program.line().endswith("Get  plain  get  INC-1  ok")
        assert program.end(signal.SIGINT) == (130, b"")


def test_the_last_events_come_first_and_filters_count(dsops: Dsops) -> None:
    """`--follow` with `--last` and filters first prints the last matching events as JSON lines, then new ones."""
    for reason in ("INC-1", "INC-2", "INC-3"):
        get(dsops, "--reason", reason)
    with follower(dsops, "--json", "--reason", "INC", "--last", "2") as program:
        told = [json.loads(program.line())["additionalEventData"]["reason"] for _ in range(2)]
        assert told == ["INC-2", "INC-3"]
        get(dsops, "--reason", "another")
        get(dsops, "--reason", "INC-4")
        assert json.loads(program.line())["additionalEventData"]["reason"] == "INC-4"


def test_follow_continues_after_a_rotation(dsops: Dsops) -> None:
    """`--follow` continues when the trail is rotated."""
    config = dsops.folder / ".config" / "dsops" / "config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("audit: {max_bytes: 4096}\n")
    with follower(dsops, "--json") as program:
        for number in range(10):
            get(dsops, "--reason", f"R{number}" + "x" * 240)
        reasons = [json.loads(program.line())["additionalEventData"]["reason"][:2] for _ in range(10)]
    assert reasons == [f"R{number}" for number in range(10)]
    assert list((dsops.folder / ".local" / "state" / "dsops").glob("audit.0*.jsonl"))


def test_a_reader_that_leaves_ends_it_quietly(dsops: Dsops) -> None:
    """If its reader closes the pipe, `--follow` ends without an error, even if no event arrives."""
    with follower(dsops) as program:
        get(dsops)
        program.line()
        assert program.process.stdout is not None
        program.process.stdout.close()
        program.process.stdout = None
        assert program.ended() == (141, b"")


def test_one_trail_is_followed_and_it_has_to_be_a_file(dsops: Dsops) -> None:
    """`--follow` accepts exactly one trail, which must be a file."""
    for words, message in ((["a", "b"], b"`--follow` takes one file only"), (["."], b"is not a regular file")):
        done = dsops.run("audit", "list", "--follow", *words)
        assert done.returncode == 2
        assert message in done.stderr


def test_follow_uses_no_cpu_time_while_idle(dsops: Dsops) -> None:
    """While no event arrives, `--follow` uses hardly any CPU time."""
    with follower(dsops) as program:
        get(dsops)
        program.line()
        before = _cpu_seconds(program.process.pid)
        for _ in range(3):
            get(dsops)
            program.line()
        assert _cpu_seconds(program.process.pid) - before < 0.1


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
