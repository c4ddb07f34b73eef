"""Benchmark of warm runs: the native launcher beside the Python client, a throw-away client in C, and `true`.

    .venv/bin/python bench/launcher.py [--rounds 41]

All use one agent, in an environment like that of an installed wheel. Needs rustc and cc.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from bench.run import Case, Run, environment, machine, measure, stub, write_config  # noqa: E402
from tests.launched import installation, launcher, program  # noqa: E402

WORDS = ("--env", "production", "--", "/bin/true")
OF_PIP = "import re\n"
"""What the scripts of pip before 25.2 import, to remove `.exe` from a name."""


def cases_in(folder: Path, environ: Mapping[str, str], work: Path) -> list[Case]:
    """The measured commands; the agent runs, and has the session and the secret."""
    python = str(installation() / "bin" / "python")
    script = work / "with-pips-script"
    text = program("python").read_text(encoding="utf-8")
    script.write_text(text.replace("import sys\n", f"{OF_PIP}import sys\n", 1), encoding="utf-8")
    script.chmod(0o755)
    code = "import os; from dsops.agent import client as c; print(c.address_in(c.folder_of(os.environ))); "
    code += "print(c.stamp().decode())"
    words = [python, "-c", code]
    printed = subprocess.run(words, env=environ, capture_output=True, text=True, check=True, timeout=60).stdout
    address, stamp = printed.splitlines()
    subprocess.run(["cc", "-O2", "-o", str(work / "client"), str(HERE / "client.c")], check=True, timeout=60)  # noqa: S607
    answer = ["get", "SECRET_000", "--env", "production"]
    session = ["credentials", "aws-sts-prod", "--format", "process"]
    return [
        Case("`true`", ["/bin/true"], folder, environ),
        Case("throw-away client in C, `exec`", [str(work / "client"), stamp, address, *WORDS], folder, environ),
        Case("launcher, `exec`", [str(launcher()), "exec", *WORDS], folder, environ),
        Case("launcher, `get`", [str(launcher()), *answer], folder, environ),
        Case("launcher, `credentials --format process`", [str(launcher()), *session], folder, environ),
        Case("Python client, `exec`", [str(program("python")), "exec", *WORDS], folder, environ),
        Case("the same with `import re` of pip's script", [str(script), "exec", *WORDS], folder, environ),
        Case("Python alone (`python -c pass`)", [python, "-c", "pass"], folder, environ),
        Case("the same without `site` (`python -S -c pass`)", [python, "-S", "-c", "pass"], folder, environ),
    ]


def report(runs: Mapping[str, Sequence[Run]], rounds: int) -> str:
    """The table in Markdown. A ratio is the median of the ratios of each round."""
    reference = runs["throw-away client in C, `exec`"]
    lines = [
        f"{machine()}; medians of {rounds} rounds",
        "",
        "| run | CPU | wall | CPU / client in C | wall / client in C |",
    ]
    lines.append("|---|---|---|---|---|")
    for name, taken in runs.items():
        cpu, wall = median(run.cpu_ms for run in taken), median(run.wall_ms for run in taken)
        pairs = list(zip(taken, reference, strict=True))
        of_cpu = median(run.cpu_ms / other.cpu_ms for run, other in pairs)
        of_wall = median(run.wall_ms / other.wall_ms for run, other in pairs)
        lines.append(f"| {name} | {cpu:.2f} ms | {wall:.2f} ms | {of_cpu:.2f} x | {of_wall:.2f} x |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="measure warm runs by dsops' two clients")
    parser.add_argument("--rounds", type=int, default=41, help="how often each command is timed (41)")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="dsops-") as name, stub(delay_ms=0, batch="allowed") as address:
        work = Path(name)
        (work / "home").mkdir()
        folder = write_config(work / "one", 1)
        environ = {**environment(work / "home", address), "XDG_RUNTIME_DIR": name}
        del environ["DSOPS_AGENT"]
        dsops = str(program("python"))
        try:
            for words in (["allow"], ["exec", *WORDS]):
                subprocess.run([dsops, *words], cwd=folder, env=environ, check=True, capture_output=True, timeout=60)
            print(report(measure(cases_in(folder, environ, work), options.rounds), options.rounds))
        finally:
            subprocess.run([dsops, "agent", "stop"], env=environ, check=True, capture_output=True, timeout=60)


if __name__ == "__main__":
    main()
