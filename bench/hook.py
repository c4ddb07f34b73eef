"""Benchmark of the shell hook: at a prompt without changes, and on entering a folder.

    .venv/bin/python bench/hook.py [--rounds 7]

A prompt's cost is the difference between a shell that runs the hook 1000 times and one that runs it once. An entry is
`dsops hook-load` as a whole process, for an environment of two literals, with a warm agent and without one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median
from time import perf_counter

DSOPS = str(Path(sys.executable).parent / "dsops")
PROMPTS = 1000
CONFIG = "version: 1\nenvs: {development: {DATABASE_URL: {literal: postgres://localhost}, LEVEL: {literal: debug}}}\n"
SHELLS: Mapping[str, tuple[list[str], str]] = {
    "bash": (["bash", "--norc"], "for ((k = 0; k < {count}; k++)); do __dsops_hook; done"),
    "zsh": (["zsh", "-f"], "repeat {count} __dsops_hook"),
    "fish": (["fish", "--no-config"], "for k in (seq {count}); emit fish_prompt; end"),
}


def seconds(command: list[str], folder: Path, environ: Mapping[str, str], *, of_cpu: bool = False) -> float:
    """Seconds that a command takes: wall time, or CPU time for a busy machine."""
    begin = _cpu() if of_cpu else perf_counter()
    subprocess.run(command, cwd=folder, env=dict(environ), check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return (_cpu() if of_cpu else perf_counter()) - begin


def _cpu() -> float:
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def prompt_milliseconds(shell: str, folder: Path, environ: Mapping[str, str], rounds: int) -> float:
    """CPU milliseconds of one prompt in this folder."""
    start, loop = SHELLS[shell]
    load = f"'{DSOPS}' hook fish | source" if shell == "fish" else f"eval \"$('{DSOPS}' hook {shell})\""
    # fish removes its prompt handler if it is not interactive
    words = [*start, *(["-i"] if shell == "fish" else []), "-c"]
    took = {
        count: median(
            seconds([*words, f"{load}\n{loop.format(count=count)}"], folder, environ, of_cpu=True)
            for _ in range(rounds)
        )
        for count in (1, PROMPTS + 1)
    }
    return (took[PROMPTS + 1] - took[1]) / PROMPTS * 1000


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="dsops-") as temporary:
        home = Path(temporary)
        below = home / "project" / "a" / "b"
        below.mkdir(parents=True)
        (home / "elsewhere").mkdir()
        (home / "project" / "dsops.yaml").write_text(CONFIG)
        environ = {"PATH": os.environ["PATH"], "HOME": temporary, "XDG_RUNTIME_DIR": temporary, "TERM": "dumb"}
        subprocess.run([DSOPS, "hook", "allow"], cwd=below, env=environ, check=True, capture_output=True)
        print("| measured | |\n|---|---|")
        for shell in filter(shutil.which, SHELLS):
            for name, folder in (("with an environment", below), ("without one", home / "elsewhere")):
                cost = prompt_milliseconds(shell, folder, environ, rounds)
                print(f"| {shell}: a prompt in a folder {name} | {cost:.2f} ms |")
        load = [DSOPS, "hook-load", "bash", str(os.getpid())]
        for name, more in (("with an agent", {}), ("without one", {"DSOPS_AGENT": "off"})):
            seconds(load, below, environ | more)
            cost = median(seconds(load, below, environ | more) for _ in range(rounds)) * 1000
            print(f"| entering a folder, {name} | {cost:.0f} ms |")
        subprocess.run([DSOPS, "agent", "stop"], env=environ, check=False, capture_output=True)


if __name__ == "__main__":
    main()
