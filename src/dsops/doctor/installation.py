"""Check which dsops a shell starts, if PATH has several."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping

from dsops.doctor.check import Check

CODES = {"doctor.installation": "PATH has one installation of dsops"}
"""Maps the code of the check to the statement that is true if the check is ok."""


def check_installations(environ: Mapping[str, str]) -> Iterator[Check]:
    """Warn if PATH has several installations of dsops.

    A shell starts the first one, and each installation has its own extras.
    """
    found = programs_on(environ.get("PATH", ""))
    if len(found) > 1:
        yield Check(
            "doctor.installation",
            "installations",
            "warning",
            f"PATH has {len(found)}: {', '.join(found)}",
            why=f"a shell starts the first one; this is the dsops of {sys.prefix}",
            hint="remove the ones that you don't use, or change the order of PATH: `type -a dsops` lists them",
        )


def programs_on(path: str) -> list[str]:
    """Return the paths of the programs named dsops in the folders of PATH, without links to a program already found."""
    found: dict[str, str] = {}
    for folder in path.split(os.pathsep):
        program = os.path.join(folder, "dsops")
        if os.path.isabs(program) and os.path.isfile(program) and os.access(program, os.X_OK):
            found.setdefault(os.path.realpath(program), program)
    return list(found.values())
