"""Times the picker over 2,000 profiles on a pseudo-terminal: the time to the list, and that of each key."""

from __future__ import annotations

import argparse
import os
import pty
import select
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

PROFILES = 2000
PROGRAM = shutil.which("dsops", path=str(Path(sys.executable).parent)) or "dsops"
KEYS = "team-0042"
_PATIENCE_SECONDS = 20.0
_QUIET_SECONDS = 0.15
"""No more output is expected after the terminal has been quiet for this long."""


def write_profiles(home: Path) -> None:
    """Write ~/.aws/config with 2,000 roles that one profile with keys assumes."""
    (home / ".aws").mkdir()
    roles = [
        f"[profile team-{number:04d}-{'dev' if number % 3 else 'prod'}]\n"
        f"role_arn = arn:aws:iam::{100_000_000_000 + number * 7919}:role/Deploy{number % 17}\n"
        "source_profile = base\nregion = eu-west-1\n"
        for number in range(PROFILES)
    ]
    (home / ".aws" / "config").write_text("".join(["[profile base]\nregion = eu-west-1\n", *roles]))
    keys = "[base]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = x\n"
    (home / ".aws" / "credentials").write_text(keys)


class Picker:
    """A process that shows the list on a terminal of 80 columns."""

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        self.started = time.perf_counter()
        self._pid, self._terminal = pty.fork()
        if not self._pid:
            os.chdir(folder)
            os.execve(PROGRAM, [PROGRAM, "exec", "--", "true"], environ)

    def seconds_to_list(self) -> float:
        """The time from the start of the process until the last line of the list is on the screen."""
        seen = b""
        while b"Esc: cancel" not in seen:
            ready, _, _ = select.select([self._terminal], [], [], _PATIENCE_SECONDS)
            if not ready:
                raise TimeoutError(seen)
            seen += os.read(self._terminal, 65536)
        return time.perf_counter() - self.started

    def processor_seconds(self) -> float:
        """The time that the process has used the processor, which other processes do not lengthen much."""
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def seconds_of_key(self, key: str) -> float:
        """The time from a key until the terminal has received the last byte of the new list."""
        begin = last = time.perf_counter()
        os.write(self._terminal, key.encode())
        while select.select([self._terminal], [], [], _QUIET_SECONDS)[0]:
            os.read(self._terminal, 65536)
            last = time.perf_counter()
        return last - begin

    def cancel(self) -> int:
        """Press Ctrl-C; returns the exit code."""
        os.write(self._terminal, b"\x03")
        _, status = os.waitpid(self._pid, 0)
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(status)


def main() -> None:
    """Print the medians and the slowest of each measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        write_profiles(home)
        environ = {"HOME": name, "PATH": os.defpath, "TERM": "xterm-256color", "LANG": "C.UTF-8", "DSOPS_AGENT": "off"}
        starts, works, keys = [], [], []
        for number in range(rounds + 2):  # two rounds that fill the caches of bytecode and files
            picker = Picker(environ, home)
            start, work = picker.seconds_to_list(), picker.processor_seconds()
            each = [picker.seconds_of_key(key) for key in KEYS]
            if picker.cancel() != 130:
                raise SystemExit("Ctrl-C did not end the picker with exit code 130")
            if number >= 2:
                starts.append(start)
                works.append(work)
                keys.extend(each)
    print("| measurement | fastest | median | slowest | at most |\n|---|---|---|---|---|")
    for text, seconds, limit in (
        (f"list of {PROFILES:,} profiles on the screen, from the start of the process", starts, 250),
        ("the processor time of that", works, 250),
        ("new list after a key", keys, 30),
    ):
        figures = [min(seconds), statistics.median(seconds), max(seconds)]
        print(f"| {text} | {' | '.join(f'{figure * 1000:.0f} ms' for figure in figures)} | {limit} ms |")


if __name__ == "__main__":
    main()
