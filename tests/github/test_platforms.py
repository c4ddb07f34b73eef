"""README.md's table of platforms, the classifiers, and the jobs of ci.yml name the same platforms."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
JOBS = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]
MATRIX = JOBS["test"]["strategy"]["matrix"]["include"]
SECTION = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## Platforms\n")[2].partition("\n## ")[0]
CLASSIFIERS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["classifiers"]


def test_each_platform_has_a_job() -> None:
    """Each row of the platform table names a job of ci.yml, and each runner of the job `test` has a row."""
    rows = [line.strip("|").split("|") for line in SECTION.splitlines() if line.startswith("|")][2:]
    jobs = [re.search(r"CI's job `(\w+)`", verified_by) for _, _, verified_by in rows]
    assert [job[1] if job else "" for job in jobs] == ["test", "test", "test", "alpine", "windows"]
    assert {job[1] for job in jobs if job} <= JOBS.keys()
    systems = {part["system"] for part in MATRIX}
    assert systems == {"Linux x86-64", "Linux arm64", "macOS Apple silicon", "macOS Intel"}


def test_the_versions_of_python_are_those_of_ci() -> None:
    """CI tests each Python version in the classifiers.

    The oldest tested version is the oldest that dsops accepts.
    """
    named = [match[1] for name in CLASSIFIERS if (match := re.fullmatch(r".*:: Python :: (3\.\d+)", name))]
    tested = {part["python"] for part in MATRIX}
    assert set(named) <= tested
    assert min(tested, key=lambda version: int(version[2:])) == "3.11"


def test_the_systems_are_those_that_were_verified() -> None:
    """The classifiers name no operating system that is unverified according to the platform table."""
    unverified = [line for line in SECTION.splitlines() if line.startswith("|") and "nothing yet" in line]
    assert any("macOS" in line for line in unverified)
    assert [name for name in CLASSIFIERS if "MacOS" in name or "Windows" in name] == []
