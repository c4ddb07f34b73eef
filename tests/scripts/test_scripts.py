"""The golden scripts in this folder run with the real program.

A script's files are allowed in advance unless it shows `dsops allow` itself. DSOPS_UPDATE_GOLDEN=1 writes the
present output into the scripts.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.groups import IN_CI
from tests.permission import allow_found
from tests.scripts.script import adopt, difference, parse, run

SCRIPTS = sorted(Path(__file__).parent.glob("*.txt"))
QUICK = {f"{name}.txt" for name in "bad-config bad-input plan start validate whoami".split()}
"""The scripts that `make test` runs; CI runs all."""
# Before the fixture in tests/conftest.py removes every DSOPS_* variable.
UPDATE = os.environ.get("DSOPS_UPDATE_GOLDEN") == "1"


def play(path: Path, outside: Path, *, update: bool) -> list[str]:
    """Runs every command of a script in a new home below `outside`, and returns the differences."""
    script = parse(path.read_text(encoding="utf-8"))
    if missing := [program for program in script.needs if shutil.which(program) is None]:
        pytest.skip(f"{path.name} needs {', '.join(missing)}")
    home = outside / "home"
    folder = home / "project"
    for name, text in script.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    folder.mkdir(parents=True, exist_ok=True)
    if not any(step.command.startswith("dsops allow") for step in script.steps):
        for name in script.files:
            allow_found((folder / name).parent, {"HOME": str(home)})
    differences = []
    for index, part in enumerate(script.parts):
        if isinstance(part, str):
            continue
        adopted = adopt(part, run(part, home, folder))
        differences.append(difference(path.name, part, adopted))
        if update:
            script.parts[index] = adopted
    if update:
        path.write_text(script.render(), encoding="utf-8")
    return [found for found in differences if found]


@pytest.mark.parametrize(
    "path", [pytest.param(path, marks=[] if path.name in QUICK else IN_CI, id=path.name) for path in SCRIPTS]
)
def test_script(path: Path, tmp_path: Path) -> None:
    """Every command of the script prints and returns what the script says."""
    differences = play(path, tmp_path, update=UPDATE)

    if not UPDATE:
        assert not differences, "\n" + "\n".join(differences)
