"""Measure questions about a made-up organization of 100, 1,000 and 10,000 roles; print a table.

    .venv/bin/python bench/access.py [--roles 100 1000 10000]

`tests/unit/access/company.py` makes the organization, and its answer is known: the benchmark fails if `who-can` gives
another one. Each size runs in a process of its own. The cost is CPU time of that process, without writing the files.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from math import log10
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Final, TypeVar

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from bench.run import machine  # noqa: E402 - the folder above is on the path only now
from dsops.access.facts.folder import read_folder  # noqa: E402
from dsops.access.facts.memory import without_collection  # noqa: E402
from dsops.access.questions.assuming import Assumptions  # noqa: E402
from dsops.access.questions.caller import caller_of  # noqa: E402
from dsops.access.questions.evaluator import Evaluator  # noqa: E402
from dsops.access.questions.outside import public_uses  # noqa: E402
from dsops.access.questions.path import ways_from  # noqa: E402
from dsops.access.questions.what_can import what_can  # noqa: E402
from dsops.access.questions.who_can import WhoCan, who_can  # noqa: E402
from tests.unit.access.company import READ, Company  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    from dsops.access.facts.world import OrganizationFacts

LOAD: Final = "load the facts"
FIRST: Final = "first `who-can`, with the index"
SECOND: Final = "second `who-can`"
OBJECT: Final = "`who-can s3:GetObject`"
CHANGED: Final = "load and `who-can` after a change to one account"
COMMAND: Final = "the same as a command: `dsops access who-can`"
OPEN: Final = "`who-can` if all roles trust `*`"
WAYS: Final = "all roles that one user can become (`what-can`, `path`)"
WHAT: Final = "`what-can` of one user"
PUBLIC: Final = "`public`"
ALL: Final = "all pairs of a caller and a role"
MEMORY: Final = "memory after `who-can`"
MEMORY_ALL: Final = "memory with all pairs"

_Value = TypeVar("_Value")


class Measurement:
    """The measurements of one size."""

    def __init__(self, company: Company, folder: Path) -> None:
        self._company = company
        self._folder = folder
        self._costs: dict[str, float] = {}

    def run(self) -> dict[str, float]:
        """Return the cost of each operation: CPU time in seconds, or memory in MB."""
        world = self._timed(LOAD, self._load)
        evaluator = Evaluator(world, datetime.now(UTC))
        assumptions = Assumptions(evaluator)
        secret = self._company.secret
        self._check(self._timed(FIRST, lambda: who_can(evaluator, assumptions, READ, secret)))
        self._check(self._timed(SECOND, lambda: who_can(evaluator, assumptions, READ, secret)))
        bucket = f"arn:aws:s3:::company-{self._company.last}/object"
        self._timed(OBJECT, lambda: who_can(evaluator, assumptions, "s3:GetObject", bucket))
        self._costs[MEMORY] = _megabytes()
        self._company.write_account(self._folder, 3, extra_users=1)
        self._check(self._timed(CHANGED, lambda: self._ask(self._load())))
        self._costs[COMMAND] = self._command_seconds()
        opened = self._company.opened(world)
        self._timed(OPEN, lambda: self._ask(opened))
        start = caller_of(world.identities[f"arn:aws:iam::{self._company.security}:user/dev-0"])
        fresh = Assumptions(Evaluator(world, datetime.now(UTC)))
        self._timed(WAYS, lambda: ways_from(fresh, start))
        self._timed(WHAT, lambda: what_can(*_questions(world), start))
        self._timed(PUBLIC, lambda: public_uses(*_questions(world)))
        self._timed(ALL, lambda: [assumptions.of(arn) for arn in world.identities])
        self._costs[MEMORY_ALL] = _megabytes()
        return self._costs

    def _load(self) -> OrganizationFacts:
        with without_collection():
            return read_folder(str(self._folder))

    def _command_seconds(self) -> float:
        words = ["access", "who-can", READ, self._company.secret, "--from", str(self._folder)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, "-m", "dsops", *words], check=True, stdout=subprocess.DEVNULL, timeout=600, cwd=HERE.parent
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def _ask(self, world: OrganizationFacts) -> WhoCan:
        evaluator = Evaluator(world, datetime.now(UTC))
        return who_can(evaluator, Assumptions(evaluator), READ, self._company.secret)

    def _timed(self, name: str, action: Callable[[], _Value]) -> _Value:
        before = process_time()
        value = action()
        self._costs[name] = process_time() - before
        return value

    def _check(self, answer: WhoCan) -> None:
        found = {way.caller.name for way in answer.ways}
        if found != self._company.readers:
            raise SystemExit(f"wrong answer: {sorted(found ^ self._company.readers)}")


def _questions(world: OrganizationFacts) -> tuple[Evaluator, Assumptions]:
    """Return what answers questions, without earlier answers."""
    evaluator = Evaluator(world, datetime.now(UTC))
    return evaluator, Assumptions(evaluator)


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured(roles: int) -> dict[str, float]:
    """Return the costs at a size, measured in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        Company(roles).write(Path(folder))
        words = [sys.executable, __file__, "--in", folder, "--roles", str(roles)]
        output = subprocess.run(words, check=True, capture_output=True, text=True, timeout=1800).stdout
    costs: dict[str, float] = json.loads(output)
    return costs


def main() -> None:
    """Measure all sizes and print the table, or measure one size in this process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--roles", type=int, nargs="+", default=[100, 1000, 10000])
    parser.add_argument("--in", dest="folder", default="", help="measure the organization in this folder")
    options = parser.parse_args()
    if options.folder:
        print(json.dumps(Measurement(Company(options.roles[0]), Path(options.folder)).run()))
        return
    columns = [measured(roles) for roles in options.roles]
    print(f"{machine()}; CPU time in seconds, memory in MB\n")
    print(f"| | {' | '.join(f'{roles:,} roles' for roles in options.roles)} | exponent |")
    print(f"|---|{'---|' * len(columns)}---|")
    for name in columns[0]:
        costs = [column[name] for column in columns]
        digits = 0 if "memory" in name else 2
        last = options.roles[-1] / options.roles[-2] if len(columns) > 1 else 10
        exponent = log10(costs[-1] / max(costs[-2], 1e-3)) / log10(last) if len(columns) > 1 else 0
        print(f"| {name} | {' | '.join(f'{cost:,.{digits}f}' for cost in costs)} | {exponent:.2f} |")


if __name__ == "__main__":
    main()
