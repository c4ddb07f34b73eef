"""A clean clone has what it needs: imported packages are declared, and declared packages imported."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.project.source import nodes_of

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
    "prompt_toolkit": "prompt-toolkit",
    "promql_parser": "promql-parser",
    "xdist": "pytest-xdist",
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
    "ruff",
    "schemathesis",
    "types-pyyaml",
}
"""Packages in requirements/dev.in that are run, not imported."""


def imported(files: Iterable[Path]) -> set[str]:
    """Third-party packages that the files import."""
    names = set()
    for file in files:
        for node in nodes_of(file) if file in SOURCES else ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add((node.module or "").partition(".")[0])
    ours = {"dsops", "tests", "bench", "release", "website", "conftest", "handler"}
    others = {name for name in names - sys.stdlib_module_names - ours if not name.startswith("_")}
    return {DISTRIBUTIONS.get(name, name) for name in others}


def declared(lines: Iterable[str]) -> set[str]:
    """The packages named in lines of requirements."""
    found = (re.match(r"[A-Za-z0-9][\w.-]*", line) for line in lines)
    return {match[0].lower() for match in found if match}


def lines_of(name: str) -> list[str]:
    """The lines of a file in requirements/."""
    return (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()


SOURCES = set((ROOT / "src").rglob("*.py"))
SANDBOX = set((ROOT / "src" / "dsops" / "sandbox").rglob("*.py"))
REQUEST = set((ROOT / "src" / "dsops" / "request").rglob("*.py"))
TESTING = set((ROOT / "src" / "dsops" / "testing").rglob("*.py"))
BASE = declared(PROJECT["dependencies"])
EXTRAS = {name: declared(lines) for name, lines in PROJECT["optional-dependencies"].items()}
EXTRA = EXTRAS["sandbox"]
OTHERS = set().union(*(packages for name, packages in EXTRAS.items() if name != "sandbox"))


def test_what_dsops_imports_is_what_it_depends_on() -> None:
    """dsops imports exactly the packages that it declares, apart from extras.

    The calling program provides boto3: the library reports boto3 missing only when a session is requested.
    """
    assert BASE | OTHERS | {"boto3"} == imported(SOURCES - SANDBOX - TESTING)


def test_what_the_sandbox_imports_is_in_its_extra() -> None:
    """The sandbox (with the rooms that it reads requests with) imports exactly the packages that its extra declares."""
    read = imported(SANDBOX | REQUEST | {ROOT / "src" / "dsops" / "service_reference.py"})
    assert BASE | EXTRA == read | BASE
    assert EXTRA <= read


def test_what_the_pytest_plugin_imports_is_there() -> None:
    """The pytest plugin imports only packages of dsops and the sandbox, pytest, and boto3 (which moto requires)."""
    assert imported(TESTING) <= BASE | EXTRA | {"pytest", "boto3"}


def test_what_tests_import_is_in_the_list_for_tests() -> None:
    """requirements/dev.in lists exactly the packages that tests import."""
    imports = imported(file for folder in ("tests", "bench", "examples") for file in (ROOT / folder).rglob("*.py"))

    assert set() == imports - declared(lines_of("dev.in")) - BASE - EXTRA - OTHERS
    assert set() == declared(lines_of("dev.in")) - imports - TOOLS - OTHERS


@pytest.mark.parametrize("name", ["dev", "github", "publish", "pycurl", "release", "site"])
def test_what_is_asked_for_is_pinned(name: str) -> None:
    """Every declared package is pinned, so a forgotten `make lock` is noticed."""
    pins = {line.partition("==")[0] for line in lines_of(f"{name}.txt") if "==" in line}
    assert declared(lines_of(f"{name}.in")) <= pins


def test_the_demo_has_all_that_dsops_and_its_sandbox_want() -> None:
    """The demo's requirements pin everything that dsops and its sandbox need, except pycurl (added by the Makefile)."""
    pins = {line.partition("==")[0] for line in lines_of("demo.txt") if "==" in line}

    assert (BASE | EXTRA) - {"pycurl"} <= pins


def test_pins_name_no_registry() -> None:
    """Pinned requirements name no package registry and have hashes for every file."""
    for name in (
        "demo.txt",
        "dev.txt",
        "github.txt",
        "publish.txt",
        "pycurl.txt",
        "pyz.txt",
        "release.txt",
        "site.txt",
    ):
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        assert "://" not in text
        assert all("--hash" in text.partition(pin)[2][:200] for pin in re.findall(r"^\S+==\S+ \\$", text, re.MULTILINE))


def test_ci_runs_what_the_readme_says() -> None:
    """CI runs lint, types, contracts, `make test` and `make test-clients` in an environment that make created."""
    steps = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    positions = [steps.index(f"\nmake {goal} ") for goal in ("lint types contracts", "test", "test-clients")]

    assert sorted(positions) == positions
    for goal in ("test", "test-clients"):
        assert re.search(rf"^{goal}: \$\(DEV\)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
