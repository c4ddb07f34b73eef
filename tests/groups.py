"""Which tests run where: `make test` runs every test without a mark, two marks have a target each.

`clients` is for tests that drive programs which are not pinned Python packages (SDKs of other languages, AWS CLI 2,
browsers, Terraform, shells), and for what else only CI runs: everything in tests/clients, which starts a sandbox and
programs against it, whole examples and pages with the AWS CLI, broken accounts of tests/explain as seen by readers
with less access, the tests in `long_tests.txt`, most cases of some long lists (`one_in`), and 30 seconds of fuzzing.
`nightly` is for tests that take long, and for most cases of other long lists (`nightly_rest`). `make test` refuses a
foreign program in a test that has no mark, so that it never needs more than Python, git, make and a POSIX shell.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet

MARKS = ("clients", "nightly")
FOLDER = Path(__file__).parent / "clients"
"""The folder whose tests are all in the group `clients`."""

LONG_FILES = frozenset(
    FOLDER.parent / "unit" / name for name in ("test_growth.py", "test_no_leaks.py", "testing/test_plugin.py")
)
"""Files with a long runtime near the end of the order."""

FOREIGN = frozenset({
    "cc", "chromium", "chromium-browser", "dash", "fish", "gcc", "gnome-keyring-daemon", "go", "groff", "java", "javac",
    "ksh", "mvn", "node", "npm", "promtool", "pwsh", "rsyslogd", "rustc", "terraform", "tmux", "tofu", "zsh",
})  # fmt: skip
"""Names of programs that only marked tests may start."""

FOREIGN_CLIENTS = frozenset({"aioboto3", "aws-cli-2", "go", "java", "javascript"})
"""Names of AWS clients that are installed for the tests marked `clients`."""


IS_NIGHTLY = bool(os.environ.get("DSOPS_TESTS_NIGHTLY"))
"""Whether `make nightly` runs."""


IN_CI = [] if os.environ.get("DSOPS_TESTS_EACH_CASE") else [pytest.mark.clients]
"""The marks of tests that `make test` leaves to `make test-clients`; none on the platforms of CI."""


LONG_TESTS = (
    frozenset((Path(__file__).parent / "long_tests.txt").read_text(encoding="ascii").split()) if IN_CI else frozenset()
)
"""Tests that take about a second of CPU time or more; `make test-clients` runs them. Case names are left out."""


def examples(nightly: int) -> int:
    """The number of examples of a property: all of them in `make nightly`, otherwise a fifth, and at least 20."""
    return nightly if IS_NIGHTLY else min(nightly, max(20, nightly // 5))


def marks_of_rest(number: int, part: int) -> list[pytest.MarkDecorator]:
    """The marks of a case in a long list, of which `make test` runs one in `part`, and `make nightly` the rest."""
    return [pytest.mark.nightly] if number % part else []


def one_in(part: int, cases: Iterable[object], name: Callable[[Any], str]) -> list[ParameterSet]:
    """The cases as parameters: `make test` runs one in `part`, and `make test-clients`, which CI runs, the rest.

    With DSOPS_TESTS_EACH_CASE, which CI sets on each platform, `make test` runs all.
    """
    return [
        pytest.param(case, marks=IN_CI if number % part else [], id=name(case)) for number, case in enumerate(cases)
    ]


def nightly_rest(
    part: int, cases: Iterable[object], name: Callable[[Any], str], *, first: Sequence[pytest.MarkDecorator] = ()
) -> list[ParameterSet]:
    """The cases as parameters: `make nightly` runs all but one in `part`.

    `make test` runs this one; with the mark `clients` as `first`, `make test-clients`.
    """
    return [
        pytest.param(case, marks=marks_of_rest(number, part) or first, id=name(case))
        for number, case in enumerate(cases)
    ]


def move_long_files_first(items: list[pytest.Item]) -> None:
    """Move the tests of the longest files to the front, so that no worker begins one when the others are done."""
    items.sort(key=lambda item: item.path not in LONG_FILES)


class ForeignProgramError(Exception):
    """A test without a mark started a program that is not part of what `make test` needs."""


class _Current:
    """The test that runs."""

    is_marked = True


def marks_of(item: pytest.Item) -> list[str]:
    """The marks among `clients` and `nightly` that a test has."""
    return [mark for mark in MARKS if item.get_closest_marker(mark)]


def sort_into_groups(items: Collection[pytest.Item]) -> None:
    """Mark the tests in tests/clients, and those whose parameter `shell` or `client` is a foreign program.

    Raises UsageError on two marks.
    """
    in_folder = {path: FOLDER in path.parents for path in {item.path for item in items}}
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        is_foreign = bool({parameters.get("shell"), parameters.get("client")} & (FOREIGN | FOREIGN_CLIENTS))
        if is_foreign or in_folder[item.path] or (item.nodeid.partition("[")[0] in LONG_TESTS and not marks_of(item)):
            item.add_marker("clients")
        if len(marks_of(item)) > 1:
            raise pytest.UsageError(f"{item.nodeid} is marked both {' and '.join(marks_of(item))}: use one mark")


def enter(item: pytest.Item) -> None:
    """Note which test runs now."""
    _Current.is_marked = bool(marks_of(item))


def leave() -> None:
    """Note that no test runs."""
    _Current.is_marked = True


def refuse_download(name: str) -> None:
    """Raise ForeignProgramError if the current test has no mark."""
    if not _Current.is_marked:
        raise ForeignProgramError(f"this test installs {name}: mark it with @pytest.mark.clients (see tests/groups.py)")


def refuse_foreign(program: object) -> None:
    """Raise ForeignProgramError if the current test has no mark and the program is a foreign one."""
    name = Path(os.fsdecode(program)).name if isinstance(program, (str, bytes, os.PathLike)) else ""
    if name in FOREIGN and not _Current.is_marked:
        raise ForeignProgramError(f"this test starts {name}: mark it with @pytest.mark.clients (see tests/groups.py)")


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event == "subprocess.Popen":
        refuse_foreign(arguments[0])


sys.addaudithook(_watch)
