"""Find all escalations of a made-up organization whose answers are known.

    .venv/bin/python bench/escalations.py --roles 100 1000 10000
    .venv/bin/python bench/escalations.py --roles 100 1000 --one-account

The organization is that of `bench/access.py` with planted escalations (`tests/unit/access/escalating_company.py`).
`--one-account` puts all roles into one account. Prints CPU seconds without the load, and the maximum resident set size;
exits with 1 for a wrong answer.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from dsops.access.facts.folder import read_folder  # noqa: E402 - the folder above is on the path only now
from dsops.access.facts.memory import without_collection  # noqa: E402
from dsops.access.facts.world import OrganizationFacts  # noqa: E402
from tests.unit.access.escalating_company import EscalatingCompany, administrators, escalations_of  # noqa: E402


def facts_of(roles: int, *, is_one_account: bool) -> tuple[OrganizationFacts, frozenset[str]]:
    """Write the files of the organization, read them, and return the facts and who can become an administrator."""
    company = EscalatingCompany(roles)
    with tempfile.TemporaryDirectory() as folder, without_collection():
        if is_one_account:
            expected = company.write_as_one_account(Path(folder))
        else:
            company.write(Path(folder))
            expected = company.escalating
        return read_folder(folder), expected


def measure(roles: int, *, is_one_account: bool) -> None:
    """Find all escalations, check the answers, and print the cost."""
    facts, expected = facts_of(roles, is_one_account=is_one_account)
    started = time.process_time()
    found = escalations_of(facts)
    seconds = time.process_time() - started
    if expected != administrators(found):
        raise SystemExit(f"wrong answers: {sorted(expected ^ administrators(found))[:10]}")
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{len(facts.accounts):>6} accounts  {len(facts.identities):>6} users and roles"
        f"  {len(found):>7} ways  {seconds:7.1f} s CPU  {megabytes:>5} MB"
    )


def main() -> None:
    """Measure each number of roles in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--roles", type=int, nargs="+", default=[100, 1000, 10000])
    parser.add_argument("--one-account", action="store_true", help="put all roles into one account")
    options = parser.parse_args()
    for roles in options.roles:
        process = multiprocessing.Process(target=measure, args=(roles,), kwargs={"is_one_account": options.one_account})
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(process.exitcode)


if __name__ == "__main__":
    main()
