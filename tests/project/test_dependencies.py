"""A clean clone has what it needs: every package that is imported is declared, and every one declared is imported."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

DISTRIBUTIONS = {
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "hcl2": "python-hcl2",
    "jwt": "pyjwt",
    "google": "protobuf",
    "opentelemetry": "opentelemetry-proto",
    "prometheus_client": "prometheus-client",
    "promql_parser": "promql-parser",
    "yaml": "pyyaml",
}
"""Import name -> package, where they differ."""

TOOLS = {
    "awscli",
    "awscrt",
    "cfn-lint",
    "import-linter",
    "mypy",
    "pytest-timeout",
    "pytest-xdist",
    "ruff",
    "types-pyyaml",
}
"""Of requirements/dev.in: run, not imported."""


def imported(files: Iterable[Path]) -> set[str]:
    """The packages, neither Python's own nor of this repository, that the files import somewhere."""
    names = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add((node.module or "").partition(".")[0])
    ours = {"dsops", "tests", "bench", "conftest", "handler"}
    others = {name for name in names - sys.stdlib_module_names - ours if not name.startswith("_")}
    return {DISTRIBUTIONS.get(name, name) for name in others}


def declared(lines: Iterable[str]) -> set[str]:
    """The packages that lines of requirements name."""
    found = (re.match(r"[A-Za-z0-9][\w.-]*", line) for line in lines)
    return {match[0].lower() for match in found if match}


def lines_of(name: str) -> list[str]:
    """The lines of a file in requirements/."""
    return (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()


SOURCES = set((ROOT / "src").rglob("*.py"))
SANDBOX = set((ROOT / "src" / "dsops" / "sandbox").rglob("*.py"))
TESTING = set((ROOT / "src" / "dsops" / "testing").rglob("*.py"))
BASE = declared(PROJECT["dependencies"])
EXTRAS = {name: declared(lines) for name, lines in PROJECT["optional-dependencies"].items()}
EXTRA = EXTRAS["sandbox"]
OTHERS = set().union(*(packages for name, packages in EXTRAS.items() if name != "sandbox"))


def test_what_dsops_imports_is_what_it_depends_on() -> None:
    """Neither an import that only this machine has, nor a package that is installed for nothing; extras besides.

    boto3 belongs to the program that asks the library for a session of it, which is told so where it has none.
    """
    assert BASE | OTHERS | {"boto3"} == imported(SOURCES - SANDBOX - TESTING)


def test_what_the_sandbox_imports_is_in_its_extra() -> None:
    """Besides what dsops has anyway; AWS's lists it reads through `service_reference`."""
    read = imported(SANDBOX | {ROOT / "src" / "dsops" / "service_reference.py"})
    assert BASE | EXTRA == read | BASE
    assert EXTRA <= read


def test_what_the_pytest_plugin_imports_is_there() -> None:
    """pytest is whoever runs it, and boto3 comes with moto."""
    assert imported(TESTING) <= BASE | EXTRA | {"pytest", "boto3"}


def test_what_tests_import_is_in_the_list_for_tests() -> None:
    """`make test` in a clean clone finds everything."""
    wanted = imported(file for folder in ("tests", "bench", "examples") for file in (ROOT / folder).rglob("*.py"))

    assert set() == wanted - declared(lines_of("dev.in")) - BASE - EXTRA - OTHERS
    assert set() == declared(lines_of("dev.in")) - wanted - TOOLS - OTHERS


@pytest.mark.parametrize(("listed", "pinned"), [("dev.in", "dev.txt"), ("pycurl.in", "pycurl.txt")])
def test_what_is_asked_for_is_pinned(listed: str, pinned: str) -> None:
    """A package that was added without `make lock` would be missing in a clean clone."""
    assert declared(lines_of(listed)) <= {line.partition("==")[0] for line in lines_of(pinned) if "==" in line}


def test_the_demo_has_all_that_dsops_and_its_sandbox_want() -> None:
    """But pycurl, which the Makefile adds where it has a wheel."""
    pins = {line.partition("==")[0] for line in lines_of("demo.txt") if "==" in line}

    assert (BASE | EXTRA) - {"pycurl"} <= pins


def test_pins_name_no_registry() -> None:
    """They are installed from whichever index or mirror a machine uses, and every file's hash is checked."""
    for name in ("demo.txt", "dev.txt", "pycurl.txt"):
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        assert "://" not in text
        assert all("--hash" in text.partition(pin)[2][:200] for pin in re.findall(r"^\S+==\S+ \\$", text, re.MULTILINE))


def test_ci_runs_what_the_readme_says() -> None:
    """Lint, types and contracts, then `make test`, in an environment that make has made."""
    steps = (ROOT / ".ci" / "run").read_text(encoding="utf-8")

    assert steps.index("make lint types contracts") < steps.index("make test")
    assert re.search(r"^test: \$\(DEV\)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
