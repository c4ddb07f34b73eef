"""What the audit trail costs `exec`: pairs of runs with and without one, in turn.

    .venv/bin/python bench/audit.py [--rounds 61]

The same commands in the same home; without a trail, XDG_CONFIG_HOME names a configuration that says `audit: off`. What
counts is the median of the pairs' differences: a busy machine slows both of a pair.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from bench.run import DSOPS, MANY, Case, Run, environment, machine, measure, stub, write_config  # noqa: E402

LIMIT_MS = 2


def cases(folder: Path, environ: Mapping[str, str], off: Path, *flags: str) -> list[Case]:
    """The command with a trail, and without."""
    command = [DSOPS, "exec", *flags, "--env", "production", "--", "true"]
    return [
        Case("on", command, folder, environ),
        Case("off", command, folder, {**environ, "XDG_CONFIG_HOME": str(off)}),
    ]


def row(name: str, runs: Mapping[str, Sequence[Run]]) -> str:
    """Both medians, and that of the differences."""
    on, off = ([run.wall_ms for run in runs[which]] for which in ("on", "off"))
    cost = median(with_trail - without for with_trail, without in zip(on, off, strict=True))
    return f"| {name} | {median(off):.1f} ms | {median(on):.1f} ms | {cost:+.2f} ms | {LIMIT_MS} ms |"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="measure what the audit trail costs dsops exec")
    parser.add_argument("--rounds", type=int, default=61, help="how many pairs are timed (61)")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sockets = tempfile.mkdtemp(prefix="dsops-")
    with tempfile.TemporaryDirectory() as name, stub(delay_ms=0, batch="allowed") as address:
        base = Path(name)
        home, off = base / "home", base / "off"
        home.mkdir()
        (off / "dsops").mkdir(parents=True)
        (off / "dsops" / "config.yaml").write_text("audit: off\n")
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
            # Each pair by itself: what runs before a command leaves the caches to it.
            rows = [row(name, measure(pair, options.rounds)) for name, pair in pairs.items()]
        finally:
            os.spawnve(os.P_WAIT, DSOPS, [DSOPS, "agent", "stop"], dict(warm))
            shutil.rmtree(sockets)
        lines = sum(1 for _ in (home / ".local" / "state" / "dsops" / "audit.jsonl").open())
    print(f"{machine()}; medians of {options.rounds} pairs, {lines} lines\n")
    print("| | without | with the trail | costs | at most |\n|---|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
