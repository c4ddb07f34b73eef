"""What a cold `exec` imports, as an exact set: a set does not flicker as milliseconds do.

The set is `cold-exec-modules.txt` beside this file; DSOPS_UPDATE_GOLDEN=1 writes it anew: read the diff, and measure
(`make bench`) what a new line costs.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.run import environment, stub, write_config
from tests.scripts.test_scripts import UPDATE

GOLDEN = Path(__file__).parent / "cold-exec-modules.txt"

# -S: no .pth file of this environment imports anything before us. The list is made when the command takes over.
RUN = """
import sys
before = set(sys.modules)
sys.path[:0] = {path!r}
def listen(event, _):
    if event == "os.exec":
        print(*sorted(set(sys.modules) - before), sep="\\n", file=sys.stderr, flush=True)
sys.addaudithook(listen)
from dsops.cli import main
sys.exit(main(["exec", "--no-agent", "--env", "production", "--", "true"]))
"""


def is_standard(module: str) -> bool:
    """Whether it comes with Python."""
    return module.partition(".")[0] in sys.stdlib_module_names


def is_private(module: str) -> bool:
    """Whether it is a part of Python or of Cython that moves with each version."""
    return module.startswith("_") and module != "__future__"


def test_a_cold_exec_imports_these_modules_and_no_other(tmp_path: Path) -> None:
    """One role and one secret: no import creeps onto the path of every run, and none of boto3's size ever."""
    pytest.importorskip("pycurl", reason="without pycurl urllib3 and botocore are imported in its place")
    home = tmp_path / "home"
    home.mkdir()
    program = RUN.format(path=[path for path in sys.path if path])
    with stub(delay_ms=0, batch="allowed") as address:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", program],
            cwd=write_config(home / "project", 1),
            env=environment(home, address),
            capture_output=True,
            text=True,
            check=False,
        )
    assert 0 == done.returncode, done.stderr
    found = {module for module in done.stderr.split() if not is_private(module)}

    if UPDATE:
        GOLDEN.write_text("".join(f"{module}\n" for module in sorted(found)), encoding="utf-8")
    golden = set(GOLDEN.read_text(encoding="utf-8").split())

    assert {module for module in golden if not is_standard(module)} == {m for m in found if not is_standard(m)}
    standard = {module for module in found if is_standard(module)}
    if sys.version_info < (3, 12):
        assert {module for module in golden if is_standard(module)} == standard
    elif sys.version_info < (3, 14):  # Where a module of Python 3.11 imported others of Python's, a later one does less.
        assert set() == standard - golden
