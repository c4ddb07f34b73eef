"""Benchmark of the audit trail's cost for `exec`: runs with, without, and with a receiver, in turn.

    .venv/bin/python bench/audit.py [--rounds 61]

The same commands run in the same home; without a trail, XDG_CONFIG_HOME names a configuration with `audit: off`. The
median of the differences counts, since a busy machine slows all runs of a round. The receiver is a local socket; the
sending process uses the same processors as the next runs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from bench.run import DSOPS, MANY, Case, Run, allow, environment, machine, measure, stub, write_config  # noqa: E402

LIMIT_MS = 2


def cases(folder: Path, environ: Mapping[str, str], configurations: Path, *flags: str) -> list[Case]:
    """The command with a trail, without one, and with a receiver."""
    allow(folder, environ)
    command = [DSOPS, "exec", *flags, "--env", "production", "--", "true"]
    return [
        Case("on", command, folder, environ),
        *[
            Case(
                name,
                command,
                folder,
                {
                    **environ,
                    "XDG_CONFIG_HOME": str(configurations / name),
                    "XDG_STATE_HOME": str(configurations / name),
                },
            )
            for name in ("off", "sent")
        ],
    ]


def configure(folder: Path) -> socket.socket:
    """Write the users' configurations; returns the receiver's socket, which discards everything."""
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(str(folder / "log"))
    texts = {"off": "audit: off", "sent": f"audit: {{syslog: {folder}/log}}"}
    for name, text in texts.items():
        (folder / name / "dsops").mkdir(parents=True, mode=0o700)
        (folder / name / "dsops" / "config.yaml").write_text(f"{text}\n")

    def drain() -> None:
        with suppress(OSError):
            while receiver.recv(1 << 16):
                pass

    threading.Thread(target=drain, daemon=True).start()
    return receiver


def row(name: str, runs: Mapping[str, Sequence[Run]]) -> str:
    """Medians, and medians of differences."""
    times = {which: [run.wall_ms for run in found] for which, found in runs.items()}
    costs = [
        median(with_it - without for with_it, without in zip(times[which], times[base], strict=True))
        for which, base in (("on", "off"), ("sent", "on"))
    ]
    shown_text = " | ".join(f"{cost:+.2f} ms" for cost in costs)
    return f"| {name} | {median(times['off']):.1f} ms | {median(times['on']):.1f} ms | {shown_text} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="measure what the audit trail costs dsops exec")
    parser.add_argument("--rounds", type=int, default=61, help="how many pairs are timed (61)")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sockets = tempfile.mkdtemp(prefix="dsops-")
    with tempfile.TemporaryDirectory() as name, stub(delay_ms=0, batch="allowed") as address:
        base = Path(name)
        home, off = base / "home", base / "configurations"
        home.mkdir()
        off.mkdir(mode=0o700)
        receiver = configure(off)
        one, hundred = write_config(home / "one", 1), write_config(home / "hundred", MANY)
        alone = environment(home, address)
        warm = {name: value for name, value in alone.items() if name != "DSOPS_AGENT"} | {"XDG_RUNTIME_DIR": sockets}
        try:
            pairs = {
                "cold, 1 secret": cases(one, alone, off, "--no-agent"),
                f"cold, {MANY} secrets": cases(hundred, alone, off, "--no-agent"),
                "warm, 1 secret": cases(one, warm, off),
                f"warm, {MANY} secrets": cases(hundred, warm, off),
            }
            # Each pair separately, since a command warms the caches for the next.
            rows = [row(name, measure(pair, options.rounds)) for name, pair in pairs.items()]
        finally:
            os.spawnve(os.P_WAIT, DSOPS, [DSOPS, "agent", "stop"], dict(warm))
            shutil.rmtree(sockets)
            receiver.close()
        lines = sum(1 for _ in (home / ".local" / "state" / "dsops" / "audit.jsonl").open())
    print(f"{machine()}; medians of {options.rounds} pairs, {lines} lines\n")
    print(f"at most {LIMIT_MS} ms for the trail\n")
    print("| | without | with the trail | it costs | a receiver costs besides |\n|---|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
